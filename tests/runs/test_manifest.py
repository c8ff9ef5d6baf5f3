"""`experiment.json`: what was asked for, and which runs these are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ssrun.config.loading import load_plan
from ssrun.errors import StoreError
from ssrun.runs.manifest import Manifest, add_single_run, read_manifest, write_manifest
from ssrun.runs.results_folder import LOCK, Destination
from tests.support.damage import reseal
from tests.support.runs import small_run


def written(results: Path) -> Manifest:
    plan = load_plan("default", tasks="reverse", smoke=True, overrides={"model": {"hidden": 7}})
    runs = tuple(run.name for run in plan.runs())
    manifest = Manifest(plan=plan, runs=runs, command="ssrun compare x")
    write_manifest(Destination(results, "runs"), plan.id, manifest)
    return manifest


def test_what_was_written_is_read_and_the_plan_gives_the_same_runs_again(tmp_path: Path) -> None:
    manifest = written(tmp_path)
    again = read_manifest(tmp_path)
    assert again == manifest
    assert again.experiment == manifest.plan.experiment
    assert tuple(run.name for run in again.plan.runs()) == again.runs


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("runs", [["reverse", "a/b", 0, "reverse/x-0123456789", "0123456789"]]),
        ("runs", [["reverse", "linear", -1, "reverse/x-0123456789", "0123456789"]]),
        ("runs", [["reverse", "linear", 0, "../x-0123456789", "0123456789"]]),
        ("runs", [["reverse", "linear", 0, "reverse/x/y", "0123456789"]]),
        ("runs", [["reverse", "linear", 0, "reverse/x-0123456789", "012345678"]]),
        ("runs", [["reverse", "linear", True, "reverse/x-0123456789", "0123456789"]]),
        ("runs", []),
        ("runs", {}),
        ("command", None),
        ("plan", {}),
        ("store", 2),
    ],
)
def test_a_manifest_whose_runs_could_lie_elsewhere_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    written(tmp_path)
    reseal(tmp_path / "experiment.json", lambda document: document.update({field: value}))
    with pytest.raises(StoreError, match="newer ssrun" if field == "store" else f"{field}.*; run the comparison again"):
        read_manifest(tmp_path)


def test_single_runs_gather_and_the_newest_of_the_same_labels_stays(tmp_path: Path) -> None:
    place = Destination(tmp_path, "runs")
    runs = [small_run("linear"), small_run("uniform"), small_run("linear", steps=9)]
    for run in runs:
        add_single_run(place, run.name)
    manifest = read_manifest(tmp_path)
    assert manifest.runs == (runs[2].name, runs[1].name)
    assert list(manifest.experiment.strategies) == ["linear", "uniform"]


def test_of_single_runs_that_begin_at_once_none_is_lost(tmp_path: Path) -> None:
    runs = [small_run(seed=seed).name for seed in range(12)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda run: add_single_run(Destination(tmp_path, "runs"), run), runs))
    assert read_manifest(tmp_path).runs == tuple(runs)
    assert not (tmp_path / LOCK).exists()
