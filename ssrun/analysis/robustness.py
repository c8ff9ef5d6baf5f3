"""Effects that one odd seed does not move, and outcomes whose mean says little: those with two humps.

After Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice, and its library
rliable: the interquartile mean and the probability of improvement, with percentile bootstrap intervals over seeds. All
is of one task, so strata of tasks there are none. Every draw comes from a generator of fixed seed.

What cannot be promised: where 15 % of seeds collapse, 8 seeds hold no such one in 0.85^8 = 27 % of all cases. Then
nothing shows in them, no flag is raised, and a verdict on the mean is wrong, by t and by sign flips alike. At 16 seeds
it errs in 9 %, at 32 in 6 %. A flag on one row is a warning about all of a table, not a proof about that row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ssrun.analysis.document import Robust
from ssrun.analysis.statistics import Floats

RESAMPLES = 2000
LEVEL = 0.95
CUT = 0.25  # of the values at either end, rounded down to whole ones
COLLAPSED = 0.5  # of the baseline's median: what is worse has collapsed
FEWEST = 5  # values in which two humps can be told from chance
NULL_SAMPLES, NULL_FLAGGED = 10_000, 0.005


def robust(
    values: Mapping[int, float],
    baseline: Mapping[int, float],
    better: Literal["higher", "lower", "neither"],
    resolution: float,
) -> Robust:
    """What is robust of one strategy's metric on a task.

    Args:
        values: By seed, at least two.
        baseline: By seed, the same or others; none of the baseline itself.
        better: Which way is better.
        resolution: The least difference that the metric shows.
    """
    found, other = np.array(list(values.values())), np.array(list(baseline.values()))
    differences = [values[seed] - baseline[seed] for seed in sorted(values.keys() & baseline.keys())]
    low, high = interval(interquartile_mean(found[resampled(found.size)]))
    document = {"n": found.size, "iqm": float(interquartile_mean(found)), "iqm_low": low, "iqm_high": high}
    if better == "higher" and other.size:
        document["collapsed"] = int(np.count_nonzero(found < COLLAPSED * np.median(other)))
    if better != "neither" and other.size:
        document |= improvement(found, other, 1 if better == "higher" else -1)
    if two_humps(list(values.values()), resolution) or two_humps(differences, resolution):
        document["two_humps"] = True
    return Robust.model_validate(document)


def interquartile_mean(values: Floats) -> Floats:
    """The mean of the middle half along the last axis: a quarter of the values, rounded down, falls off each end."""
    cut = int(CUT * values.shape[-1])
    return np.asarray(np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut].mean(axis=-1))


def improvement(values: Floats, baseline: Floats, sign: int) -> dict[str, float]:
    """P(X better than Y) + P(X = Y) / 2 for a run X and one Y of the baseline, of any seeds, with its interval."""
    if sign < 0:
        values, baseline = -values, -baseline
    places = np.argsort(baseline)
    lower, not_higher = (np.searchsorted(baseline[places], values, side) for side in ("left", "right"))
    pairs = values.size * baseline.size
    drawn = np.pad(times_drawn(baseline.size, 1).take(places, axis=1).cumsum(axis=1), ((0, 0), (1, 0)))
    beaten = drawn.take(lower, axis=1) + drawn.take(not_higher, axis=1)  # two a win, one a tie: whole numbers, exact
    low, high = interval(np.einsum("rn,rn->r", beaten, times_drawn(values.size)) / 2 / pairs)
    return {"better": float((lower + not_higher).sum() / 2 / pairs), "better_low": low, "better_high": high}


@cache
def resampled(n: int, stream: int = 0) -> NDArray[np.int64]:
    """The places of 2,000 bootstrap samples of n values: (2000, n)."""
    return np.random.default_rng((n, stream)).integers(0, n, (RESAMPLES, n))


@cache
def times_drawn(n: int, stream: int = 0) -> Floats:
    """How often each of n values is in each bootstrap sample: (2000, n)."""
    places = resampled(n, stream) + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(places.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n).astype(np.float64)


def interval(drawn: Floats) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def two_humps(values: Sequence[float], resolution: float) -> bool:
    """Whether the values fall into two groups more clearly than all but 0.5 % of normal samples of as many do.

    Groups that lie hardly further apart than the metric's resolution are none. Of fewer than 5 values nobody can say.
    """
    if len(values) < FEWEST:
        return False
    return bool(explained(np.array([values]), resolution)[0] > most_of_normal_samples(len(values)))


def explained(samples: Floats, resolution: float = 0.0) -> Floats:
    """The share of each sample's variance that its best split in two explains (two-means): (samples, n) to (samples,).

    The square of the resolution is added to the variance, as what is left unexplained.
    """
    n = samples.shape[1]
    centred = np.sort(samples, axis=1) - samples.mean(axis=1, keepdims=True)
    lower, sizes = np.cumsum(centred, axis=1)[:, :-1], np.arange(1, n)
    between = (lower**2 * (1 / sizes + 1 / (n - sizes))).max(axis=1)
    whole = (centred**2).sum(axis=1) + n * resolution**2
    return np.asarray(np.divide(between, whole, out=np.zeros_like(whole), where=whole > 0))


@cache
def most_of_normal_samples(n: int) -> float:
    """The share that a split explains in at most 0.5 % of normal samples of n: from 10,000 of them."""
    samples = np.random.default_rng(n).normal(size=(NULL_SAMPLES, n))
    return float(np.quantile(explained(samples), 1 - NULL_FLAGGED))
