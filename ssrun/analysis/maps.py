"""Maps: how strategies differ from the baseline in each square of two fields that were swept, with verdicts."""

from __future__ import annotations

from typing import NamedTuple

from ssrun.analysis.document import Comparison
from ssrun.analysis.pairing import differences_of, others_than_baseline
from ssrun.analysis.sweeps import Plane
from ssrun.analysis.verdicts import Link, Verdict, verdicts
from ssrun.config.claims import Relation
from ssrun.metrics import METRICS


class Square(NamedTuple):
    """The mean difference in a square over n seeds, its t-interval at the level of Holm's correction, the verdict.

    Attributes:
        verdict: On "better than the baseline"; of a metric without a better, on "more than the baseline".
    """

    difference: float
    low: float | None
    high: float | None
    n: int
    verdict: Verdict


class EffectMap(NamedTuple):
    """A strategy's squares by row and column; none where no seed is complete."""

    strategy: str
    squares: dict[tuple[str, str], Square]


def effect_maps(comparison: Comparison, plane: Plane, metric: str) -> list[EffectMap]:
    """The maps of all strategies but the baseline; the squares of each are one family of Holm's."""
    relation: Relation = "lower" if METRICS[metric].better == "lower" else "higher"
    resolution = METRICS[metric].resolution(None)
    found = []
    for strategy in others_than_baseline(comparison):
        differences = {
            place: [*seeds.values()]
            for place, task in plane.tasks.items()
            if (seeds := differences_of(comparison, task, strategy, metric))
        }
        claims = [[Link(found, [0.0] * len(found), relation, resolution=resolution)] for found in differences.values()]
        squares = {
            place: Square(interval.difference, interval.low, interval.high, interval.n, judged.verdict)
            for place, judged in zip(differences, verdicts(claims), strict=True)
            for interval in judged.intervals
            if interval.difference is not None
        }
        if squares:
            found.append(EffectMap(strategy, squares))
    return found
