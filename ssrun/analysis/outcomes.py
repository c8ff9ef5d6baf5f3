"""Runs -> one data frame, a row a run: what became of each, and the values of two strategies paired by seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ssrun.analysis.convergence import has_converged
from ssrun.analysis.survival import Time, first_reached
from ssrun.config.claims import Operand, Reach
from ssrun.config.overrides import by_path
from ssrun.config.run import RunConfig, ScoringConfig
from ssrun.config.spec import SHORT, EverySeed, RunName
from ssrun.errors import StoreError
from ssrun.runs.configurations import KNOWN, Configurations
from ssrun.runs.folder import OUTPUTS, RunFolder, checked_content
from ssrun.runs.result import CompleteResult, Evaluation, Scored
from ssrun.strategies import KeptSchedule
from ssrun.system import signals
from ssrun.system.documents import canonical
from ssrun.system.environment import Environment
from ssrun.system.plugins import Kind, Plugin

GREEDY = ScoringConfig()


class About(NamedTuple):
    """What a configuration says to a table: its fields by path, and the share of its steps that need a walk."""

    settings: dict[str, Any]
    walk_share: float


NOTHING = About({}, 0.0)


class Outcome(NamedTuple):
    """What became of one run.

    Attributes:
        row: Of the data frame: labels, `status`, `reason`; where the run is complete, the rest.
        about: Its configuration, where it came to an end.
        outputs: The digest of its outputs, where it has some.
    """

    row: dict[str, Any]
    about: About = NOTHING
    outputs: str | None = None


class Outcomes:
    """Reads runs of a store, each of their files once; what many of them share is validated once.

    `scored_by_plugins`: plugins that only scores need count among those of a run's environment.
    """

    def __init__(self, store: Path, reach: Reach | None, scored_by_plugins: bool = False) -> None:
        self.store, self.reach, self.scored_by_plugins = store, reach, scored_by_plugins
        self._made_in: dict[bytes, Environment] = {}
        self._noted: set[tuple[str, bytes]] = set()
        self._configurations = Configurations()
        self._about = lru_cache(maxsize=KNOWN)(about)

    def of(self, run: RunName) -> Outcome:
        """What became of one run; StoreError where something that is used of it is damaged.

        Interrupted where a signal came.
        """
        signals.check()
        folder = RunFolder.of(self.store, run)
        row: dict[str, Any] = {"task": run.task, "strategy": run.strategy, "seed": run.seed, "reason": ""}
        if not folder.complete:
            failure = folder.failure()
            return Outcome(row | ({"status": "failed", "reason": failure.reason} if failure else {"status": "missing"}))
        result = folder.result()
        config, environment, metrics = (
            checked_content(folder.path / name, result.files)
            for name in ("run.json", "environment.json", "metrics.jsonl")
        )
        if folder.path.name.rpartition("-")[2] != result.run[:SHORT]:
            raise StoreError(f"{folder.path}: holds another run: remove the folder and run again")
        every, _ = self._configurations.read(folder, config)
        made_in = (folder, result.files["environment.json"], environment)
        if not isinstance(result, CompleteResult):
            self._note_environments(*made_in)
            return Outcome(row | {"status": result.status, "reason": result.reason}, self._about(every, GREEDY))
        scores = folder.scores_of(result)
        self._note_environments(*made_in, scores.plugins if self.scored_by_plugins else ())
        row |= {"status": result.status, **Scored(result, scores).metrics, "steps": result.steps}
        row |= {"test_pairs": result.test_pairs, "facts": result.facts}
        row |= {"of_plugins": result.of_plugins} if result.of_plugins else {}
        row |= {"signature": scores.bleu_signature, "text_signatures": scores.text_signatures}
        evaluations = folder.evaluations_in(metrics)
        row["converged"] = has_converged(evaluations, every.config.training.steps)
        row |= arrival(evaluations, self.reach, result) if self.reach else {}
        about = self._about(every, scores.scoring)
        if result.of_plugins:
            about = about._replace(walk_share=result.of_plugins.walk_share)
        return Outcome(row, about, scores.files[OUTPUTS])

    def _note_environments(
        self, folder: RunFolder, known: str, content: bytes, scored_by: Sequence[Plugin] = ()
    ) -> None:
        """Where a run was made; plugins that only its scores need are those of its last environment.

        A file of this digest that is `known` already, with the same plugins, is not looked at again.
        """
        key = (known, canonical([plugin.model_dump(mode="json") for plugin in scored_by]))
        if key in self._noted:
            return
        self._noted.add(key)
        if found := folder.environments_in(content):
            *earlier, last = found
            every = [*last.plugins, *scored_by]
            for environment in (*earlier, last.model_copy(update={"plugins": every}) if every else last):
                self._made_in[identity(environment)] = environment

    @property
    def environments(self) -> list[Environment]:
        """The distinct ones of the runs so far."""
        return environments_of(self._made_in.values())


def about(every: EverySeed, scoring: ScoringConfig) -> About:
    """What the configuration of every seed says, scored so."""
    config = every.config.model_copy(update={"scoring": scoring})
    schedule, steps = config.strategy.schedule, config.training.steps
    return About(settings_of(config), 0.0 if isinstance(schedule, KeptSchedule) else config.strategy.walk_share(steps))


def arrival(evaluations: Sequence[Evaluation], reach: Reach, result: CompleteResult) -> dict[str, Any]:
    """When the score asked for was first reached, and whether it was at all: else the times are those of the run's end.

    Means and claims rest on these times, restricted to the run's; what is said of one strategy, on `survival`.
    """
    first = first_reached(evaluations, reach)
    steps, seconds = (first.step, first.seconds) if first else (result.steps, result.seconds)
    return {"steps_to_reach": steps, "seconds_to_reach": seconds, "reached": first is not None}


def environments_of(found: Iterable[Environment]) -> list[Environment]:
    """The distinct ones of environments.

    That one run needs a plugin and another does not makes none: plugins make two where they are of two versions.
    """
    found = list(found)
    plugins = {(plugin.kind, plugin.name): plugin for environment in found for plugin in environment.plugins}
    at_odds = {named for environment in found for named in unlike(environment, plugins)}
    distinct: dict[bytes, Environment] = {}
    for environment in found:
        own = [plugin for plugin in environment.plugins if (plugin.kind, plugin.name) in at_odds]
        shared = [plugin for named, plugin in sorted(plugins.items()) if named not in at_odds]
        every = sorted([*own, *shared], key=lambda plugin: (plugin.kind, plugin.name))
        one = environment.model_copy(update={"plugins": every}) if every else environment
        distinct[identity(one)] = one
    return [distinct[key] for key in sorted(distinct)]


def identity(environment: Environment) -> bytes:
    """What tells environments apart; older documents know no device but the processor."""
    return canonical({"device": environment.device, **environment.model_dump(mode="json")})


def unlike(environment: Environment, plugins: Mapping[tuple[Kind, str], Plugin]) -> list[tuple[Kind, str]]:
    """The plugins of an environment, by kind and name, that are others than these."""
    return [named for own in environment.plugins if plugins[named := (own.kind, own.name)] != own]


def settings_of(config: RunConfig) -> dict[str, Any]:
    """The fields of a configuration by path, such as `strategy.schedule.half_at`."""
    unshown = {"task": {"path"}, "strategy": {"teacher", "teacher_id"}}
    return by_path(config.model_dump(mode="json", exclude={**unshown, "seed": True, "base": True}))


def varying(settings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each the fields that are not the same in all that have any."""
    begun = list({id(fields): fields for fields in settings if fields}.values())  # many runs share theirs
    names = sorted({name for fields in begun for name in fields})  # in the order in which a document keeps them
    vary = [name for name in names if len({repr(fields.get(name)) for fields in begun}) > 1]
    found = {id(fields): {name: fields[name] for name in vary if name in fields} for fields in settings}
    return [found[id(fields)] for fields in settings]


def paired_values(
    outcomes: pd.DataFrame, metric: str, left: Operand, right: Operand
) -> tuple[list[float], list[float]]:
    """The values of two strategies by seed, of the seeds of which both completed one run."""
    return in_pairs(*(values_by_seed(outcomes, metric, operand) for operand in (left, right)))


def in_pairs(treatment: Mapping[int, float], baseline: Mapping[int, float]) -> tuple[list[float], list[float]]:
    """The values of the seeds that both have, in their order."""
    both = sorted(treatment.keys() & baseline.keys())
    return [treatment[seed] for seed in both], [baseline[seed] for seed in both]


def values_by_seed(outcomes: pd.DataFrame, metric: str, operand: Operand) -> dict[int, float]:
    """The values of a strategy by seed, of the seeds of which it completed one run."""
    if metric not in outcomes:
        return {}
    columns = [outcomes[name].tolist() for name in ("strategy", "task", "status", "seed", metric)]
    rows = zip(*columns, strict=True)  # plain lists: a table of a thousand runs asks a thousand times
    wanted = (*operand, "complete")
    chosen = [row[3:] for row in rows if row[:3] == wanted and not math.isnan(row[4])]
    count = Counter(seed for seed, _ in chosen)
    return {seed: value for seed, value in chosen if count[seed] == 1}


def scored_pairs(outcomes: pd.DataFrame, *tasks: str) -> int | None:
    """The fewest pairs of the test set that a complete run of these tasks was scored on; None where none tells."""
    found = outcomes.get("test_pairs", pd.Series(dtype=float))[outcomes["task"].isin(tasks)].min()
    return None if math.isnan(found) else int(found)


def steps_of(complete: pd.DataFrame) -> list[int]:
    """The distinct numbers of optimiser steps of complete runs."""
    return sorted({int(steps) for steps in complete.get("steps", pd.Series(dtype=int)).dropna()})


def times_of(outcomes: pd.DataFrame, metric: str) -> list[Time]:
    """How long each complete run took to the score; none where no score is to be reached."""
    if "reached" not in outcomes or metric not in outcomes:
        return []
    cells = zip(outcomes[metric].tolist(), outcomes["reached"].tolist(), strict=True)
    return [Time(value, reached) for value, reached in cells if isinstance(reached, bool)]
