"""What is merged is whole, of one plan and without contradiction; what is removed is ours and no longer wanted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ssrun.config.experiment import Experiment
from ssrun.config.plan import Plan
from ssrun.config.spec import RunSpec
from ssrun.errors import StoreError, UsageError
from ssrun.runs.folder import RunFolder
from ssrun.runs.maintenance import merge, portable, removable, remove
from ssrun.runs.manifest import Manifest, write_manifest
from ssrun.runs.results_folder import Destination
from ssrun.runs.verification import to_verify
from tests.support.damage import reseal, reseal_run
from tests.support.runs import finished, small_run
from tests.support.snapshots import run_folder, snapshot

RUNS = [small_run(strategy, steps=2) for strategy in ("teacher-forcing", "linear")]


def plan(**fields: object) -> Plan:
    """A plan of these runs."""
    given = {"name": "two", "question": "Which?", "tasks": ["copy"], "strategies": ["teacher-forcing", "linear"]}
    return Plan(experiment=Experiment.model_validate({**given, "seeds": [0], **fields}))


PLAN = "1" * 64


def written(place: Destination, *runs: RunSpec, plan_id: str = PLAN) -> None:
    """The manifest of a comparison of these runs."""
    write_manifest(place, plan_id, Manifest(plan=plan(), runs=tuple(run.name for run in runs), command="c"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, a run each."""
    folder = tmp_path_factory.mktemp("shards")
    for shard, run in enumerate(RUNS, start=1):
        place = Destination(folder / f"shard-{shard}", "runs")
        written(place, *RUNS)
        finished(place.store, run)
    return folder


@pytest.fixture
def shards(made: Path, tmp_path: Path) -> list[Path]:
    """A copy of them."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return [tmp_path / "shard-1", tmp_path / "shard-2"]


def complete(results: Path) -> list[bool]:
    return [folder.complete for folder in to_verify(results)]


def test_shards_are_merged_once_into_a_store_of_their_own(shards: list[Path], tmp_path: Path) -> None:
    assert complete(shards[0]) == [True, False]
    assert [merge(shards, tmp_path / "whole") for _ in range(2)] == [2, 0]
    assert complete(tmp_path / "whole") == [True, True]


def test_a_damaged_run_is_not_merged_nor_shards_of_two_plans(shards: list[Path], tmp_path: Path) -> None:
    (RunFolder.of(shards[1] / "runs", RUNS[1].name).score_path / "hypotheses.txt").write_bytes(b"x\n")
    with pytest.raises(StoreError, match=r"hypotheses\.txt: damaged"):
        merge(shards, tmp_path / "whole")
    written(Destination(tmp_path / "other", "runs"), *RUNS, plan_id="2" * 64)
    with pytest.raises(UsageError, match="of another comparison than"):
        merge([shards[0], tmp_path / "other"], tmp_path / "new")
    with pytest.raises(UsageError, match="holds another comparison"):
        merge(shards, tmp_path / "other")
    assert not (tmp_path / "new").exists()


def test_two_results_of_one_run_are_refused_by_name_in_either_order(shards: list[Path], tmp_path: Path) -> None:
    shutil.copytree(shards[0], tmp_path / "twin")
    run = run_folder(tmp_path / "twin")
    with (run / "model.safetensors").open("ab") as file:
        file.write(b" ")
    reseal_run(run)
    for sources in ([shards[0], tmp_path / "twin"], [tmp_path / "twin", shards[0]]):
        with pytest.raises(StoreError, match=r"copy / teacher-forcing / seed 0: .* and .* differ"):
            merge(sources, tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


def test_another_place_of_a_corpus_makes_no_other_experiment() -> None:
    here, there = (plan(task={"path": path}) for path in ("here", "there"))
    assert portable(here) == portable(there) != portable(plan(task={"pairs": 3}))


def test_what_is_ours_is_removed_and_nothing_else(shards: list[Path]) -> None:
    results = shards[0]
    made = ["table.md", "runs.csv", "figures/a.svg", "figures/.b.png.3.tmp", "tensorboard/x/events.out.tfevents.1"]
    run = f"runs/{RUNS[0].name.place}"
    mine = ["mine", "figures/mine", f"{run}/mine", f"{run}/scores/mine", "runs/copy/mine", "report.docx"]
    for name in (*made, *mine):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).touch()
    assert removable(results).paths[0].name == "result.json", "no result outlives its files"
    remove(removable(results))
    assert sorted(snapshot(results)) == sorted(mine)
    with pytest.raises(StoreError, match="not marked as ssrun's"):
        removable(results)
    remove(removable(shards[1]))
    assert not shards[1].exists()


def test_tables_that_lay_there_before_and_folders_of_others_are_kept(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "table.md").touch()
    with pytest.raises(StoreError, match="not marked as ssrun's"):
        removable(tmp_path / "kept")
    shutil.copy(Path(__file__).parents[2] / "results/default/table.json", tmp_path / "kept")
    reseal(tmp_path / "kept" / "table.json", lambda document: document.update(plan=PLAN))
    written(Destination(tmp_path / "kept", "../runs"), *RUNS)
    (tmp_path / "kept" / "table.csv").touch()
    remove(removable(tmp_path / "kept"))
    assert sorted(snapshot(tmp_path / "kept")) == ["table.json", "table.md"]


def test_of_a_store_the_runs_are_removed_that_no_comparison_wants(tmp_path: Path) -> None:
    store = tmp_path / "runs"
    folders = [finished(store, run) for run in RUNS]
    for name, wanted in (("both", RUNS), ("one", RUNS[:1])):
        written(Destination(tmp_path / name, "../runs"), *wanted)
    assert removable(store).runs == []
    remove(removable(tmp_path / "both"))
    assert all(folder.complete for folder in folders), "a shared store keeps the runs of a comparison that is removed"
    assert [run.path for run in removable(store).runs] == [folders[1].path]
    remove(removable(store))
    assert [folder.complete for folder in folders] == [True, False]
    with folders[0].locked(), pytest.raises(StoreError, match="stop it first; nothing is removed"):
        remove(removable(tmp_path / "one")._replace(runs=[folders[0]]))
    assert (tmp_path / "one" / ".ssrun").exists()


def test_nothing_is_removed_through_a_link(shards: list[Path], tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.svg").touch()
    (shards[0] / "figures").symlink_to(tmp_path / "figures")
    remove(removable(shards[0]))
    assert (tmp_path / "figures" / "a.svg").exists()
    (tmp_path / "link").symlink_to(shards[1])
    with pytest.raises(StoreError, match="no folder of results"):
        removable(tmp_path / "link")
