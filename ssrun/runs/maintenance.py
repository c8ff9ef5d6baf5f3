"""Moving whole runs about: merging comparisons, and removing what is ours and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ssrun.config.plan import Plan
from ssrun.config.run import PLACES
from ssrun.config.spec import RunName
from ssrun.errors import StoreError, UsageError
from ssrun.runs.folder import RunFolder, is_transient
from ssrun.runs.inventory import users_of
from ssrun.runs.manifest import Manifest, read_manifest, write_manifest
from ssrun.runs.results_folder import (
    BESIDE,
    DERIVED,
    MARK,
    RUNS,
    Destination,
    claim,
    held,
    is_marked,
    read_mark,
    store_of,
)
from ssrun.runs.seals import Seal
from ssrun.runs.verification import faults_of
from ssrun.system import signals
from ssrun.system.files import TEMPORARY, is_temporary, read_bytes, write

IN_EXPORT = r"\.ssrun-export\.lock|\.ssrun-export/.+"  # that a killed one left
FOLDERS = {  # of files that are made from the runs, by their paths from there
    "figures": re.compile(r"(.+/)?[a-z0-9-]+\.(svg|pdf|png)"),
    "tensorboard": re.compile(rf"(.+/)?(events\.out\.tfevents\..+|ssrun\.json)|{IN_EXPORT}"),
    "wandb": re.compile(
        rf"offline-run-[0-9_]+-ssrun-[0-9a-f]{{16}}/(run-ssrun-.+\.wandb(\.synced)?|ssrun\.json)|{IN_EXPORT}"
    ),
    "csv": re.compile(rf"(runs|curves)\.csv|{IN_EXPORT}"),
    "coco": re.compile(rf"(.+/){{3}}(annotations|results)\.json|{IN_EXPORT}"),
    ".ssrun-export": re.compile(r".+"),  # of mlflow.db, which lies in the folder itself
}


def merge(sources: Sequence[Path], out: Path) -> int:
    """Brings the runs of several comparisons of one plan together, in a folder with its own store; counts the copied.

    It may be cut short anywhere and done again.

    Raises:
        UsageError: They are of different plans, or `out` is not theirs.
        StoreError: One is damaged, or two hold different results of one run.
        Busy: Another process trains one of the runs in `out`.
    """
    plans = [read_mark(source).plan for source in sources]
    manifests = [read_manifest(source) for source in sources]
    first, place = manifests[0], Destination(out, RUNS)
    for source, plan, manifest in zip(sources, plans, manifests, strict=True):
        if plan != plans[0] or portable(manifest.plan) != portable(first.plan):
            raise UsageError(f"{source}: of another comparison than {sources[0]}: merge shards of one command")
    if held(out) not in (None, plans[0]):
        raise UsageError(f"{out}: holds another comparison: give another --out DIR")
    runs = list(dict.fromkeys(run for manifest in manifests for run in manifest.runs))
    trials = list(dict.fromkeys(run for manifest in manifests for run in manifest.trials))
    stores = [store_of(source) for source in sources]
    must_agree(stores, [*trials, *runs])
    claim(place, plans[0])
    copied = 0
    for store in stores:
        for run in (*trials, *runs):
            signals.check()
            copied += merge_run(RunFolder.of(store, run), RunFolder.of(place.store, run))
    changes = {"runs": tuple(runs), "trials": tuple(trials), "seals": held_by_all(manifests)}
    write_manifest(place, plans[0], first.model_copy(update=changes))
    return copied


def held_by_all(manifests: Sequence[Manifest]) -> tuple[Seal, ...]:
    """Of each claim the seeds on which it is sealed in every manifest: what one machine saw, none had not seen."""
    seeds: dict[str, set[int]] = {seal.claim: set(seal.seeds) for seal in manifests[0].seals}
    for manifest in manifests[1:]:
        known = {seal.claim: seal.seeds for seal in manifest.seals}
        seeds = {claim: held.intersection(known.get(claim, ())) for claim, held in seeds.items()}
    return tuple(Seal(claim=claim, seeds=tuple(sorted(found))) for claim, found in seeds.items())


def must_agree(stores: Sequence[Path], runs: Sequence[RunName]) -> None:
    """Raises StoreError where two stores hold complete runs of one place that are not the same."""
    for run in runs:
        known: dict[str, Path] = {}
        for store in stores:
            folder = RunFolder.of(store, run)
            if folder.trained:
                known.setdefault(folder.result().files.get("model.safetensors", ""), folder.path)
        if len(known) > 1:
            one, other, *_ = known.values()
            raise StoreError(f"{run.title}: {one} and {other} differ: made on unlike machines; remove one of them")


def merge_run(folder: RunFolder, target: RunFolder) -> int:
    """Copies a run that is complete there and not here, or the note of its failure; returns how many were copied."""
    if folder.complete:
        if faults := faults_of(target if target.complete else folder):
            raise StoreError(faults[0])
        if not target.complete:
            copy_run(folder, target)
            return 1
    elif (failure := folder.failure()) and not target.complete and target.failure() is None:
        target.note(failure)
    return 0


def portable(plan: Plan) -> Any:
    """A plan without the places of its corpora and teachers, which differ from machine to machine (digests stay)."""

    def without_places(value: Any, name: str = "") -> Any:
        if not isinstance(value, dict):
            return value
        return {key: without_places(part, key) for key, part in value.items() if key not in PLACES.get(name, ())}

    return without_places(plan.model_dump())


def copy_run(folder: RunFolder, target: RunFolder) -> None:
    """Copies a complete run and its scores, its result last, and sweeps what an unfinished one left there."""
    with target.locked():
        copy_over(folder, target)


def copy_over(folder: RunFolder, target: RunFolder) -> None:
    """The same, where the target is locked already."""
    target.sweep_temporaries()
    for path in folder.score_paths:
        there = target.path / "scores" / path.name
        there.mkdir(parents=True, exist_ok=True)
        copy_files(path, there, RunFolder.SCORE_FILES)
    copy_files(folder.path, target.path, RunFolder.ALL_FILES)
    target.sweep()


def copy_files(source: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        if (source / name).is_file():
            write(target / name, read_bytes(source / name, 2**33))


class Removable(NamedTuple):
    """What `clean` may remove: runs, then files, then folders that are empty by then; no link is followed."""

    runs: list[RunFolder]
    files: list[Path]
    folders: list[Path]

    @property
    def paths(self) -> list[Path]:
        """The files, those of runs among them."""
        return [path for run in self.runs for path in files_of(run)] + self.files

    @property
    def bytes(self) -> int:
        return sum(path.lstat().st_size for path in self.paths)


def removable(path: Path) -> Removable:
    """What `clean` may remove of a comparison, and of its own store; or of a store, the runs that no comparison wants.

    StoreError where nothing here is ours.
    """
    if path.is_symlink() or not path.is_dir():
        raise StoreError(f"{path}: no folder of results: give one that `ssrun compare` wrote")
    if not is_marked(path):
        if path.name == RUNS and unlinked(path):
            return unused(path)
        raise StoreError(f"{path}: not marked as ssrun's: nothing is removed")
    mark = read_mark(path)
    files = [path / name for name in DERIVED if name not in mark.kept and (path / name).is_file()]
    files += sorted(left for left in path.iterdir() if is_temporary(left.name, BESIDE))
    folders: list[Path] = []
    for name, pattern in FOLDERS.items():
        if not (path / name).is_symlink():
            for folder, _, names in os.walk(path / name, topdown=False):
                below = Path(folder).relative_to(path / name)
                known = [file for file in sorted(names) if pattern.fullmatch(str(below / TEMPORARY.sub(r"\1", file)))]
                files += [Path(folder, file) for file in known]
                folders.append(Path(folder))
    own = path / RUNS if mark.runs == RUNS else None
    runs = unlinked(own) if own and not own.is_symlink() else []
    of_store = [*dict.fromkeys(run.path.parent for run in runs), own] if own else []
    return Removable(runs, [*files, path / MARK], [*folders, *of_store, path])  # the mark last: it can be done again


def unused(store: Path) -> Removable:
    """The runs of a store that no comparison wants, and that taught none that one wants."""
    wanted, there = users_of(store), unlinked(store)
    idle = [run for run in there if str(run.path.relative_to(store)) not in wanted]
    taught_by = {teacher_id_of(run) for run in there if run not in idle}
    runs = [run for run in idle if (run_id := id_of(run)) is None or run_id not in taught_by]
    return Removable(runs, [], [*dict.fromkeys(run.path.parent for run in runs), store])


def id_of(run: RunFolder) -> str | None:
    """What decides its weights; None where it does not say so."""
    with suppress(StoreError):
        return run.weights_config().weights_id
    return None


def teacher_id_of(run: RunFolder) -> str:
    with suppress(StoreError):
        return run.weights_config().strategy.teacher_id
    return ""


def unlinked(store: Path) -> list[RunFolder]:
    """The runs that lie in a store themselves, and not behind a link."""
    tasks = [path for path in sorted(store.glob("*")) if path.is_dir() and not path.is_symlink()]
    paths = [path for task in tasks for path in sorted(task.glob("*")) if not path.is_symlink()]
    return [folder for folder in map(RunFolder, paths) if folder.begun]


def files_of(run: RunFolder) -> Iterator[Path]:
    """The files of a run, however far it came: its result first, so that no result outlives its files."""
    result = run.path / "result.json"
    if result.is_file():
        yield result
    for folder in (*run.score_paths, run.path):
        for path in sorted(folder.iterdir()):
            is_file = path.is_symlink() or not path.is_dir()
            known = (*RunFolder.ALL_FILES, *RunFolder.SCORE_FILES)
            if is_file and path != result and (path.name in known or is_transient(path.name)):
                yield path


def remove(what: Removable) -> int:
    """Removes it; returns how many files went. StoreError, before anything goes, where a run is in training."""
    for run in what.runs:
        if run.in_use:
            raise StoreError(f"{run.path}: another ssrun trains this run: stop it first; nothing is removed")
    removed = 0
    for run in what.runs:
        with run.locked():
            paths = list(files_of(run))
            for path in paths:
                path.unlink(missing_ok=True)
        removed += len(paths)
        remove_if_empty([*run.score_paths, run.path / "scores", run.path])
    for path in what.files:
        path.unlink(missing_ok=True)
    remove_if_empty(what.folders)
    return removed + len(what.files)


def remove_if_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
