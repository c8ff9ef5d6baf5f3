"""What is merged is whole and of one experiment; what is removed is ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ssrun.config.experiment import Experiment
from ssrun.config.plan import Plan
from ssrun.errors import StoreError
from ssrun.runs.maintenance import merge, ours, portable, remove
from ssrun.runs.manifest import write_manifest
from ssrun.runs.results_folder import MARK
from ssrun.runs.verification import missing, to_verify
from tests.support.runs import finished, small_run
from tests.support.snapshots import snapshot

RUNS = [small_run(strategy, steps=2) for strategy in ("teacher-forcing", "linear")]


def plan(**fields: object) -> Plan:
    """A plan of these runs."""
    given = {"name": "two", "question": "Which?", "tasks": ["copy"], "strategies": ["teacher-forcing", "linear"]}
    return Plan(experiment=Experiment.model_validate({**given, "seeds": [0], **fields}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, a run each."""
    folder = tmp_path_factory.mktemp("shards")
    for shard, run in enumerate(RUNS, start=1):
        results = folder / f"shard-{shard}"
        write_manifest(results, plan(), [run.name for run in RUNS], "c")
        finished(results, run)
    return folder


@pytest.fixture
def shards(made: Path, tmp_path: Path) -> list[Path]:
    """A copy of them."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return [tmp_path / "shard-1", tmp_path / "shard-2"]


def test_runs_that_no_folder_has_are_counted_and_shards_are_merged_once(shards: list[Path], tmp_path: Path) -> None:
    assert missing(shards[0], to_verify(shards[0])) == 1
    assert [merge(shards, tmp_path / "whole") for _ in range(2)] == [2, 0]
    assert missing(tmp_path / "whole", to_verify(tmp_path / "whole")) == 0


def test_a_damaged_run_is_not_merged(shards: list[Path], tmp_path: Path) -> None:
    (shards[1] / RUNS[1].name.path / "hypotheses.txt").write_bytes(b"x\n")
    with pytest.raises(StoreError, match=r"hypotheses\.txt: damaged"):
        merge(shards, tmp_path / "whole")


def test_another_place_of_a_corpus_makes_no_other_experiment() -> None:
    here, there = (plan(task={"path": path}) for path in ("here", "there"))
    assert portable(here) == portable(there) != portable(plan(task={"pairs": 3}))


def test_what_is_ours_is_removed_and_nothing_else(shards: list[Path]) -> None:
    results = shards[0]
    made = ["table.md", "runs.csv", "figures/a.svg", "figures/.b.png.3.tmp", "tensorboard/x/events.out.tfevents.1"]
    mine = ["mine", "figures/mine", f"{RUNS[0].name.path}/mine", "copy/linear/mine"]
    for name in (*made, *mine):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).touch()
    assert ours(results)[-2:] == [results / MARK, results]  # the mark last
    remove(ours(results))
    assert sorted(snapshot(results)) == sorted(mine)
    with pytest.raises(StoreError, match="not marked as ssrun's"):
        ours(results)
    remove(ours(shards[1]))
    assert not shards[1].exists()


def test_nothing_is_removed_through_a_link(shards: list[Path], tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.svg").touch()
    (shards[0] / "figures").symlink_to(tmp_path / "figures")
    remove(ours(shards[0]))
    assert (tmp_path / "figures" / "a.svg").exists()
    (tmp_path / "link").symlink_to(shards[1])
    with pytest.raises(StoreError, match="no folder of results"):
        ours(tmp_path / "link")
