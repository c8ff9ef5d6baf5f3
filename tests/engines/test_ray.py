"""The Ray engine makes the tables of local workers, wherever its tasks run and whoever dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ssrun.engines import Options, load_engine
from ssrun.errors import UsageError
from tests.support.commands import Done, ended, process, say, ssrun
from tests.support.in_process import python
from tests.support.ray_nodes import Nodes
from tests.support.runs import GRID, experiment
from tests.support.snapshots import fingerprint, run_folders, strays

pytest.importorskip("ray")
COMPARE = ("compare", "grid.toml", "--out=runs")
RAY = (*COMPARE, "--engine=ray")
APART = "--engine-option=store=apart"
LONGER = GRID.replace("steps = 24", "steps = 300")  # so that there is a middle to be killed in
DISTILLED = LONGER.replace(
    'strategies = ["teacher-forcing", "linear"]',
    'strategies = { teacher-forcing = {}, distillation = { teacher = "teacher-forcing" } }',
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with Nodes() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same comparison by local workers."""
    folder = tmp_path_factory.mktemp("local")
    experiment(folder, LONGER)
    ssrun(*COMPARE, folder=folder).must(0)
    return folder / "runs"


def on_ray(folder: Path, *options: str, nodes: Nodes | None = None) -> subprocess.Popen[bytes]:
    if not (folder / "grid.toml").exists():
        experiment(folder, LONGER)
    return process([*RAY, *options], folder, environment=nodes.environment if nodes else {"RAY_ADDRESS": ""})


def must_equal(results: Path, local: Path) -> None:
    """Every table byte for byte, every run but for its times, and nothing left over."""
    for name in ("table.json", "table.md", "table.csv", "table.tex"):
        assert (results / name).read_bytes() == (local / name).read_bytes(), name
    assert [fingerprint(run) for run in run_folders(results)] == [fingerprint(run) for run in run_folders(local)]
    assert not strays(results)


def wait_for_training(folder: Path, child: subprocess.Popen[bytes], begun: int = 2) -> None:
    """Waits until so many runs have begun: in the store, or elsewhere with their locks held here."""
    deadline = time.monotonic() + 90
    while child.poll() is None and time.monotonic() < deadline:
        if (
            len({path.parent for name in ("lock", "run.json") for path in folder.glob(f"runs/runs/*/*/{name}")})
            >= begun
        ):
            return
        time.sleep(0.02)


@pytest.mark.slow
def test_a_cluster_of_this_machine_is_started_makes_the_local_table_and_is_stopped(tmp_path: Path, local: Path) -> None:
    done = ended(on_ray(tmp_path, "--jobs=2")).must(0)
    assert "4 runs to train, 2 at once" in done.err
    must_equal(tmp_path / "runs", local)


@pytest.mark.slow
@pytest.mark.parametrize("options", [pytest.param((), id="shared"), pytest.param((APART,), id="apart")])
def test_runs_of_a_node_that_dies_are_trained_elsewhere(
    tmp_path: Path, local: Path, nodes: Nodes, options: tuple[str, ...]
) -> None:
    child = on_ray(tmp_path, *options, nodes=nodes)
    wait_for_training(tmp_path, child)
    nodes.kill_node()
    done = ended(child).must(0)
    nodes.add_node()
    assert "retry: its task died" in done.err
    must_equal(tmp_path / "runs", local)


@pytest.mark.slow
def test_outputs_are_scored_and_teachers_taken_along_where_no_worker_sees_the_store(
    tmp_path: Path, nodes: Nodes
) -> None:
    experiment(tmp_path, DISTILLED)
    command = ("compare", "grid.toml", "--engine=ray", APART)
    ended(process(command, tmp_path, environment=nodes.environment)).must(0)
    weights = {path: path.read_bytes() for path in tmp_path.rglob("model.safetensors")}
    assert len(weights) == 4
    done = ended(process([*command, "--beam=3"], tmp_path, environment=nodes.environment)).must(0)
    assert "of 2 teachers 0 complete, 2 to score, 0 to train" in done.err
    assert "of 4 runs 2 complete, 2 to score, 0 to train" in done.err
    assert {path: path.read_bytes() for path in tmp_path.rglob("model.safetensors")} == weights
    assert len(list(tmp_path.glob("results/runs/*/*/scores/*/scores.json"))) == 8
    ssrun("verify", "results/grid", folder=tmp_path).must(0)


@pytest.mark.slow
def test_a_run_whose_worker_dies_thrice_is_marked(tmp_path: Path) -> None:
    child = on_ray(tmp_path, "--jobs=1", "--strategies=linear", "--seeds=0", "--steps=3000")
    killed: set[int] = set()
    while len(killed) < 3:
        killed |= kill_a_worker(child.pid, killed)
        time.sleep(0.05)
        assert child.poll() is None
    done = ended(child, 300).must(3)
    assert done.err.count("copy/linear seed 0: retry") == 2
    assert "copy/linear seed 0: failed: its task died" in done.err
    assert "raylet" not in done.out + done.err


@pytest.mark.slow
def test_ctrl_c_cancels_the_tasks_which_leave_checkpoints(tmp_path: Path) -> None:
    child = on_ray(tmp_path, "--jobs=2", "--steps=3000", "--checkpoint-every=0")
    while not any(path.stat().st_size for path in tmp_path.rglob("metrics.jsonl")) and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    sent = time.monotonic()
    done = ended(child).must(130)
    assert time.monotonic() - sent < 20, "ray takes its time to stop"
    assert "of 4 runs: the same command goes on from here" in done.err
    assert list(tmp_path.rglob("checkpoint-*.json"))
    assert not descendants(child.pid)


def test_without_ray_one_line_says_how_to_install_it(tmp_path: Path) -> None:
    door = "import sys; sys.modules['ray'] = None; from ssrun.__main__ import main; main()"
    done = python("-c", door, "compare", "--smoke", "--engine", "ray", "--out", tmp_path / "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ssrun: --engine ray needs Ray: pip install 'ssrun[ray]'\n"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "address", "words"),
    [
        (Options(own={"num_cpu": 1}), "", "--engine-option num_cpu: unknown field 'num_cpu': did you mean 'num_cpus'"),
        (Options(own={"num_cpus": "many"}), "", "--engine-option num_cpus"),
        (Options(own={"num_cpus": 4096}), "", "this machine has"),
        (Options(device="cuda"), "", "add --engine-option num_gpus=1"),
        (Options(), "ray://somewhere:10001", "use `ray job submit`"),
    ],
)
def test_what_cannot_be_is_refused_before_a_cluster_is_started(
    monkeypatch: pytest.MonkeyPatch, options: Options, address: str, words: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match=words):
        load_engine("ray").check(options)


def test_local_workers_have_no_options_of_their_own() -> None:
    with pytest.raises(UsageError, match="--engine-option num_cpus: unknown field"):
        load_engine("local").check(Options(own={"num_cpus": 1}))


def test_a_cluster_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    experiment(tmp_path, GRID)
    done = ended(process(RAY, tmp_path, environment={"RAY_ADDRESS": "127.0.0.1:1"}))
    assert done.code == 5
    assert done.err.splitlines()[-1].startswith("ssrun: no Ray cluster at 127.0.0.1:1: ")


@pytest.mark.slow
def test_whoever_is_killed_nothing_is_lost(tmp_path: Path, local: Path) -> None:
    """Drivers, workers and nodes, at random moments, until the comparison is done; and again from the start."""
    chance, kills, ends = random.Random(13), dict.fromkeys(("driver", "worker", "node"), 0), 0
    with Nodes() as nodes:
        while sum(kills.values()) < 24:
            folder = tmp_path / f"round-{ends}"
            folder.mkdir(exist_ok=True)
            child = on_ray(folder, *chance.choice([(), (APART,)]), nodes=nodes)
            wait_for_training(folder, child, 1)
            time.sleep(chance.uniform(0, 3))
            victim = chance.choice(list(kills))
            if child.poll() is None:
                if victim == "driver":
                    child.kill()
                elif victim == "node":
                    nodes.kill_node()
                    nodes.add_node()
                kills[victim] += 1 if victim != "worker" else len(kill_a_worker(nodes.process.pid))
            done: Done = ended(child, 300)
            assert done.code in (0, 137), done.err
            assert "Traceback" not in done.err
            if done.code == 0:
                must_equal(folder / "runs", local)
                ends += 1
    say(f"ray: killed {kills}; brought to its end {ends} times, every time with the local tables")
    assert ends


def kill_a_worker(above: int, but: Collection[int] = ()) -> set[int]:
    """Kills one of the processes below another that work on a task, but none of these; which it was, if any."""
    for process_id, name in descendants(above).items():
        if name.startswith("ray::bring_to_end") and process_id not in but:
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
                return {process_id}
    return set()


def descendants(above: int) -> dict[int, str]:
    """The processes that another one has started, and these, with what they call themselves."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == above:
                name = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found |= {int(entry.name): name, **descendants(int(entry.name))}
    return found
