"""`experiment.json`, in the folder of a comparison: what was asked for, which runs these are, and the command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ssrun.config.experiment import Experiment
from ssrun.config.plan import Plan
from ssrun.config.spec import RunName
from ssrun.errors import StoreError
from ssrun.runs.results_folder import LOCK, SINGLE_RUNS, Destination, claim, comparisons_of, is_marked
from ssrun.runs.seals import Seal
from ssrun.runs.tuning import Tuned
from ssrun.system.documents import VERSION, Document, read_sealed, write_sealed
from ssrun.system.files import exclusively
from ssrun.system.text import shell_word, visible
from ssrun.tasks.output_metrics import Described

FILE = "experiment.json"


class Manifest(Document):
    """What was asked for, and the runs; each name leads to a folder within a store, by what a name may be.

    Attributes:
        runs: Those that are compared.
        trials: Those that tuning rests on.
        tuning: What came of it.
        seals: Of each claim of the experiment, in their order: since when it stands.
        described: The metrics of plugins that are asked for.
    """

    described: Described = Field(default_factory=dict, exclude_if=lambda found: not found)
    store: int = VERSION
    plan: Plan
    runs: Annotated[tuple[RunName, ...], Field(min_length=1)]
    command: str
    trials: tuple[RunName, ...] = Field((), exclude_if=lambda found: not found)
    tuning: tuple[Tuned, ...] = Field((), exclude_if=lambda found: not found)
    seals: tuple[Seal, ...] = Field((), exclude_if=lambda found: not found)

    @property
    def experiment(self) -> Experiment:
        return self.plan.experiment


def write_manifest(place: Destination, plan_id: str, manifest: Manifest) -> None:
    """Claims the folder for this plan, and writes down what was asked for; UsageError where it holds another."""
    claim(place, plan_id)
    write_sealed(place.path / FILE, manifest)


def manifests_in(store: Path) -> Iterator[Manifest]:
    """Of every comparison whose runs lie in a store; StoreError where one is damaged."""
    for path in comparisons_of(store) if store.parent.is_dir() else ():
        if (path / FILE).is_file():
            yield read_manifest(path)


def read_manifest(results: Path) -> Manifest:
    """What `write_manifest` wrote; StoreError where it is damaged, or there is none."""
    if any((results / name).is_file() for name in ("run.json", "result.json")):
        raise StoreError(f"{results}: one run's folder: give the folder of its comparison, or `ssrun explain` it")
    if is_marked(results) and not (results / FILE).exists():
        raise StoreError(f"{results / FILE}: gone: run the comparison again")
    if not (results / FILE).is_file():
        raise StoreError(f"{results}: no results here: give a folder that `ssrun compare` or `train` wrote")
    return read_sealed(results / FILE, Manifest, "run the comparison again")


def add_single_run(place: Destination, run: RunName) -> None:
    """Puts a run of `train` with those of its folder, in the place of an older one of the same labels and seed."""
    claim(place, SINGLE_RUNS)
    with exclusively(place.path / LOCK):
        known = read_manifest(place.path).runs if (place.path / FILE).is_file() else ()
        write_single_runs(place, [name for name in known if name[:3] != run[:3]], run)


def write_single_runs(place: Destination, others: Sequence[RunName], run: RunName) -> None:
    runs = sorted([*others, run])
    experiment = Experiment(
        name=visible(place.path.resolve().name),
        question="Single runs, side by side.",
        tasks=list(dict.fromkeys(name.task for name in runs)),
        strategies=list(dict.fromkeys(name.strategy for name in runs)),
        seeds=tuple(sorted({name.seed for name in runs})),
    )
    command = f"ssrun show {shell_word(str(place.path))}"
    write_manifest(place, SINGLE_RUNS, Manifest(plan=Plan(experiment=experiment), runs=tuple(runs), command=command))
