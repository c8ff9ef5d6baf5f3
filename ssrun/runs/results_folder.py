"""A folder of results: how it becomes ours, and the runs that lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssrun.config.spec import RunSpec
from ssrun.errors import UsageError
from ssrun.runs.folder import RunFolder
from ssrun.system.files import is_temporary, sweep_temporaries, write, writing

RESULTS = Path("results")
MARK = ".ssrun"  # in a folder of results: this folder is ours
BESIDE = (MARK, "experiment.json", "bootstrap.json", "table.*", "report.html")  # what is written beside the runs


def claim_results(results: Path) -> None:
    """Makes sure that a folder of results is or can become ours: new, empty, or ours already.

    UsageError where it is a file, or holds something else; StoreError where there can be none of this name.
    """
    with writing(results):
        if results.is_dir():
            if not is_ours(results):
                raise UsageError(f"{results}: holds files that are not ssrun's: give another --out DIR")
        elif results.exists():
            raise UsageError(f"{results}: not a folder: give another --out DIR")


def is_ours(results: Path) -> bool:
    """Whether a folder is marked, or holds only committed tables, or nothing but what a dead writer left."""
    return (results / MARK).is_file() or all(
        path.name.startswith(("table.", "report.")) or is_temporary(path.name, BESIDE) for path in results.iterdir()
    )


def mark(results: Path) -> None:
    """Writes the mark that says a folder of results is ours, and sweeps what dead writers left in it."""
    with writing(results):
        results.mkdir(parents=True, exist_ok=True)
    sweep_temporaries(results, BESIDE)
    if not (results / MARK).is_file():
        write(results / MARK, b"A folder of results of ssrun.\n")


def run_folders(results: Path) -> list[RunFolder]:
    """The run folders within a folder of results (or the one that it is itself), in order of their names."""
    if (itself := RunFolder(results)).begun:
        return [itself]
    folders = [RunFolder.at(path) for path in sorted(results.glob("*/*/seed-*"), key=str)]
    return [folder for folder in folders if folder.begun]


def incomplete(results: Path, runs: Sequence[RunSpec]) -> list[RunSpec]:
    """The runs that have no result yet; sweeps what killed processes left of the others."""
    missing = []
    for run in runs:
        folder = RunFolder.of(results, run.name)
        if folder.complete:
            folder.sweep()
        else:
            missing.append(run)
    return missing
