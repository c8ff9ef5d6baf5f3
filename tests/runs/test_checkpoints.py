"""A checkpoint holds what the next step depends on, under names that earlier versions wrote too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssrun.runs.checkpoints import Counts, Totals, last_checkpoint, save_checkpoint
from ssrun.runs.execution import prepare
from ssrun.runs.folder import RunFolder
from ssrun.seq2seq.training import adam, train
from tests.support.damage import reseal
from tests.support.runs import small_run

RUN = small_run()
TOTALS = Totals(
    step=3,
    run_counts=Counts(9, 5, 4),
    window_counts=Counts(6, 3, 3),
    window_loss=1.5,
    window_steps=2,
    seconds=0.25,
    metrics_bytes=0,
)


@pytest.fixture(scope="module")
def parts() -> tuple[Any, Any]:
    """A model that has made a step, and its optimiser."""
    prepared = prepare(RUN.config)
    optimiser = adam(prepared.model, RUN.config)
    next(train(prepared.model, optimiser, prepared.batches, RUN.config))
    return prepared.model, optimiser


def kept(path: Path, parts: tuple[Any, Any], *steps: int) -> RunFolder:
    """A folder with checkpoints of these steps."""
    path.mkdir()
    for step in steps:
        save_checkpoint(RunFolder(path), RUN.config.id, *parts, TOTALS.model_copy(update={"step": step}))
    return RunFolder(path)


def test_totals_lie_on_disk_under_the_names_that_they_always_had(tmp_path: Path, parts: tuple[Any, Any]) -> None:
    kept(tmp_path / "run", parts, 3)
    document = json.loads((tmp_path / "run" / "checkpoint-0000000003.json").read_bytes())
    for field in ("digest", "payload", "metrics", "environments"):
        document.pop(field)
    assert document == {
        "run": RUN.config.id,
        "step": 3,
        "run_counts": [9, 5, 4],
        "window_counts": [6, 3, 3],
        "loss": 1.5,
        "steps": 2,
        "seconds": 0.25,
        "metrics_bytes": 0,
    }


def test_a_checkpoint_comes_back_and_the_last_two_are_kept(tmp_path: Path, parts: tuple[Any, Any]) -> None:
    folder = kept(tmp_path / "run", parts, 1, 2, 3)
    assert sorted(path.stem[-1] for path in folder.path.glob("*.json")) == ["2", "3"]
    totals, tensors, faults = last_checkpoint(folder, RUN.config.id, parts[0], 24)
    assert Totals(**{name: getattr(totals, name) for name in Totals.model_fields}) == TOTALS
    assert tensors.keys() >= {"model.output.bias", "adam.step.output.bias", "adam.exp_avg_sq.output.bias"}
    assert faults == []


FORGED: list[dict[str, Any]] = [
    {"step": "x"},
    {"step": -5},
    {"step": 99999},
    {"run_counts": [1]},
    {"loss": "x"},
    {"window_counts": "abc"},
    {"more": 1},
    {"run": "0" * 64},
    {"seconds": 10**400},
    {"loss": 1e308},
    {"metrics_bytes": 2**70},
    {"metrics_bytes": 2**50},
    {"metrics": None},
    {"environments": [{}]},
]


@pytest.mark.parametrize("fields", FORGED, ids=lambda fields: str(fields)[:40])
def test_a_forged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, parts: tuple[Any, Any], fields: dict[str, Any]
) -> None:
    folder = kept(tmp_path / "run", parts, 2, 3)
    (folder.path / "metrics.jsonl").touch()
    reseal(folder.path / "checkpoint-0000000003.json", lambda document: document.update(fields))
    totals, _, faults = last_checkpoint(folder, RUN.config.id, parts[0], 24)
    assert (totals.step, len(faults)) == (2, 1)
