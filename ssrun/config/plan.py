"""Plan: an experiment as it was asked for, with what the command line changes; and the runs that it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, product
from typing import Any

from pydantic import Field, field_validator

from ssrun.config.experiment import MOST_RUNS, Experiment
from ssrun.config.overrides import RUN_SECTIONS, SECTIONS, Overrides
from ssrun.config.run import RunConfig, Section, of_every_seed, validated
from ssrun.config.spec import RunSpec
from ssrun.errors import UsageError, unknown
from ssrun.strategies import SCHEDULES, STRATEGIES, Strategy, parameters, variant
from ssrun.strategies.schedules import Decay
from ssrun.system.documents import canonical
from ssrun.system.files import digest
from ssrun.tasks import TASKS

SMOKE: Overrides = {  # tiny runs
    "task": {"validation_pairs": 20, "test_pairs": 50},
    "training": {"steps": 20, "evaluate_every": 10, "batch_size": 16},
}
JUDGED = ("validity", "bracket_f1", "chrf", "ter")  # metrics that only some tasks have


class Plan(Section):
    """What was asked for.

    Attributes:
        experiment: The part of it that was asked for; what it sweeps is tasks by now.
        overrides: Fields by section, from `--set` and its short forms.
        smoke: Whether the runs are tiny versions, for CI.
        own: Whether it is all that the experiment's file says and nothing else, or the tiny version of just that.
    """

    experiment: Experiment
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)
    smoke: bool = False
    own: bool = True

    @field_validator("experiment", mode="after")
    @classmethod
    def _each_setting_a_task(cls, experiment: Experiment) -> Experiment:
        return (
            experiment.model_copy(update={"tasks": experiment.cells, "sweep": {}}) if experiment.sweep else experiment
        )

    @property
    def name(self) -> str:
        return self.experiment.name

    @property
    def stem(self) -> str:
        """What the folder of its results is called, or begins with."""
        return f"{self.name}-smoke" if self.smoke else self.name

    @property
    def id(self) -> str:
        """Sha256 of what decides its tables' numbers: the runs, how they are scored and compared; no text, no path."""
        experiment = self.experiment
        runs = [(*pair, config.id) for pair, config in self._configs().items()]
        asked = experiment.model_dump(mode="json", include={"seeds", "baseline", "metrics", "reach"})
        claims = [
            claim.model_dump(mode="json", exclude={"text", "source"}, exclude_defaults=True)  # later fields change none
            for claim in experiment.claims
        ]
        return digest(canonical({"runs": runs, "claims": claims, **asked}))

    def runs(self) -> list[RunSpec]:
        """The runs, seed by seed, so that a table fills evenly; UsageError where one is wrong or there are too many."""
        configs = self._configs()
        return [
            RunSpec.of(*pair, config.of_seed(seed))
            for seed in self.experiment.seeds
            for pair, config in configs.items()
        ]

    def _configs(self) -> dict[tuple[str, str], RunConfig]:
        """By task and strategy what the runs of all seeds have in common, with the first seed."""
        experiment = self.experiment
        try:
            if len(experiment.tasks) * len(experiment.strategies) * len(experiment.seeds) > MOST_RUNS:
                raise UsageError(f"a grid of more than {MOST_RUNS:,} runs: take fewer seeds")
            self._refuse_unused_fields()
            configs = {pair: self._config(*pair) for pair in product(experiment.tasks, experiment.strategies)}
            tasks = [config.task for config in configs.values()]
            judged = {metric for task in tasks for metric in (*task.metrics, *task.text_metrics)}
            self._refuse_equal_cells(configs)
            asked = {*experiment.metrics, *(claim.metric for claim in experiment.claims)}
            if missing := [metric for metric in JUDGED if metric in asked - judged]:
                raise UsageError(f"no task of the grid has the metric {missing[0]!r}: choose another")
        except UsageError as error:
            raise UsageError(f"{experiment.name}: {error}") from None
        return configs

    def _config(self, task: str, strategy: str) -> RunConfig:
        """The configuration of the runs of a task and a strategy of the grid, with the first seed."""
        experiment = self.experiment
        task_entry = dict(experiment.tasks[task])
        task_base, settings = task_entry.pop("base", task), task_entry.pop("settings", {})
        strategy_entry = dict(experiment.strategies[strategy])
        strategy_base = strategy_entry.pop("base", strategy)
        if task_base not in TASKS:
            raise UsageError(unknown("task", task_base, TASKS))
        entry_sections = {name: strategy_entry.pop(name) for name in RUN_SECTIONS if name in strategy_entry}
        changed = validated(Strategy, variant(strategy_base, strategy_entry))  # of another schedule, perhaps
        of_run = {"task": set(TASKS[task_base].model_fields), "strategy": set(parameters(changed))}
        layers: list[Overrides] = [  # from the weakest; below them all: defaults, and the task's own defaults
            fitting({section: getattr(experiment, section) for section in SECTIONS}, of_run),  # of all runs of the file
            task_entry,
            entry_sections,  # the strategy's entry: first what it says of the other sections,
            {"strategy": strategy_entry},  # then its own fields
            SMOKE if self.smoke else {},
            fitting(settings, of_run),  # what a task has set, as a sweep does
            fitting(self.overrides, of_run),  # the command line
        ]
        config = of_every_seed(task_base, strategy_base, experiment.seeds[0], layers)
        decay = config.strategy.schedule
        if not experiment.match or not isinstance(decay, Decay):
            return config
        try:  # last: it depends on all of the above
            schedule = decay.matched(experiment.mean_epsilon, config.training.steps)
        except ValueError as error:
            raise UsageError(f"match: {error}") from None
        return config.model_copy(update={"strategy": config.strategy.model_copy(update={"schedule": schedule})})

    def _refuse_unused_fields(self) -> None:
        """Raises UsageError for a field of `task` or `strategy` that no run of the grid has."""
        experiment = self.experiment
        of_tasks = {field for kind in experiment.task_kinds if kind in TASKS for field in TASKS[kind].model_fields}
        of_strategies: set[str] = set()
        for name, entry in experiment.strategies.items():
            base, schedule = entry.get("base", name), entry.get("schedule")
            if base in STRATEGIES:
                of_strategies.update(parameters(STRATEGIES[base].strategy))
                named = isinstance(schedule, str) and schedule in SCHEDULES
                of_strategies.update(SCHEDULES[str(schedule)].model_fields if named else ())
        for section, fields in (("task", of_tasks), ("strategy", of_strategies)):
            known = sorted(fields - {"name"})
            set_by_tasks = [entry.get("settings", {}).get(section, {}) for entry in experiment.tasks.values()]
            for field in chain(getattr(experiment, section), self.overrides.get(section, {}), *set_by_tasks):
                if field not in known:
                    raise UsageError(f"{section}.{field}: {unknown('field', field, known)}")

    def _refuse_equal_cells(self, configs: Mapping[tuple[str, str], RunConfig]) -> None:
        """Raises UsageError where two tasks with settings come to the same runs: then a setting is without effect."""
        found: dict[tuple[RunConfig, ...], str] = {}
        for task, entry in self.experiment.tasks.items():
            of_task = tuple(configs[task, strategy] for strategy in self.experiment.strategies)
            if "settings" in entry and (other := found.setdefault(of_task, task)) != task:
                raise UsageError(f"{other} and {task} are the same runs: nothing in them depends on what differs")


def fitting(changes: Overrides, of_run: Mapping[str, set[str]]) -> Overrides:
    """The changes to fields that a run has, where its fields of that section are known.

    What is said to all runs of a grid need not fit each; `Plan.runs` refuses a field that none has.
    """
    return {
        section: {name: value for name, value in fields.items() if section not in of_run or name in of_run[section]}
        for section, fields in changes.items()
    }
