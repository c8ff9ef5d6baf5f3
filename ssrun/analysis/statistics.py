"""Means, paired differences and verdicts over seeds.

Knows numbers and nothing of runs, metrics or files: the caller pairs values by task and seed, and counts
failed cells instead of handing them over. Everything is deterministic.

Student's t gives the intervals and the verdicts: exact for normal differences, cautious for heavy tails, but
differences skewed like an exponential err in 11 % of six-seed claims on one side, not 2.5 %. The sign-flip p
assumes only that without an effect a difference is as likely to be negative as positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats: TypeAlias = NDArray[np.float64]
Direction = Literal["higher", "lower"]
Verdict = Literal["agree", "disagree", "inconclusive"]
SIGNS: dict[Direction, int] = {"higher": 1, "lower": -1}

EXACT_PAIRS = 20  # up to here all 2^n sign assignments are visited, above they are drawn
DRAWN_FLIPS = 99_999  # so that the smallest drawn p is 1 / 100,000
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


class Hypothesis(NamedTuple):
    """Says that treatment is `direction` than baseline by more than `margin`, in the unit of the values.

    Values in the same place belong to the same task and seed. A margin below 0 claims "not worse by that".
    """

    treatment: Sequence[float]
    baseline: Sequence[float]
    direction: Direction
    margin: float = 0.0


class SimultaneousInterval(NamedTuple):
    """A mean difference, its t-interval at its own `level`, and its t p against `boundary`, not adjusted."""

    difference: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    p: float | None
    boundary: float


class ClaimVerdict(NamedTuple):
    """The verdict on a claim, and an interval for each of its hypotheses, in their order."""

    verdict: Verdict
    intervals: tuple[SimultaneousInterval, ...]


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean and t-interval (Student 1908): mean +- t(n - 1, (1 + level) / 2) * s / sqrt(n), s over n - 1.

    Raises:
        ValueError: On a value that is not finite, or a level outside (0, 1).
    """
    array, alpha = _finite(values), _alpha(level)
    if array.size < 2:
        return Interval(float(array[0]) if array.size else None, None, None, array.size)
    mean, error = _moments(array)
    half = -float(stdtrit(array.size - 1, alpha / 2)) * error
    return Interval(mean, mean - half, mean + half, array.size)


def paired(treatment: Sequence[float], baseline: Sequence[float], level: float = 0.95) -> PairedDifference:
    """Mean of d = treatment - baseline with its t-interval and a two-sided sign-flip p.

    p = share of the 2^n sign assignments s with |sum of s d| >= |sum of d| (Fisher 1935, The Design of
    Experiments, section 21), ties included: exact up to 20 pairs, where no p is below smallest_p = 2^(1 - n).
    Above, 99,999 assignments are drawn from a generator of fixed seed, p = (1 + hits) / 100,000 (Phipson and
    Smyth 2010), and smallest_p is 1 / 100,000. The order of the pairs and the sign of d never change p.

    Raises:
        ValueError: On unequal lengths, a value that is not finite, or a level outside (0, 1).
    """
    differences = _differences(treatment, baseline)
    mean, low, high, n = mean_interval(differences.tolist(), level)
    smallest = 2.0 ** (1 - n) if n <= EXACT_PAIRS else 1 / (DRAWN_FLIPS + 1)
    p = _sign_flip_p(differences) if n > 1 else None
    return PairedDifference(mean, low, high, p, n, smallest if n else None)


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


def simultaneous(
    differences: Sequence[Sequence[float]], boundaries: Sequence[float], level: float = 0.95
) -> list[SimultaneousInterval]:
    """Paired t-intervals whose verdicts together err no more often than 1 - level (Holm 1979).

    Each comparison has its differences, one a pair, and the signed boundary that their mean is held against.
    They are ordered by their t p against it. The k-th smallest of m gets the t-interval at level
    1 - (1 - level) / (m - k + 1); the first that reaches its boundary ends the descent, and all after it keep
    its level: an interval excludes its boundary exactly where Holm rejects. Below two pairs, and of two whose
    differences are equal, nothing is rejected, but m counts it: an unfinished experiment is not judged more
    mildly. The decisions share one error rate; the intervals, all but the first narrower than Bonferroni's,
    need not all cover at once.

    Raises:
        ValueError: On unequal lengths, a value that is not finite, or a level outside (0, 1).
    """
    alpha, undecided = _alpha(level), len(differences)
    p_values = [_t_p(_finite(d), b) for d, b in zip(differences, _finite(boundaries).tolist(), strict=True)]
    intervals: dict[int, SimultaneousInterval] = {}
    for index in sorted(range(undecided), key=lambda index: 2.0 if (p := p_values[index]) is None else p):
        own_level = 1 - alpha / undecided
        mean, low, high, n = mean_interval(differences[index], own_level)
        found = SimultaneousInterval(mean, low, high, own_level, n, p_values[index], float(boundaries[index]))
        intervals[index] = found
        if verdict(found, "higher") != "inconclusive":
            undecided -= 1
    return [intervals[index] for index in range(len(differences))]


def verdict(interval: SimultaneousInterval, direction: Direction) -> Verdict:
    """Agree where the interval is wholly on the claimed side of its boundary, disagree where on the other.

    Without a p it is inconclusive: there are fewer than two pairs, or two whose differences are equal.
    """
    if interval.low is None or interval.high is None or interval.p is None:
        return "inconclusive"
    rounding = TOLERANCE * max(abs(interval.low), abs(interval.high), abs(interval.boundary))
    ends = sorted(SIGNS[direction] * (end - interval.boundary) for end in (interval.low, interval.high))
    return "agree" if ends[0] > rounding else "disagree" if ends[1] < -rounding else "inconclusive"


def verdicts(claims: Sequence[Sequence[Hypothesis]], level: float = 0.95) -> list[ClaimVerdict]:
    """The verdicts on all claims of one experiment.

    A claim is one hypothesis or several that must all hold: the order A > B > C is (A > B, B > C). It is
    *agree* where all of them agree, *disagree* where any disagrees, else *inconclusive*. Every
    hypothesis counts in the one family of `simultaneous`, whose errors are raised here too.
    """
    if not all(claims):
        raise ValueError("a claim has no hypothesis: give it at least one")
    hypotheses = [hypothesis for claim in claims for hypothesis in claim]
    differences = [_differences(hypothesis.treatment, hypothesis.baseline).tolist() for hypothesis in hypotheses]
    boundaries = [SIGNS[hypothesis.direction] * hypothesis.margin for hypothesis in hypotheses]
    intervals = iter(simultaneous(differences, boundaries, level))
    judged = []
    for claim in claims:
        decided = tuple(next(intervals) for _ in claim)
        parts = {verdict(interval, hypothesis.direction) for interval, hypothesis in zip(decided, claim, strict=True)}
        worst: Verdict = min(parts, key=("disagree", "inconclusive", "agree").index)
        judged.append(ClaimVerdict(worst, decided))
    return judged


def _finite(values: Sequence[float]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{list(values)} are not all finite: count a diverged run, do not average it")
    return array


def _differences(treatment: Sequence[float], baseline: Sequence[float]) -> Floats:
    """Treatment - baseline; a difference that is mere rounding (0.1 + 0.2 against 0.3) is 0."""
    if len(treatment) != len(baseline):
        raise ValueError(f"{len(treatment)} treatments, {len(baseline)} baselines: pair by task and seed")
    first, second = _finite(treatment), _finite(baseline)
    difference = first - second
    rounding = TOLERANCE * np.maximum(np.abs(first), np.abs(second))
    return np.where(np.abs(difference) <= rounding, 0.0, difference)


def _moments(array: Floats) -> tuple[float, float]:
    """Mean and its standard error s / sqrt(n); equal values have exactly their mean and an error of 0."""
    if (array == array[0]).all():
        return float(array[0]), 0.0
    return float(array.mean()), float(array.std(ddof=1) / np.sqrt(array.size))


def _alpha(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level {level} is outside (0, 1): write 95 % as 0.95")
    return 1 - level


def _t_p(array: Floats, boundary: float) -> float | None:
    """Two-sided p of t = (mean - boundary) / standard error; without spread 0, or 1 on the boundary.

    Two equal differences have none: that their spread is 0 is what two seeds of a coarse metric give by chance.
    """
    if array.size < 2 or (array.size == 2 and np.ptp(array) <= TOLERANCE * np.abs(array).max()):
        return None
    mean, error = _moments(array)
    distance = abs(mean - boundary)
    if distance <= TOLERANCE * max(abs(mean), abs(boundary)):
        return 1.0
    return float(2 * stdtr(array.size - 1, -distance / error)) if error else 0.0


def _sign_flip_p(array: Floats) -> float:
    """The p of `paired`. Flips |d| in sorted order, whose sums have the distribution that those of d have."""
    sizes = np.sort(np.abs(array))
    bar = abs(array.sum()) - TOLERANCE * sizes.sum()  # at least as far out, and rounding does not break a tie
    if array.size <= EXACT_PAIRS:
        sums = sizes[:1]  # the first sign may stay: flipping all of them leaves |sum| alone
        for size in sizes[1:]:
            sums = np.concatenate((sums + size, sums - size))
        return float(np.mean(np.abs(sums) >= bar))
    generator = np.random.default_rng(0)
    sums = np.zeros(DRAWN_FLIPS)
    for size in sizes:
        sums += np.where(generator.random(DRAWN_FLIPS) < 0.5, size, -size)
    return (1 + int(np.count_nonzero(np.abs(sums) >= bar))) / (DRAWN_FLIPS + 1)
