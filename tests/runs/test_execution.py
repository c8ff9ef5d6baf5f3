"""A run tells how it goes, stops where it is asked to, goes on where it stopped, and is done once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from ssrun.analysis.outcomes import Outcomes
from ssrun.config.run import ScoringConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import Interrupted, StoreError
from ssrun.runs import execution, recording
from ssrun.runs.events import UPDATE, Evaluated, Event, Finished, Stepped, Update, Warned
from ssrun.runs.execution import execute
from ssrun.runs.folder import RunFolder
from ssrun.runs.result import CompleteResult
from ssrun.runs.verification import faults_of
from ssrun.system import signals
from tests.support.damage import flip
from tests.support.runs import EVALUATE, STEPS, finished, small_run
from tests.support.snapshots import snapshot


def test_a_run_tells_its_evaluations_and_at_last_its_result(tmp_path: Path) -> None:
    run = small_run()
    folder = RunFolder.of(tmp_path, run.name)
    events = list(execute(run.config, folder))
    evaluations = [event.evaluation for event in events if isinstance(event, Evaluated)]
    assert [evaluation.step for evaluation in evaluations] == [5, 10, 15, 20, 24]
    assert folder.evaluations() == evaluations
    last_step = [event for event in events if isinstance(event, Stepped)][-1]
    assert (last_step.step, last_step.steps) == (STEPS, STEPS)
    assert events[-1] == Finished(result=folder.result(), scores=folder.scores())
    assert isinstance(folder.result(), CompleteResult)
    updates = [Update(run.name, event) for event in events]
    assert [UPDATE.validate_json(UPDATE.dump_json(update)) for update in updates] == updates


def test_a_long_run_has_a_curve_of_cheap_evaluations_that_choose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "SKETCHED", 4)
    monkeypatch.setattr(recording, "SHORTEST", 1)
    run = small_run(steps=40, evaluate_every=15)
    found = [(one.step, one.pairs) for one in finished(tmp_path, run).evaluations()]
    assert found == [(step, None if step in (15, 30, 40) else 4) for step in sorted({*range(2, 41, 2), 15})]
    plain = small_run(steps=10, evaluate_every=5)
    assert [one.pairs for one in finished(tmp_path, plain).evaluations()] == [None, None]


def test_a_training_loss_is_the_mean_over_the_steps_since_the_evaluation_before(tmp_path: Path) -> None:
    single, windows = (finished(tmp_path, small_run(steps=7, evaluate_every=every)).evaluations() for every in (1, 3))
    losses = [evaluation.training_loss for evaluation in single]
    means = [evaluation.training_loss for evaluation in windows]
    assert means == pytest.approx([sum(losses[:3]) / 3, sum(losses[3:6]) / 3, losses[6]])


def test_counts_of_the_windows_add_up_to_those_of_the_run(tmp_path: Path) -> None:
    folder = finished(tmp_path, small_run("always-sampling"))
    assert {evaluation.realised_epsilon for evaluation in folder.evaluations()} == {0.0}
    folder = finished(tmp_path, small_run("linear"))
    shares = [evaluation.realised_epsilon for evaluation in folder.evaluations()]
    assert shares == sorted(shares, reverse=True)  # a decay
    assert min(shares) < folder.result().realised_epsilon < max(shares)


def test_a_complete_run_is_left_as_it_is(tmp_path: Path) -> None:
    run = small_run(steps=3)
    folder = finished(tmp_path, run)
    before = snapshot(tmp_path)
    (folder.path / "checkpoint-0000000001.json").touch()
    assert list(execute(run.config, folder)) == [Finished(result=folder.result(), scores=folder.scores())]
    assert snapshot(tmp_path) == before


def test_another_scoring_decodes_again_and_trains_nothing(tmp_path: Path) -> None:
    run = small_run()
    folder = finished(tmp_path, run)
    before = snapshot(tmp_path)
    again = RunSpec.of("other", "labels", run.config.model_copy(update={"scoring": ScoringConfig(beam=3)}))
    beam = RunFolder.of(tmp_path, again.name)
    assert (beam.path, beam.trained, beam.complete) == (folder.path, True, False)
    (event,) = execute(again.config, beam)
    assert isinstance(event, Finished)
    assert event.scores == beam.scores() != folder.scores()
    assert beam.config() == again.config
    assert before.items() <= snapshot(tmp_path).items()
    whole = finished(tmp_path / "at once", again)
    assert (whole.outputs(), whole.scores()) == (beam.outputs(), beam.scores())


def test_a_signal_right_after_an_evaluation_keeps_it(tmp_path: Path) -> None:
    run = small_run()
    folder = RunFolder.of(tmp_path, run.name)
    events = execute(run.config, folder, checkpoint_every=0)
    while not isinstance(next(events), Evaluated):
        pass
    signals.request()
    try:
        with pytest.raises(Interrupted):
            list(events)  # on a slow machine a step is told of first
    finally:
        signals._received.clear()
    assert (folder.path / f"checkpoint-{EVALUATE:010}.json").is_file()


@pytest.mark.parametrize("step", [10, 24])
def test_evaluations_that_are_changed_in_training_are_not_sealed(tmp_path: Path, step: int) -> None:
    run = small_run()
    folder = RunFolder.of(tmp_path, run.name)

    def change(event: Event) -> None:
        if isinstance(event, Evaluated) and event.evaluation.step == step:
            flip(folder.path / "metrics.jsonl", 20)

    with pytest.raises(StoreError, match=r"metrics\.jsonl: changed by somebody while the run was in training"):
        list(map(change, execute(run.config, folder)))
    assert not folder.complete
    assert finished(tmp_path, run).complete
    assert faults_of(folder) == []


@pytest.mark.parametrize("name", ["run.json", "environment.json"])
def test_a_run_whose_file_is_removed_in_training_is_not_sealed(tmp_path: Path, name: str) -> None:
    run = small_run(steps=6)
    folder = RunFolder.of(tmp_path, run.name)

    def remove(event: Event) -> None:
        if isinstance(event, Evaluated):
            (folder.path / name).unlink(missing_ok=True)

    with pytest.raises(StoreError, match=name):
        list(map(remove, execute(run.config, folder)))
    assert not folder.complete
    assert faults_of(finished(tmp_path, run)) == []


def test_the_threads_that_computed_are_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 7)
    (known,) = finished(tmp_path, small_run(steps=1)).environments()
    assert known.threads == 7


def test_a_run_that_goes_on_in_another_environment_says_so_and_names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(steps=6, evaluate_every=2)
    folder = RunFolder.of(tmp_path, run.name)
    monkeypatch.delenv("MKL_CBWR", raising=False)
    for attempt in range(3):
        if attempt == 2:  # goes on elsewhere, and to the end
            monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
        told: list[str] = []
        with suppress(Interrupted):
            for event in execute(run.config, folder, checkpoint_every=0):
                told += [event.text] if isinstance(event, Warned) else []
                if isinstance(event, Evaluated) and attempt < 2:
                    signals.request()
        signals._received.clear()
        assert len(told) == attempt // 2
        assert all(text.startswith("begun in another environment (variables): ") for text in told)
    assert ["MKL_CBWR" in known.variables for known in folder.environments()] == [False, True]
    outcomes = Outcomes(tmp_path, None)
    assert outcomes.of(run.name).row["status"] == "complete"
    assert len(outcomes.environments) == 2
