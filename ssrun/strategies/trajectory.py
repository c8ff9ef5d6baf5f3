"""A schedule over one run, as numbers."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from ssrun.strategies.schedules import Decay, Schedule, spread

PARTS = 120
SAMPLES = 32  # steps of each part of a run, and its borders, that its lowest and highest epsilon are taken over


class Trajectory(NamedTuple):
    """A schedule over a run.

    Attributes:
        resolved: `k` and `half_step`, as `Schedule.resolved` gives them.
        half_share: The half point's share of the run.
        width: Steps from the first at or below 90 % of a decay (of the way from its end to its start) to the first
            at or below 10 %; None for what is no decay.
        first: epsilon at the first step; `last` at the last.
        mean_own: The mean share of tokens that are not the true ones but the model's own (or random), 1 - mean_epsilon.
        ranges: Lowest and highest epsilon within each of PARTS equal parts of the run, and at their borders.
    """

    formula: str
    steps: int
    resolved: dict[str, float]
    half_share: float | None
    width: int | None
    first: float
    last: float
    mean_epsilon: float
    mean_own: float
    ranges: list[tuple[float, float]]

    @classmethod
    def of(cls, schedule: Schedule, steps: int) -> Trajectory:
        resolved = schedule.resolved(steps)
        half = resolved.get("half_step")
        mean = schedule.mean(steps)
        return cls(
            formula=schedule.formula,
            steps=steps,
            resolved=resolved,
            half_share=None if half is None else half / steps,
            width=width_of(schedule, steps) if isinstance(schedule, Decay) else None,
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
    if not way:
        return None
    return first_step_at(decay, steps, decay.end + 0.1 * way) - first_step_at(decay, steps, decay.end + 0.9 * way)


def first_step_at(decay: Decay, steps: int, level: float) -> int:
    """The first step at which a decay is at the level or below it, in or beyond the run."""
    beyond = 2**60  # the slowest decay's end
    return bisect_left(range(beyond), True, key=lambda step: decay(step, steps) <= level)  # epsilon falls
