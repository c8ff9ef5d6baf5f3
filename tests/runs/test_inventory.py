"""What lies in a store: how far each run is, what differs from the defaults, and which comparisons want it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssrun.config.run import ScoringConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import Interrupted
from ssrun.runs.execution import execute
from ssrun.runs.folder import RunFolder
from ssrun.runs.inventory import runs_at, stored_runs
from ssrun.runs.manifest import add_single_run
from ssrun.runs.results_folder import Destination
from ssrun.system import signals
from tests.support.in_process import ssrun
from tests.support.runs import finished, small_run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose runs came to different ends; two comparisons want the first."""
    store = tmp_path_factory.mktemp("results") / "runs"
    runs = {seed: small_run(seed=seed, steps=4) for seed in range(5)}
    finished(store, runs[0])
    stopped = execute(runs[1].config, RunFolder.of(store, runs[1].name), checkpoint_every=2)
    next(stopped)
    signals.request()
    with pytest.raises(Interrupted):
        list(stopped)
    signals._received.clear()
    finished(store, runs[2]).path.joinpath("result.json").write_bytes(b"{}")
    failed = RunFolder.of(store, runs[3].name)
    failed.make()
    failed.start(runs[3].config)
    failed.fail("no luck")
    begun = RunFolder.of(store, runs[4].name)
    begun.make()
    begun.start(runs[4].config)
    for name in ("one", "two"):
        add_single_run(Destination(store.parent / name, "../runs"), runs[0].name)
    return store


def test_every_run_says_how_far_it_is_and_who_wants_it(store: Path) -> None:
    runs = stored_runs(store)
    assert [(run.seed, run.status) for run in runs] == [
        (0, "complete"),
        (1, "unfinished"),
        (2, "damaged"),
        (3, "failed"),
        (4, "unfinished"),
    ]
    assert [run.used_by for run in runs] == [["one", "two"], [], [], [], []]
    assert (runs[0].steps, runs[0].of, runs[0].task, runs[0].strategy) == (4, 4, "copy", "linear")
    assert 0 < runs[1].steps < 4
    assert runs[0].size == sum(path.stat().st_size for path in (store / runs[0].place).rglob("*") if path.is_file())
    assert stored_runs(store.parent / "nowhere") == []


def test_only_what_is_unlike_the_defaults_is_told(store: Path) -> None:
    changes = stored_runs(store)[0].changes
    assert changes.pop("model.hidden") == changes.pop("model.embedding") == 8
    assert changes.pop("training.steps") == 4
    assert {path.split(".")[0] for path in changes} == {"training", "task"}
    assert "task.length" not in changes


def test_a_run_without_the_scores_that_a_comparison_means_is_trained_alone(store: Path) -> None:
    config = small_run(steps=4).config
    other = RunSpec.unlabelled(config.model_copy(update={"scoring": ScoringConfig(beam=2)}))
    folder = RunFolder.of(store, other.name)
    assert (folder.trained, folder.complete) == (True, False)


def test_runs_are_found_by_comparison_by_store_and_by_folder(store: Path) -> None:
    (found,) = runs_at(store.parent / "one")
    assert found.name == small_run(steps=4).name
    assert [one.folder.path for one in runs_at(found.folder.path)] == [found.folder.path]
    assert found.folder.path in [one.folder.path for one in runs_at(store / "copy") if one.name.seed == 0]


def test_the_command_tells_a_run_a_line(store: Path) -> None:
    told = ssrun("list", "runs", "--store", store).must(0).out.splitlines()
    assert [line.split("\t")[0] for line in told] == [run.place for run in stored_runs(store)]
    assert told[0].split("\t")[3:5] == ["4/4", "complete"]
    assert ssrun("list", "runs", "--store", store, "--names").must(0).out.split() == [
        line.split("\t")[0] for line in told
    ]
    assert json.loads(ssrun("list", "runs", "--store", store, "--json").must(0).out)[0]["used_by"] == ["one", "two"]
    assert "of `ssrun list runs` alone" in ssrun("list", "tasks", "--store", store).must(2).err
