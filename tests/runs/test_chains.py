"""Runs that begin as a longer one does are trained with it, and each ends as it would alone, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ssrun.config.run import ScoringConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import Interrupted
from ssrun.runs import execution, recording
from ssrun.runs.chains import chains
from ssrun.runs.events import Evaluated, Event, Finished, Postponed, Stepped
from ssrun.runs.execution import Member, execute, execute_chain
from ssrun.runs.folder import RunFolder
from ssrun.runs.verification import faults_of
from ssrun.seq2seq.training import Step
from ssrun.system import signals
from tests.support.runs import finished, small_run
from tests.support.snapshots import fingerprint, strays

BUDGETS = (6, 10, 24)
EVERYTHING = {"warmup": 4, "decay": "inverse-sqrt", "label_smoothing": 0.1, "evaluate_every": 4}


def budgets(strategy: str = "uniform", steps: Sequence[int] = BUDGETS, **training: Any) -> list[RunSpec]:
    return [small_run(strategy, steps=count, **training) for count in steps]


def told(store: Path, runs: Sequence[RunSpec], every: int | None = None) -> Iterator[tuple[RunSpec, Event]]:
    """What happens to the runs of a chain as they are brought to their ends."""
    folders = {RunFolder.of(store, run.name): run for run in runs}
    for folder, event in execute_chain([Member(run.config, folder) for folder, run in folders.items()], every):
        yield folders[folder], event


@pytest.fixture
def steps_made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Every step that is made: the steps of the run that is driven, and which it is, from 1."""
    made: list[tuple[int, int]] = []
    real = execution.train

    def train(model: Any, optimiser: Any, batches: Any, config: Any, *more: Any) -> Iterator[Step]:
        for step in real(model, optimiser, batches, config, *more):
            made.append((config.training.steps, step.step + 1))
            yield step

    monkeypatch.setattr(execution, "train", train)
    return made


@contextmanager
def stopped_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A signal comes while this step, from 1, is made; it is gone after the block."""
    real = execution.train

    def train(*arguments: Any) -> Iterator[Step]:
        for made in real(*arguments):
            if made.step + 1 == step:
                signals.request()
            yield made

    with monkeypatch.context() as patch, suppress(Interrupted):
        patch.setattr(execution, "train", train)
        yield
    signals._received.clear()


ALONE: dict[str, str] = {}


def fingerprint_alone(run: RunSpec) -> str:
    """Of the run trained by itself; only once, for no patch of these tests but one that says so changes its bytes."""
    if run.config.id not in ALONE:
        with TemporaryDirectory() as store:
            ALONE[run.config.id] = fingerprint(finished(Path(store), run).path)
    return ALONE[run.config.id]


def must_be_as_alone(store: Path, runs: Sequence[RunSpec], alone: Path | None = None) -> None:
    """The bytes of these runs are those that each has by itself; in the folder `alone` where a patch changes them."""
    for run in runs:
        folder = RunFolder.of(store, run.name)
        assert faults_of(folder) == []
        expected = fingerprint(finished(alone, run).path) if alone else fingerprint_alone(run)
        assert fingerprint(folder.path) == expected
    assert not strays(store)


def test_runs_that_differ_in_their_steps_alone_are_a_chain_and_others_stay_alone() -> None:
    short, middle, long = budgets()
    other_seed, decaying = small_run("uniform", seed=1), small_run("linear", steps=6)
    runs = [long, decaying, short, small_run("linear"), other_seed, middle]
    assert chains(runs) == [(short, middle, long), (decaying,), (small_run("linear"),), (other_seed,)]
    assert chains([]) == []


@pytest.mark.parametrize(
    ("training", "together"),
    [({"decay": "inverse-sqrt"}, True), ({"decay": "linear"}, False), ({"decay": "cosine", "warmup": 3}, False)],
)
def test_a_learning_rate_that_is_stretched_over_the_run_makes_no_chain(
    training: dict[str, Any], together: bool
) -> None:
    assert len(chains(budgets(**training))) == (1 if together else len(BUDGETS))


def test_a_run_that_is_scored_otherwise_or_asked_for_twice_is_in_another_chain() -> None:
    short, long = budgets(steps=(6, 24))
    beam = RunSpec.of("copy", "uniform", long.config.model_copy(update={"scoring": ScoringConfig(beam=2)}))
    again = RunSpec.of("copy", "again", short.config)
    assert chains([short, beam, long, again]) == [(short, long), (beam,), (again,)]


@pytest.mark.parametrize(
    ("strategy", "training"),
    [
        ("teacher-forcing", {}),
        ("cycle", EVERYTHING),
        ("always-sampling", {"select": "best", "evaluate_every": 4}),
        ("uniform", {"patience": 1, "learning_rate": 1e-12, "evaluate_every": 4}),
        ("uniform", {"patience": 2, "learning_rate": 0.3, "select": "best", "evaluate_every": 3}),
    ],
)
def test_each_run_of_a_chain_has_the_bytes_that_it_has_alone(
    tmp_path: Path, strategy: str, training: dict[str, Any], steps_made: list[tuple[int, int]]
) -> None:
    runs = budgets(strategy, **training)
    assert chains(runs) == [tuple(runs)]
    events = list(told(tmp_path / "chain", runs))
    assert steps_made == [(24, step) for step in range(1, len(steps_made) + 1)]
    assert [run for run, event in events if isinstance(event, Finished)] == runs
    must_be_as_alone(tmp_path / "chain", runs)


@pytest.mark.parametrize("schedule", [{"schedule": "exponential", "k": 0.9}, {"schedule": "inverse-sigmoid", "k": 4.0}])
def test_a_decay_of_an_absolute_k_goes_the_same_way_however_long_the_run_is(
    tmp_path: Path, schedule: dict[str, Any]
) -> None:
    runs = []
    for run in budgets():
        fields = run.config.model_dump(mode="json")
        name, k = schedule["schedule"], schedule["k"]
        fields["strategy"]["schedule"] = {"name": name, "k": k}
        runs.append(RunSpec.of("copy", name, type(run.config).model_validate(fields)))
    assert chains(runs) == [tuple(runs)]
    list(told(tmp_path / "chain", runs))
    must_be_as_alone(tmp_path / "chain", runs)


def test_curves_of_a_chain_have_the_points_that_each_run_has_alone_and_a_step_is_scored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "SKETCHED", 4)
    monkeypatch.setattr(recording, "SHORTEST", 1)
    scored: list[int] = []
    real = execution.score

    def score(model: Any, task: Any, pairs: Any, *more: Any, **named: Any) -> Any:
        scored.append(len(pairs))
        return real(model, task, pairs, *more, **named)

    runs = budgets(steps=(20, 40), evaluate_every=15)
    monkeypatch.setattr(execution, "score", score)
    list(told(tmp_path / "chain", runs))
    sketched = {*range(1, 21), *range(2, 41, 2)} - {15, 20, 30, 40} | {20}  # whole for the one, not for the other
    assert scored.count(4) == len(sketched)
    assert scored.count(10) == len({15, 20, 30, 40}) + len(runs)  # and the test sets
    must_be_as_alone(tmp_path / "chain", runs, tmp_path / "alone")


@pytest.mark.parametrize("step", [3, 6, 10, 24])
def test_a_chain_that_is_stopped_goes_on_as_one_from_where_it_was(
    tmp_path: Path, step: int, steps_made: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = budgets(select="best", evaluate_every=4)
    with stopped_at(step, monkeypatch):
        list(told(tmp_path / "chain", runs))
    missing = [run for run in runs if not RunFolder.of(tmp_path / "chain", run.name).trained]
    assert [run.config.training.steps for run in missing] == [count for count in BUDGETS if count >= step]
    kept = [sorted(RunFolder.of(tmp_path / "chain", run.name).path.glob("checkpoint-*.json")) for run in missing]
    assert [paths[-1].stem for paths in kept] == [f"checkpoint-{step:010}"] * len(missing)
    list(told(tmp_path / "chain", missing))
    assert steps_made == [(24, step) for step in range(1, 25)]
    must_be_as_alone(tmp_path / "chain", runs)


class Killed(BaseException):
    """As if the process were no more."""


@pytest.mark.parametrize("turn", [2, 4, 6, 9])
def test_a_chain_that_is_killed_between_two_writes_goes_on_to_the_same_bytes(
    tmp_path: Path, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = budgets()
    left = turn

    def dies(real: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                raise Killed
            return real(*arguments)

        return function

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(recording.checkpoints, "save_checkpoint", dies(recording.checkpoints.save_checkpoint))
        patch.setattr(execution, "finish", dies(execution.finish))
        list(told(tmp_path / "chain", runs, 3))
    assert left <= 0
    list(told(tmp_path / "chain", runs, 3))
    must_be_as_alone(tmp_path / "chain", runs)


def test_runs_that_are_not_as_far_as_the_longest_are_trained_after_it(
    tmp_path: Path, steps_made: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = budgets()
    with stopped_at(5, monkeypatch):
        list(told(tmp_path / "chain", runs[1:]))
    steps_made.clear()
    list(told(tmp_path / "chain", runs))
    assert steps_made == [*((24, step) for step in range(6, 25)), *((6, step) for step in range(1, 7))]
    must_be_as_alone(tmp_path / "chain", runs)


def test_what_is_complete_is_left_as_it_is_and_a_shorter_run_is_trained_alone(
    tmp_path: Path, steps_made: list[tuple[int, int]]
) -> None:
    runs = budgets()
    finished(tmp_path / "chain", runs[-1])
    steps_made.clear()
    events = list(told(tmp_path / "chain", runs))
    assert [run for run, event in events if isinstance(event, Finished)] == [runs[-1], *runs[:-1]]
    assert {steps for steps, _ in steps_made} == {10}
    must_be_as_alone(tmp_path / "chain", runs)


def test_a_run_that_another_process_has_is_left_out(tmp_path: Path, steps_made: list[tuple[int, int]]) -> None:
    runs = budgets()
    with RunFolder.of(tmp_path / "chain", runs[-1].name).locked():
        events = list(told(tmp_path / "chain", runs))
    assert events[0] == (runs[-1], Postponed())
    assert {steps for steps, _ in steps_made} == {10}
    assert [RunFolder.of(tmp_path / "chain", run.name).complete for run in runs] == [True, True, False]


def test_every_folder_of_a_chain_is_locked_until_its_run_has_ended(tmp_path: Path) -> None:
    runs = budgets()
    folders = [RunFolder.of(tmp_path, run.name) for run in runs]
    for run, event in told(tmp_path, runs):
        if isinstance(event, Finished):
            ended = runs.index(run)
            assert [folder.in_use for folder in folders] == [False] * (ended + 1) + [True] * (len(runs) - ended - 1)


def test_steps_are_told_of_the_run_that_ends_next_and_evaluations_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "PACE", -1)
    runs = budgets(evaluate_every=4)
    events = list(told(tmp_path, runs))
    steps = [(run.config.training.steps, event.step) for run, event in events if isinstance(event, Stepped)]
    assert steps == [(6 if step <= 6 else 10 if step <= 10 else 24, step) for step in range(1, 25)]
    for run in runs:
        evaluations = [event.evaluation for whose, event in events if isinstance(event, Evaluated) and whose == run]
        assert evaluations == RunFolder.of(tmp_path, run.name).evaluations()


def ends_of(runs: Sequence[RunSpec], folder: Path) -> list[str]:
    """How the runs of a chain end, which is as each ends alone."""
    list(told(folder / "chain", runs))
    must_be_as_alone(folder / "chain", runs, folder / "alone")
    return [RunFolder.of(folder / "chain", run.name).result().status for run in runs]


@pytest.mark.parametrize("evaluate_every", [1, 1000])
def test_a_loss_that_is_no_number_ends_the_runs_that_meet_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluate_every: int
) -> None:
    real = execution.train

    def train(model: Any, *more: Any) -> Iterator[Step]:
        for step in real(model, *more):
            if step.step == 7:
                model.output.bias.data.fill_(float("nan"))
            yield step

    monkeypatch.setattr(execution, "train", train)
    runs = budgets(evaluate_every=evaluate_every)
    assert ends_of(runs, tmp_path) == ["complete", "diverged", "diverged"]


def test_a_loss_that_is_no_number_in_an_evaluation_ends_the_runs_that_are_evaluated_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are whole, so that the others go on."""
    real = execution.score

    def score(model: Any, task: Any, pairs: Any, *more: Any, **named: Any) -> Any:
        scores = real(model, task, pairs, *more, **named)
        if len(pairs) == 4:
            scores.values["free_running_loss"] = float("inf")
        return scores

    monkeypatch.setattr(execution, "SKETCHED", 4)
    monkeypatch.setattr(recording, "SHORTEST", 1)
    monkeypatch.setattr(execution, "score", score)
    runs = budgets(steps=(10, 15, 20))
    assert ends_of(runs, tmp_path) == ["complete", "complete", "diverged"]


def test_a_run_counts_the_shared_training_and_its_own_scoring_as_its_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    real_train, real_score = execution.train, execution.score

    def pass_seconds(seconds: float) -> None:
        nonlocal now
        now += seconds

    def train(*arguments: Any) -> Iterator[Step]:
        for step in real_train(*arguments):
            pass_seconds(1)
            yield step

    def score(*arguments: Any, **named: Any) -> Any:
        pass_seconds(100)
        return real_score(*arguments, **named)

    for module in (execution, recording):
        monkeypatch.setattr(module.time, "monotonic", lambda: now)
    monkeypatch.setattr(execution, "train", train)
    monkeypatch.setattr(execution, "score", score)
    runs = budgets(evaluate_every=1000)
    list(told(tmp_path, runs))
    seconds = [RunFolder.of(tmp_path, run.name).result().seconds for run in runs]
    assert seconds == [steps + 200 for steps in BUDGETS]


def test_one_run_is_a_chain_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "PACE", -1)
    (run,) = budgets(steps=(6,))
    events = [event for _, event in told(tmp_path / "chain", [run])]
    alone = list(execute(run.config, RunFolder.of(tmp_path / "alone", run.name)))
    assert [event.kind for event in events] == [event.kind for event in alone]
    must_be_as_alone(tmp_path / "chain", [run])
