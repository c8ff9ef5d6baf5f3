"""Promises 1 and 3: a cell that diverges, fails, hangs or dies is marked, with its reason, and stops no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import ssrun
from tests.support.faults import at_step, fault, fill_disk, note_training, refuse_writes, stop_after, trained
from tests.support.runs import GRID, STEPS, experiment, train, train_to_the_same_end
from tests.support.snapshots import run_folder, run_folders, strays

BY_NAME = {"short": 6, "middle": 12, "long": STEPS}  # steps of strategies that one training gives
COMPARE = ("compare", "grid.toml", "--jobs=2", "--out=runs", "--checkpoint-every=5")


def rows(folder: Path) -> dict[str, dict[str, object]]:
    """The table's rows by strategy."""
    document = json.loads(ssrun("show", "runs", "--json", folder=folder).must(0).out)
    assert document["faults"] or all(row["n"] == row["of"] for row in document["rows"])
    return {row["strategy"]: row for row in document["rows"]}


def test_a_loss_that_is_no_number_stops_its_run_alone_and_is_counted(tmp_path: Path) -> None:
    """R14: n = 4 of 5."""
    experiment(tmp_path, GRID.replace('"0..1"', '"0..4"'))
    done = ssrun(*COMPARE, folder=tmp_path, faults=[fault(at_step, action="loses its weights", seed=3, step=12)])
    assert "diverged" in done.must(3).out
    (path,) = tmp_path.glob("runs/runs/copy/linear-3-*/result.json")
    result = json.loads(path.read_bytes(), parse_constant=pytest.fail)
    assert (result["status"], result["steps"]) == ("diverged", 13)
    assert result["reason"] == "diverged at step 13: the loss is nan"
    linear = rows(tmp_path)["linear"]
    assert (linear["n"], linear["of"], linear["diverged"], linear["failed"]) == (4, 5, 1, 0)
    assert rows(tmp_path)["teacher-forcing"]["n"] == 5
    ssrun("verify", "runs", folder=tmp_path).must(0)
    assert not strays(tmp_path / "runs")
    ssrun(*COMPARE, folder=tmp_path, faults=[fault(note_training)]).must(3)  # the diverged run is complete
    assert trained(tmp_path) == []


@pytest.mark.parametrize("evaluate", [1, 1000])
def test_a_learning_rate_out_of_all_bounds_ends_in_a_number_or_in_diverged(tmp_path: Path, evaluate: int) -> None:
    """R14: strict JSON either way, also where only the evaluation meets what is no number."""
    for rate, codes in (("1e9", (0, 3)), ("1e30", (0, 3)), ("3e38", (3,))):
        options = (f"--set=training.learning_rate={rate}", f"--set=training.evaluate_every={evaluate}", "--json")
        done = train(tmp_path, *options, "--set=training.clip=1e30").must(*codes)
        result = json.loads(done.out, parse_constant=pytest.fail)
        assert result["status"] == ("diverged" if done.code else "complete")
    ssrun("verify", "runs", folder=tmp_path).must(0)
    ssrun("show", "runs", folder=tmp_path).must(0)


@pytest.mark.parametrize("death", ["exits by itself", "is killed", "crashes", "is asked to stop"])
def test_a_run_that_dies_is_tried_again_from_its_checkpoint_and_no_other_is(tmp_path: Path, death: str) -> None:
    """R15."""
    experiment(tmp_path, GRID)
    dies = fault(at_step, action=death, seed=1, step=12, once=True)
    done = ssrun(*COMPARE, folder=tmp_path, faults=[fault(note_training), dies]).must(0)
    assert done.err.count("retry") == 1
    starts = sorted(first for _, first in trained(tmp_path))
    assert starts[:4] == [0, 0, 0, 0]
    assert starts[4:] in ([10], [12], [13])  # 10 by its checkpoint; or where it could still write one
    assert not strays(tmp_path / "runs")


def test_a_run_that_dies_every_time_is_given_up_and_said(tmp_path: Path) -> None:
    """R15, R16."""
    experiment(tmp_path, GRID)
    done = ssrun(*COMPARE, folder=tmp_path, faults=[fault(at_step, action="is killed", seed=1, step=12)]).must(3)
    assert done.err.count("retry") == 2
    assert "killed by SIGKILL" in done.out.replace("\n", " ")
    assert (rows(tmp_path)["linear"]["n"], rows(tmp_path)["linear"]["failed"]) == (1, 1)
    ssrun(*COMPARE, folder=tmp_path).must(0)
    assert not strays(tmp_path / "runs")


def test_a_run_that_raises_and_one_that_hangs_are_marked_and_the_rest_completes(tmp_path: Path) -> None:
    """R16."""
    experiment(tmp_path, GRID.replace('"0..1"', '"0..2"'))
    raises = fault(at_step, action="raises", seed=1, step=3)
    hangs = fault(at_step, action="hangs", seed=2, step=3)
    done = ssrun(*COMPARE, "--cell-timeout=6", folder=tmp_path, faults=[raises, hangs]).must(3)
    assert "hung: no end within 6 s" in done.err
    assert "RuntimeError: no luck" in done.err
    assert "\x1b" not in done.err + done.out
    linear = rows(tmp_path)["linear"]
    assert (linear["n"], linear["of"], linear["failed"]) == (1, 3, 2)
    assert rows(tmp_path)["teacher-forcing"]["n"] == 3
    notes = sorted(tmp_path.glob("runs/*/*/*/failure.json"))
    assert [path.parent.name[:8] for path in notes] == ["linear-1", "linear-2"]
    assert all(json.loads(path.read_bytes())["attempts"] == 1 for path in notes)
    ssrun(*COMPARE, folder=tmp_path).must(0)
    assert not strays(tmp_path / "runs")


BUDGETS = GRID.replace(
    '["teacher-forcing", "linear"]',
    "{"
    + ", ".join(f'{name} = {{base = "uniform", training = {{steps = {steps}}}}}' for name, steps in BY_NAME.items())
    + '}\nbaseline = "short"',
)


def test_runs_that_one_training_gives_share_it_in_a_comparison(tmp_path: Path) -> None:
    experiment(tmp_path, BUDGETS)
    ssrun(*COMPARE, folder=tmp_path, faults=[fault(note_training)]).must(0)
    assert len(trained(tmp_path)) == 2  # one a seed
    assert {name: row["n"] for name, row in rows(tmp_path).items()} == dict.fromkeys(BY_NAME, 2)
    ssrun("verify", "runs", folder=tmp_path).must(0)
    assert not strays(tmp_path / "runs")


def test_a_training_that_dies_is_tried_again_for_the_runs_that_had_not_ended(tmp_path: Path) -> None:
    """R15, of a chain: its end at step 6 is past, and all others have a checkpoint of step 10."""
    experiment(tmp_path, BUDGETS)
    dies = fault(at_step, action="is killed", seed=1, step=12, schedule="constant", once=True)
    done = ssrun(*COMPARE, folder=tmp_path, faults=[fault(note_training), dies]).must(0)
    assert done.err.count("retry") == 1
    assert sorted(first for _, first in trained(tmp_path)) == [0, 0, 10]
    assert not strays(tmp_path / "runs")


@pytest.mark.parametrize(
    ("action", "more", "reason"),
    [
        ("is killed", [], "killed by SIGKILL"),
        pytest.param("hangs", ["--cell-timeout=4"], "hung: no end within 4 s", marks=pytest.mark.slow),
        pytest.param("raises", [], "RuntimeError: no luck", marks=pytest.mark.slow),
    ],
)
def test_a_training_that_cannot_end_fails_for_the_runs_that_had_not_ended_alone(
    tmp_path: Path, action: str, more: list[str], reason: str
) -> None:
    """R16, of a chain: it stops at step 8."""
    experiment(tmp_path, BUDGETS)
    stops = fault(at_step, action=action, seed=1, step=8, schedule="constant")
    done = ssrun(*COMPARE, *more, folder=tmp_path, faults=[stops]).must(3)
    assert done.err.count(f"failed: {reason}") == 2
    assert {name: (row["n"], row["failed"]) for name, row in rows(tmp_path).items()} == {
        "short": (2, 0),
        "middle": (1, 1),
        "long": (1, 1),
    }
    ssrun(*COMPARE, folder=tmp_path).must(0)
    assert not strays(tmp_path / "runs")


@pytest.mark.slow
def test_the_time_that_a_run_may_take_counts_from_the_end_of_the_one_before(tmp_path: Path) -> None:
    """Steps of a third of a second: 24 of them take longer than is allowed, but no run's own take so long."""
    experiment(tmp_path, BUDGETS.replace('"0..1"', '"0"').replace("24", "18"))
    done = ssrun(*COMPARE, "--cell-timeout=5", folder=tmp_path, faults=[fault(note_training, seconds=0.33)]).must(0)
    assert "hung" not in done.err


LARGE = GRID.replace(
    '["teacher-forcing", "linear"]',
    '{small = {base = "linear"}, large = {base = "linear", model = {hidden = 96}}}\nbaseline = "small"',
)


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_fails_that_cell_alone(tmp_path: Path) -> None:
    """R12."""
    options = ("--set=model.hidden=96", "--strategy=linear", "--checkpoint-every=5")
    train(tmp_path, *options, faults=[fault(stop_after, step=10)]).must(143)
    run = run_folder(tmp_path / "runs")
    before = {path.name: path.read_bytes() for path in run.glob("checkpoint-*")}
    assert len(before) == 4
    done = train(tmp_path, *options, file_limit=200_000).must(5)
    assert done.err.splitlines()[-1].startswith("ssrun: runs/runs/copy/linear-0-")
    assert "checkpoint-0000000015.safetensors: cannot be written (File too large)" in done.err
    assert {path.name: path.read_bytes() for path in run.glob("checkpoint-*")} == before
    assert not list(run.glob(".*.tmp"))
    train_to_the_same_end(tmp_path, *options)


def test_a_full_disk_fails_the_cells_that_do_not_fit_and_no_others(tmp_path: Path) -> None:
    """R12: reason and path are named; with room they end."""
    experiment(tmp_path, LARGE)
    done = ssrun(*COMPARE, folder=tmp_path, file_limit=200_000).must(3)
    assert "checkpoint-0000000005.safetensors: cannot be written (File too large)" in done.err
    assert (rows(tmp_path)["small"]["n"], rows(tmp_path)["large"]["failed"]) == (2, 2)
    notes = list(tmp_path.glob("runs/runs/copy/*/failure.json"))
    assert len(notes) == 2
    assert all("checkpoint-0000000005.safetensors" in json.loads(note.read_bytes())["reason"] for note in notes)
    ssrun(*COMPARE, folder=tmp_path).must(0)
    assert not strays(tmp_path / "runs")


@pytest.mark.parametrize("number", [0, 3, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 40) if n != 3)])
def test_a_disk_that_fills_at_any_write_is_said_in_one_line_and_loses_nothing(tmp_path: Path, number: int) -> None:
    """R12, promise 3."""
    options = ("--strategy=linear", "--checkpoint-every=5")
    done = train(tmp_path, *options, faults=[fault(fill_disk, writes=number)]).must(0, 5)
    if done.code:
        assert "cannot be written (No space left on device)" in done.err.splitlines()[-1]
        assert not list(tmp_path.rglob(".*.tmp"))
    train(tmp_path, *options).must(0)
    assert json.loads((run_folder(tmp_path / "runs") / "result.json").read_bytes())["steps"] == STEPS
    assert not strays(tmp_path / "runs")


@pytest.mark.slow
def test_commands_that_read_work_in_a_folder_that_is_read_only_and_was_moved(tmp_path: Path) -> None:
    """R23."""
    experiment(tmp_path, GRID)
    ssrun(*COMPARE, folder=tmp_path).must(0)
    shown = ssrun("show", "runs", "--json", folder=tmp_path).must(0).out
    (tmp_path / "runs").rename(tmp_path / "moved (2)")
    faults = [fault(refuse_writes, below="moved")]
    for form in ("rich", "markdown", "csv", "latex"):
        ssrun("show", "moved (2)", f"--format={form}", folder=tmp_path, faults=faults).must(0)
    assert ssrun("show", "moved (2)", "--json", folder=tmp_path, faults=faults).must(0).out == shown
    ssrun("verify", "moved (2)", folder=tmp_path, faults=faults).must(0)
    for run in run_folders(tmp_path / "moved (2)"):
        ssrun("decode", run, folder=tmp_path, faults=faults).must(0)
        ssrun("verify", run, folder=tmp_path, faults=faults).must(0)
    done = ssrun("compare", "grid.toml", "--out=moved (2)", folder=tmp_path, faults=faults).must(5)
    assert "cannot be written (Read-only)" in done.err
    train(tmp_path).must(0)
    (tmp_path / "runs").rename(tmp_path / "moved [3]")
    for command in ("show", "verify"):
        ssrun(command, "moved [3]", folder=tmp_path, faults=faults).must(0)
