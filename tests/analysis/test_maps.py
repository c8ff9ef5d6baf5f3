"""Maps: a verdict a square, one family a map, against Holm's correction of t p by scipy."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from scipy.stats import ttest_rel

from ssrun.analysis.maps import effect_maps
from ssrun.analysis.pairing import values_of
from ssrun.analysis.statistics import holm
from ssrun.analysis.sweeps import planes
from tests.support.swept import islands, swept

MAP = {"training.batch_size": [500, 1000, 2000, 8000], "model.dropout": [0, 0.1, 0.2, 0.4]}
TRIO = ("teacher-forcing", "uniform", "inverse-sigmoid")


def test_verdicts_are_those_of_holm_over_the_squares_of_one_strategy() -> None:
    document = swept(MAP, islands, TRIO)
    (plane,) = planes(document)
    found = effect_maps(document, plane, "bleu")
    assert [one.strategy for one in found] == [*TRIO[1:]]
    verdicts = set()
    for one in found:
        values = {
            place: [[*values_of(document, task, name, "bleu").values()] for name in (one.strategy, document.baseline)]
            for place, task in plane.tasks.items()
        }
        adjusted = holm([float(ttest_rel(*pair).pvalue) for pair in values.values()])
        for place, p in zip(values, adjusted, strict=True):
            square = one.squares[place]
            assert p is not None
            assert (square.verdict != "inconclusive") == (p <= 0.05)
            assert square.low is not None
            assert square.high is not None
            assert (square.low > 0 or square.high < 0) == (p <= 0.05)
            verdicts.add(square.verdict)
    assert verdicts == {"agree", "inconclusive"}


def one_effect(settings: Mapping[str, Any], strategy: str, seed: int) -> float:
    """An effect in each square that eight squares together cannot show."""
    noise = random.Random(seed).gauss(0, 1)
    return 0.0 if strategy == TRIO[0] else noise + 1.1


def test_an_effect_that_is_decided_alone_is_not_among_many() -> None:
    few = swept({"training.steps": [1, 2], "model.dropout": [0, 0.1]}, one_effect, TRIO[:2], seeds=8)
    many = swept(MAP, one_effect, TRIO[:2], seeds=8)
    for document, verdict in ((few, "agree"), (many, "inconclusive")):
        (found,) = effect_maps(document, planes(document)[0], "bleu")
        assert {square.verdict for square in found.squares.values()} == {verdict}


@pytest.mark.parametrize(("metric", "verdict"), [("bleu", "agree"), ("free_running_loss", "disagree")])
def test_more_of_a_loss_is_worse(metric: str, verdict: str) -> None:
    sweep = {"training.steps": [1, 2], "model.dropout": [0, 0.1]}
    document = swept(sweep, lambda _, name, seed: seed + 5.0 * (name != TRIO[0]), TRIO[:2], metric=metric)
    (found,) = effect_maps(document, planes(document)[0], metric)
    assert {square.verdict for square in found.squares.values()} == {verdict}
    assert all(square.difference == 5 for square in found.squares.values())
