"""Budgets: the difference at equal steps and at equal compute, and where it crosses zero, against numbers by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from ssrun.analysis.budget import (
    RESAMPLES,
    WALK,
    budget_curves,
    compute,
    crossing,
    interpolated,
    zero_crossings,
)
from ssrun.analysis.document import RunValues
from ssrun.analysis.sweeps import budgets
from tests.support.swept import STRATEGIES, crossing_curves, swept

PAIR = ("teacher-forcing", "always-sampling")
STEPS = {"training.steps": [500, 1000, 2000, 4000]}


@pytest.mark.parametrize(
    ("means", "crossings"),
    [
        ([-1, 1], [math.sqrt(100 * 400)]),  # half the way, of the logarithm
        ([-1, 3], [100 * 4**0.25]),
        ([3, -1], [100 * 4**0.75]),
        ([-1, -2], []),
        ([-1, math.nan, 1], [math.sqrt(100 * 1600)]),
        ([1, -1, 1], [200, 800]),
        ([-1, 0, 1], [400]),
        ([-1, 0, -1], []),
        ([0, 1], []),
        ([-1, 0], []),
        ([0, 0], []),
        ([-2, 0, 0, 2], [400]),
        ([], []),
    ],
)
def test_a_crossing_is_where_the_sign_changes_on_the_logarithm_of_steps(
    means: list[float], crossings: list[float]
) -> None:
    assert zero_crossings([100, 400, 1600, 6400][: len(means)], means) == pytest.approx(crossings)


def test_the_interval_of_a_crossing_is_that_of_whole_seeds_resampled() -> None:
    generator = np.random.default_rng(3)
    shift = generator.normal(0, 0.4, 8)  # a seed is above or below at every budget
    differences = {
        steps: {seed: math.log2(steps / 1000) + shift[seed] for seed in range(8)}
        for steps in (250, 500, 1000, 2000, 4000)
    }
    found = crossing(differences)
    assert found.at == pytest.approx([1000 * 2 ** -shift.mean()])
    means = [shift[generator.integers(8, size=8)].mean() for _ in range(RESAMPLES)]
    low, high = 1000 * 2 ** -np.percentile(means, [97.5, 2.5])
    assert (found.low, found.high) == (pytest.approx(low, rel=0.02), pytest.approx(high, rel=0.02))
    assert found.share == 1
    assert crossing(differences) == found


def test_the_share_counts_the_resamples_that_cross() -> None:
    never = crossing({100: {0: -1.0, 1: -2.0}, 200: {0: -1.0, 1: -2.0}})
    assert never == ([], None, None, 0)
    half = crossing({100: dict.fromkeys(range(2), -1.0), 200: {0: 3.0, 1: -1.0}})
    assert half.share == pytest.approx(3 / 4, abs=0.03)  # unless seed 1 is drawn twice
    assert half.at == [pytest.approx(math.sqrt(2) * 100)]
    assert crossing({100: {0: -1.0}, 200: {0: 1.0}})[1:] == (None, None, None)


def test_a_seed_that_lacks_a_budget_counts_at_the_others() -> None:
    found = crossing({100: {0: -1.0, 1: -1.0}, 200: {0: 1.0}, 400: {0: 1.0, 1: 1.0}})
    assert found.at == [pytest.approx(math.sqrt(100 * 200))]
    assert found.share == 1
    assert found.high == pytest.approx(200)  # where seed 1 is drawn twice, the line goes from 100 to 400


def test_compute_counts_walks_and_no_seconds() -> None:
    assert compute(1000, 0) == 1000
    assert compute(1000, 1) == 1000 * (1 + WALK)
    assert compute(1000, 0.5) == 1000 * (1 + WALK / 2)


def test_between_budgets_the_baseline_is_interpolated_and_never_beyond_them() -> None:
    known = [(500.0, 10.0), (2000.0, 30.0)]
    assert interpolated(known, 1000) == pytest.approx(20)
    assert interpolated(known, 500) == pytest.approx(10)
    assert interpolated(known, 2000 * (1 + 1e-12)) == pytest.approx(30)
    assert (interpolated(known, 499), interpolated(known, 2001), interpolated([], 1)) == (None, None, None)


def logarithmic(settings: Mapping[str, Any], strategy: str, seed: int) -> float:
    """A value that depends on the compute alone: at equal compute nothing differs."""
    share = 0 if strategy == PAIR[0] else 1
    return 10 * math.log(compute(settings["training.steps"], share)) + seed


def test_what_depends_on_compute_alone_does_not_differ_at_equal_compute() -> None:
    document = swept(STEPS, logarithmic, PAIR, walk_share=1.0)
    (curve,) = budget_curves(document, budgets(document)[0], "bleu")
    assert [point.mean for point in curve.at_equal_steps] == pytest.approx([10 * math.log(1 + WALK)] * 4)
    within = [steps * (1 + WALK) for steps in (500, 1000, 2000)]  # of 4,000 steps it would be beyond the baseline's
    assert [point.x for point in curve.at_equal_compute] == pytest.approx(within)
    assert all(point.mean == pytest.approx(0, abs=1e-9) for point in curve.at_equal_compute)
    assert all(len(point.seeds) == 6 for point in curve.at_equal_compute)


def test_without_a_walk_equal_steps_are_equal_compute() -> None:
    document = swept(STEPS, crossing_curves)
    for curve in budget_curves(document, budgets(document)[0], "bleu"):
        for at_steps, at_compute in zip(curve.at_equal_steps, curve.at_equal_compute, strict=True):
            assert at_compute[:4] == pytest.approx(at_steps[:4])
            assert at_compute.seeds == pytest.approx(at_steps.seeds)


def test_points_are_the_differences_of_the_table() -> None:
    document = swept(STEPS, crossing_curves)
    (series,) = budgets(document)
    curves = {curve.strategy: curve for curve in budget_curves(document, series, "bleu")}
    assert tuple(curves) == STRATEGIES[1:]
    for row in document.rows:
        if row.strategy in curves:
            steps = document.cells[row.task].settings["training.steps"]
            (point,) = (point for point in curves[row.strategy].at_equal_steps if point.x == steps)
            estimate = row.estimates["bleu"]
            assert (point.mean, point.low, point.high, len(point.seeds)) == pytest.approx(
                (estimate.difference, estimate.difference_low, estimate.difference_high, estimate.pairs)
            )


def test_a_share_of_no_walks_is_not_written() -> None:
    run = {"task": "t", "strategy": "s", "seed": 0, "status": "complete", "settings": {}, "metrics": {}}
    assert "walk_share" not in RunValues.model_validate(run).model_dump_json()
    assert RunValues.model_validate_json('{"walk_share": 1, ' + RunValues.model_validate(run).model_dump_json()[1:])
