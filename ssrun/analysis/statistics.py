"""Means and paired differences over seeds, the two tests of them, and Holm's correction. Verdicts are in `verdicts`.

Knows numbers and nothing of runs, metrics or files: the caller pairs values by task and seed, and counts
failed cells instead of handing them over. Everything is deterministic.

Student's t gives the intervals and the verdicts: exact for normal differences, cautious for heavy tails, but
differences skewed like an exponential err in 11 % of six-seed claims on one side, not 2.5 %. The sign-flip p
assumes only that without an effect a difference is as likely to be negative as positive.

Differences are no finer than what is measured: their standard deviation counts as no less than the `resolution`
of their unit, so that a few seeds of a coarse metric that happen to agree are no certainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats: TypeAlias = NDArray[np.float64]

EXACT_PAIRS = 20  # up to here all 2^n sign assignments are visited, above they are drawn
DRAWN_FLIPS = 99_999  # so that the smallest drawn p is 1 / 100,000
AT_ONCE = 4096  # assignments whose signs are in memory together, a byte-aligned number
MOST_SUMS = 10_000_000  # in memory together
TOLERANCE = 1e-9  # relative: numbers closer than this differ by rounding, not by measurement


class Interval(NamedTuple):
    """A mean over n seeds and its t-interval, in the unit of the values; None where n is too small for it."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


class PairedDifference(NamedTuple):
    """The mean of treatment - baseline, its t-interval and sign-flip p, never below `smallest_p`."""

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    smallest_p: float | None


def mean_interval(values: Sequence[float], level: float = 0.95, resolution: float = 0.0) -> Interval:
    """Mean and t-interval (Student 1908): mean +- t(n - 1, (1 + level) / 2) * s / sqrt(n), s over n - 1.

    Args:
        values: One a seed.
        level: Of the interval.
        resolution: s counts as no less.

    Raises:
        ValueError: On a value that is not finite, or a level outside (0, 1).
    """
    array = finite(values)
    if not 0 < level < 1:
        raise ValueError(f"level {level} is outside (0, 1): write 95 % as 0.95")
    if array.size < 2:
        return Interval(float(array[0]) if array.size else None, None, None, array.size)
    mean, deviation = moments(array, resolution)
    half = -float(stdtrit(array.size - 1, (1 - level) / 2)) * deviation / math.sqrt(array.size)
    return Interval(mean, mean - half, mean + half, array.size)


def paired(
    treatment: Sequence[float], baseline: Sequence[float], level: float = 0.95, resolution: float = 0.0
) -> PairedDifference:
    """Mean of d = treatment - baseline with its t-interval (as `mean_interval`) and a two-sided sign-flip p.

    p = share of the 2^n sign assignments s with |sum of s d| >= |sum of d| (Fisher 1935, The Design of
    Experiments, section 21), ties included: exact up to 20 pairs, where no p is below smallest_p = 2^(1 - n).
    Above, 99,999 assignments are drawn from a generator of fixed seed, p = (1 + hits) / 100,000 (Phipson and
    Smyth 2010), and smallest_p is 1 / 100,000. The order of the pairs and the sign of d never change p.

    Raises:
        ValueError: On unequal lengths, a value that is not finite, or a level outside (0, 1).
    """
    return all_paired([(treatment, baseline)], [resolution], level)[0]


def all_paired(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], resolutions: Sequence[float], level: float = 0.95
) -> list[PairedDifference]:
    """`paired` of each of these treatments and its baseline; together, since all draw the same sign assignments."""
    differences = [paired_differences(*pair) for pair in pairs]
    p_values = two_sided_sign_flips(differences)
    intervals = [
        mean_interval(found.tolist(), level, resolution)
        for found, resolution in zip(differences, resolutions, strict=True)
    ]
    return [
        PairedDifference(mean, low, high, p if n > 1 else None, n, smallest_p(n) if n else None)
        for (mean, low, high, n), p in zip(intervals, p_values, strict=True)
    ]


def smallest_p(n: int) -> float:
    """The least two-sided sign-flip p that n differences can have."""
    return 2.0 ** (1 - n) if n <= EXACT_PAIRS else smallest_sign_flip(n)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p: the k-th smallest of m becomes max over j <= k of min(1, (m - j + 1) p_j).

    Rejecting where it is <= alpha keeps the chance of any false rejection at or below alpha, however the
    tests depend on each other (Holm 1979). None stays None and is not counted in m.

    Raises:
        ValueError: On a p outside [0, 1].
    """
    adjusted: list[float | None] = [None] * len(p_values)
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    largest = 0.0
    for rank, (p, index) in enumerate(known):
        if not 0 <= p <= 1:
            raise ValueError(f"p value {index} is {p}: a probability lies in [0, 1]")
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[index] = largest
    return adjusted


def finite(values: Sequence[float]) -> Floats:
    """The values as an array.

    Raises:
        ValueError: One is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{list(values)} are not all finite: count a diverged run, do not average it")
    return array


def paired_differences(treatment: Sequence[float], baseline: Sequence[float]) -> Floats:
    """Treatment - baseline; a difference that is mere rounding (0.1 + 0.2 against 0.3) is 0.

    Raises:
        ValueError: On unequal lengths, or a value that is not finite.
    """
    if len(treatment) != len(baseline):
        raise ValueError(f"{len(treatment)} treatments, {len(baseline)} baselines: pair by task and seed")
    first, second = finite(treatment), finite(baseline)
    difference = first - second
    rounding = TOLERANCE * np.maximum(np.abs(first), np.abs(second))
    return np.where(np.abs(difference) <= rounding, 0.0, difference)


def moments(array: Floats, resolution: float = 0.0) -> tuple[float, float]:
    """Mean and standard deviation over n - 1, no less than the resolution; equal values have exactly their mean."""
    if (array == array[0]).all():
        return float(array[0]), resolution
    return float(array.mean()), max(float(array.std(ddof=1)), resolution)


def t_above(array: Floats, boundary: float, resolution: float = 0.0) -> float:
    """One-sided p that the mean is above the boundary: P(T >= t), t = (mean - boundary) sqrt(n) / s, at n - 1.

    Below two values it is 1. Without spread it is 0 above the boundary, 1 below it, and 1/2 on it.
    """
    if array.size < 2:
        return 1.0
    mean, deviation = moments(array, resolution)
    distance = mean - boundary
    if abs(distance) <= TOLERANCE * max(abs(mean), abs(boundary)):
        return 0.5
    if not deviation:
        return float(distance < 0)
    return float(stdtr(array.size - 1, -distance * math.sqrt(array.size) / deviation))


def sign_flip_above(array: Floats, boundary: float) -> float:
    """One-sided p that the values lie above the boundary: the share of sign assignments whose sum is no less.

    Assignments are those of `paired`; of no values it is 1.
    """
    (sums,), (bar,) = flipped_sums((array - boundary)[None])
    return share_of_assignments(sums >= bar, array.size)


def smallest_sign_flip(n: int) -> float:
    """The least one-sided p that n values can have."""
    return 2.0**-n if n <= EXACT_PAIRS else 1 / (DRAWN_FLIPS + 1)


def two_sided_sign_flips(arrays: Sequence[Floats]) -> list[float]:
    """The p of `paired` of each array."""
    p_values = [1.0] * len(arrays)
    for n in {array.size for array in arrays}:
        places = [place for place, array in enumerate(arrays) if array.size == n]
        at_once = max(1, MOST_SUMS // (2**n if n <= EXACT_PAIRS else DRAWN_FLIPS))
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            found = [arrays[place] if arrays[place].sum() > 0 else -arrays[place] for place in some]
            for place, sums, bar in zip(some, *flipped_sums(np.array(found)), strict=True):
                p_values[place] = share_of_assignments(np.abs(sums) >= bar, n)
    return p_values


def share_of_assignments(hits: NDArray[np.bool_], n: int) -> float:
    """The share of the sign assignments of n values that are hits; where they are drawn, one more (`paired`)."""
    drawn = int(n > EXACT_PAIRS)
    return (int(np.count_nonzero(hits)) + drawn) / (hits.size + drawn)


def flipped_sums(arrays: Floats) -> tuple[Floats, list[float]]:
    """The sums under all sign assignments, or 99,999 drawn ones, and the array's own, less than which is no rounding.

    |d| are flipped in sorted order, whose sums have the distribution that those of d have. A sum that ties with the
    array's own lies a billionth above what it is held against: no order of adding changes on which side.

    Args:
        arrays: As many of n values as there is room for the sums of, (k, n).

    Returns:
        Sums (k, assignments), and k bars.
    """
    sizes = np.sort(np.abs(arrays), axis=1)
    bars = [float(array.sum() - TOLERANCE * size.sum()) for array, size in zip(arrays, sizes, strict=True)]
    n = arrays.shape[1]
    if n <= EXACT_PAIRS:
        sums = np.zeros((len(arrays), 1))
        for size in sizes.T:
            sums = np.concatenate((sums + size[:, None], sums - size[:, None]), axis=1)
        return sums, bars
    sums = np.empty((len(arrays), DRAWN_FLIPS))
    bits = drawn_bits(n)
    for start in range(0, DRAWN_FLIPS, AT_ONCE):
        positive = np.unpackbits(bits[:, start // 8 : (start + AT_ONCE) // 8], axis=1)
        some = sums[:, start : start + AT_ONCE]
        some[:] = sizes @ (2.0 * positive[:, : some.shape[1]] - 1)
    return sums, bars


@lru_cache(maxsize=1)
def drawn_bits(n: int) -> NDArray[np.uint8]:
    """The signs of n values in each drawn assignment, a bit each, 1 for plus: (n, 12,500)."""
    generator = np.random.default_rng(0)
    return np.array([np.packbits(generator.random(DRAWN_FLIPS) < 0.5) for _ in range(n)])
