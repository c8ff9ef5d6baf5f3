"""Runs -> one data frame, a row a run: what became of each, and the values of two strategies paired by seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ssrun.analysis.convergence import has_converged
from ssrun.analysis.survival import Time, first_reached
from ssrun.config.claims import Operand, Reach
from ssrun.config.overrides import by_path
from ssrun.config.run import RunConfig
from ssrun.config.spec import SHORT, RunName
from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder
from ssrun.runs.result import CompleteResult, Evaluation, OfPlugins, Scored
from ssrun.strategies import KeptSchedule
from ssrun.system.documents import canonical
from ssrun.system.environment import Environment
from ssrun.system.plugins import Kind, Plugin


def outcome(store: Path, run: RunName, reach: Reach | None) -> dict[str, Any]:
    """What became of one run, a row of the data frame: labels, `status`, `reason`; where it is complete, the rest.

    Raises:
        StoreError: Its result is damaged.
    """
    folder = RunFolder.of(store, run)
    row: dict[str, Any] = {"task": run.task, "strategy": run.strategy, "seed": run.seed, "reason": ""}
    if not folder.complete:
        failure = folder.failure()
        return row | ({"status": "failed", "reason": failure.reason} if failure else {"status": "missing"})
    result = folder.result()
    for fault in folder.damage(result, ("run.json", "environment.json", "metrics.jsonl")):
        raise StoreError(fault)
    if folder.path.name.rpartition("-")[2] != result.run[:SHORT]:
        raise StoreError(f"{folder.path}: holds another run: remove the folder and run again")
    if not isinstance(result, CompleteResult):
        return row | {"status": result.status, "reason": result.reason}
    scores = folder.scores()
    row |= {"status": result.status, **Scored(result, scores).metrics, "steps": result.steps}
    row |= {"test_pairs": result.test_pairs, "facts": result.facts}
    row |= {"of_plugins": result.of_plugins} if result.of_plugins else {}
    row |= {"signature": scores.bleu_signature, "text_signatures": scores.text_signatures}
    evaluations = folder.evaluations()
    row["converged"] = has_converged(evaluations, folder.weights_config().training.steps)
    return row | (arrival(evaluations, reach, result) if reach else {})


def arrival(evaluations: Sequence[Evaluation], reach: Reach, result: CompleteResult) -> dict[str, Any]:
    """When the score asked for was first reached, and whether it was at all: else the times are those of the run's end.

    Means and claims rest on these times, restricted to the run's; what is said of one strategy, on `survival`.
    """
    first = first_reached(evaluations, reach)
    steps, seconds = (first.step, first.seconds) if first else (result.steps, result.seconds)
    return {"steps_to_reach": steps, "seconds_to_reach": seconds, "reached": first is not None}


def environments(store: Path, runs: Sequence[RunName], scored_by_plugins: bool = False) -> list[Environment]:
    """The distinct environments of complete runs.

    That one run needs a plugin and another does not makes none: plugins make two where they are of two versions.
    """
    folders = (folder for run in runs if (folder := RunFolder.of(store, run)).complete)
    found = [environment for folder in folders for environment in made_in(folder, scored_by_plugins)]
    plugins = {(plugin.kind, plugin.name): plugin for environment in found for plugin in environment.plugins}
    at_odds = {named for environment in found for named in unlike(environment, plugins)}
    distinct: dict[bytes, Environment] = {}
    for environment in found:
        own = [plugin for plugin in environment.plugins if (plugin.kind, plugin.name) in at_odds]
        shared = [plugin for named, plugin in sorted(plugins.items()) if named not in at_odds]
        every = sorted([*own, *shared], key=lambda plugin: (plugin.kind, plugin.name))
        one = environment.model_copy(update={"plugins": every}) if every else environment
        distinct[canonical({"device": one.device, **one.model_dump()})] = one
    return [distinct[key] for key in sorted(distinct)]


def made_in(folder: RunFolder, scored_by_plugins: bool) -> list[Environment]:
    """Where a complete run was made; plugins that only its scores need are those of its last environment."""
    if not (known := folder.environments()):
        return []
    *earlier, last = known
    scored = folder.scored() if scored_by_plugins else None
    every = [*last.plugins, *(scored.scores.plugins if scored else ())]
    return [*earlier, last.model_copy(update={"plugins": every}) if every else last]


def unlike(environment: Environment, plugins: Mapping[tuple[Kind, str], Plugin]) -> list[tuple[Kind, str]]:
    """The plugins of an environment, by kind and name, that are others than these."""
    return [named for own in environment.plugins if plugins[named := (own.kind, own.name)] != own]


def configuration_of(store: Path, run: RunName) -> RunConfig | None:
    """A complete run's configuration; of others none."""
    folder = RunFolder.of(store, run)
    return folder.config() if folder.complete else None


def walk_share(outcome: Mapping[Hashable, Any], config: RunConfig | None) -> float:
    """The share of a complete run's steps that need a walk: of a plugin's schedule as the run says."""
    if config is None:
        return 0.0
    if isinstance(config.strategy.schedule, KeptSchedule):
        told = outcome.get("of_plugins")
        return told.walk_share if isinstance(told, OfPlugins) else 0.0
    return config.strategy.walk_share(config.training.steps)


def settings_of(config: RunConfig | None) -> dict[str, Any]:
    """The fields of a configuration by path, such as `strategy.schedule.half_at`."""
    unshown = {"task": {"path"}, "strategy": {"teacher", "teacher_id"}}
    return by_path(config.model_dump(mode="json", exclude={**unshown, "seed": True, "base": True})) if config else {}


def varying(settings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each the fields that are not the same in all that have any."""
    begun = [fields for fields in settings if fields]
    names = sorted({name for fields in begun for name in fields})  # in the order in which a document keeps them
    vary = [name for name in names if len({repr(fields.get(name)) for fields in begun}) > 1]
    return [{name: fields[name] for name in vary if name in fields} for fields in settings]


def paired_values(
    outcomes: pd.DataFrame, metric: str, left: Operand, right: Operand
) -> tuple[list[float], list[float]]:
    """The values of two strategies by seed, of the seeds of which both completed one run."""
    treatment, baseline = (values_by_seed(outcomes, metric, operand) for operand in (left, right))
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
