"""Promises 1 and 2: signals are honoured within seconds in every phase, and no child outlives its parent."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import Done, ended, fork_server, process, say, ssrun, ssrun_killed
from tests.support.faults import Fault, fault, note_training, pause, trained
from tests.support.runs import GRID, SIZES, experiment, train, train_to_the_same_end
from tests.support.snapshots import fingerprint, run_folder, run_folders, snapshot, strays

PATIENCE = 10.0
OPTIONS = ("--strategy=linear", "--checkpoint-every=5")
PHASES = {
    "data": {"module": "ssrun.runs.execution", "function": "prepare", "turn": 1},
    "step": {"module": "ssrun.seq2seq.training", "function": "objective_of", "turn": 12},
    "evaluation": {"module": "ssrun.runs.execution", "function": "score", "turn": 2},
    "decoding": {"module": "ssrun.seq2seq.scoring", "function": "decode", "turn": 3},
    "checkpoint": {"module": "ssrun.runs.checkpoints", "function": "save", "turn": 2},
    "test set": {"module": "ssrun.runs.execution", "function": "finish", "turn": 1},
}


def until(condition: Callable[[], object], seconds: float = 60) -> float:
    """Waits for a condition; returns the seconds it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it never came"
        time.sleep(0.01)
    return time.monotonic() - start


def interrupted(child: int, number: signal.Signals) -> Done:
    """How a command ends at a signal, which is soon."""
    os.kill(child, number)
    sent = time.monotonic()
    done = fork_server().wait().must(128 + number)
    assert time.monotonic() - sent < PATIENCE
    return done


@pytest.mark.parametrize(
    ("phase", "number"),
    [*((phase, number) for number in (signal.SIGTERM, signal.SIGINT) for phase in PHASES), ("step", signal.SIGHUP)],
    ids=lambda part: getattr(part, "name", part),
)
def test_a_signal_in_any_phase_ends_a_run_with_a_checkpoint_of_its_last_whole_step(
    tmp_path: Path, phase: str, number: signal.Signals
) -> None:
    """R10."""
    arguments = ["train", "--task=copy", *SIZES, "--out=runs", *OPTIONS]
    child = fork_server().start(arguments, tmp_path, faults=[fault(pause, **PHASES[phase], seconds=0.3)])
    until((tmp_path / "reached").exists)
    done = interrupted(child, number)
    said = r"ssrun: interrupted( at about step \d+ of 24)?: the same command goes on from here"
    assert re.fullmatch(said, done.err.splitlines()[-1])
    kept = [path.stem for path in sorted((run_folder(tmp_path / "runs")).glob("checkpoint-*.json"))]
    last = {"data": [], "step": [12], "evaluation": [10], "decoding": [15], "checkpoint": [10], "test set": [24]}
    assert kept[-1:] == [f"checkpoint-{step:010}" for step in last[phase]]
    train_to_the_same_end(tmp_path, *OPTIONS)


def test_a_second_ctrl_c_ends_a_run_that_hangs(tmp_path: Path) -> None:
    """R10."""
    hangs = fault(pause, module="ssrun.seq2seq.training", function="objective_of", turn=3, seconds=60)
    child = fork_server().start(["train", "--task=copy", *SIZES, "--out=runs"], tmp_path, faults=[hangs])
    until((tmp_path / "reached").exists)
    os.kill(child, signal.SIGINT)
    time.sleep(0.2)
    interrupted(child, signal.SIGINT)
    train(tmp_path).must(0)
    assert not strays(tmp_path / "runs")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_while_reading_results_ends_the_command(tmp_path: Path, number: signal.Signals) -> None:
    """R10, the report."""
    train(tmp_path).must(0)
    slow = fault(pause, module="ssrun.analysis.comparison", function="varying", turn=1, seconds=30)
    child = fork_server().start(["show", "runs"], tmp_path, faults=[slow])
    until((tmp_path / "reached").exists)
    interrupted(child, number)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_while_libraries_are_imported_ends_the_command(tmp_path: Path, number: signal.Signals) -> None:
    """R10, the import: an ordinary process, at six moments."""
    sizes = [size for size in SIZES if "training.steps" not in size]
    for after in (0.1, 0.3, 0.5, 0.8, 1.2, 2.0):
        child = process(["train", "--task=copy", *sizes, "--steps=100000", "--out=runs"], tmp_path)
        time.sleep(after)
        child.send_signal(number)
        sent = time.monotonic()
        done = ended(child)
        assert time.monotonic() - sent < PATIENCE
        assert done.code == 128 + number, done.err
    say(f"R10: {number.name} at six moments of the import")


def alive(folder: Path) -> list[int]:
    """The workers that still live."""
    return [int(path.name) for path in (folder / "workers").glob("*") if running(path.name)]


def running(number: str) -> bool:
    """Whether a process lives and is no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def slowly(seconds: float = 0.05) -> list[Fault]:
    """Workers say who they are and what they train, slowly."""
    return [fault(note_training, seconds=seconds)]


COMPARE = ("compare", "grid.toml", "--jobs=2", "--out=runs", "--checkpoint-every=1")


def done_training(folder: Path) -> list[Path]:
    """Runs that have a result, or were stopped after their last step, in the scoring that comes then."""
    ends = ("result.json", "checkpoint-0000000024.json")
    return [run for run in run_folders(folder) if any((run / end).exists() for end in ends)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_a_comparison_and_its_workers(tmp_path: Path, number: signal.Signals) -> None:
    """R10: each cell keeps its last whole step, and goes on from there."""
    experiment(tmp_path, GRID)
    child = fork_server().start(COMPARE, tmp_path, faults=slowly())
    until(lambda: len(list((tmp_path / "runs").glob("*/*/*/checkpoint-*.json"))) >= 2)
    said = interrupted(child, number).err
    assert said.splitlines()[-1].endswith("the same command goes on from here")
    assert not alive(tmp_path)
    begun, done_with = trained(tmp_path), done_training(tmp_path / "runs")
    ssrun(*COMPARE, folder=tmp_path, faults=slowly(0)).must(0)
    again = trained(tmp_path)[len(begun) :]
    assert len(again) == 4 - len(done_with)
    assert sum(first > 0 for _, first in again) >= 1
    assert not strays(tmp_path / "runs")


def test_the_workers_of_a_killed_comparison_end_and_the_next_call_trains_what_is_unfinished(tmp_path: Path) -> None:
    """R11."""
    experiment(tmp_path, GRID)
    child = fork_server().start(COMPARE, tmp_path, faults=slowly(0.03))
    until(lambda: len(list((tmp_path / "runs").glob("*/*/*/result.json"))) >= 1)
    until(lambda: len(list((tmp_path / "runs").glob("*/*/*/checkpoint-*.json"))) >= 2)
    os.kill(child, signal.SIGKILL)
    assert alive(tmp_path)
    fork_server().wait().must(137)
    assert until(lambda: not alive(tmp_path)) < PATIENCE
    complete = [run for run in run_folders(tmp_path / "runs") if (run / "result.json").exists()]
    before = {run: snapshot(run) for run in complete}
    begun, done_with = trained(tmp_path), done_training(tmp_path / "runs")
    ssrun(*COMPARE, folder=tmp_path, faults=slowly(0)).must(0)
    again = trained(tmp_path)[len(begun) :]
    assert len(again) == 4 - len(done_with)
    assert not {name for name, _ in again} & {run.name[-10:] for run in done_with}
    assert all(snapshot(run).items() >= before[run].items() - {("lock", before[run].get("lock"))} for run in complete)
    assert not strays(tmp_path / "runs")


def test_a_worker_that_hangs_ends_with_its_parent_too(tmp_path: Path) -> None:
    """R11: in a step that looks at no flag."""
    experiment(tmp_path, GRID)
    child = fork_server().start(COMPARE, tmp_path, faults=slowly(60))
    until(lambda: len(alive(tmp_path)) == 2)
    os.kill(child, signal.SIGKILL)
    fork_server().wait().must(137)
    assert until(lambda: not alive(tmp_path)) < PATIENCE


@pytest.mark.slow
def test_the_workers_of_a_killed_comparison_end_in_ordinary_processes(tmp_path: Path) -> None:
    """R10, R11: nothing forked, nothing patched but what notes who works."""
    experiment(tmp_path, GRID)
    for number, code in ((signal.SIGKILL, 137), (signal.SIGTERM, 143), (signal.SIGINT, 130)):
        child = process(COMPARE, tmp_path, faults=slowly())
        until(lambda: len(alive(tmp_path)) == 2, 120)
        time.sleep(0.5)
        child.send_signal(number)
        sent = time.monotonic()
        ended(child).must(code)
        assert time.monotonic() - sent < PATIENCE
        assert until(lambda: not alive(tmp_path)) < PATIENCE
    ended(process(COMPARE, tmp_path)).must(0)
    assert not [name for name in strays(tmp_path / "runs") if not name.startswith(".faults")]


@pytest.mark.slow
def test_a_comparison_killed_at_thirty_random_moments_ends_with_the_same_table(tmp_path: Path) -> None:
    """Must-show 3: twelve runs, killed and restarted; the table is the undisturbed one's, and no file is left over."""
    text = GRID.replace('tasks = ["copy"]', 'tasks = ["copy", "reverse"]').replace('"0..1"', '"0..2"')
    experiment(tmp_path, text)
    ssrun(*COMPARE[:-2], "--out=straight", folder=tmp_path).must(0)
    draw, killed, rounds = random.Random(30), 0, 0
    while killed < 30:
        done, _ = ssrun_killed(*COMPARE, folder=tmp_path, after=draw.uniform(0.05, 1.5), faults=slowly(0.12))
        assert "Traceback" not in done.err
        killed += done.code == 137
        if done.code == 0:  # it was done before the thirtieth: once more from the start
            rounds += 1
            same_tables(tmp_path)
            ssrun("clean", "runs", "--yes", folder=tmp_path).must(0)
            assert not (tmp_path / "runs").exists()
    ssrun(*COMPARE, folder=tmp_path).must(0)
    until(lambda: not alive(tmp_path))
    same_tables(tmp_path)
    ssrun("verify", "runs", folder=tmp_path).must(0)
    say(f"must-show 3: {killed} SIGKILLs of a comparison of 12 runs ({rounds + 1} times to its end): same tables")


def same_tables(folder: Path) -> None:
    """Both comparisons have the same bytes for tables, and nothing left over."""
    for name in ("table.md", "table.csv", "table.json", "table.tex"):
        assert (folder / "runs" / name).read_bytes() == (folder / "straight" / name).read_bytes()
    assert not strays(folder / "runs")
    for run, other in zip(run_folders(folder / "runs"), run_folders(folder / "straight"), strict=True):
        assert fingerprint(run) == fingerprint(other)
