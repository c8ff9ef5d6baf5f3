"""Looks: planned evenly, alpha is spent once, and adding seeds until decided errs no more often than it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from scipy import stats

from ssrun.analysis.claims import judge, judge_at_looks
from ssrun.analysis.looks import alpha_spent, decided_at_looks, looks
from ssrun.analysis.verdicts import ALPHA, ClaimVerdict, Link, verdicts
from ssrun.errors import UsageError
from tests.support.outcomes import claim, experiment, outcomes


@pytest.mark.parametrize(
    ("first", "most", "planned"),
    [(8, 32, [8, 13, 20, 32]), (8, 12, [8, 12]), (8, 8, [8]), (2, 3, [2, 3]), (6, 64, [6, 9, 13, 20, 29, 43, 64])],
)
def test_looks_grow_by_about_half_and_end_at_the_most(first: int, most: int, planned: list[int]) -> None:
    assert looks(first, most) == planned


@pytest.mark.parametrize("first", range(2, 12))
@pytest.mark.parametrize("more", [0, 1, 2, 5, 30, 400])
def test_alpha_is_spent_whole_and_never_more(first: int, more: int) -> None:
    planned = looks(first, first + more)
    assert (planned[0], planned[-1]) == (first, first + more)
    assert planned == sorted(set(planned))
    levels = alpha_spent(planned)
    assert min(levels) > 0
    assert sum(levels) == pytest.approx(ALPHA)


@pytest.mark.parametrize(("first", "most"), [(1, 8), (9, 8)])
def test_looks_that_cannot_be_are_refused(first: int, most: int) -> None:
    with pytest.raises(UsageError, match="at least 2"):
        looks(first, most)


Judge = Callable[[Sequence[int], int, float], list[ClaimVerdict]]


def judge_of(table: Sequence[Sequence[float]], levels: Mapping[int, float] | None = None) -> Judge:
    """Judges the claims that each strategy of a table is higher than its first; at these levels, by number of seeds."""
    baseline, *others = table

    def judge(places: Sequence[int], n: int, alpha: float) -> list[ClaimVerdict]:
        claims = [[Link(others[place][:n], baseline[:n], "higher")] for place in places]
        return verdicts(claims, levels[n] if levels else alpha)

    return judge


def until_decided(tables: np.ndarray, planned: Sequence[int], levels: Mapping[int, float] | None = None) -> int:
    """In how many tables (axes: table, strategy, seed) a claim against the first strategy gets a verdict."""
    wrong = 0
    for table in tables.tolist():
        found = decided_at_looks(len(table) - 1, planned, len(planned), judge_of(table, levels))
        wrong += any(claim.verdict != "inconclusive" for claim in found)
    return wrong


def test_seeds_until_decided_err_in_at_most_5_percent_of_null_experiments() -> None:
    """2,000 experiments of two claims that share a baseline; without spending alpha it would be far more."""
    planned = looks(8, 32)
    tables = np.random.default_rng(20).normal(size=(2000, 3, 32))
    wrong = until_decided(tables, planned)
    assert 0.01 <= wrong / 2000 <= 0.05
    careless = until_decided(tables[:500], planned, dict.fromkeys(planned, ALPHA))
    assert careless / 500 > 0.08


def test_a_claim_that_is_decided_early_does_not_loosen_the_others_beyond_5_percent() -> None:
    tables = np.random.default_rng(21).normal(size=(1000, 3, 32))
    planned, wrong = looks(8, 32), 0
    for plain, null, other in tables.tolist():
        judge = judge_of([plain, [value + 3 for value in other], null])
        wrong += decided_at_looks(2, planned, len(planned), judge)[1].verdict != "inconclusive"
    assert 0.01 <= wrong / 1000 <= stats.binom.ppf(0.99, 1000, 0.05) / 1000


def test_a_verdict_stays_and_the_next_look_judges_what_is_left() -> None:
    asked: list[tuple[list[int], int, float]] = []

    def judge(places: Sequence[int], n: int, alpha: float) -> list[ClaimVerdict]:
        asked.append((list(places), n, alpha))
        claims = {0: [1.0, 1.1, 0.9] * 9, 1: [-1.0, 1.0] * 13, 2: [-1.0, 1.0] * 4 + [3.0, 3.1, 2.9] * 9}
        return verdicts(
            [[Link(claims[place][:n], [0.0] * len(claims[place][:n]), "higher")] for place in places], alpha
        )

    found = decided_at_looks(3, [6, 12, 24], 3, judge)
    assert [claim.verdict for claim in found] == ["agree", "inconclusive", "agree"]
    assert [(places, n) for places, n, _ in asked] == [([0, 1, 2], 6), ([1, 2], 12), ([1, 2], 24)]
    assert [len(claim.intervals) and claim.intervals[0].n for claim in found] == [6, 24, 24]
    asked.clear()
    assert decided_at_looks(3, [6, 12, 24], 1, judge)[2].verdict == "inconclusive"
    assert len(asked) == 1


def test_a_comparison_judged_at_its_looks_counts_only_the_seeds_of_each() -> None:
    values = {"a": {"bleu": [0.0, 0.5] * 6}, "b": {"bleu": [5.0, 5.6] * 6}, "c": {"bleu": [0.5, 0.0] * 6}}
    asked = experiment(("a", "b", "c"), 12, claims=[claim("a < b"), claim("a < c")])
    frame = outcomes(values)
    early, late = judge_at_looks(asked, frame, [8, 12, 18])
    assert (early.verdict, early.n, late.verdict, late.n) == ("agree", 8, "inconclusive", 12)
    alone = judge(asked.model_copy(update={"claims": asked.claims[1:]}), frame, 0.05 * 4 / 18)
    assert late == alone[0]
