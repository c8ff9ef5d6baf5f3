"""Promises 1 and 4: order, jobs, shards and company change no number; nothing is trained twice."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.support.commands import ForkServer, fork_server, ssrun
from tests.support.damage import reseal_run
from tests.support.faults import fault, note_training, run_backwards, trained
from tests.support.runs import GRID, experiment, train
from tests.support.snapshots import run_folder, run_folders, snapshot, strays

COMPARE = ["compare", "grid.toml", "--jobs=2", "--out=runs"]
NOTED = [fault(note_training)]
SLOWLY = [fault(note_training, seconds=0.02)]


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison by one job."""
    folder = tmp_path_factory.mktemp("serial")
    experiment(folder, GRID)
    ssrun("compare", "grid.toml", "--jobs=1", "--out=runs", folder=folder).must(0)
    return folder


def table(folder: Path, results: str = "runs") -> str:
    """What `show --json` says."""
    return ssrun("show", results, "--json", folder=folder).must(0).out


def test_jobs_and_order_and_shards_change_no_byte_of_the_table(serial: Path, tmp_path: Path) -> None:
    """R3."""
    experiment(tmp_path, GRID)
    ssrun("compare", "grid.toml", "--jobs=3", "--out=jobs", folder=tmp_path).must(0)
    ssrun("compare", "grid.toml", "--jobs=1", "--out=order", folder=tmp_path, faults=[fault(run_backwards)]).must(0)
    for part in (2, 1):
        shard = ("--shard", f"{part}/2", f"--out=shard-{part}")
        ssrun("compare", "grid.toml", "--jobs=1", *shard, folder=tmp_path).must(0)
        assert len([run for run in run_folders(tmp_path / f"shard-{part}") if (run / "result.json").exists()]) == 2
    ssrun("merge", "shard-1", "shard-2", "--out=merged", folder=tmp_path).must(0)
    for other in ("jobs", "order", "merged"):
        assert table(tmp_path, other) == table(serial), other
        assert (tmp_path / other / "table.md").read_bytes() == (serial / "runs" / "table.md").read_bytes()
        assert not strays(tmp_path / other)
        ssrun("verify", other, folder=tmp_path).must(0)
    before = snapshot(tmp_path / "merged")
    ssrun("merge", "shard-1", "shard-2", "--out=merged", folder=tmp_path).must(0)
    runs = {name: entry for name, entry in snapshot(tmp_path / "merged").items() if name.startswith("runs/")}
    assert runs.items() <= before.items()


def test_two_comparisons_at_once_train_each_cell_once(serial: Path, tmp_path: Path) -> None:
    """R17."""
    experiment(tmp_path, GRID)
    second = ForkServer()
    second.start(["--version"], tmp_path)
    second.wait().must(0)
    fork_server().start(COMPARE, tmp_path, faults=SLOWLY)
    second.start(COMPARE, tmp_path, faults=SLOWLY)
    tables = [fork_server().wait().must(0).out, second.wait().must(0).out]
    second.close()
    assert sorted(first for _, first in trained(tmp_path)) == [0, 0, 0, 0]
    assert len({name for name, _ in trained(tmp_path)}) == 4
    assert tables[0] == tables[1]
    assert table(tmp_path) == table(serial)
    assert not strays(tmp_path / "runs")


@pytest.mark.parametrize("owner", ["a dead process", "a reused number", "another host"])
def test_the_lock_of_a_dead_owner_is_taken_over(tmp_path: Path, owner: str) -> None:
    """R18: the kernel holds the lock, not the file's text."""
    train(tmp_path).must(0)
    run = run_folder(tmp_path / "runs")
    shutil.rmtree(run)
    run.mkdir()
    content = {"a dead process": "999999999", "a reused number": str(os.getpid()), "another host": "1 elsewhere"}
    (run / "lock").write_text(content[owner], encoding="utf-8")
    train(tmp_path).must(0)
    assert not strays(tmp_path / "runs")


def test_the_lock_of_a_living_owner_is_respected(tmp_path: Path) -> None:
    """R18: `clean` says so, `compare` waits."""
    experiment(tmp_path, GRID)
    ssrun(*COMPARE, folder=tmp_path).must(0)
    run = run_folders(tmp_path / "runs")[0]
    shutil.rmtree(run)
    run.mkdir()
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "stop it first" in ssrun("clean", "runs", "--yes", folder=tmp_path).must(5).err
        fork_server().start(COMPARE, tmp_path)
        time.sleep(1.5)
        assert sorted(path.name for path in run.iterdir()) == ["lock"]
        fcntl.flock(lock, fcntl.LOCK_UN)
        fork_server().wait().must(0)
    assert not strays(tmp_path / "runs")


def test_a_changed_field_is_a_new_run_and_a_changed_comment_is_none(serial: Path, tmp_path: Path) -> None:
    """R20."""
    shutil.copytree(serial / "runs", tmp_path / "runs")
    before = {name: entry for name, entry in snapshot(tmp_path / "runs").items() if name.startswith("runs/")}
    experiment(tmp_path, "# a comment\n" + GRID.replace("Which?", "Which one?"))
    ssrun(*COMPARE, folder=tmp_path, faults=NOTED).must(0)
    assert trained(tmp_path) == []
    experiment(tmp_path, GRID.replace("batch_size = 8", "batch_size = 9"))
    assert "runs: holds another comparison" in ssrun(*COMPARE, folder=tmp_path, faults=NOTED).must(2).err
    ssrun(*COMPARE[:-1], "--out=other", folder=tmp_path, faults=NOTED).must(0)
    assert len(trained(tmp_path)) == len(run_folders(tmp_path / "other")) == 4
    assert before.items() <= snapshot(tmp_path / "runs").items()
    ssrun("merge", "runs", "other", "--out=merged", folder=tmp_path).must(2)  # of two comparisons
    assert not (tmp_path / "merged").exists()


def test_a_run_is_trained_once_whatever_asks_for_it(tmp_path: Path) -> None:
    """Promise 1, in the store that comparisons share: labels, seeds, scoring and files change no weights."""
    experiment(tmp_path, GRID)

    def trained_by(*command: object) -> int:
        before = len(trained(tmp_path))
        ssrun(*command, "--jobs=2", folder=tmp_path, faults=NOTED).must(0)
        return len(trained(tmp_path)) - before

    assert trained_by("compare", "grid.toml") == 4
    kept = {name: entry for name, entry in snapshot(tmp_path / "results").items() if not name.startswith("runs/")}
    assert trained_by("compare", "grid.toml", "--seeds=0..2") == 2
    assert trained_by("compare", "grid.toml", "--beam=3") == 0
    tables = "[strategies]\nteacher-forcing = {}\nmine = { base = 'linear' }\n"
    experiment(tmp_path, GRID.replace('strategies = ["teacher-forcing", "linear"]\n', "") + tables, "renamed")
    assert trained_by("compare", "renamed.toml") == 0
    experiment(tmp_path, GRID.replace("steps = 24", "steps = 12"))
    assert trained_by("compare", "grid.toml") == 4
    found = snapshot(tmp_path / "results")
    assert kept.items() <= found.items(), "no table of another comparison is touched"
    assert len({name.split("/")[0] for name in found}) == 6


def test_environments_that_differ_are_said_under_the_table(serial: Path, tmp_path: Path) -> None:
    """R4."""
    shutil.copytree(serial / "runs", tmp_path / "runs")
    path = run_folders(tmp_path / "runs")[0] / "environment.json"
    path.write_bytes(path.read_bytes().replace(b'"threads":1', b'"threads":2'))
    reseal_run(path.parent)
    for folder, told in ((serial, False), (tmp_path, True)):
        shown = ssrun("show", "runs", "--format=markdown", folder=folder).must(0).out
        assert ("2 different environments" in shown, "different environments" in shown) == (told, told)


def test_what_a_killed_process_left_in_a_finished_comparison_is_swept(serial: Path, tmp_path: Path) -> None:
    """Promise 1: even where it died between its result and the end."""
    shutil.copytree(serial / "runs", tmp_path / "runs")
    experiment(tmp_path, GRID)
    run = run_folders(tmp_path / "runs")[1]
    for name in ("lock", "failure.json", "checkpoint-0000000005.json", ".model.safetensors.99.tmp"):
        (run / name).write_text("x", encoding="utf-8")
    (tmp_path / "runs" / ".table.md.99.tmp").write_text("x", encoding="utf-8")
    ssrun("verify", "runs", folder=tmp_path).must(0)
    assert len(strays(tmp_path / "runs")) == 5
    ssrun("compare", "grid.toml", "--out=runs", folder=tmp_path, faults=NOTED).must(0)
    assert not strays(tmp_path / "runs")
    assert trained(tmp_path) == []
