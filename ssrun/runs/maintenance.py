"""Moving whole runs about: merging folders of results, and removing what is ours and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from filelock import Timeout

from ssrun.config.plan import Plan
from ssrun.errors import StoreError, UsageError
from ssrun.runs.folder import MARK, RunFolder, claim, is_reference, is_transient, mark
from ssrun.runs.manifest import read_manifest, write_manifest
from ssrun.runs.verification import faults_of
from ssrun.system import signals as interruption
from ssrun.system.documents import canonical
from ssrun.system.files import TEMPORARY, read_bytes, sweep_temporaries, write

TABLES = ("table.md", "table.csv", "table.json", "table.tex", "bootstrap.json", "report.html")

DERIVED = {  # folders of files that are made from the runs
    "figures": re.compile(r"[a-z0-9-]+\.(svg|pdf|png)"),
    "tensorboard": re.compile(r"events\.out\.tfevents\..+"),
}


def merge(sources: Sequence[Path], out: Path) -> int:
    """Brings the complete runs of several folders of one experiment together; returns how many were copied.

    Raises:
        StoreError: A folder is damaged.
        UsageError: The folders are of different experiments, or `out` is not ours.
    """
    claim(out)
    manifests = [read_manifest(source) for source in sources]
    first = manifests[0]
    for source, manifest in zip(sources, manifests, strict=True):
        if portable(manifest.plan) != portable(first.plan):
            raise UsageError(f"{source}: of another experiment than {sources[0]}: merge shards of one command")
    names = list(dict.fromkeys(name for manifest in manifests for name in manifest.runs))
    copied = 0
    for source in sources:
        for name in names:
            interruption.check()
            folder, target = RunFolder.within(source, name.path), RunFolder.within(out, name.path)
            if not folder.complete:
                hand_on_failure(folder, target)
                continue
            if faults := faults_of(target if target.complete else folder):
                raise StoreError(faults[0])
            if not target.complete:
                copy_run(folder, target)
                copied += 1
    write_manifest(out, first.plan, names, first.command)
    return copied


def portable(plan: Plan) -> dict[str, Any]:
    """A plan without the folder of a corpus, which differs from machine to machine (the digest of its text stays)."""
    document = plan.model_dump()
    experiment = document["experiment"]
    sections = [experiment["task"], document["overrides"].get("task", {})]
    sections += [entry["task"] for entry in experiment["tasks"].values() if isinstance(entry.get("task"), dict)]
    for fields in sections:
        fields.pop("path", None)
    return document


def hand_on_failure(folder: RunFolder, target: RunFolder) -> None:
    """Copies the note of why a run failed, where the whole knows nothing of that run."""
    if (failure := folder.failure()) and not target.complete and target.failure() is None:
        target.make()
        write(target.path / "failure.json", canonical(failure))


def copy_run(folder: RunFolder, target: RunFolder) -> None:
    """Copies a complete run, its result last, and sweeps what an unfinished one left there.

    Raises:
        StoreError: Somebody trains that run.
    """
    target.make()
    mark(target.path.parents[2])
    try:
        with target.lock():
            sweep_temporaries(target.path)
            names = [name for name in RunFolder.FILES if (folder.path / name).is_file()]
            for name in [*names, "result.json"]:
                write(target.path / name, read_bytes(folder.path / name, 2**33))
            target.sweep()
    except Timeout:
        raise StoreError(f"{target.path}: another ssrun trains this run: wait for it, then merge again") from None


def ours(results: Path) -> list[Path]:
    """What `clean` may remove of a folder of results: files that ssrun writes, then folders; no link is followed.

    Raises:
        StoreError: The folder is not ours, or somebody trains one of its runs.
    """
    if results.is_symlink() or not results.is_dir():
        raise StoreError(f"{results}: no folder of results: give one that `ssrun compare` wrote")
    if not (results / MARK).is_file() and not is_reference(results):
        raise StoreError(f"{results}: not marked as ssrun's: nothing is removed")
    files: list[Path] = []
    folders: list[Path] = []
    known = {*RunFolder.FILES, "result.json"}
    for task in _folders(results):
        for strategy in _folders(task):
            for run in _folders(strategy):
                if not run.name.startswith("seed-"):
                    continue
                if RunFolder(run).in_use:
                    raise StoreError(f"{run}: another ssrun trains this run: stop it first; nothing is removed")
                files += [
                    path
                    for path in sorted(run.iterdir())
                    if not path.is_dir() or path.is_symlink()
                    if path.name in known or is_transient(path.name)
                ]
                folders.append(run)
            folders.append(strategy)
        folders.append(task)
    files += [results / name for name in (*TABLES, "experiment.json") if (results / name).is_file()]
    files += sorted(results.glob(TEMPORARY))
    for name, known_file in DERIVED.items():
        for folder, _, names in () if (results / name).is_symlink() else os.walk(results / name, topdown=False):
            known_names = [each for each in sorted(names) if known_file.fullmatch(each) or fnmatch(each, TEMPORARY)]
            files += [Path(folder, each) for each in known_names]
            folders.append(Path(folder))
    return [*files, *folders, results / MARK, results]  # the mark last: cut short, it can be done again


def _folders(path: Path) -> list[Path]:
    return [entry for entry in sorted(path.iterdir()) if entry.is_dir() and not entry.is_symlink()]


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
