"""Experiment: a question, a grid of runs, and what is claimed of it; what a TOML file says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ssrun.config.claims import Claim, Published, Reach
from ssrun.config.grid import Entries, GridCell, Seeds, Sweep, paths, swept
from ssrun.config.run import Section
from ssrun.config.spec import label
from ssrun.config.tuning import Tune
from ssrun.errors import UsageError, unknown
from ssrun.metrics import METRICS, TO_REACH
from ssrun.system.text import plural, shown_value

STEPS = "training.steps"  # the path of the budget
COLUMNS = ("bleu", "exact_match", "free_running_loss", "teacher_forced_loss", "exposure_gap")


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
    budgets: tuple[int, ...] = Field(
        (), description="optimiser steps to compare at, such as [500, 1000, 2000]: a sweep of training.steps"
    )
    vary: Sweep = Field(
        default_factory=dict, description="a sweep of two fields, which gives a map: a difference a square"
    )
    match: Literal["mean-epsilon"] | None = Field(
        None, description="mean-epsilon gives every decay the same mean epsilon over the run"
    )
    mean_epsilon: float = Field(0.5, gt=0, lt=1, description="the share of true tokens over the run that match gives")
    tune: Tune | None = Field(None, description="what is tried of each strategy first, to find its best settings")
    tuned_on: Seeds | None = Field(
        None, description="seeds that were looked at while this experiment was made: no verdict on them confirms"
    )
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
    def grid(self) -> dict[str, GridCell]:
        """The tasks of the grid: each once for each setting of what is swept. ValueError where there can be none."""
        return swept(self.tasks, self.sweep)

    @property
    def cells(self) -> Entries:
        """The entries of the grid's tasks. ValueError as `grid`."""
        return {name: cell.entry for name, cell in self.grid.items()}

    @property
    def task_kinds(self) -> list[str]:
        """Of each task the one in TASKS that it is, or is a variant of."""
        return [entry.get("base", name) for name, entry in self.tasks.items()]

    @property
    def asked_metrics(self) -> list[str]:
        """The metrics that its table and its claims ask for."""
        return list(dict.fromkeys([*self.metrics, *(claim.metric for claim in self.claims)]))

    @model_validator(mode="before")
    @classmethod
    def _axes_are_sweeps(cls, document: Any) -> Any:
        """Moves `budgets` and `vary` to `sweep`: three ways to say what is compared, one to keep it."""
        if not isinstance(document, Mapping):
            return document
        fields, vary, sweep = dict(document), paths(document.get("vary")), paths(document.get("sweep"))
        if vary and isinstance(vary, Mapping):
            if len(vary) != 2:
                raise ValueError(f"vary: {plural(len(vary), 'field')}: a map has two; give others as a sweep")
            sweep = {**(sweep or {}), **vary}
            fields["vary"] = {}
        if budgets := document.get("budgets"):
            if STEPS in (sweep or {}):
                raise ValueError(f"budgets: {STEPS} is swept already: give one of them")
            sweep = {**(sweep or {}), STEPS: list(budgets) if isinstance(budgets, list | tuple) else budgets}
            fields["budgets"] = ()
        return {**fields, "sweep": sweep} if sweep else fields

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
    def _tuning_is_apart(self) -> Self:
        if self.tune and (shared := sorted({*self.tune.seeds} & {*self.seeds})):
            raise ValueError(f"tune.seeds: seed {shared[0]} is among seeds: judge on seeds that tuning has not seen")
        if self.tune and (both := sorted({*self.tune.grid} & {*self.sweep})):
            raise ValueError(f"tune.grid: {both[0]} is swept: tune it or sweep it")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(unknown("metric", name, METRICS))
        tasks = self.grid
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


def metric_named(text: str) -> str:
    """The metric of this name or table heading, in capitals or not; UsageError where there is none."""
    wanted = text.strip().casefold()
    for name, metric in METRICS.items():
        if wanted in (name, metric.short.casefold()):
            return name
    raise UsageError(unknown("metric", text.strip(), METRICS))
