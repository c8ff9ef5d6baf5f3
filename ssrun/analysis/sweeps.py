"""What a comparison swept: what its tasks are settings of, in words, in order. It knows labels and no numbers of runs.

All orders are those of the rows, which a kept document has as they were given; its objects have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ssrun.analysis.document import Comparison
from ssrun.config.experiment import STEPS
from ssrun.config.overrides import given
from ssrun.system.text import visible


class Series(NamedTuple):
    """One task at several budgets, all else equal: the comparison's task of each, by optimiser steps, ascending."""

    title: str
    tasks: dict[int, str]


class Axis(NamedTuple):
    """A field that was swept: its name, and its values in the order given, as texts."""

    name: str
    values: list[str]

    def label(self, value: str) -> str:
        """`dropout 0.2`, `500 steps`."""
        return f"{value} steps" if self.name == "steps" else f"{self.name} {value}"


class Plane(NamedTuple):
    """One task over two fields that were swept: the comparison's task of each square, by row and column."""

    title: str
    rows: Axis
    columns: Axis
    tasks: dict[tuple[str, str], str]


def titles(comparison: Comparison) -> dict[str, str]:
    """Of each task what it is: `translation, dropout 0.2, 500 steps`; of one that is no setting, its name."""
    settings = {task: comparison.cells[task] for task in comparison.tasks if task in comparison.cells}
    names = short_names(path for cell in settings.values() for path in cell.settings)
    found = {task: title(cell.task, cell.settings, names) for task, cell in settings.items()}
    return {task: found.get(task, task) for task in comparison.tasks}


def title(task: str, settings: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A task with settings by path, the budget last."""
    ordered = sorted(settings, key=lambda path: (path == STEPS, path))
    return ", ".join([task, *(Axis(names[path], []).label(text_of(settings[path])) for path in ordered)])


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """The fields by path without their sections, but where two would be called alike."""
    known = dict.fromkeys(paths)
    fields = {path: path.partition(".")[2] for path in known}
    return {path: field if [*fields.values()].count(field) == 1 else path for path, field in fields.items()}


def text_of(value: Any) -> str:
    """A setting as people read it: `8,000`, `0.2`, `dot`."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else visible(given(value))


def budgets(comparison: Comparison) -> list[Series]:
    """Each task, with each setting of what else was swept, that is there at more than one budget."""
    found: dict[tuple[str, ...], dict[int, str]] = {}
    heads: dict[tuple[str, ...], str] = {}
    cells = {task: comparison.cells[task] for task in comparison.tasks if task in comparison.cells}
    names = short_names(path for cell in cells.values() for path in cell.settings)
    for task, cell in cells.items():
        steps = cell.settings.get(STEPS)
        if isinstance(steps, int):
            others = {path: value for path, value in cell.settings.items() if path != STEPS}
            key = (cell.task, *(f"{path} {given(value)}" for path, value in sorted(others.items())))
            found.setdefault(key, {})[steps] = task
            heads[key] = title(cell.task, others, names)
    return [Series(heads[key], dict(sorted(of.items()))) for key, of in found.items() if len(of) > 1]


def planes(comparison: Comparison) -> list[Plane]:
    """Each task that is there at several values of exactly two fields."""
    by_task: dict[str, dict[str, dict[str, str]]] = {}  # settings as texts, by the comparison's task, by task
    for label in comparison.tasks:
        if cell := comparison.cells.get(label):
            by_task.setdefault(cell.task, {})[label] = {path: text_of(value) for path, value in cell.settings.items()}
    found = []
    for task, settings in by_task.items():
        varying = slowest_first([*settings.values()])
        if len(varying) == 2:
            names = short_names(varying)
            rows, columns = (
                Axis(names[path], list(dict.fromkeys(of[path] for of in settings.values()))) for path in varying
            )
            tasks = {(of[varying[0]], of[varying[1]]): label for label, of in settings.items()}
            found.append(Plane(task, rows, columns, tasks))
    return found


def slowest_first(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """The fields that are not the same in all of these, the one that was given first before the others.

    A sweep takes the last field's values in turn for each value of those before it.
    """
    first = settings[0]

    def changes(path: str) -> int:
        return next((index for index, found in enumerate(settings) if found[path] != first[path]), 0)

    return sorted(filter(changes, sorted(first)), key=changes, reverse=True)
