"""Experiment: a question, a grid of runs, and what is claimed of it. TOML in, cells out."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from ssrun.config.claims import Claim, Published, Reach
from ssrun.config.run import SECTIONS, Overrides, Section, resolve, short, validated
from ssrun.config.spec import Cell, label
from ssrun.errors import UsageError, unknown
from ssrun.metrics import METRICS
from ssrun.strategies import STRATEGIES, Strategy, parameters, variant
from ssrun.strategies.schedules import SCHEDULES, Decay
from ssrun.tasks import TASKS

MOST_CELLS = 100_000
COLUMNS = ("bleu", "exact_match", "free_running_loss", "teacher_forced_loss", "exposure_gap")
SMOKE: Overrides = {"training": {"steps": 20, "evaluate_every": 10, "batch_size": 16}}
SMOKE_PAIRS = {"validation_pairs": 20, "test_pairs": 50}
SMOKE_SEEDS = 2
Entries = Annotated[
    dict[str, dict[str, Any]],
    BeforeValidator(lambda value: entries(value)),  # noqa: PLW0108 - it is defined below
    PlainSerializer(
        lambda value: [list(pair) for pair in value.items()], when_used="json"
    ),  # JSON objects have no order
]


def parse_seeds(value: Any) -> Any:
    """`"0..4"`, `"0,2,5"`, `3` or a list, as a tuple of distinct seeds in order."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if isinstance(value, str):
        if match := re.fullmatch(r"\s*(\d{1,10})\s*\.\.\s*(\d{1,10})\s*", value):
            low, high = map(int, match.groups())
            if low > high:
                raise ValueError(f"{value!r} counts down: write the lower seed first, like 0..4")
            if high - low >= MOST_CELLS:
                raise ValueError(f"{value!r} is more than {MOST_CELLS:,} seeds")
            value = range(low, high + 1)
        elif re.fullmatch(r"\s*\d{1,10}(\s*,\s*\d{1,10})*\s*", value):
            value = [int(part) for part in value.split(",")]
        else:
            raise ValueError(f"{short(value)} is not a list of seeds: write 0..4 or 0,1,2")
    if not isinstance(value, list | tuple | range) or not value:
        raise ValueError("give at least one seed, like 0..4 or 0,1,2")
    if len(set(map(repr, value))) < len(value):  # of whatever kind: the kind is checked next
        raise ValueError("a seed is given twice: runs of one seed are the same run")
    return tuple(value)


Seeds = Annotated[tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...], BeforeValidator(parse_seeds)]


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


class Experiment(Section):
    """A comparison, whole.

    Attributes:
        name: The file's.
        question: What it asks, in a sentence.
        tasks: Tasks by name; an entry may have a `base` task and changes to any section.
        strategies: Strategies by name; an entry may have a `base`, changes to the strategy's fields, and to
            the sections other than `task`.
        seeds: Seeds, the pairs of every comparison.
        baseline: The strategy that others are compared with.
        metrics: Columns of the table.
        match: `mean-epsilon` gives every decay the same mean epsilon, `mean_epsilon`, over the run.
        mean_epsilon: Share of true tokens over the run, 0 to 1.
        reach: The loss to reach, for `steps_to_reach` and `seconds_to_reach`.
        claims: What is claimed.
        published: Numbers of a publication.
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
    smoke: bool = False
    task: dict[str, Any] = Field(default_factory=dict)
    strategy: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    scoring: dict[str, Any] = Field(default_factory=dict)
    flags: dict[str, dict[str, Any]] = Field(default_factory=dict)

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
            for left, right, _ in claim.comparisons():
                for operand in (left, right):
                    if operand.strategy not in self.strategies:
                        raise ValueError(
                            f"claim {short(claim.text)}: {unknown('strategy', operand.strategy, self.strategies)}"
                        )
                    if operand.task not in self.tasks:
                        raise ValueError(f"claim {short(claim.text)}: {unknown('task', operand.task, self.tasks)}")
        for strategy, values in (self.published.rows if self.published else {}).items():
            if strategy not in self.strategies:
                raise ValueError(f"published: {unknown('strategy', strategy, self.strategies)}")
            if self.published and len(values) != len(self.published.metrics):
                raise ValueError(
                    f"published: {strategy} has {len(values)} numbers for {len(self.published.metrics)} metrics"
                )
        if self.claims and len(self.seeds) < 2 and not self.smoke:
            raise ValueError("claims need at least two seeds: give more, like --seeds 0..5")
        return self

    def cells(self) -> list[Cell]:
        """The runs, seed by seed, so that a table fills evenly.

        Raises:
            UsageError: A run's configuration is wrong, or there are too many.
        """
        if len(self.tasks) * len(self.strategies) * len(self.seeds) > MOST_CELLS:
            raise UsageError(f"{self.name}: a grid of more than {MOST_CELLS:,} runs: take fewer seeds")
        self._every_field_is_used()
        one_seed = [self._cell(task, strategy, self.seeds[0]) for task in self.tasks for strategy in self.strategies]
        judged = {metric for cell in one_seed for metric in cell.config.task.metrics}
        for metric in ("validity", "bracket_f1"):
            if metric in {*self.metrics, *(c.metric for c in self.claims)} and metric not in judged:
                raise UsageError(f"{self.name}: no task of the grid has the metric {metric!r}: choose another")
        return [
            cell._replace(config=cell.config.model_copy(update={"seed": seed}))
            for seed in self.seeds
            for cell in one_seed
        ]

    def _cell(self, task: str, strategy: str, seed: int) -> Cell:
        """One run of the grid; what is wrong with it is said with the experiment's name."""
        try:
            return self._resolved(task, strategy, seed)
        except UsageError as error:
            raise UsageError(f"{self.name}: {error}") from None

    def _resolved(self, task: str, strategy: str, seed: int) -> Cell:
        of_task, of_strategy = dict(self.tasks[task]), dict(self.strategies[strategy])
        base_task, base = of_task.pop("base", task), of_strategy.pop("base", strategy)
        if base_task not in TASKS:
            raise UsageError(unknown("task", base_task, TASKS))
        if base not in STRATEGIES:
            raise UsageError(unknown("strategy", base, STRATEGIES))
        sections = {name: of_strategy.pop(name) for name in SECTIONS[2:] if name in of_strategy}
        fields = {*parameters(validated(Strategy, variant(base, of_strategy)))}

        def fitting(changes: Overrides) -> Overrides:
            """The changes to fields that this run has; `_every_field_is_used` refuses one that no run has."""
            own = {"task": {*TASKS[base_task].model_fields}, "strategy": fields}
            return {
                section: {name: value for name, value in values.items() if name in own.get(section, values)}
                for section, values in changes.items()
            }

        shared = fitting({section: getattr(self, section) for section in SECTIONS})
        layers: list[Overrides] = [shared, of_task, sections, {"strategy": of_strategy}]
        if self.smoke:
            pairs = {size: min(most, TASKS[base_task].model_fields[size].default) for size, most in SMOKE_PAIRS.items()}
            layers += [{"task": pairs}, SMOKE]
        config = resolve(base_task, base, seed, [*layers, fitting(self.flags)])
        if self.match and isinstance(config.strategy.schedule, Decay):
            config = self._matched(config)
        return Cell(task, strategy, config)

    def _matched(self, config: Any) -> Any:
        """The configuration with its decay's mean epsilon moved to `mean_epsilon`."""
        try:
            schedule = config.strategy.schedule.matched(self.mean_epsilon, config.training.steps)
        except ValueError as error:
            raise UsageError(f"match: {error}") from None
        return config.model_copy(update={"strategy": config.strategy.model_copy(update={"schedule": schedule})})

    def _every_field_is_used(self) -> None:
        """Refuses a field of `task` or `strategy` that no run of the grid has."""
        tasks = [TASKS[base] for name, entry in self.tasks.items() if (base := entry.get("base", name)) in TASKS]
        known = {field for task in tasks for field in task.model_fields} - {"name"}
        for field in [*self.task, *self.flags.get("task", {})]:
            if field not in known:
                raise UsageError(f"{self.name}: task.{field}: {unknown('field', field, sorted(known))}")
        fields: set[str] = set()
        for name, entry in self.strategies.items():
            base = entry.get("base", name)
            if base in STRATEGIES:
                schedule = entry.get("schedule")
                fields.update(parameters(STRATEGIES[base].strategy))
                fields.update(SCHEDULES[schedule].model_fields if schedule in SCHEDULES else ())
        for field in [*self.strategy, *self.flags.get("strategy", {})]:
            if field not in fields - {"name"}:
                raise UsageError(f"{self.name}: strategy.{field}: {unknown('field', field, sorted(fields - {'name'}))}")
