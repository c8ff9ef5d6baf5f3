"""From a name, a file and the command line to an experiment, and to the part of its grid that is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssrun.config.experiment import SMOKE_SEEDS, Entries, Experiment
from ssrun.config.run import Overrides, TOMLDecodeError, short, toml, validated
from ssrun.config.spec import Cell, label
from ssrun.errors import UsageError, unknown
from ssrun.strategies import STRATEGIES
from ssrun.tasks import TASKS

NOT_IN_FILES = {
    "name": "an experiment is named by its file: leave it out",
    "smoke": "not of a file: ssrun compare FILE --smoke",
    "flags": "not of a file: name the section itself, such as [training]",
}


def folder() -> Path:
    """Where the experiments that come with ssrun lie: in the checkout, or in the installed package."""
    checkout = Path(__file__).parents[2] / "experiments"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "experiments"


def names() -> list[str]:
    """The experiments that come with ssrun, `default` first."""
    found = sorted(path.stem for path in folder().glob("*.toml"))
    return sorted(found, key=lambda name: name != "default")


def load(experiment: str, changes: Mapping[str, Any] | None = None) -> Experiment:
    """An experiment by its name or its file, with changes from the command line.

    Raises:
        UsageError: There is no such file, or it is wrong: says where.
    """
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
    except (TOMLDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"{path}: not TOML: {str(error)[:100] or 'nested too deeply'}") from None
    for field, remedy in NOT_IN_FILES.items():
        if field in document:
            raise UsageError(f"{path}: {field}: {remedy}")
    found = validated(Experiment, {**document, **(changes or {}), "name": label(path.stem)}, f"{path}: ")
    if "baseline" in document and found.baseline not in found.strategies:
        raise UsageError(f"{path}: baseline: {unknown('strategy', found.baseline, found.strategies)}")
    return found


def select(document: Entries, chosen: Sequence[str], kind: str, known: Mapping[str, Any]) -> Entries:
    """The chosen entries: the experiment's own, or built-in ones by name."""
    for name in chosen:
        if name not in document and name not in known:
            raise UsageError(unknown(kind, name, [*document, *(other for other in known if other not in document)]))
        if chosen.count(name) > 1:
            raise UsageError(f"{kind} {name!r} is given twice: give it once")
    return {name: document.get(name, {}) for name in chosen}


def chosen(
    name: str,
    tasks: str | None = None,
    strategies: str | None = None,
    seeds: str | None = None,
    baseline: str | None = None,
    metrics: str | None = None,
    smoke: bool = False,
    flags: Overrides | None = None,
) -> Experiment:
    """An experiment as the command line asks for it: lists are names with commas, None leaves the file's.

    Where only a part of the grid is asked for, claims and published numbers on the rest are left out.
    """
    experiment = load(name)
    changes: dict[str, Any] = {"smoke": smoke, "flags": flags or {}}
    if tasks is not None:
        changes["tasks"] = select(experiment.tasks, names_in(tasks), "task", TASKS)
    if strategies is not None:
        changes["strategies"] = select(experiment.strategies, names_in(strategies), "strategy", STRATEGIES)
    if seeds is not None:
        changes["seeds"] = seeds
    elif smoke:
        changes["seeds"] = experiment.seeds[:SMOKE_SEEDS]
    if metrics is not None:
        changes["metrics"] = names_in(metrics)
    if tasks is not None or strategies is not None:
        grid_tasks, grid_strategies = ({**experiment.model_dump(), **changes}[key] for key in ("tasks", "strategies"))
        changes["claims"] = [
            claim
            for claim in experiment.claims
            if all(
                operand.strategy in grid_strategies and operand.task in grid_tasks
                for comparison in claim.comparisons()
                for operand in comparison[:2]
            )
        ]
        if paper := experiment.published:
            rows = {name: row for name, row in paper.rows.items() if name in grid_strategies}
            changes["published"] = paper.model_copy(update={"rows": rows}) if rows else None
    if baseline is not None:
        grid = changes.get("strategies", experiment.strategies)
        if baseline not in grid:
            raise UsageError(f"--baseline: {unknown('strategy', baseline, grid)}")
        changes["baseline"] = baseline
    return validated(Experiment, {**experiment.model_dump(), **changes}, f"{experiment.name}: ")


def names_in(text: str) -> list[str]:
    """The names of a list with commas."""
    return [name.strip() for name in text.split(",")]


def shard_of(cells: Sequence[Cell], shard: str | None) -> list[Cell]:
    """The cells of a shard such as `1/4`: every fourth, from the first on; all of them for None."""
    if shard is None:
        return list(cells)
    match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", shard)
    part, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        raise UsageError(f"--shard {short(shard)}: write it like 1/4, the first of four parts")
    return list(cells[part - 1 :: parts])
