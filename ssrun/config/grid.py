"""The grid of an experiment: tasks by strategies by seeds, and each task once for each setting of what is swept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer

from ssrun.config.overrides import SECTIONS, given
from ssrun.config.spec import Seed, label
from ssrun.errors import UsageError
from ssrun.system.text import shown_value
from ssrun.tasks import TASKS

MOST_RUNS = 100_000


def parse_seeds(value: Any) -> Any:
    """`"0..4"`, `"0,2,5..9"`, `3` or a list, as a tuple of distinct seeds in order."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if isinstance(value, str):
        value = [seed for part in value.split(",") for seed in seeds_of(part, value)]
    if not isinstance(value, list | tuple | range) or not value:
        raise ValueError("give at least one seed, like 0..4 or 0,1,2")
    if len(set(map(repr, value))) < len(value):  # of whatever kind: the kind is checked next
        raise ValueError("a seed is given twice: runs of one seed are the same run")
    return tuple(value)


def seeds_of(part: str, whole: str) -> range:
    """The seeds of a part of a list, `3` or `5..9`."""
    match = re.fullmatch(r"\s*(\d{1,10})(?:\s*\.\.\s*(\d{1,10}))?\s*", part)
    if match is None:
        raise ValueError(f"{shown_value(whole)} is not a list of seeds: write 0..4 or 0,1,2")
    low, high = int(match[1]), int(match[2] or match[1])
    if low > high:
        raise ValueError(f"{whole!r} counts down: write the lower seed first, like 0..4")
    if high - low >= MOST_RUNS:
        raise ValueError(f"{whole!r} is more than {MOST_RUNS:,} seeds")
    return range(low, high + 1)


def entries(value: Any) -> Any:
    """A list of names as entries without changes, or of (name, entry) pairs, in order."""
    if isinstance(value, list | tuple):
        if value and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):  # as it is stored
            names = [pair[0] for pair in value]
            if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
                raise ValueError("names, please, each once: a list of strings, or a table of changes by name")
            return dict(value)
        if not all(isinstance(name, str) for name in value):
            raise ValueError("names, please: a list of strings, or a table of changes by name")
        if len(set(value)) < len(value):
            raise ValueError("a name is given twice")
        return {name: {} for name in value}
    return value


def paths(value: Any) -> Any:
    """The values of a sweep by dotted path, whether a file says `"model.hidden"` or has a table in the table.

    As it is stored it is a list of pairs: the order of the fields is that of the names that it makes.
    """
    if isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        value = dict(value) if all(isinstance(name, str) for name, _ in value) else value
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, part in value.items():
        found |= (
            {f"{name}.{field}": values for field, values in part.items()} if isinstance(part, dict) else {name: part}
        )
    return found


Seeds = Annotated[tuple[Seed, ...], BeforeValidator(parse_seeds)]
IN_ORDER = PlainSerializer(
    lambda value: [list(pair) for pair in value.items()], when_used="json"
)  # JSON objects: no order
Sweep = Annotated[dict[str, Annotated[list[Any], Field(min_length=1)]], BeforeValidator(paths), IN_ORDER]
Entries = Annotated[
    dict[str, dict[str, Any]],
    BeforeValidator(entries),
    IN_ORDER,
]


class GridCell(NamedTuple):
    """A task of the grid: the file's task that it is, and what is set of the fields that are swept, by path."""

    task: str
    settings: dict[str, Any]
    entry: dict[str, Any]


def swept(tasks: Entries, sweep: Mapping[str, Sequence[Any]]) -> dict[str, GridCell]:
    """Each task once for each setting of the fields swept that it has, named by them: `reverse-hidden-32`.

    ValueError where no task has such a field, or a name cannot be.
    """
    known = {name: fields_of(entry.get("base", name)) for name, entry in tasks.items()}
    for path, values in sweep.items():
        if not any(has(fields, path) for fields in known.values()):
            raise ValueError(f"sweep: {shown_value(path)}: no task here has such a field: see `ssrun list fields`")
        if len(set(map(given, values))) < len(values):
            raise ValueError(f"sweep: {path}: a value is given twice: give it once")
    cells: dict[str, GridCell] = {}
    for name, entry in tasks.items():
        own = {path: values for path, values in sweep.items() if has(known[name], path)}
        if prod(map(len, own.values())) > MOST_RUNS:
            raise ValueError(f"sweep: more than {MOST_RUNS:,} settings: take fewer values")
        for setting in product(*own.values()):
            chosen = dict(zip(own, setting, strict=True))
            cell = "-".join([name, *(named(path, value, sweep) for path, value in chosen.items())])
            try:
                label(cell)
            except UsageError as error:
                raise ValueError(f"sweep: {error}") from None
            if cell in cells or (chosen and cell in tasks):
                raise ValueError(f"sweep: two tasks would be called {cell!r}: name other values or tasks")
            cells[cell] = GridCell(name, chosen, with_settings(entry, name, chosen) if chosen else entry)
    return cells


def fields_of(task: Any) -> set[str] | None:
    """The fields of a task; None where it is unknown, which is told elsewhere, or a plugin's, which is not loaded."""
    return set(TASKS.built_in[task].model_fields) - {"name"} if task in TASKS.built_in else None


def has(of_task: set[str] | None, path: str) -> bool:
    """Whether a task with these fields has the field at a path; sections other than `task` are checked elsewhere."""
    section, _, field = path.partition(".")
    if section != "task" or of_task is None:
        return section in SECTIONS and bool(field)
    return field in of_task


def named(path: str, value: Any, sweep: Mapping[str, Sequence[Any]]) -> str:
    """A setting as a part of a name: `hidden-32`; with its section where two fields swept have one name."""
    fields = [other.partition(".")[2] for other in sweep]
    field = path.partition(".")[2]
    words = f"{field if fields.count(field) == 1 else path}-{given(value)}"
    return re.sub(r"[^A-Za-z0-9.-]+", "-", words)


def with_settings(entry: Mapping[str, Any], name: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """A task's entry with fields set, by path, that are stronger than a strategy's."""
    settings = {section: dict(fields) for section, fields in entry.get("settings", {}).items()}
    for path, value in chosen.items():
        section, _, field = path.partition(".")
        settings.setdefault(section, {})[field] = value
    return {"base": name, **entry, "settings": settings}
