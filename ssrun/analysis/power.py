"""How many seeds a test needs, if differences are as they look now.

An effect is a mean difference in standard deviations of the differences, counted from the boundary that it is held
against: positive on the side that is to be shown. Observed effects are uncertain, and so are these numbers.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable

from scipy.special import nctdtr, stdtrit

POWER = 0.8
FARTHEST = 30.0  # noncentrality: beyond, scipy's function fails here and there, and there is nothing left to miss
MOST_SEEDS = 1_000  # what needs more, or has no effect at all, is said to need one more than these


def directional_power(effect: float, n: int, alpha: float) -> float:
    """P(T > t(n - 1, 1 - alpha / 2)), T noncentral t of effect sqrt(n): of a two-sided t-test, on the effect's side."""
    noncentrality = max(-FARTHEST, min(FARTHEST, effect * math.sqrt(n)))
    return 1 - float(nctdtr(n - 1, noncentrality, stdtrit(n - 1, 1 - alpha / 2)))


def equivalence_power(above_lower: float, below_upper: float, n: int, alpha: float) -> float:
    """Of two one-sided t-tests at alpha, with these effects: at least the sum of their powers less 1 (Bonferroni)."""
    return max(0.0, sum(directional_power(effect, n, 2 * alpha) for effect in (above_lower, below_upper)) - 1)


def seeds_for(power: Callable[[int], float]) -> int:
    """The least n of at least 2 whose power is 80 %; 1,001 for more than 1,000."""
    return 2 + bisect_left(range(2, MOST_SEEDS + 1), POWER, key=power)
