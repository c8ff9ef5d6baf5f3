"""Plan: an experiment as it was asked for, with what the command line changes; and the runs that it comes to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count, islice, product
from typing import Any, NamedTuple

from pydantic import Field

from ssrun.config.experiment import Experiment
from ssrun.config.grid import MOST_RUNS, Entries
from ssrun.config.overrides import RUN_SECTIONS, SECTIONS, Overrides, by_section
from ssrun.config.resolution import of_every_seed, of_teacher, taught
from ssrun.config.run import RunConfig, Section, validated
from ssrun.config.spec import RunSpec, place
from ssrun.config.tuning import Setting
from ssrun.errors import UsageError, unknown
from ssrun.metrics import METRICS_OF_TASKS, OF_EVERY_TASK
from ssrun.strategies import SCHEDULES, STRATEGIES, Strategy, parameters, variant
from ssrun.strategies.strategy import choosing
from ssrun.system.documents import canonical
from ssrun.system.files import digest
from ssrun.tasks import OUTPUT_METRICS, TASKS

SMOKE: Overrides = {  # tiny runs
    "task": {"validation_pairs": 20, "test_pairs": 50},
    "training": {"steps": 20, "evaluate_every": 10, "batch_size": 16},
}


class Winner(Section):
    """What tuning found of one strategy on one task: values of fields, by path."""

    task: str
    strategy: str
    settings: Setting


class Trial(NamedTuple):
    """One setting of a strategy on a task that tuning tries, and its runs, one a tuning seed."""

    task: str
    strategy: str
    settings: Setting
    runs: tuple[RunSpec, ...]


class Plan(Section):
    """What was asked for.

    Attributes:
        experiment: The part of it that was asked for.
        overrides: Fields by section, from `--set` and its short forms.
        smoke: Whether the runs are tiny versions, for CI.
        most: Seeds that may be added to those of the experiment, all in all, until its claims are decided; None: none.
        tuned: What tuning found; empty where nothing is tuned, or not yet.
        own: Whether it is all that the experiment's file says and nothing else, or the tiny version of just that.
    """

    experiment: Experiment
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)
    smoke: bool = False
    most: int | None = Field(None, ge=2, le=MOST_RUNS, exclude_if=lambda most: most is None)
    tuned: tuple[Winner, ...] = Field((), exclude_if=lambda found: not found)
    own: bool = True

    @property
    def name(self) -> str:
        return self.experiment.name

    @property
    def stem(self) -> str:
        """What the folder of its results is called, or begins with."""
        return f"{self.name}-smoke" if self.smoke else self.name

    @property
    def id(self) -> str:
        """Sha256 of what decides its tables' numbers: the runs, how they are tuned and scored; no text, no path.

        What is claimed is no part of it: a claim that is edited is judged in the same place, and said to be edited.
        """
        experiment = self.experiment
        untuned = self.model_copy(update={"tuned": ()})
        runs = [(*pair, config.id) for pair, config in untuned.configs().items()]
        asked = experiment.model_dump(mode="json", include={"seeds", "baseline", "metrics", "reach"})
        if self.most:
            asked["most"] = self.most
        if experiment.tune:
            asked["tune"] = experiment.tune.model_dump(mode="json")
        return digest(canonical({"runs": runs, **asked}))

    def runs(self) -> list[RunSpec]:
        """The runs, seed by seed, so that a table fills evenly; UsageError where one is wrong or there are too many."""
        return self.runs_of(self.experiment.seeds)

    def runs_of(self, seeds: Sequence[int], pairs: Collection[tuple[str, str]] | None = None) -> list[RunSpec]:
        """The runs of these seeds; those of some tasks with their strategies alone, where they are given."""
        configs = self.configs()
        wanted = [pair for pair in configs if pairs is None or pair in pairs]
        of_pairs = [self._of_seeds(configs, pair, seeds) for pair in wanted]
        return list(chain.from_iterable(zip(*of_pairs, strict=True)))

    def teachers(self, runs: Sequence[RunSpec]) -> list[RunSpec]:
        """The runs of other strategies that these learn from, whether they are among these or not."""
        configs = self.configs()
        found: dict[tuple[str, str, int], RunSpec] = {}
        for run in runs:
            task, strategy, seed = run.name[:3]
            teacher = configs[task, strategy].strategy.teacher
            if (task, teacher) in configs:
                found[task, teacher, seed] = RunSpec.of(task, teacher, configs[task, teacher].of_seed(seed))
        return list(found.values())

    def _of_seeds(
        self, configs: Mapping[tuple[str, str], RunConfig], pair: tuple[str, str], seeds: Sequence[int]
    ) -> list[RunSpec]:
        """A run of each seed; where it learns from another strategy of the grid, from that one's run of the seed."""
        config = configs[pair]
        teacher = configs.get((pair[0], config.strategy.teacher)) if config.strategy.needs_teacher else None
        if teacher is None:
            return RunSpec.of_seeds(*pair, config, seeds)
        taught_by = [teacher.of_seed(seed) for seed in seeds]
        return [RunSpec.of(*pair, of_teacher(config.of_seed(run.seed), place(run), run)) for run in taught_by]

    @property
    def seed_order(self) -> list[int]:
        """The seeds of the experiment, then those after them that nothing was chosen on, up to `most`."""
        experiment = self.experiment
        seeds = list(experiment.seeds)
        chosen_on = {*(experiment.tuned_on or ()), *(experiment.tune.seeds if experiment.tune else ())}
        after = (seed for seed in count(max(seeds) + 1) if seed not in chosen_on)
        return [*seeds, *islice(after, max(0, (self.most or 0) - len(seeds)))]

    def trials(self) -> list[Trial]:
        """What tuning tries: every setting of every strategy of every task. UsageError where one is wrong."""
        experiment, tune = self.experiment, self.experiment.tune
        if tune is None:
            return []
        with self._faults_named():
            cells = experiment.cells
            configs = {(task, name): (task, cells[task], name) for task, name in product(cells, experiment.strategies)}
            known = {pair: paths_of(self._config(*entry, {})) for pair, entry in configs.items()}
            tried = tune.settings(known)
            if sum(map(len, tried.values())) * len(tune.seeds) > MOST_RUNS:
                raise UsageError(f"more than {MOST_RUNS:,} runs to tune: take fewer trials or seeds")
            return [
                Trial(*pair, setting, self._trial_runs(*pair, self._config(*configs[pair], setting)))
                for pair, settings in tried.items()
                for setting in settings
            ]

    def _trial_runs(self, task: str, strategy: str, config: RunConfig) -> tuple[RunSpec, ...]:
        """A trial's, one a tuning seed."""
        tune = self.experiment.tune
        known = [*OF_EVERY_TASK, *config.task.metrics, *config.task.text_metrics]
        if tune and tune.metric not in known:
            raise UsageError(f"tune.metric: {unknown('validation metric', tune.metric, known)}")
        if (teacher := config.strategy.teacher) in self.experiment.strategies:
            raise UsageError(f"tune: {strategy} learns from {teacher}, which is of this experiment: tune them apart")
        return tuple(RunSpec.of(task, strategy, config.of_seed(seed)) for seed in (tune.seeds if tune else ()))

    def configs(self) -> dict[tuple[str, str], RunConfig]:
        """By task and strategy what the runs of all seeds have in common, with the first seed; UsageError as `runs`."""
        experiment = self.experiment
        won = {(winner.task, winner.strategy): winner.settings for winner in self.tuned}
        with self._faults_named():
            cells = experiment.cells
            if len(cells) * len(experiment.strategies) * len(experiment.seeds) > MOST_RUNS:
                raise UsageError(f"a grid of more than {MOST_RUNS:,} runs: take fewer seeds")
            self._refuse_unused_fields(cells)
            grid = list(product(cells, experiment.strategies))
            configs = {pair: self._config(pair[0], cells[pair[0]], pair[1], won.get(pair, {})) for pair in grid}
            tasks = [config.task for config in configs.values()]
            judged = {metric for task in tasks for metric in (*task.metrics, *task.text_metrics)}
            self._refuse_equal_cells(cells, configs)
            self._refuse_unscored_reach(configs)
            asked = set(experiment.asked_metrics)
            if missing := [metric for metric in METRICS_OF_TASKS if metric in asked - judged]:
                raise UsageError(f"no task of the grid has the metric {missing[0]!r}: choose another")
        return configs

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        """Puts the experiment's name before what is wrong with it."""
        try:
            yield
        except UsageError as error:
            raise UsageError(f"{self.name}: {error}") from None

    def _config(self, task: str, entry: Mapping[str, Any], strategy: str, tuned: Mapping[str, Any]) -> RunConfig:
        """The configuration of the runs of a task, with its entry, and a strategy of the grid, with the first seed."""
        experiment = self.experiment
        task_entry = dict(entry)
        task_base, settings = task_entry.pop("base", task), task_entry.pop("settings", {})
        strategy_entry = dict(experiment.strategies[strategy])
        strategy_base = strategy_entry.pop("base", strategy)
        if task_base not in TASKS:
            raise UsageError(unknown("task", task_base, TASKS))
        entry_sections = {name: strategy_entry.pop(name) for name in RUN_SECTIONS if name in strategy_entry}
        changed = validated(Strategy, variant(strategy_base, strategy_entry))  # of another schedule, perhaps
        said = (experiment.strategy, strategy_entry, settings.get("strategy", {}), self.overrides.get("strategy", {}))
        known = parameters(choosing(changed, said))
        of_run = {"task": set(TASKS[task_base].model_fields), "strategy": set(known)}
        layers: list[Overrides] = [  # from the weakest; below them all: defaults, and the task's own defaults
            fitting({section: getattr(experiment, section) for section in SECTIONS}, of_run),  # of all runs of the file
            task_entry,
            entry_sections,  # the strategy's entry: first what it says of the other sections,
            {"strategy": strategy_entry},  # then its own fields
            by_section(tuned),
            SMOKE if self.smoke else {},
            fitting(settings, of_run),  # what a task has set, as a sweep does
            fitting(self.overrides, of_run),  # the command line
        ]
        config = of_every_seed(task_base, strategy_base, experiment.seeds[0], layers)
        if (teacher := config.strategy.teacher) not in experiment.strategies:
            config = taught(config)
        elif experiment.strategies[teacher].get("teacher") or teacher == strategy:
            raise UsageError(f"{strategy}: teacher = {teacher}: it has one itself: give one that learns from data")
        if own := {name for name in experiment.asked_metrics if name in OUTPUT_METRICS}:
            metrics = tuple(sorted({*config.scoring.metrics, *own}))
            config = config.model_copy(update={"scoring": config.scoring.model_copy(update={"metrics": metrics})})
        if not experiment.match:
            return config
        try:  # last: it depends on all of the above
            matched = config.strategy.matched(experiment.mean_epsilon, config.training.steps)
        except ValueError as error:
            raise UsageError(f"match: {error}") from None
        return config.model_copy(update={"strategy": matched})

    def _refuse_unused_fields(self, cells: Entries) -> None:
        """Raises UsageError for a field of `task` or `strategy` that no run of the grid has."""
        for section, known in known_fields(self.experiment).items():
            set_by_tasks = [entry.get("settings", {}).get(section, {}) for entry in cells.values()]
            for field in chain(getattr(self.experiment, section), self.overrides.get(section, {}), *set_by_tasks):
                if field not in known:
                    raise UsageError(f"{section}.{field}: {unknown('field', field, known)}")

    def _refuse_equal_cells(self, cells: Entries, configs: Mapping[tuple[str, str], RunConfig]) -> None:
        """Raises UsageError where two tasks with settings come to the same runs: then a setting is without effect."""
        found: dict[tuple[RunConfig, ...], str] = {}
        for task, entry in cells.items():
            of_task = tuple(configs[task, strategy] for strategy in self.experiment.strategies)
            if "settings" in entry and (other := found.setdefault(of_task, task)) != task:
                raise UsageError(f"{other} and {task} are the same runs: nothing in them depends on what differs")

    def _refuse_unscored_reach(self, configs: Mapping[tuple[str, str], RunConfig]) -> None:
        """Raises UsageError where a task's evaluations lack the score that is to be reached."""
        if reach := self.experiment.reach:
            for (name, _), config in configs.items():
                if reach.metric not in (known := (*OF_EVERY_TASK, *config.task.metrics)):
                    raise UsageError(f"reach.metric: {name}: {unknown('validation metric', reach.metric, known)}")


def known_fields(experiment: Experiment) -> dict[str, list[str]]:
    """The fields of `task` and of `strategy` that some run of the grid has."""
    of_tasks = {field for kind in experiment.task_kinds if kind in TASKS for field in TASKS[kind].model_fields}
    of_strategies: set[str] = set()
    for name, entry in experiment.strategies.items():
        base, schedule = entry.get("base", name), entry.get("schedule")
        if base in STRATEGIES:
            strategy = STRATEGIES[base].strategy
            kinds = {type(strategy.schedule), SCHEDULES.get(str(schedule), type(strategy.schedule))}
            for kind in kinds:
                of_kind = strategy.model_copy(update={"schedule": kind.model_construct(name="")})
                of_strategies.update(parameters(choosing(of_kind, [experiment.strategy, entry])))
    return {"task": sorted(of_tasks - {"name"}), "strategy": sorted(of_strategies - {"name"})}


def paths_of(config: RunConfig) -> set[str]:
    """The paths of the fields that a run has and that can be set."""
    fields: dict[str, Iterable[str]] = {
        "task": type(config.task).model_fields.keys() - {"name"},
        "strategy": parameters(config.strategy),
        **{section: type(getattr(config, section)).model_fields for section in RUN_SECTIONS},
    }
    return {f"{section}.{field}" for section, names in fields.items() for field in names}


def fitting(changes: Overrides, of_run: Mapping[str, set[str]]) -> Overrides:
    """The changes to fields that a run has, where its fields of that section are known.

    What is said to all runs of a grid need not fit each; `Plan.runs` refuses a field that none has.
    """
    return {
        section: {name: value for name, value in fields.items() if section not in of_run or name in of_run[section]}
        for section, fields in changes.items()
    }
