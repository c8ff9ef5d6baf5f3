"""What lies in a store of runs: how far each is, how large, and which comparisons want it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ssrun.config.overrides import by_path
from ssrun.config.run import ModelConfig, RunConfig, Section, TrainingConfig, validated
from ssrun.config.spec import EverySeed, RunName, RunSpec
from ssrun.errors import StoreError
from ssrun.runs.configurations import KNOWN, Configurations
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import read_manifest
from ssrun.runs.results_folder import comparisons_of, is_marked, run_folders, store_of
from ssrun.strategies import SCHEDULES, STRATEGIES, Strategy, variant
from ssrun.system.plugins import Plugin
from ssrun.tasks import KeptTask

OF_EVERY_RUN: dict[str, type[Section]] = {"model": ModelConfig, "training": TrainingConfig}
Status = Literal["complete", "trained", "diverged", "failed", "in training", "unfinished", "damaged"]


class Stored(NamedTuple):
    """A run in a store.

    Attributes:
        place: Its folder, from the store.
        changes: What differs from the defaults of its task and strategy, by path.
        steps: Done so far, as far as its checkpoints and its result say.
        of: Steps of the whole run.
        size: Bytes.
        used_by: Names of the comparisons that want it.
    """

    place: str
    task: str
    strategy: str
    seed: int
    changes: dict[str, Any]
    steps: int
    of: int
    status: Status
    size: int
    used_by: list[str]


def stored_runs(store: Path) -> list[Stored]:
    """The runs of a store, in order of their places."""
    if not store.is_dir():
        return []
    users, configurations, label = users_of(store), Configurations(), lru_cache(maxsize=KNOWN)(labelled)
    return [stored(folder, store, users, configurations, label) for folder in run_folders(store)]


class Found(NamedTuple):
    """A run, and what it is called where it was found."""

    name: RunName
    folder: RunFolder


def runs_at(path: Path) -> list[Found]:
    """The runs of a comparison, or of a folder within a store, or the one that the folder is."""
    if is_marked(path):
        store = store_of(path)
        folders = [Found(name, RunFolder.of(store, name)) for name in read_manifest(path).runs]
        return [found for found in folders if found.folder.begun]
    below = run_folders(path) or [RunFolder(run) for run in sorted(path.glob("*")) if RunFolder(run).begun]
    return [Found(RunSpec.unlabelled(folder.weights_config()).name, folder) for folder in below]


def plugins_in(store: Path) -> Iterator[Plugin]:
    """Where what plugins have made of a store's runs and scores comes from; of damaged ones nothing."""
    for folder in run_folders(store):
        with suppress(StoreError):
            yield from folder.plugins()
            for path in folder.score_paths:
                yield from RunFolder(folder.path, path.name).scores().plugins


def users_of(store: Path) -> dict[str, list[str]]:
    """The names of the comparisons that want a run, by its place; StoreError where a manifest is damaged."""
    users: dict[str, list[str]] = {}
    for path in comparisons_of(store):
        manifest = read_manifest(path)
        for place in dict.fromkeys(name.place for name in (*manifest.runs, *manifest.trials)):
            users.setdefault(place, []).append(path.resolve().name)
    return users


class Labelled(NamedTuple):
    """What a configuration is called, of whatever seed, and how it differs from the defaults."""

    task: str
    strategy: str
    changes: dict[str, Any]


def labelled(every: EverySeed) -> Labelled:
    task, strategy, *_ = RunSpec.unlabelled(every.config).name
    return Labelled(task, strategy, changes_of(every.config, strategy))


def stored(
    folder: RunFolder,
    store: Path,
    users: Mapping[str, list[str]],
    configurations: Configurations,
    label: Callable[[EverySeed], Labelled],
) -> Stored:
    place = str(folder.path.relative_to(store))
    size = size_of(str(folder.path))
    try:
        every, seed = configurations.read(folder)
    except StoreError:
        task, strategy = folder.path.parent.name, folder.path.name
        status: Status = "in training" if folder.in_use else "damaged"
        return Stored(place, task, strategy, 0, {}, 0, 0, status, size, users.get(place, []))
    (task, strategy, changes), (done, status) = label(every), progress(folder)
    steps = every.config.training.steps
    return Stored(place, task, strategy, seed, changes, done, steps, status, size, users.get(place, []))


def size_of(folder: str) -> int:
    """Bytes of the files in a folder and in those below it; links count by themselves."""
    with os.scandir(folder) as entries:
        found = list(entries)
    below = sum(size_of(entry.path) for entry in found if entry.is_dir(follow_symlinks=False))
    return below + sum(entry.stat(follow_symlinks=False).st_size for entry in found if entry.is_file())


def progress(folder: RunFolder) -> tuple[int, Status]:
    """Steps done, and how the run stands."""
    if folder.trained:
        try:
            result = folder.result()
        except StoreError:
            return 0, "damaged"
        if result.status == "diverged":
            return result.steps, "diverged"
        return result.steps, "complete" if folder.complete else "trained"
    steps = [int(path.stem.rpartition("-")[2]) for path in folder.path.glob("checkpoint-[0-9]*.json")]
    with suppress(StoreError):
        if folder.failure():
            return max(steps, default=0), "failed"
    return max(steps, default=0), "in training" if folder.in_use else "unfinished"


def changes_of(config: RunConfig, strategy: str) -> dict[str, Any]:
    """The fields of a configuration that are not the defaults of its task and strategy, by path.

    Of what a plugin has made every field is told, for its defaults are its own.
    """
    fields = type(config.task).model_fields
    unset = {name: field.get_default() for name, field in fields.items() if not field.is_required()}
    task = config.task.model_copy(update=unset).model_dump(mode="json")
    sections = {name: Kind().model_dump(mode="json") for name, Kind in OF_EVERY_RUN.items()}
    defaults = by_path({"task": unset if isinstance(config.task, KeptTask) else task, **sections})
    defaults |= config.task.defaults
    schedule_name = config.strategy.schedule.name
    if schedule_name not in SCHEDULES.built_in:
        own = STRATEGIES.built_in["teacher-forcing"].strategy.model_dump(mode="json", exclude={"schedule"})
        defaults |= by_path({"strategy": {**own, "schedule": {"name": schedule_name}}})
    elif strategy not in STRATEGIES.built_in:
        schedule = variant("teacher-forcing", {"schedule": schedule_name})
        defaults |= by_path({"strategy": validated(Strategy, schedule).model_dump(mode="json")})
    else:
        defaults |= by_path({"strategy": STRATEGIES.built_in[strategy].strategy.model_dump(mode="json")})
    unshown = {"task": {"name", "path"}, "strategy": {"teacher", "teacher_id"}}
    found = by_path(config.model_dump(mode="json", exclude={**unshown, "seed": True, "scoring": True, "base": True}))
    return {path: value for path, value in found.items() if defaults.get(path) != value}
