"""A schedule over a run, as numbers: against the schedule itself and closed forms."""

from __future__ import annotations

import math

import pytest

from ssrun.strategies.schedules import SCHEDULES, Decay, Exponential, InverseSigmoid, Linear
from ssrun.strategies.trajectory import Trajectory, width_of

NO_HALF = ("constant", "cycle", "piecewise", "staircase")


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 70, 1000])
def test_the_numbers_are_the_schedules(name: str, steps: int) -> None:
    schedule = SCHEDULES[name](name=name)
    trajectory = Trajectory.of(schedule, steps)
    epsilons = [schedule(step, steps) for step in range(steps)]
    assert trajectory.resolved == schedule.resolved(steps)
    assert trajectory.mean_epsilon == schedule.mean(steps)
    assert trajectory.mean_own == 1 - trajectory.mean_epsilon
    assert (trajectory.first, trajectory.last) == (epsilons[0], epsilons[-1])
    assert trajectory.half_share == (None if name in NO_HALF else pytest.approx(0.5))
    assert min(low for low, _ in trajectory.ranges) == min(epsilons)
    assert max(high for _, high in trajectory.ranges) == max(epsilons)


def test_a_decays_width_is_the_closed_form() -> None:
    k = InverseSigmoid().resolved(1000)["k"]
    assert Trajectory.of(InverseSigmoid(), 1000).width == pytest.approx(4.394449 * k, abs=1)
    assert Trajectory.of(Linear(start=0.75, end=0.25), 1024).width == pytest.approx(819.2, abs=1)
    assert Trajectory.of(Linear(start=0.5, end=0.5), 1000).width is None
    for slowest, width in (
        (InverseSigmoid(k=1e12, half_at=None), 2 * math.log(9) * 1e12),
        (Exponential(k=1 - 2**-53, half_at=None), math.log(9) * 2**53),
        (Linear(over=1000), 0.8 * 1000 * 1e9),
    ):
        assert width_of(slowest, 10**9) == pytest.approx(width, rel=1e-3)


def test_a_curve_that_never_falls_so_far_says_so() -> None:
    class Wave(Decay):
        """Falls within a run of 100, then rises again; another time not even so far."""

        formula = "a wave"
        name: str = "wave"
        depth: float

        def __call__(self, step: int, steps: int) -> float:
            return 1 - self.depth * (1 - math.cos(math.pi * step / steps)) / 2

    assert Trajectory.of(Wave(depth=1), 100).width == pytest.approx(59, abs=1)
    assert Trajectory.of(Wave(depth=0.5), 100)[4:6] == (None, False)
    falls = {name: Trajectory.of(kind(name=name), 100).falls for name, kind in SCHEDULES.items()}
    decays = {"linear": True, "exponential": True, "inverse-sigmoid": True, "cosine": True, "staircase": True}
    assert falls == {"constant": False, "switch": None, "cycle": None, "piecewise": None, **decays}
