"""Experiment: a question, a grid of runs, and what is claimed of it; what a TOML file says."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from ssrun.config.claims import Claim, Published, Reach
from ssrun.config.run import Section
from ssrun.config.spec import Seed, label
from ssrun.errors import UsageError, unknown
from ssrun.metrics import METRICS
from ssrun.system.text import shown_value

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


Seeds = Annotated[tuple[Seed, ...], BeforeValidator(parse_seeds)]
Entries = Annotated[
    dict[str, dict[str, Any]],
    BeforeValidator(entries),
    PlainSerializer(lambda value: [list(pair) for pair in value.items()], when_used="json"),  # JSON objects: no order
]


class Experiment(Section):
    """A comparison, whole, as a file says it.

    Attributes:
        tasks: Tasks by name; an entry may have a `base` task and changes to any section.
        strategies: Strategies by name; an entry may have a `base`, changes to the strategy's fields, and to
            the sections other than `task`.
        seeds: The pairs of every comparison.
        baseline: The strategy that others are compared with.
        metrics: Columns of the table.
        match: `mean-epsilon` gives every decay the same mean epsilon, `mean_epsilon`, over the run.
        mean_epsilon: Share of true tokens over the run, 0 to 1.
        reach: The loss to reach, for `steps_to_reach` and `seconds_to_reach`.
        reading: What to make of the table, printed after it.
        minutes: How long it takes on two cores.
        model: Changes for all runs; likewise training, scoring, task and strategy (these two where a run
            has such a field).
    """

    name: str = "experiment"
    question: str = Field(min_length=1, max_length=1000)
    tasks: Entries
    strategies: Entries
    seeds: Seeds = (0, 1, 2)
    baseline: str = "teacher-forcing"
    metrics: tuple[str, ...] = COLUMNS
    match: Literal["mean-epsilon"] | None = None
    mean_epsilon: float = Field(0.5, gt=0, lt=1)
    reach: Reach | None = None
    claims: tuple[Claim, ...] = ()
    published: Published | None = None
    reading: str = ""
    minutes: float | None = Field(None, gt=0)
    task: dict[str, Any] = Field(default_factory=dict)
    strategy: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    scoring: dict[str, Any] = Field(default_factory=dict)

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
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(unknown("metric", name, METRICS))
        needs_reach = {"steps_to_reach", "seconds_to_reach"} & {*self.metrics, *(c.metric for c in self.claims)}
        if needs_reach and self.reach is None:
            raise ValueError(f"{', '.join(sorted(needs_reach))}: say which loss: [reach] metric, value")
        for claim in self.claims:
            where = f"claim {shown_value(claim.text)}"
            for operand in claim.operands():
                if operand.strategy not in self.strategies:
                    raise ValueError(f"{where}: {unknown('strategy', operand.strategy, self.strategies)}")
                if operand.task not in self.tasks:
                    raise ValueError(f"{where}: {unknown('task', operand.task, self.tasks)}")
        if self.published:
            columns = len(self.published.metrics)
            for strategy, values in self.published.rows.items():
                if strategy not in self.strategies:
                    raise ValueError(f"published: {unknown('strategy', strategy, self.strategies)}")
                if len(values) != columns:
                    raise ValueError(f"published: {strategy} has {len(values)} numbers for {columns} metrics")
        return self
