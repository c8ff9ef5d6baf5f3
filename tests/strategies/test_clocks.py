"""Epsilon by training step, by position, by both: against Liu et al. 2021's equations, written here a second time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ssrun.config.experiment import Experiment
from ssrun.config.plan import Plan
from ssrun.config.resolution import resolve
from ssrun.errors import UsageError
from ssrun.strategies import STRATEGIES, Strategy, variant
from ssrun.strategies.trajectory import Trajectory

N, T = 400, 10


def strategy(schedule: str = "linear", **fields: Any) -> Strategy:
    return Strategy.model_validate(variant("linear", {"schedule": schedule, "horizon": T, **fields}))


def test_by_position_epsilon_is_the_papers_at_every_training_step() -> None:
    positions = np.arange(25)
    for step in (0, 17, N - 1):
        linear = strategy(clock="position").epsilons(step, N, 25)
        np.testing.assert_allclose(linear, np.maximum(0, 1 - positions / T))
        np.testing.assert_allclose(
            strategy("exponential", clock="position", k=0.9).epsilons(step, N, 25), 0.9**positions
        )
        sigmoid = strategy("inverse-sigmoid", clock="position", k=3).epsilons(step, N, 25)
        np.testing.assert_allclose(sigmoid, 3 / (3 + np.exp(positions / 3)))


@pytest.mark.parametrize("step", [0, 100, N - 1])
def test_by_both_a_position_counts_the_more_the_further_the_run_is(step: int) -> None:
    positions = np.arange(25)
    g = step / N
    np.testing.assert_allclose(strategy(clock="both").epsilons(step, N, 25), np.maximum(0, 1 - positions / T * g))
    g = 1 - 0.5 ** (step / (0.5 * N))
    exponential = strategy("exponential", clock="both").epsilons(step, N, 25)
    np.testing.assert_allclose(exponential, 0.5 ** (positions * g / (0.5 * T)))


def test_the_inverse_is_one_less_it_at_every_step_and_position() -> None:
    for fields in ({"clock": "position"}, {"clock": "both"}, {"horizon": 16}):
        one, other = strategy(**fields), strategy(**fields, inverse=True)
        for step in (0, 31, N - 1):
            total = np.add(one.epsilons(step, N, 20), other.epsilons(step, N, 20))
            np.testing.assert_allclose(total, 1)
        assert one.mean(N) + other.mean(N) == pytest.approx(1)


@pytest.mark.parametrize("schedule", ["linear", "exponential", "inverse-sigmoid", "cosine", "staircase", "switch"])
@pytest.mark.parametrize("clock", ["step", "position", "both"])
@pytest.mark.parametrize("inverse", [False, True])
def test_the_mean_is_over_the_run_and_the_horizon(schedule: str, clock: str, inverse: bool) -> None:
    horizon = {} if clock != "step" else {"horizon": 16}
    found = strategy(schedule, clock=clock, inverse=inverse, **horizon)
    every = [found.epsilons(step, N, T) for step in range(N)]
    assert found.mean(N) == pytest.approx(np.mean(every))
    assert [found.epsilon(step, N) for step in range(N)] == pytest.approx([np.mean(each) for each in every])


@pytest.mark.parametrize("schedule", ["linear", "exponential", "inverse-sigmoid", "cosine", "staircase"])
@pytest.mark.parametrize("clock", ["position", "both"])
@pytest.mark.parametrize("inverse", [False, True])
def test_matched_strategies_have_the_mean_that_was_asked_for(schedule: str, clock: str, inverse: bool) -> None:
    matched = strategy(schedule, clock=clock, inverse=inverse, horizon=24).matched(0.6, N)
    tolerance = 0.05 if schedule == "staircase" else 0.03  # a horizon has few positions for levels to change at
    assert matched.mean(N) == pytest.approx(0.6, abs=tolerance)
    assert (matched.clock, matched.inverse, matched.horizon) == (clock, inverse, 24)


def test_an_experiment_matches_strategies_of_all_clocks_and_leaves_out_what_has_none() -> None:
    names = {"teacher-forcing": {}, "linear": {}, "late": {"base": "linear", "inverse": True}, "decoding-step": {}}
    fields = {"match": "mean-epsilon", "mean_epsilon": 0.7, "strategy": {"clock": "position", "horizon": 20}}
    experiment = Experiment(tasks=["copy"], strategies=names, **fields)
    for (_, name), config in Plan(experiment=experiment).configs().items():
        mean = config.strategy.mean(config.training.steps)
        assert mean == pytest.approx(1 if name == "teacher-forcing" else 0.7, abs=0.02), name
        assert config.strategy.clock == ("step" if name == "teacher-forcing" else "position")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"schedule": "constant", "clock": "position"}, "clock = position: schedule constant is the same at every"),
        ({"schedule": "exponential", "k": 0.9, "clock": "both"}, "clock = both: exponential is told in steps"),
        ({"schedule": "piecewise", "clock": "both"}, "clock = both: piecewise is told in steps"),
        ({"horizon": 5}, "horizon = 5: it needs clock = 'position' or 'both'"),
        ({"clock": "epoch"}, r"strategy\.clock = 'epoch': input should be 'step', 'position' or 'both'"),
        ({"schedule": "constant", "value": 0.25, "inverse": True}, "give value = 0.75 instead"),
    ],
)
def test_a_clock_that_a_schedule_cannot_follow_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        resolve("copy", "linear", 0, [{"strategy": changes}])


def test_a_run_by_position_does_not_depend_on_its_number_of_steps() -> None:
    assert not strategy(clock="position").stretched
    assert strategy(clock="both").stretched
    assert strategy(clock="position").epsilons(3, 10, 5) == strategy(clock="position").epsilons(3, 1000, 5)


def test_the_drawing_of_a_clock_of_positions_is_over_the_horizon() -> None:
    trajectory = Trajectory.of_strategy(STRATEGIES["decoding-step"].strategy, 1000)
    assert (trajectory.steps, trajectory.unit, trajectory.first) == (128, "position", 1)
    assert trajectory.last == pytest.approx(0.99**127)
    assert trajectory.mean_epsilon == pytest.approx((1 - 0.99**128) / 0.01 / 128)
    composite = Trajectory.of_strategy(STRATEGIES["composite"].strategy, 1000)
    late = STRATEGIES["composite"].strategy.epsilons(999, 1000, 16)
    assert (composite.first, composite.last) == (late[0], late[-1])
    assert composite.mean_epsilon > math.fsum(late) / 16, "the run's mean is above what it ends with"
