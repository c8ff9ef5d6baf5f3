"""Moving whole runs about: merging folders of results, and removing what is ours and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ssrun.config.plan import Plan
from ssrun.errors import StoreError, UsageError
from ssrun.runs.folder import RunFolder, is_transient
from ssrun.runs.manifest import read_manifest, write_manifest
from ssrun.runs.results_folder import BESIDE, MARK, claim_results, is_ours, mark
from ssrun.runs.verification import faults_of
from ssrun.system import signals
from ssrun.system.files import TEMPORARY, is_temporary, read_bytes, write

TABLES = ("table.md", "table.csv", "table.json", "table.tex", "bootstrap.json", "report.html")

DERIVED = {  # folders of files that are made from the runs
    "figures": re.compile(r"[a-z0-9-]+\.(svg|pdf|png)"),
    "tensorboard": re.compile(r"events\.out\.tfevents\..+"),
}


def merge(sources: Sequence[Path], out: Path) -> int:
    """Brings the complete runs of several folders of one experiment together; returns how many were copied.

    UsageError where the folders are of different experiments or `out` is not ours, StoreError where one is damaged,
    Busy where another process trains one of the runs in `out`.
    """
    claim_results(out)
    manifests = [read_manifest(source) for source in sources]
    first = manifests[0]
    for source, manifest in zip(sources, manifests, strict=True):
        if portable(manifest.plan) != portable(first.plan):
            raise UsageError(f"{source}: of another experiment than {sources[0]}: merge shards of one command")
    runs = list(dict.fromkeys(run for manifest in manifests for run in manifest.runs))
    copied = 0
    for source in sources:
        for run in runs:
            signals.check()
            folder, target = RunFolder.of(source, run), RunFolder.of(out, run)
            if folder.complete:
                if faults := faults_of(target if target.complete else folder):
                    raise StoreError(faults[0])
                if not target.complete:
                    mark(out)
                    copy_run(folder, target)
                    copied += 1
            elif (failure := folder.failure()) and not target.complete and target.failure() is None:
                target.note(failure)
    write_manifest(out, first.plan, runs, first.command)
    return copied


def portable(plan: Plan) -> Any:
    """A plan without the paths of its corpora, which differ from machine to machine (their digests stay)."""

    def without_path(value: Any, name: str = "") -> Any:
        if not isinstance(value, dict):
            return value
        return {key: without_path(part, key) for key, part in value.items() if (name, key) != ("task", "path")}

    return without_path(plan.model_dump())


def copy_run(folder: RunFolder, target: RunFolder) -> None:
    """Copies a complete run, its result last, and sweeps what an unfinished one left there."""
    with target.locked():
        target.sweep_temporaries()
        for name in RunFolder.ALL_FILES:
            if (folder.path / name).is_file():
                write(target.path / name, read_bytes(folder.path / name, 2**33))
        target.sweep()


def ours(results: Path) -> list[Path]:
    """What `clean` may remove of a folder of results: files that ssrun writes, then folders; no link is followed.

    StoreError where the folder is not ours, or somebody trains one of its runs.
    """
    if results.is_symlink() or not results.is_dir():
        raise StoreError(f"{results}: no folder of results: give one that `ssrun compare` wrote")
    if not is_ours(results):
        raise StoreError(f"{results}: not marked as ssrun's: nothing is removed")
    files: list[Path] = []
    folders: list[Path] = []
    for task in _folders(results):
        for strategy in _folders(task):
            for run in _folders(strategy):
                if run.name.startswith("seed-"):
                    files += _files_of(RunFolder(run))
                    folders.append(run)
            folders.append(strategy)
        folders.append(task)
    files += [results / name for name in (*TABLES, "experiment.json") if (results / name).is_file()]
    files += sorted(path for path in results.iterdir() if is_temporary(path.name, BESIDE))
    for name, pattern in DERIVED.items():
        if (results / name).is_symlink():
            continue
        for folder, _, names in os.walk(results / name, topdown=False):
            known = [name for name in sorted(names) if pattern.fullmatch(TEMPORARY.sub(r"\1", name))]
            files += [Path(folder, name) for name in known]
            folders.append(Path(folder))
    return [*files, *folders, results / MARK, results]  # the mark last: cut short, it can be done again


def _folders(path: Path) -> list[Path]:
    return [entry for entry in sorted(path.iterdir()) if entry.is_dir() and not entry.is_symlink()]


def _files_of(folder: RunFolder) -> Iterator[Path]:
    """The files of a run, however far it came."""
    if folder.in_use:
        raise StoreError(f"{folder.path}: another ssrun trains this run: stop it first; nothing is removed")
    for path in sorted(folder.path.iterdir()):
        is_file = path.is_symlink() or not path.is_dir()
        if is_file and (path.name in RunFolder.ALL_FILES or is_transient(path.name)):
            yield path


def remove(paths: Sequence[Path]) -> int:
    """Removes files, and folders that are then empty; returns how many files."""
    removed = 0
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        else:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
