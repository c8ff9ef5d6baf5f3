"""From a name, a file and the command line to a plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ssrun.config.experiment import Experiment, metric_named
from ssrun.config.grid import Entries, swept
from ssrun.config.overrides import Overrides, Several, toml
from ssrun.config.plan import SMOKE, Plan, known_fields
from ssrun.config.run import validated
from ssrun.config.spec import RunSpec, label
from ssrun.errors import UsageError, unknown
from ssrun.strategies import STRATEGIES
from ssrun.system.text import shown_value
from ssrun.tasks import TASKS
from ssrun.tasks.output_metrics import name_metrics

SMOKE_SEEDS = 2


def folder() -> Path:
    """Where the experiments that come with ssrun lie: in the checkout, or in the installed package."""
    checkout = Path(__file__).parents[2] / "experiments"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "experiments"


def names() -> list[str]:
    """The experiments that come with ssrun, `default` first."""
    return sorted((path.stem for path in folder().glob("*.toml")), key=lambda name: (name != "default", name))


def load(experiment: str) -> Experiment:
    """An experiment by its name or its file; UsageError where there is no such file, or it is wrong: says where."""
    path = Path(experiment)
    if path.suffix != ".toml":
        if experiment not in names():
            raise UsageError(f"{unknown('experiment', experiment, names())}; or give a file.toml")
        path = folder() / f"{experiment}.toml"
    try:
        if path.is_file() and path.stat().st_size > 2**20:
            raise UsageError(f"{path}: more than a megabyte: not an experiment")
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path}: not a regular file: not an experiment")
        document = toml(path.read_bytes().decode())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: give an experiment's name or file") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: invalid UTF-8 at byte {error.start + 1}") from None
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{path}: not TOML: {str(error)[:100] or 'nested too deeply'}") from None
    if "name" in document:
        raise UsageError(f"{path}: name: an experiment is named by its file: leave it out")
    name_metrics(metrics_named_in(document))
    loaded = validated(Experiment, {**document, "name": label(path.stem)}, f"{path}: ")
    if "baseline" in document and loaded.baseline not in loaded.strategies:
        raise UsageError(f"{path}: baseline: {unknown('strategy', loaded.baseline, loaded.strategies)}")
    return loaded


def metrics_named_in(document: Mapping[str, Any]) -> list[str]:
    """The metrics that an experiment's file asks for, as far as it can be read before it is checked."""
    columns, claims = document.get("metrics"), document.get("claims")
    of_claims = [claim.get("metric") for claim in claims if isinstance(claim, dict)] if isinstance(claims, list) else []
    named = [*(columns if isinstance(columns, list) else ()), *of_claims]
    return [name for name in named if isinstance(name, str)]


def load_plan(
    name: str,
    tasks: str | None = None,
    strategies: str | None = None,
    seeds: str | None = None,
    baseline: str | None = None,
    metrics: str | None = None,
    smoke: bool = False,
    overrides: Overrides | None = None,
    most: int | None = None,
) -> Plan:
    """An experiment as the command line asks for it: lists are names with commas, None leaves the file's.

    An override with `Several` values is a sweep; `most` is how many seeds its claims may take until they are decided.
    Where only a part of the grid is asked for, claims and published numbers on the rest are left out; the reading stays
    only where the grid and all settings are the file's. UsageError as `load`, or where the command line asks for what
    there is not.
    """
    experiment = load(name)
    overrides = overrides or {}
    where = f"{experiment.name}: "
    grid = {
        "tasks": select(experiment.tasks, tasks, "task", TASKS),
        "strategies": select(experiment.strategies, strategies, "strategy", STRATEGIES),
    }
    sweep = swept_by(experiment, overrides, smoke)
    try:
        cells = swept(grid["tasks"], sweep)
    except ValueError as error:
        raise UsageError(f"{where}{error}") from None
    chosen: dict[str, Any] = {**grid, "sweep": sweep, **claimed_of(experiment, cells, grid["strategies"])}
    if experiment.tune:
        tune = experiment.tune.without(set_already(overrides, smoke))
        chosen["tune"] = tune.model_copy(update={"seeds": tune.seeds[:1]}) if tune and smoke else tune
    if seeds is not None:
        chosen["seeds"] = seeds
    elif smoke:
        chosen["seeds"] = experiment.seeds[:SMOKE_SEEDS]
    if metrics is not None:
        name_metrics(names_in(metrics))
        chosen["metrics"] = [metric_named(metric) for metric in names_in(metrics)]
    if baseline is not None:
        if baseline not in grid["strategies"]:
            raise UsageError(f"--baseline: {unknown('strategy', baseline, grid['strategies'])}")
        chosen["baseline"] = baseline
    asked = validated(Experiment, {**dict(experiment), **chosen}, where)
    if tasks is not None or strategies is not None:
        asked = asked.model_copy(update=said_of(asked, experiment))
    whole = experiment.model_copy(update={"seeds": asked.seeds}) if smoke and seeds is None else experiment
    own = asked == whole and not overrides and most is None
    if most is not None:
        must_be_decidable(asked, most)
    if overrides or smoke or (asked.cells, asked.strategies, asked.seeds) != of_file(experiment):
        asked = asked.model_copy(update={"reading": ""})  # which speaks of other runs
    fields = {"experiment": asked, "overrides": single(overrides), "smoke": smoke, "most": most, "own": own}
    return validated(Plan, fields, where)


def must_be_decidable(experiment: Experiment, most: int) -> None:
    """Raises UsageError where there is no claim to decide, or no room to add a seed."""
    if not experiment.claims:
        raise UsageError(
            f"--until-decided: no claim of {experiment.name} is on these tasks and strategies: leave it out"
        )
    if not 2 <= len(experiment.seeds) < most:
        remedy = "the first look needs two seeds at least, and fewer than --most"
        raise UsageError(f"--until-decided: {len(experiment.seeds)} seeds of at most {most}: {remedy}")


def of_file(experiment: Experiment) -> tuple[Entries, Entries, tuple[int, ...]]:
    """The whole grid of an experiment."""
    return experiment.cells, experiment.strategies, experiment.seeds


def swept_by(experiment: Experiment, overrides: Overrides, smoke: bool) -> dict[str, Any]:
    """What is swept: by the file, unless the command line or smoke sets the field, and by the command line."""
    told = {f"{section}.{field}": value for section, fields in overrides.items() for field, value in fields.items()}
    set_so = set_already(overrides, smoke)
    by_file = {path: values for path, values in experiment.sweep.items() if path not in set_so}
    return by_file | {path: list(values) for path, values in told.items() if isinstance(values, Several)}


def said_of(part: Experiment, whole: Experiment) -> dict[str, dict[str, Any]]:
    """What an experiment says of all runs that have such a field, for a part of its grid: what nobody has stays."""
    of_whole, of_part = known_fields(whole), known_fields(part)
    return {
        section: {
            field: value
            for field, value in getattr(whole, section).items()
            if field in of_part[section] or field not in of_whole[section]
        }
        for section in of_part
    }


def set_already(overrides: Overrides, smoke: bool) -> set[str]:
    """The paths of the fields that the command line or smoke sets."""
    sections = [overrides, SMOKE] if smoke else [overrides]
    return {f"{section}.{field}" for layer in sections for section, fields in layer.items() for field in fields}


def single(overrides: Overrides) -> Overrides:
    """The overrides without what they sweep."""
    return {
        section: {field: value for field, value in fields.items() if not isinstance(value, Several)}
        for section, fields in overrides.items()
    }


def select(entries: Entries, text: str | None, kind: str, known: Mapping[str, Any]) -> Entries:
    """The entries of a list of names: the experiment's own, or built-in ones; all of its own for None."""
    if text is None:
        return entries
    chosen = names_in(text)
    for name in chosen:
        if name not in entries and name not in known:
            raise UsageError(unknown(kind, name, [*entries, *(other for other in known if other not in entries)]))
        if chosen.count(name) > 1:
            raise UsageError(f"{kind} {name!r} is given twice: give it once")
    return {name: entries.get(name, {}) for name in chosen}


def claimed_of(experiment: Experiment, tasks: Iterable[str], strategies: Iterable[str]) -> dict[str, Any]:
    """The claims and the published numbers that are on this part of an experiment's grid."""
    grid = set(product(strategies, tasks))
    claims = [claim for claim in experiment.claims if grid.issuperset(claim.operands())]
    published = experiment.published
    if published is not None:
        rows = {name: row for name, row in published.rows.items() if name in strategies}
        published = published.model_copy(update={"rows": rows}) if rows else None
    return {"claims": claims, "published": published}


def names_in(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def take_shard(runs: Sequence[RunSpec], shard: str | None) -> list[RunSpec]:
    """The runs of a shard such as `1/4`, all of them for None.

    A shard has whole blocks of a task and a seed: what is compared in pairs is trained on one machine.
    """
    if shard is None:
        return list(runs)
    match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", shard)
    part, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        raise UsageError(f"--shard {shown_value(shard)}: write it like 1/4, the first of four parts")
    blocks = list(dict.fromkeys((run.name.task, run.name.seed) for run in runs))
    chosen = set(blocks[part - 1 :: parts])
    return [run for run in runs if (run.name.task, run.name.seed) in chosen]
