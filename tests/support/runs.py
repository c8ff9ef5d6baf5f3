"""Runs so small that a test may train dozens: from Python, and as options of the command line."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ssrun.config.resolution import resolve
from ssrun.config.spec import RunSpec
from ssrun.runs.execution import execute
from ssrun.runs.folder import RunFolder
from ssrun.strategies import STRATEGIES
from tests.support.commands import Done, ssrun
from tests.support.snapshots import fingerprint, run_folder, strays

UNTAUGHT = [name for name, entry in STRATEGIES.items() if not entry.strategy.needs_teacher]  # who need no other run
STEPS = 24
EVALUATE = 5
SMALL: dict[str, dict[str, Any]] = {
    "model": {"hidden": 8, "embedding": 8},
    "training": {"batch_size": 8, "steps": STEPS, "evaluate_every": EVALUATE},
    "task": {"validation_pairs": 10, "test_pairs": 10},
}
SIZES = tuple(f"--set={section}.{name}={value}" for section, fields in SMALL.items() for name, value in fields.items())
EVERYTHING_ON = ("--set=model.dropout=0.3", "--set=training.clip=0.05", "--set=model.layers=2")
GRID = """
question = "Which?"
tasks = ["copy"]
strategies = ["teacher-forcing", "linear"]
seeds = "0..1"
""" + "".join(
    f"[{section}]\n" + "".join(f"{field} = {value}\n" for field, value in fields.items())
    for section, fields in SMALL.items()
)


def small_run(strategy: str = "linear", seed: int = 0, task: str = "copy", **training: Any) -> RunSpec:
    """A run of a second or less."""
    return RunSpec.of(task, strategy, resolve(task, strategy, seed, [SMALL, {"training": training}]))


def finished(store: Path, run: RunSpec) -> RunFolder:
    """The run, brought to its end in this process."""
    folder = RunFolder.of(store, run.name)
    for _ in execute(run.config, folder):
        pass
    return folder


def train(folder: Path, *more: object, seed: int = 0, **options: Any) -> Done:
    """A small run of `ssrun train`, of copy unless told, its folder `folder/runs`."""
    task = [] if any(str(option).startswith("--task=") for option in more) else ["--task=copy"]
    return ssrun("train", *task, f"--seed={seed}", *SIZES, "--out=runs", *more, folder=folder, **options)


@cache
def straight(*options: str) -> str:
    """The fingerprint of an undisturbed run of `train` with these options."""
    with TemporaryDirectory() as folder:
        train(Path(folder), *options).must(0)
        return fingerprint(run_folder(Path(folder) / "runs"))


def train_to_the_same_end(folder: Path, *options: str) -> Done:
    """`train`, whatever became of the run before: it ends with the undisturbed one's bytes, and leaves no more."""
    done = train(folder, *options).must(0)
    assert not strays(folder / "runs")
    assert fingerprint(run_folder(folder / "runs")) == straight(*options)
    return done


def experiment(folder: Path, text: str, name: str = "grid") -> Path:
    """An experiment's file."""
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path
