"""The verdicts on an experiment's claims: one family, one correction, and the p that decides is the p that is told.

Every link of a claim is tested for what it says and for the opposite, each with a p of its own:

- `a < b`, by a margin: for agree and for disagree twice the one-sided p of Student's t, so that the smaller is the
  two-sided p against the margin.
- `a = b` within w: for agree the larger one-sided p of d > -w and of d < w (two one-sided tests, Schuirmann 1987); for
  disagree twice the smaller one of d < -w and of d > w: once is too little where w is small beside the spread.

A claim agrees if all its links do, which needs no correction between them (an intersection-union test, Berger 1982):
its p for agree is the largest of theirs. It disagrees if any link does: its p for disagree is the smallest of theirs
times the number of links. The smaller of the two is the claim's p, and Holm's method corrects the p of all claims
(Holm 1979): whatever is true, the chance of any false verdict in an experiment is at most alpha, where differences
are normal. The same with the exact sign-flip p, of differences less their boundary, gives the exact p.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

from ssrun.analysis.power import directional_power, equivalence_power, seeds_for
from ssrun.analysis.statistics import (
    Floats,
    holm,
    mean_interval,
    moments,
    paired_differences,
    sign_flip_above,
    smallest_sign_flip,
    t_above,
)
from ssrun.config.claims import Relation

Side = Literal["agree", "disagree"]
Verdict = Literal["agree", "disagree", "inconclusive"]
PAbove: TypeAlias = Callable[[Floats, float], float]  # one-sided, that values lie above a boundary
ALPHA = 0.05


class Link(NamedTuple):
    """Says that treatment is lower or higher than baseline by more than `margin`, or equal to it within `margin`.

    Attributes:
        treatment: A value a seed.
        baseline: In the same place, of the same seed.
        relation: Of treatment to baseline.
        margin: In the unit of the values; one below 0 claims "not worse by that".
        resolution: The least difference that the unit shows, as `Metric.resolution` gives it.
    """

    treatment: Sequence[float]
    baseline: Sequence[float]
    relation: Relation
    margin: float = 0.0
    resolution: float = 0.0

    @property
    def differences(self) -> Floats:
        """Treatment - baseline, turned round where the claim is that it is lower: what it says is `> margin`."""
        return paired_differences(self.treatment, self.baseline) * (-1 if self.relation == "lower" else 1)


class Sides(NamedTuple):
    """What there is of each verdict, such as a p for agree and one for disagree."""

    agree: float
    disagree: float


class HolmInterval(NamedTuple):
    """A mean difference over n pairs and its t-interval at the level at which Holm judged the claim that it is of.

    They decide as p does: a claim agrees where all its intervals lie on the claimed side, and disagrees where one
    lies on the other. They need not all cover their means at once. `p` is of this link alone, not corrected.
    """

    difference: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    p: float | None


class ClaimVerdict(NamedTuple):
    """The verdict on a claim.

    Attributes:
        verdict: By `p`.
        p: Corrected for all claims, and for alpha: a verdict is reached where it is at most 0.05. None where no link
            has two pairs.
        leaning: The verdict that `p` speaks for, reached or not.
        alpha: At which Holm judged it.
        intervals: One a link.
        weakest: The link that decides: of one that leans to agree the last to be shown, else the first to be refuted.
    """

    verdict: Verdict
    p: float | None
    leaning: Side
    alpha: float
    intervals: tuple[HolmInterval, ...]
    weakest: int


class Confirmation(NamedTuple):
    """What sign flips say of a verdict.

    Attributes:
        p: Exact, of the side to which the verdict leans, corrected as the verdict's p is.
        possible: Whether any exact p could be at most 0.05, with so few pairs for so many claims.
    """

    p: float
    possible: bool


def verdicts(claims: Sequence[Sequence[Link]], alpha: float = ALPHA) -> list[ClaimVerdict]:
    """The verdicts on all claims of an experiment, each of one link or of several that must all hold.

    A claim without a pair has no p and counts all the same: an unfinished experiment is not judged more mildly.

    Args:
        claims: The links of each claim.
        alpha: The chance of any false verdict among them: below 0.05 where this is one look of several.

    Raises:
        ValueError: A claim has no link, a value is not finite, lists are of unequal lengths, or alpha is not in
            (0, 0.05].
    """
    if not all(claims):
        raise ValueError("a claim has no link: give it at least one")
    if not 0 < alpha <= ALPHA:
        raise ValueError(f"alpha {alpha} is outside (0, {ALPHA}]: it is the chance of any false verdict")
    tested = [[_sides(link, link.differences, _student(link)) for link in claim] for claim in claims]
    combined = list(map(_combined, tested))
    p_values = _corrected(list(map(min, combined)), alpha)
    decided = [min(sides) for sides, p in zip(combined, p_values, strict=True) if p <= ALPHA]
    judged = []
    for claim, of_links, sides, p in zip(claims, tested, combined, p_values, strict=True):
        side: Side = "agree" if sides.agree <= sides.disagree else "disagree"
        own_alpha = alpha / (len(claims) - sum(other < min(sides) for other in decided))
        intervals = [
            _interval(link, min(p_of_link), _level(link, side, own_alpha, len(claim)))
            for link, p_of_link in zip(claim, of_links, strict=True)
        ]
        judged.append(
            ClaimVerdict(
                verdict=side if p <= ALPHA else "inconclusive",
                p=p if any(interval.p is not None for interval in intervals) else None,
                leaning=side,
                alpha=own_alpha,
                intervals=tuple(intervals),
                weakest=_weakest(of_links, side),
            )
        )
    return judged


def confirmations(
    claims: Sequence[Sequence[Link]], judged: Sequence[ClaimVerdict], alpha: float = ALPHA
) -> list[Confirmation]:
    """What the exact test says of the verdicts that `verdicts` gave on these claims, at the same alpha."""
    leanings = [verdict.leaning for verdict in judged]
    exact = [_combined([_sides(link, link.differences, sign_flip_above) for link in claim]) for claim in claims]
    least = [_combined([_smallest(link) for link in claim]) for claim in claims]
    p_values, attainable = (
        _corrected([getattr(sides, side) for sides, side in zip(found, leanings, strict=True)], alpha)
        for found in (exact, least)
    )
    return [Confirmation(p, smallest <= ALPHA) for p, smallest in zip(p_values, attainable, strict=True)]


def seeds_needed(claim: Sequence[Link], alpha: float) -> int | None:
    """How many seeds would decide a claim, with 80 % power at alpha, if its differences are as they look now.

    To agree it needs as many as the link that needs most, to disagree as the link that needs least. 1,001 stands for
    more than 1,000; None where a link has fewer than two pairs, or no spread.
    """
    holds, fails = [], []
    for link in claim:
        if len(link.treatment) < 2:
            return None
        mean, deviation = moments(link.differences, link.resolution)
        if not deviation:
            return None
        to_hold, to_fail = _powers(link, mean, deviation, alpha, len(claim))
        holds.append(seeds_for(to_hold))
        fails.append(seeds_for(to_fail))
    return min(max(holds), *fails)


def _student(link: Link) -> PAbove:
    return partial(t_above, resolution=link.resolution)


def _sides(link: Link, differences: Floats, above: PAbove) -> Sides:
    """The p of one link, by a one-sided test."""
    if link.relation == "equal":
        inside = max(above(differences, -link.margin), above(-differences, -link.margin))
        outside = min(above(differences, link.margin), above(-differences, link.margin))
        return Sides(inside, min(1.0, 2 * outside))
    return Sides(min(1.0, 2 * above(differences, link.margin)), min(1.0, 2 * above(-differences, -link.margin)))


def _smallest(link: Link) -> Sides:
    """The least that the exact p of a link can be."""
    one_sided = smallest_sign_flip(len(link.treatment))
    return Sides(one_sided if link.relation == "equal" else min(1.0, 2 * one_sided), min(1.0, 2 * one_sided))


def _combined(links: Sequence[Sides]) -> Sides:
    """The p of a claim from those of its links."""
    return Sides(max(sides.agree for sides in links), min(1.0, len(links) * min(sides.disagree for sides in links)))


def _corrected(p_values: Sequence[float], alpha: float) -> list[float]:
    """Holm's adjusted p, scaled so that 0.05 is what it is held against, whatever alpha is."""
    return [min(1.0, p * ALPHA / alpha) for p in holm(p_values) if p is not None]


def _level(link: Link, side: Side, alpha: float, links: int) -> float:
    """Of the interval that decides a claim at alpha: all links agree at alpha, any disagrees at its share of it."""
    if side == "disagree":
        return 1 - alpha / links
    return 1 - 2 * alpha if link.relation == "equal" else 1 - alpha


def _interval(link: Link, p: float, level: float) -> HolmInterval:
    mean, low, high, n = mean_interval(
        paired_differences(link.treatment, link.baseline).tolist(), level, link.resolution
    )
    return HolmInterval(mean, low, high, level, n, None if low is None else p)


def _weakest(links: Sequence[Sides], side: Side) -> int:
    if side == "agree":
        return max(range(len(links)), key=lambda place: links[place].agree)
    return min(range(len(links)), key=lambda place: links[place].disagree)


def _powers(
    link: Link, mean: float, deviation: float, alpha: float, links: int
) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """The power to show that a link holds, and that it does not, by the number of seeds."""
    above, below = (mean - link.margin) / deviation, (mean + link.margin) / deviation  # of the upper margin, the lower
    if link.relation == "equal":
        return (
            lambda n: equivalence_power(below, -above, n, alpha),
            lambda n: directional_power(max(above, -below), n, alpha / links),
        )
    return lambda n: directional_power(above, n, alpha), lambda n: directional_power(-above, n, alpha / links)
