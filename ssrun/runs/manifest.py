"""Where the runs of a comparison lie: `experiment.json` beside them, written and read back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ssrun.config.experiment import Experiment
from ssrun.config.run import canonical, validated
from ssrun.config.spec import VERSION, Cell, RunName, label
from ssrun.errors import StoreError, UsageError
from ssrun.runs.results import mark, run_folders
from ssrun.system.files import digest, read_json, write


class Place(NamedTuple):
    """Where a run of a comparison lies, and what it is called."""

    task: str
    strategy: str
    seed: int
    name: str

    @classmethod
    def of(cls, cell: Cell) -> Place:
        """The place of a cell."""
        return cls(cell.task, cell.strategy, cell.seed, cell.name)

    @classmethod
    def read(cls, task: str, strategy: str, seed: int, name: str) -> Place:
        """A place as it was written; ValueError where the name could lead elsewhere."""
        if name[:-10] != f"{label(task)}/{label(strategy)}/seed-{seed:d}-" or not re.fullmatch(
            "[0-9a-f]{10}", name[-10:]
        ):
            raise ValueError(f"{ascii(name)[:70]} is no run of {task}, {strategy}, seed {seed}")
        return cls(task, strategy, seed, name)


def remember(results: Path, experiment: Experiment, places: Sequence[Place], command: str) -> None:
    """Writes the experiment and its runs' places beside the runs, for `show`, `verify` and the report."""
    mark(results)
    document = {
        "store": VERSION,
        "experiment": experiment.model_dump(mode="json"),
        "command": command,
        "runs": [list(place) for place in places],
    }
    write(results / "experiment.json", canonical({**document, "digest": digest(canonical(document))}))


def recall(results: Path) -> tuple[Experiment, list[Place], str]:
    """What `remember` wrote; for a folder of single runs, an experiment that is just those.

    Raises:
        StoreError: It is damaged, or there are no runs.
    """
    path = results / "experiment.json"
    if not path.is_file():
        return gathered(results)
    document = read_json(path)
    own = document.pop("digest", None)
    if own != digest(canonical(document)):
        raise StoreError(f"{path}: damaged: its digest does not match; run the comparison again")
    try:
        if document["store"] > VERSION:
            raise StoreError(f"{path}: written by a newer ssrun (store {document['store']}): update ssrun")
        experiment = validated(Experiment, document["experiment"])
        return experiment, [Place.read(*place) for place in document["runs"]], str(document["command"])
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise StoreError(f"{path}: not an experiment's runs ({error}): run the comparison again") from None


def gathered(results: Path) -> tuple[Experiment, list[Place], str]:
    """Single runs, as `train` leaves them, as one comparison."""
    if any((results / name).is_file() for name in ("run.json", "result.json")):
        raise StoreError(
            f"{results}: one run's folder: give the folder of results that holds it, or `ssrun explain` it"
        )
    places = [Place(*(name := folder.spec().name)[:3], name.path) for folder in run_folders(results)]
    if not places:
        raise StoreError(f"{results}: no results here: give a folder that `ssrun compare` or `train` wrote")
    experiment = Experiment(
        name=results.resolve().name,
        question="Single runs, side by side.",
        tasks=list(dict.fromkeys(place.task for place in places)),
        strategies=list(dict.fromkeys(place.strategy for place in places)),
        seeds=tuple(sorted({place.seed for place in places})),
    )
    return experiment, places, f"ssrun show {results}"


class Manifest(NamedTuple):
    """An experiment, its runs, and the command that asked for them."""

    experiment: Experiment
    runs: list[RunName]
    command: str


def read_manifest(results: Path) -> Manifest:
    """What `recall` reads."""
    experiment, places, command = recall(results)
    return Manifest(experiment, [RunName(*place[:3], place.name[-10:]) for place in places], command)


def write_manifest(results: Path, manifest: Manifest) -> None:
    """Writes it as `remember` does."""
    places = [Place(*run[:3], run.path) for run in manifest.runs]
    remember(results, manifest.experiment, places, manifest.command)
