"""How strategies differ from the baseline as the budget grows: at equal steps, at equal compute, where they cross zero.

Compute is counted, not timed, so that the same runs give the same numbers: in teacher-forced steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ssrun.analysis.document import Comparison
from ssrun.analysis.pairing import differences_of, others_than_baseline, values_of
from ssrun.analysis.statistics import TOLERANCE, finite, mean_interval, moments
from ssrun.analysis.sweeps import Series

WALK = 0.36  # what a walk adds to a training step, in teacher-forced steps: as `make bench` measures on translation
RESAMPLES = 2_000

BySeed = Mapping[int, float]


class Point(NamedTuple):
    """The mean difference at one budget, its 95 % t-interval where n >= 2, and the seeds' own.

    Attributes:
        x: Optimiser steps, or the compute in teacher-forced steps.
    """

    x: float
    mean: float
    low: float | None
    high: float | None
    seeds: dict[int, float]


class Crossing(NamedTuple):
    """Where the mean difference changes its sign, in steps.

    Attributes:
        at: All of them, ascending.
        low: With `high`, the 95 % percentile interval of the first one, over the resamples of the seeds that have one.
        share: Of the resamples that have one; None, as the interval, below two seeds.
    """

    at: list[float]
    low: float | None
    high: float | None
    share: float | None


class BudgetCurve(NamedTuple):
    """A strategy's difference from the baseline against the budget; empty at equal compute where none is equal."""

    strategy: str
    at_equal_steps: list[Point]
    at_equal_compute: list[Point]
    crossing: Crossing


def compute(steps: int, walk_share: float) -> float:
    """What a run costs, in teacher-forced steps: 1 a step, and `WALK` more where its inputs need a walk.

    Args:
        steps: Of the optimiser.
        walk_share: The share of them in which the decoder walks through its own output, `Strategy.walk_share`.
    """
    return steps * (1 + WALK * walk_share)


def budget_curves(comparison: Comparison, series: Series, metric: str) -> list[BudgetCurve]:
    """The curves of all strategies but the baseline that have a difference at any budget of the series."""
    found = []
    for strategy in others_than_baseline(comparison):
        differences = {
            steps: seeds
            for steps, task in series.tasks.items()
            if (seeds := differences_of(comparison, task, strategy, metric))
        }
        if differences:
            at_equal_steps = [point(steps, seeds) for steps, seeds in differences.items()]
            at_equal_compute = equal_compute(comparison, series, strategy, metric)
            found.append(BudgetCurve(strategy, at_equal_steps, at_equal_compute, crossing(differences)))
    return found


def point(x: float, seeds: BySeed) -> Point:
    values = [*seeds.values()]
    _, low, high, _ = mean_interval(values)
    return Point(x, moments(finite(values))[0], low, high, dict(seeds))


def equal_compute(comparison: Comparison, series: Series, strategy: str, metric: str) -> list[Point]:
    """The differences from the baseline at the compute of the strategy's own runs.

    The baseline's value there is interpolated seed by seed, linearly on the logarithm of compute, between its own
    budgets; where it has none on either side there is no point.
    """
    own, baseline = (computed(comparison, series, name, metric) for name in (strategy, comparison.baseline))
    points = []
    for budget in own:
        at: dict[int, float] = {}
        seeds: dict[int, float] = {}
        for seed, (spent, value) in budget.items():
            known = sorted(of[seed] for of in baseline if seed in of)
            if (level := interpolated(known, spent)) is not None:
                at[seed], seeds[seed] = spent, value - level
        if seeds:
            points.append(point(math.fsum(at.values()) / len(at), seeds))
    return points


def computed(
    comparison: Comparison, series: Series, strategy: str, metric: str
) -> list[dict[int, tuple[float, float]]]:
    """Of each budget the runs' compute and value, by seed."""
    shares = {(run.task, run.seed): run.walk_share for run in comparison.runs if run.strategy == strategy}
    return [
        {
            seed: (compute(steps, shares[task, seed]), value)
            for seed, value in values_of(comparison, task, strategy, metric).items()
        }
        for steps, task in series.tasks.items()
    ]


def interpolated(known: Sequence[tuple[float, float]], x: float) -> float | None:
    """The y at x on the line through known points (x, y), ascending, x on a logarithmic scale; None beyond them."""
    if not known:
        return None
    places, levels = zip(*known, strict=True)
    if not places[0] * (1 - TOLERANCE) <= x <= places[-1] * (1 + TOLERANCE):
        return None
    return float(np.interp(math.log(x), np.log(places), levels))


def crossing(differences: Mapping[int, BySeed]) -> Crossing:
    """Where the mean of these differences, by steps and seed, crosses zero.

    The interval is of a bootstrap over seeds, the same resampled seeds at every budget, from a generator of fixed seed.
    """
    steps = [*differences]
    seeds = sorted({seed for of in differences.values() for seed in of})
    values = np.array([[of.get(seed, math.nan) for of in differences.values()] for seed in seeds])
    at = zero_crossings(steps, np.nanmean(values, 0).tolist())
    if len(seeds) < 2:
        return Crossing(at, None, None, None)
    drawn = values[np.random.default_rng(0).integers(len(seeds), size=(RESAMPLES, len(seeds)))]
    known = np.isfinite(drawn).sum(1)
    means = np.where(known > 0, np.nansum(drawn, 1) / np.maximum(known, 1), math.nan)
    firsts = [found[0] for row in means.tolist() if (found := zero_crossings(steps, row))]
    low, high = map(float, np.percentile(firsts, [2.5, 97.5])) if firsts else (None, None)
    return Crossing(at, low, high, len(firsts) / RESAMPLES)


def zero_crossings(steps: Sequence[float], means: Sequence[float]) -> list[float]:
    """Where the line through these means changes its sign: linear on the logarithm of steps; a NaN is no point.

    A mean that is 0 is a crossing where the sign before it is not the sign after it.
    """
    found = []
    before: tuple[float, float] | None = None
    touched: float | None = None
    for place, mean in zip(steps, means, strict=True):
        if mean == 0 and touched is None:
            touched = place
        if mean == 0 or math.isnan(mean):
            continue
        if before and before[1] * mean < 0:
            share = before[1] / (before[1] - mean)
            found.append(touched or before[0] * (place / before[0]) ** share)
        before, touched = (place, mean), None
    return found
