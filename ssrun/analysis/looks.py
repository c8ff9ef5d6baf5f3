"""Seeds until decided: when to look at the claims, and how much of alpha each look may spend.

Whoever adds seeds until a claim is decided, and judges it at 5 % each time, errs in far more than 5 %. Here the looks
are planned, and each has a level of its own, whose sum is alpha: the chance of any false verdict at any look is at
most alpha, however the looks depend on each other (Bonferroni over looks, Holm within each). A claim that was decided
at a look stays decided, and the next judges those that are left: before a first false verdict every claim that could
get one is among them, so that Holm divides by no fewer than those.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

from ssrun.analysis.verdicts import ALPHA, Verdict
from ssrun.errors import UsageError

GROWTH = 1.5  # about, from a look to the next


class Judged(Protocol):
    """A claim's verdict, or a document that holds it."""

    @property
    def verdict(self) -> Verdict: ...


Found = TypeVar("Found", bound=Judged)


def looks(first: int, most: int) -> list[int]:
    """The numbers of seeds at which to look: about half as many again each time, evenly, from `first` to `most`.

    >>> looks(8, 32)
    [8, 13, 20, 32]

    Raises:
        UsageError: `first` is below 2, or above `most`.
    """
    if not 2 <= first <= most:
        raise UsageError(f"looks from {first} to {most} seeds: the first needs at least 2, and no more than the last")
    steps = max(1, round(math.log(most / first, GROWTH)))
    return sorted({round(first * (most / first) ** (step / steps)) for step in range(steps + 1)})


def alpha_spent(planned: Sequence[int], alpha: float = ALPHA) -> list[float]:
    """The level of each look: alpha times its share of all seeds that are planned; their sum is alpha."""
    return [alpha * (n - before) / planned[-1] for before, n in pairwise([0, *planned])]


def decided_at_looks(
    claims: int, planned: Sequence[int], made: int, judge: Callable[[Sequence[int], int, float], Sequence[Found]]
) -> list[Found]:
    """Of each claim what the look said that decided it, or where none did, the last one made.

    Args:
        claims: How many there are.
        planned: The number of seeds of every look, as `looks` plans them.
        made: Of so many looks the seeds are there.
        judge: Takes which claims, by place, are still undecided, how many seeds may be looked at, from the first, and
            the level; gives what it found of each.
    """
    found: dict[int, Found] = {}
    undecided = list(range(claims))
    for n, alpha in list(zip(planned, alpha_spent(planned), strict=True))[:made]:
        found |= zip(undecided, judge(undecided, n, alpha), strict=True)
        undecided = [place for place in undecided if found[place].verdict == "inconclusive"]
        if not undecided:
            break
    return [found[place] for place in range(claims)]
