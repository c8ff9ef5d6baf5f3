"""`experiment.json`, beside the runs of a comparison: what was asked for, which runs these are, and the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ssrun.config.experiment import Experiment
from ssrun.config.plan import Plan
from ssrun.config.spec import RunName
from ssrun.errors import StoreError
from ssrun.runs.results_folder import mark, run_folders
from ssrun.system.documents import VERSION, Document, read_sealed, write_sealed
from ssrun.system.text import shell_word, visible

FILE = "experiment.json"


class Manifest(Document):
    """What was asked for, and the runs; each name leads to a folder within the results, by what a name may be."""

    store: int = VERSION
    plan: Plan
    runs: Annotated[tuple[RunName, ...], Field(min_length=1)]
    command: str

    @property
    def experiment(self) -> Experiment:
        return self.plan.experiment


def write_manifest(results: Path, plan: Plan, runs: Sequence[RunName], command: str) -> None:
    mark(results)
    write_sealed(results / FILE, Manifest(plan=plan, runs=tuple(runs), command=command))


def read_manifest(results: Path) -> Manifest:
    """What `write_manifest` wrote; for a folder of single runs, a comparison that is just those.

    StoreError where it is damaged, or there are no runs.
    """
    if not (results / FILE).is_file():
        return gathered(results)
    return read_sealed(results / FILE, Manifest, "run the comparison again")


def gathered(results: Path) -> Manifest:
    """Single runs, as `train` leaves them, as one comparison."""
    if any((results / name).is_file() for name in ("run.json", "result.json")):
        raise StoreError(
            f"{results}: one run's folder: give the folder of results that holds it, or `ssrun explain` it"
        )
    names = tuple(folder.spec().name for folder in run_folders(results))
    if not names:
        raise StoreError(f"{results}: no results here: give a folder that `ssrun compare` or `train` wrote")
    experiment = Experiment(
        name=visible(results.resolve().name),
        question="Single runs, side by side.",
        tasks=list(dict.fromkeys(name.task for name in names)),
        strategies=list(dict.fromkeys(name.strategy for name in names)),
        seeds=tuple(sorted({name.seed for name in names})),
    )
    return Manifest(plan=Plan(experiment=experiment), runs=names, command=f"ssrun show {shell_word(str(results))}")
