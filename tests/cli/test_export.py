"""export: what it refuses, what it says, where it writes; and what holds for every target."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ssrun.cli.options import completed
from ssrun.runs.maintenance import removable, remove
from ssrun.runs.results_folder import is_marked
from ssrun.views.exports import TARGETS
from tests.support import faults
from tests.support.commands import ROOT, Done, fork_server
from tests.support.commands import ssrun as forked
from tests.support.faults import fault
from tests.support.in_process import document, ssrun
from tests.support.snapshots import snapshot

REFERENCE = ROOT / "results" / "default"
NEEDY = [name for name, target in TARGETS.items() if target.package]
FREE = [name for name in TARGETS if name not in NEEDY]
LIGHT = [*FREE, "tensorboard"]  # those that need no service or database of their own


def test_every_target_is_known_by_completion_and_help() -> None:
    assert completed("exports")("") == list(TARGETS)
    assert ", ".join(TARGETS) in " ".join(ssrun("export", "--help").must(0).out.split())


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--to", "tensorbord"), "unknown export 'tensorbord': did you mean 'tensorboard'?"),
        ((), "Missing option '--to'"),
        (("--to", "csv", "--uri", "sqlite:///x.db"), "--uri: csv lies in a folder: give --out DIR"),
        (("--to", "mlflow", "--uri", "sqlite:///x.db", "--out", "x"), "--uri and --out: give one of them"),
        (("--to", "csv", "--tasks", "revers"), "unknown task 'revers'"),
        (("--to", "csv", "--to", "coco"), "--to is given twice"),
    ],
)
def test_what_does_not_fit_is_refused(compared: tuple[Path, Done], more: tuple[str, ...], told: str) -> None:
    before = snapshot(compared[0])
    assert told in ssrun("export", compared[0], *more).must(2).err
    assert snapshot(compared[0]) == before


@pytest.mark.parametrize("name", NEEDY)
def test_a_package_that_is_not_there_is_named_with_its_remedy(
    compared: tuple[Path, Done], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    done = ssrun("export", compared[0], "--to", name).must(2)
    assert done.err == f"ssrun: --to {name} needs {TARGETS[name].title}: pip install 'ssrun[{name}]'\n"


@pytest.mark.parametrize("command", ["train", "compare"])
def test_the_option_that_was_is_refused_with_the_command_that_is(command: str) -> None:
    told = "No such option: --tensorboard: it is a command of its own, after the runs: "
    assert f"{told}ssrun export RESULTS --to tensorboard" in ssrun(command, "--tensorboard").must(2).err


def test_where_there_are_no_results_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no results here" in ssrun("export", tmp_path / "empty", "--to", "csv").must(5).err
    assert "no such folder" in ssrun("export", tmp_path / "nowhere", "--to", "csv").must(5).err
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_part_is_exported_and_told_as_one_document(compared: tuple[Path, Done], tmp_path: Path) -> None:
    part = ("--tasks", "captions", "--strategies", "inverse-sigmoid")
    told = document("export", compared[0], "--to", "coco", "--out", tmp_path / "part", *part)
    assert told == {
        "to": "coco", "paths": [str(tmp_path / "part")], "written": 2, "there": 0, "left_out": [], "look": ""
    }  # fmt: skip
    assert [path.name for path in (tmp_path / "part").glob("*/*")] == ["inverse-sigmoid"]


def test_runs_that_did_not_complete_are_exported_as_they_are_or_said_to_be_left_out(copied: Path) -> None:
    pytest.importorskip("tensorboard")
    run = sorted(copied.glob("runs/copy/*"))[0]
    shutil.rmtree(run)
    done = ssrun("export", copied, "--to", "tensorboard").must(0)
    assert "3 runs written" in done.err
    assert done.err.count("left out: copy / ") == done.err.count(": missing\n") == 1


@pytest.mark.parametrize("name", ["csv", "tensorboard"])
def test_tables_that_are_kept_without_runs_are_exported_with_what_they_have(tmp_path: Path, name: str) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    shutil.copy(REFERENCE / "table.json", kept)
    done = ssrun("export", kept, "--to", name).must(0)
    assert "kept without its runs: no curves" in done.err
    runs = len(json.loads((kept / "table.json").read_text(encoding="utf-8"))["runs"])
    assert f"{runs} runs written, 0 there already" in done.err
    assert f"0 runs written, {runs} there already" in ssrun("export", kept, "--to", name).must(0).err


@pytest.mark.parametrize("name", LIGHT)
def test_no_link_within_the_results_is_followed(copied: Path, name: str) -> None:
    elsewhere = copied.parent / "elsewhere"
    elsewhere.mkdir()
    (copied / name).symlink_to(elsewhere)
    assert "a link" in ssrun("export", copied, "--to", name).must(5).err
    (copied / name).unlink()
    (copied / name).mkdir()
    (copied / name / ("runs.csv" if name == "csv" else "copy")).symlink_to(elsewhere)
    assert "a link" in ssrun("export", copied, "--to", name).must(5).err
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", LIGHT)
def test_clean_removes_what_was_exported_and_nothing_else(copied: Path, name: str) -> None:
    ssrun("export", copied, "--to", name).must(0)
    mine = copied / name / "mine.txt"
    mine.write_text("mine", encoding="utf-8")
    remove(removable(copied))
    assert not is_marked(copied)
    assert [path for path in copied.rglob("*") if path.is_file()] == [mine]


@pytest.mark.parametrize("name", LIGHT)
def test_exports_need_no_network(finished: Path, tmp_path: Path, name: str) -> None:
    refuse = [fault(faults.refuse_network)]
    forked("export", finished / "runs", "--to", name, "--out", "out", folder=tmp_path, faults=refuse).must(0)
    assert not (tmp_path / "network").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_trackers_tell_nobody_and_nothing_secret(
    compared: tuple[Path, Done], tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    """Whatever they and their services ask of the network would go to a proxy, which listens here."""
    pytest.importorskip(name)
    if name == "mlflow":
        (tmp_path / "out").mkdir()
        shutil.copy(request.getfixturevalue("database"), tmp_path / "out")
        with closing(sqlite3.connect(tmp_path / "out" / "mlflow.db")) as database, database:
            database.execute("DELETE FROM tags WHERE key = 'ssrun.whole'")  # so that all are written again
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        proxies = {f"{kind}_PROXY": address for kind in ("HTTP", "HTTPS", "ALL")}
        proxies |= {kind.lower(): value for kind, value in proxies.items()}
        told = {"CI", "PYTEST_CURRENT_TEST", "NO_PROXY", "no_proxy"}  # in a test they would not tell anyway
        variables = {key: value for key, value in os.environ.items() if key not in told}
        variables |= {**proxies, "WANDB_API_KEY": "hunter2" * 6, "PYTHONPATH": str(ROOT), "WANDB_MODE": "online"}
        command = [sys.executable, "-m", "ssrun", "export", str(compared[0]), "--to", name, "--out", "out"]
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert done.returncode == 0, done.stderr
    assert "8 runs written" in done.stderr
    assert done.stdout.count("\n") == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"hunter2" in path.read_bytes()]


def test_an_interrupted_export_ends_soon_and_the_next_one_finishes_it(copied: Path) -> None:
    pytest.importorskip("tensorboard")
    again = ("export", "runs", "--to", "tensorboard")
    slow = fault(faults.pause, module="ssrun.views.exports.tensorboard", function="put", turn=2, seconds=1)
    child = fork_server().start(again, copied.parent, faults=[slow])
    while not (copied.parent / "reached").exists():
        time.sleep(0.02)
    os.kill(child, signal.SIGINT)
    started = time.monotonic()
    assert "interrupted" in fork_server().wait().must(130).err
    assert time.monotonic() - started < 5
    assert not list((copied / "tensorboard").glob(".ssrun-export*"))
    assert "2 runs written, 2 there already" in forked(*again, folder=copied.parent).must(0).err


@pytest.mark.parametrize(("name", "number"), [("csv", 4), ("coco", 5), ("tensorboard", 5)])
def test_an_export_that_is_killed_leaves_nothing_half_that_counts_as_whole(
    copied: Path, name: str, number: int
) -> None:
    """Between the two files of an export, or of a run."""
    again = ("export", copied, "--to", name)
    killed = forked(*again, folder=copied.parent, faults=[fault(faults.die_at_write, number=number)])
    assert killed.code == 128 + signal.SIGKILL
    assert "4 runs written, 0 there already" in ssrun(*again).must(0).err
    assert "0 runs written, 4 there already" in ssrun(*again).must(0).err
    ssrun(*again, "--out", copied.parent / "straight").must(0)
    made, straight = (
        {path.relative_to(folder) for path in folder.rglob("*") if "tfevents" not in path.name}
        for folder in (copied / name, copied.parent / "straight")
    )
    assert made == straight
    assert len(list((copied / name).rglob("*tfevents*"))) == (4 if name == "tensorboard" else 0)


def test_two_exports_at_once_do_not_mix(copied: Path) -> None:
    again = ("export", "runs", "--to", "coco")
    slow = fault(faults.pause, module="ssrun.views.exports.coco", function="results_of", turn=1, seconds=2)
    fork_server().start(again, copied.parent, faults=[slow])
    while not (copied.parent / "reached").exists():
        time.sleep(0.02)
    assert "another export writes here: wait for it" in ssrun("export", copied, "--to", "coco").must(5).err
    assert "4 runs written" in fork_server().wait().must(0).err
