"""A schedule over one run, or over the positions of a target, as numbers."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from ssrun.strategies.schedules import Constant, Decay, Schedule, spread
from ssrun.strategies.strategy import Strategy

PARTS = 120
SAMPLES = 32  # steps of each part of a run, and its borders, that its lowest and highest epsilon are taken over


class Trajectory(NamedTuple):
    """A schedule over a run.

    Attributes:
        resolved: `k` and `half_step`, as `Schedule.resolved` gives them.
        half_share: The half point's share of the run.
        width: Steps from the first at or below 90 % of a decay (of the way from its end to its start) to the first
            at or below 10 %; None for what is no decay, or never falls so far.
        falls: Whether it falls so far; None for what neither decays nor stands still.
        first: epsilon at the first step; `last` at the last.
        mean_own: The mean share of tokens that are not the true ones but the model's own (or random), 1 - mean_epsilon.
        ranges: Lowest and highest epsilon within each of PARTS equal parts of the run, and at their borders.
        unit: What the steps are, steps or positions; where they are positions, so is all that is said in steps.
    """

    formula: str
    steps: int
    resolved: dict[str, float]
    half_share: float | None
    width: int | None
    falls: bool | None
    first: float
    last: float
    mean_epsilon: float
    mean_own: float
    ranges: list[tuple[float, float]]
    unit: str = "step"

    @classmethod
    def of_strategy(cls, strategy: Strategy, steps: int) -> Trajectory:
        """A strategy's over a run of so many steps: over its horizon's positions where its clock counts them.

        By both clocks it is what the run ends with; the means are the whole run's.
        """
        places, mean = strategy.places(steps), strategy.mean(steps)
        found = cls.of(strategy.curve(steps - 1, steps), places)
        unit = "step" if strategy.clock == "step" else "position"
        return found._replace(formula=strategy.formula, mean_epsilon=mean, mean_own=1 - mean, unit=unit)

    @classmethod
    def of(cls, schedule: Schedule, steps: int) -> Trajectory:
        resolved = schedule.resolved(steps)
        half = resolved.get("half_step")
        mean = schedule.mean(steps)
        width = width_of(schedule, steps) if isinstance(schedule, Decay) else None
        return cls(
            formula=schedule.formula,
            steps=steps,
            resolved=resolved,
            half_share=None if half is None else half / steps,
            width=width,
            falls=width is not None if isinstance(schedule, Decay | Constant) else None,
            first=schedule(0, steps),
            last=schedule(steps - 1, steps),
            mean_epsilon=mean,
            mean_own=1 - mean,
            ranges=[range_of(schedule, steps, part) for part in range(PARTS)],
        )


def range_of(schedule: Schedule, steps: int, part: int) -> tuple[float, float]:
    """The lowest and the highest epsilon in one of PARTS equal parts of a run, and at its borders."""
    first = part * steps // PARTS
    last = min((part + 1) * steps // PARTS, steps - 1)
    values = [schedule(step, steps) for step in (*spread(first, last + 1, SAMPLES), first, last)]
    return min(values), max(values)


def width_of(decay: Decay, steps: int) -> int | None:
    """Steps that a decay takes from 90 to 10 % of its way, in or beyond the run; None where it does not fall."""
    way = decay.start - decay.end
    high, low = (first_step_at(decay, steps, decay.end + share * way) for share in (0.9, 0.1))
    return low - high if way and low is not None and high is not None else None


def first_step_at(decay: Decay, steps: int, level: float) -> int | None:
    """The first step at which a decay is at the level or below it, in or beyond the run; None where there is none."""
    for end in (steps, 2**60):  # beyond the run only where it must be: a curve may be made for the run alone
        if decay(end - 1, steps) <= level:
            return bisect_left(range(end), True, key=lambda step: decay(step, steps) <= level)  # epsilon falls
    return None
