"""Experiment: a question, a grid of runs, and what is claimed of it; what a TOML file says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from ssrun.config.claims import Claim, Published, Reach
from ssrun.config.overrides import SECTIONS, given
from ssrun.config.run import Section
from ssrun.config.spec import Seed, label
from ssrun.errors import UsageError, unknown
from ssrun.metrics import METRICS, TO_REACH
from ssrun.system.text import shown_value
from ssrun.tasks import TASKS

MOST_RUNS = 100_000
COLUMNS = ("bleu", "exact_match", "free_running_loss", "teacher_forced_loss", "exposure_gap")


def parse_seeds(value: Any) -> Any:
    """`"0..4"`, `"0,2,5"`, `3` or a list, as a tuple of distinct seeds in order."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if isinstance(value, str):
        if match := re.fullmatch(r"\s*(\d{1,10})\s*\.\.\s*(\d{1,10})\s*", value):
            low, high = map(int, match.groups())
            if low > high:
                raise ValueError(f"{value!r} counts down: write the lower seed first, like 0..4")
            if high - low >= MOST_RUNS:
                raise ValueError(f"{value!r} is more than {MOST_RUNS:,} seeds")
            value = range(low, high + 1)
        elif re.fullmatch(r"\s*\d{1,10}(\s*,\s*\d{1,10})*\s*", value):
            value = [int(part) for part in value.split(",")]
        else:
            raise ValueError(f"{shown_value(value)} is not a list of seeds: write 0..4 or 0,1,2")
    if not isinstance(value, list | tuple | range) or not value:
        raise ValueError("give at least one seed, like 0..4 or 0,1,2")
    if len(set(map(repr, value))) < len(value):  # of whatever kind: the kind is checked next
        raise ValueError("a seed is given twice: runs of one seed are the same run")
    return tuple(value)


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
    """The values of a sweep by dotted path, whether a file says `"model.hidden"` or has a table in the table."""
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, part in value.items():
        found |= (
            {f"{name}.{field}": values for field, values in part.items()} if isinstance(part, dict) else {name: part}
        )
    return found


Seeds = Annotated[tuple[Seed, ...], BeforeValidator(parse_seeds)]
Sweep = Annotated[dict[str, Annotated[list[Any], Field(min_length=1)]], BeforeValidator(paths)]
Entries = Annotated[
    dict[str, dict[str, Any]],
    BeforeValidator(entries),
    PlainSerializer(lambda value: [list(pair) for pair in value.items()], when_used="json"),  # JSON objects: no order
]


class Experiment(Section):
    """A comparison, whole, as a file says it; the file's name is its own."""

    name: str = "experiment"
    question: str = Field(
        default_factory=lambda fields: f"{fields['name']}: how do its strategies compare?",
        min_length=1,
        max_length=1000,
        description="what it is to answer, in a sentence",
    )
    tasks: Entries = Field(
        description="tasks by name: a list, or a table whose entries have a base task, changes to any section, and "
        "settings (the same, but stronger than a strategy's)"
    )
    strategies: Entries = Field(
        description="strategies by name: a list, or a table whose entries have a base strategy, changes to the "
        "strategy's fields, and to the sections other than task"
    )
    seeds: Seeds = Field((0, 1, 2), description="the pairs of every comparison: 0..7, a list, or one")
    baseline: str = Field("teacher-forcing", description="the strategy that the others are compared with")
    metrics: tuple[str, ...] = Field(COLUMNS, description="columns of the table; see `ssrun list metrics`")
    sweep: Sweep = Field(
        default_factory=dict,
        description='values to take in turn, by path: "model.hidden" = [32, 64]; each makes a task of its own, '
        "such as reverse-hidden-32, with a baseline of its own",
    )
    match: Literal["mean-epsilon"] | None = Field(
        None, description="mean-epsilon gives every decay the same mean epsilon over the run"
    )
    mean_epsilon: float = Field(0.5, gt=0, lt=1, description="the share of true tokens over the run that match gives")
    reach: Reach | None = Field(None, description="the score to reach, for steps_to_reach and seconds_to_reach")
    claims: tuple[Claim, ...] = Field((), description="what somebody says of the outcome; each gets a verdict")
    published: Published | None = Field(None, description="a publication's numbers, shown beside ours")
    reading: str = Field("", description="what to make of the table, printed after it where all is as the file says")
    minutes: float | None = Field(None, gt=0, description="how long it takes on two cores")
    task: dict[str, Any] = Field(
        default_factory=dict, description="changes to the task of all runs that have such a field"
    )
    strategy: dict[str, Any] = Field(
        default_factory=dict, description="changes to the strategy of all runs that have such a field"
    )
    model: dict[str, Any] = Field(default_factory=dict, description="changes to the model of all runs")
    training: dict[str, Any] = Field(default_factory=dict, description="changes to the training of all runs")
    scoring: dict[str, Any] = Field(default_factory=dict, description="changes to the scoring of all runs")

    @property
    def cells(self) -> Entries:
        """The tasks of the grid: each once for each setting of what is swept. ValueError where there can be none."""
        return swept(self.tasks, self.sweep)

    @property
    def task_kinds(self) -> list[str]:
        """Of each task the one in TASKS that it is, or is a variant of."""
        return [entry.get("base", name) for name, entry in self.tasks.items()]

    @field_validator("tasks", "strategies", mode="after")
    @classmethod
    def _names(cls, value: Entries) -> Entries:
        if not value:
            raise ValueError("give at least one")
        for name, entry in value.items():
            try:
                label(name)
            except UsageError as error:
                raise ValueError(str(error)) from None
            if not isinstance(entry.get("base", name), str):
                raise ValueError(f"{name}.base: a name, please")
            settings = entry.get("settings", {})
            if not isinstance(settings, dict) or not all(isinstance(fields, dict) for fields in settings.values()):
                raise ValueError(f"{name}.settings: a table of fields by section, please")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(unknown("metric", name, METRICS))
        tasks = self.cells
        needs_reach = {*TO_REACH} & {*self.metrics, *(c.metric for c in self.claims)}
        if needs_reach and self.reach is None:
            raise ValueError(f"{', '.join(sorted(needs_reach))}: say which score: [reach] metric, value")
        for claim in self.claims:
            where = f"claim {shown_value(claim.text)}"
            for operand in claim.operands():
                if operand.strategy not in self.strategies:
                    raise ValueError(f"{where}: {unknown('strategy', operand.strategy, self.strategies)}")
                if operand.task not in tasks:
                    raise ValueError(f"{where}: {unknown('task', operand.task, tasks)}")
        if self.published:
            columns = len(self.published.metrics)
            for strategy, values in self.published.rows.items():
                if strategy not in self.strategies:
                    raise ValueError(f"published: {unknown('strategy', strategy, self.strategies)}")
                if len(values) != columns:
                    raise ValueError(f"published: {strategy} has {len(values)} numbers for {columns} metrics")
        return self


def swept(tasks: Entries, sweep: Mapping[str, Sequence[Any]]) -> Entries:
    """Each task once for each setting of the fields swept that it has, named by them: `reverse-hidden-32`.

    ValueError where no task has such a field, or a name cannot be.
    """
    known = {name: fields_of(entry.get("base", name)) for name, entry in tasks.items()}
    for path, values in sweep.items():
        if not any(has(fields, path) for fields in known.values()):
            raise ValueError(f"sweep: {shown_value(path)}: no task here has such a field: see `ssrun list fields`")
        if len(set(map(given, values))) < len(values):
            raise ValueError(f"sweep: {path}: a value is given twice: give it once")
    cells: Entries = {}
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
            cells[cell] = with_settings(entry, name, chosen) if chosen else entry
    return cells


def fields_of(task: Any) -> set[str] | None:
    """The fields of a task; None where it is unknown, which is told elsewhere."""
    return set(TASKS[task].model_fields) - {"name"} if task in TASKS else None


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


def metric_named(text: str) -> str:
    """The metric of this name or table heading, in capitals or not; UsageError where there is none."""
    wanted = text.strip().casefold()
    for name, metric in METRICS.items():
        if wanted in (name, metric.short.casefold()):
            return name
    raise UsageError(unknown("metric", text.strip(), METRICS))
