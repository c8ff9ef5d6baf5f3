"""What a comparison swept: what its tasks are settings of, in words, in order. It knows labels and no numbers of runs.

All orders are those of the rows, which a kept document has as they were given; its objects have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ssrun.analysis.document import Comparison
from ssrun.config.experiment import STEPS
from ssrun.config.overrides import given
from ssrun.system.text import visible

Value = TypeVar("Value")


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


Settings = dict[str, str]  # values as texts, by path, in the order in which the fields were given


def titles(comparison: Comparison) -> dict[str, str]:
    """Of each task what it is: `translation, dropout 0.2, 500 steps`; of one that is no setting, its name.

    Where tasks differ in their budget that is said, too.
    """
    names = short_names(comparison)
    found = {
        label: title(task, settings, names)
        for task, labels in settings_by_task(comparison).items()
        for label, settings in labels.items()
    }
    return {task: found.get(task) or with_budget(task, comparison) for task in comparison.tasks}


def with_budget(task: str, comparison: Comparison) -> str:
    """A task's name, with its optimiser steps where it has one number of them and other tasks have others."""
    steps = {count for row in comparison.rows if row.task == task for count in row.steps}
    return f"{task}, {steps.pop():,} steps" if len(steps) == 1 < len(comparison.steps) else task


def in_common(comparison: Comparison, values: Mapping[str, Value]) -> dict[str, Value]:
    """Values by task, in the tasks' order and by title; but once, by name, what all settings of a task have alike."""
    names, found = titles(comparison), {}
    for task in filter(values.__contains__, comparison.tasks):
        cell, value = comparison.cells.get(task), values[task]
        others = [other for other, of in comparison.cells.items() if cell and of.task == cell.task]
        alike = all(values.get(other, value) == value for other in others)
        found[names[task] if cell and not alike else cell.task if cell else task] = value
    return found


def title(task: str, settings: Settings, names: Mapping[str, str]) -> str:
    """A task with settings, the budget last."""
    ordered = sorted(settings, key=STEPS.__eq__)
    return ", ".join([task, *(Axis(names[path], []).label(settings[path]) for path in ordered)])


def short_names(comparison: Comparison) -> dict[str, str]:
    """The fields that were swept, by path, without their sections, but where two would be called alike."""
    known = dict.fromkeys(path for cell in comparison.cells.values() for path in cell.settings)
    fields = [path.partition(".")[2] for path in known]
    return {path: field if fields.count(field) == 1 else path for path, field in zip(known, fields, strict=True)}


def text_of(value: Any) -> str:
    """A setting as people read it: `8,000`, `0.2`, `dot`."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else visible(given(value))


def settings_by_task(comparison: Comparison) -> dict[str, dict[str, Settings]]:
    """The settings of the comparison's tasks, by what they are settings of."""
    found: dict[str, dict[str, Settings]] = {}
    for label in comparison.tasks:
        if cell := comparison.cells.get(label):
            settings = {path: text_of(value) for path, value in cell.settings.items()}
            found.setdefault(cell.task, {})[label] = settings
    for task, labels in found.items():
        order = slowest_first([*labels.values()])
        found[task] = {label: {path: settings[path] for path in order} for label, settings in labels.items()}
    return found


def slowest_first(settings: Sequence[Settings]) -> list[str]:
    """The fields as they were given: a sweep takes the last one's values in turn for each value of those before it."""
    first = settings[0]

    def changes(path: str) -> int:
        return next((index for index, found in enumerate(settings) if found[path] != first[path]), 0)

    return sorted(sorted(first), key=changes, reverse=True)


def budgets(comparison: Comparison) -> list[Series]:
    """Each task, with each setting of what else was swept, that is there at more than one budget."""
    names = short_names(comparison)
    found: dict[str, dict[int, str]] = {}
    for task, labels in settings_by_task(comparison).items():
        for label, settings in labels.items():
            steps = comparison.cells[label].settings.get(STEPS)
            if isinstance(steps, int):
                others = {path: value for path, value in settings.items() if path != STEPS}
                found.setdefault(title(task, others, names), {})[steps] = label
    return [Series(name, dict(sorted(tasks.items()))) for name, tasks in found.items() if len(tasks) > 1]


def planes(comparison: Comparison) -> list[Plane]:
    """Each task that is there at several values of exactly two fields."""
    names = short_names(comparison)
    found = []
    for task, labels in settings_by_task(comparison).items():
        values = {path: [of[path] for of in labels.values()] for path in next(iter(labels.values()))}
        varying = [path for path, of in values.items() if len(set(of)) > 1]
        if len(varying) == 2:
            rows, columns = (Axis(names[path], list(dict.fromkeys(values[path]))) for path in varying)
            tasks = dict(zip(zip(*(values[path] for path in varying), strict=True), labels, strict=True))
            found.append(Plane(task, rows, columns, tasks))
    return found
