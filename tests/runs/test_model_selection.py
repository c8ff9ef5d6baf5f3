"""The weights of the best evaluation are kept, training stops when it has waited, and a resumed run knows both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ssrun.config.run import TrainingConfig
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder
from ssrun.runs.model_selection import Selection, has_waited_enough, selected
from ssrun.runs.result import CompleteResult, DivergedResult, Evaluation
from tests.support.commands import Done
from tests.support.faults import fault, stop_after
from tests.support.runs import STEPS, finished, small_run, straight, train, train_to_the_same_end
from tests.support.snapshots import run_folder

FLAT = {
    "learning_rate": 1e-12,
    "select_by": "exact_match",
}  # nothing is learned: no evaluation is better than the first
BEST = ("--set=training.select=best", "--set=training.select_by=free_running_loss", "--set=training.learning_rate=0.3")


def evaluation(step: int, **values: float) -> Evaluation:
    fields = dict.fromkeys(("epsilon", "realised_epsilon", "replaced", "training_loss", "seconds"), 0.0)
    metrics = {"bleu": 0.0, "free_running_loss": 0.0, "teacher_forced_loss": 0.0, **values}
    return Evaluation.model_validate({"step": step, **fields, **metrics})


@pytest.mark.parametrize(("metric", "steps"), [("bleu", [1, 1, 3, 3]), ("free_running_loss", [1, 2, 2, 2])])
def test_the_best_is_the_first_of_the_best_in_the_metrics_own_direction(metric: str, steps: list[int]) -> None:
    training = TrainingConfig(select="best", select_by=metric, patience=2)
    selection, found, waited = None, [], []
    for step, value in enumerate([2.0, 1.0, 3.0, 3.0], start=1):
        selection = selected(selection, evaluation(step, **{metric: value}), training)
        found.append(selection.step)
        waited.append(has_waited_enough(selection, training))
    assert found == steps
    assert waited == [False, False, False, METRICS[metric].better == "lower"]
    assert not has_waited_enough(Selection(step=1, value=0, since=99), TrainingConfig())


def kept(folder: RunFolder) -> CompleteResult:
    result = folder.result()
    assert isinstance(result, CompleteResult)
    return result


def test_the_weights_kept_are_those_of_the_best_evaluation(tmp_path: Path) -> None:
    training = {"learning_rate": 0.3, "select_by": "free_running_loss"}
    folder = finished(tmp_path, small_run(select="best", **training))
    losses = {line.step: line.free_running_loss for line in folder.evaluations()}
    best = min(losses, key=losses.__getitem__)
    assert (kept(folder).selected_step, kept(folder).steps) == (best, STEPS)
    assert best < STEPS, "the last evaluation is not the best here"
    last = finished(tmp_path, small_run(learning_rate=0.3))
    weights, others = (load_file(run.path / "model.safetensors") for run in (folder, last))
    assert any(not weights[name].equal(others[name]) for name in weights)
    assert kept(last).selected_step is None
    assert '"selected_step"' not in (last.path / "result.json").read_text()


def test_a_run_stops_after_so_many_evaluations_without_a_better_one(tmp_path: Path) -> None:
    for patience, steps in ((1, 10), (3, 20), (9, STEPS)):
        folder = finished(tmp_path, small_run(patience=patience, **FLAT))
        assert kept(folder).steps == folder.evaluations()[-1].step == steps
    folder = finished(tmp_path, small_run(patience=2, select="best", **FLAT))
    assert (kept(folder).steps, kept(folder).selected_step) == (15, 5)


def test_selecting_changes_no_step_of_training(tmp_path: Path) -> None:
    plain, selecting = (finished(tmp_path, small_run(**more)) for more in ({}, {"select": "best"}))
    times = {"seconds"}
    one, other = ([line.model_dump(exclude=times) for line in run.evaluations()] for run in (plain, selecting))
    assert one == other


def test_a_run_that_diverges_is_diverged_whatever_it_has_selected(tmp_path: Path) -> None:
    folder = finished(tmp_path, small_run(learning_rate=3e38, clip=1e30, select="best", evaluate_every=1))
    assert isinstance(folder.result(), DivergedResult)


def stopped(folder: Path, step: int, *options: str) -> Done:
    return train(folder, *options, faults=[fault(stop_after, step=step)]).must(143)


@pytest.mark.parametrize("strategy", ["teacher-forcing", "linear"])
def test_a_resumed_run_keeps_the_same_best_weights(tmp_path: Path, strategy: str) -> None:
    smooth = ("--set=training.warmup=7", "--set=training.decay=cosine", "--set=training.label_smoothing=0.1")
    options = (f"--strategy={strategy}", *BEST, *smooth, "--set=model.dropout=0.3")
    for step in (1, 5, 11, STEPS - 1, STEPS):
        stopped(tmp_path, step, *options)
    train_to_the_same_end(tmp_path, *options)


def test_a_resumed_run_that_had_waited_enough_trains_no_further(tmp_path: Path) -> None:
    options = (*BEST[:1], "--set=training.select_by=exact_match", "--set=training.learning_rate=1e-12")
    options = (*options, "--set=training.patience=2")
    for step in (12, 15):
        stopped(tmp_path, step, *options)
    train_to_the_same_end(tmp_path, *options)
    assert json.loads((run_folder(tmp_path / "runs") / "result.json").read_text())["steps"] == 15
    assert straight(*options)
