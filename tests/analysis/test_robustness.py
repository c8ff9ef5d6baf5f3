"""Robust effects: against their definitions, and what the flag of two humps finds and what it cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from ssrun.analysis.document import Robust
from ssrun.analysis.robustness import explained, resampled, two_humps
from ssrun.analysis.robustness import robust as by_seed
from ssrun.analysis.verdicts import Link, verdicts
from ssrun.views.tables import footnotes
from ssrun.views.tables.markdown import markdown
from tests.support.outcomes import compared


def robust(values: Sequence[float], baseline: Sequence[float], better: Better, resolution: float = 0.1) -> Robust:
    """Of values by seed, from 0."""
    return by_seed(dict(enumerate(values)), dict(enumerate(baseline)), better, resolution)


EIGHT = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 800.0]
Better = Literal["higher", "lower", "neither"]
COLLAPSE, SHARE = -40.0, 0.15


def collapsing(samples: int, n: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """The audit's null: 15 % of seeds at -40, the others so high that the mean is 0; and which have collapsed."""
    generator = np.random.default_rng((20, n))
    collapsed = generator.random((samples, n)) < SHARE
    level = np.where(collapsed, COLLAPSE, -COLLAPSE * SHARE / (1 - SHARE))
    return level + noise * generator.normal(size=(samples, n)), collapsed


@pytest.mark.parametrize("n", [2, 3, 4, 7, 8, 9, 30])
def test_the_interquartile_mean_is_scipys_trimmed_mean(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    assert robust(values.tolist(), [], "higher").iqm == pytest.approx(stats.trim_mean(values, 0.25))


def test_one_odd_seed_moves_the_mean_and_not_the_middle() -> None:
    found = robust(EIGHT, EIGHT, "higher")
    assert found.iqm == 4.5
    assert 1.5 < found.iqm_low < 4.5 < found.iqm_high < 800
    assert found == robust(EIGHT, EIGHT, "higher")


def test_the_bootstrap_interval_of_the_middle_covers_about_as_often_as_it_says() -> None:
    """Percentile intervals of so few are a little narrow: the shortfall is known, and told here."""
    samples = np.random.default_rng(1).normal(size=(400, 20))
    found = [robust(row, [], "higher", 0.0) for row in samples.tolist()]
    covered = np.mean([one.iqm_low <= 0 <= one.iqm_high for one in found])
    assert 0.89 <= covered <= 0.97


@pytest.mark.parametrize(
    ("values", "better", "probability"),
    [
        ([5.0, 6.0], "higher", 1.0),
        ([5.0, 6.0], "lower", 0.0),
        ([1.0, 2.0, 3.0], "higher", 0.5),
        ([2.0, 2.0], "lower", 0.5),
        ([1.0, 3.5], "higher", 3.5 / 6),
    ],
)
def test_the_probability_of_improvement_counts_pairs_and_half_of_ties(
    values: list[float], better: Better, probability: float
) -> None:
    found = robust(values, [1.0, 2.0, 3.0], better)
    assert found.better == pytest.approx(probability)
    assert found.better_low is not None
    assert found.better_high is not None
    assert found.better_low <= probability <= found.better_high


@pytest.mark.parametrize("better", ["higher", "lower"])
@pytest.mark.parametrize(("n", "m"), [(2, 5), (9, 4), (30, 31)])
def test_the_interval_of_improvement_is_that_of_all_pairs_of_each_sample(n: int, m: int, better: Better) -> None:
    draw = np.random.default_rng(n)
    values, baseline = draw.integers(0, 9, n) / 3, draw.integers(0, 9, m) / 3
    wins = (np.sign((1 if better == "higher" else -1) * (values[:, None] - baseline)) + 1) / 2
    pairs = wins[resampled(n)[:, :, None], resampled(m, 1)[:, None, :]].mean(axis=(1, 2))
    found = robust(values.tolist(), baseline.tolist(), better)
    assert found.better == wins.mean()
    assert (found.better_low, found.better_high) == tuple(np.quantile(pairs, [(1 - 0.95) / 2, (1 + 0.95) / 2]))


def test_runs_and_baselines_are_drawn_apart() -> None:
    found = robust(EIGHT, EIGHT, "higher")
    assert found.better == 0.5
    assert found.better_low is not None
    assert found.better_high is not None
    assert 0.1 < found.better_low < 0.35
    assert 0.65 < found.better_high < 0.9


def test_of_a_metric_without_a_better_way_and_of_the_baseline_there_is_no_improvement() -> None:
    assert robust(EIGHT, EIGHT, "neither").better is None
    assert robust(EIGHT, [], "higher").better is None


def test_collapsed_runs_are_worse_than_half_the_baselines_median_where_higher_is_better() -> None:
    values, baseline = [39.0, 40.0, 41.0, 0.0, 90.0], [70.0, 80.0, 90.0]
    assert robust(values, baseline, "higher").collapsed == 2
    assert robust(values, baseline, "lower").collapsed is None
    assert robust(values, [], "higher").collapsed is None


def test_the_share_that_a_split_explains_is_that_of_the_best_of_all_splits() -> None:
    values = np.random.default_rng(3).normal(size=7)
    ordered, whole = np.sort(values), values.var() * 7
    within = [ordered[:k].var() * k + ordered[k:].var() * (7 - k) for k in range(1, 7)]
    assert explained(values[None])[0] == pytest.approx(1 - min(within) / whole)


@pytest.mark.parametrize("n", [5, 8, 16])
def test_normal_outcomes_have_two_humps_in_at_most_2_percent(n: int) -> None:
    samples = np.random.default_rng(100 + n).normal(size=(2000, n))
    assert np.mean([two_humps(row, 0.0) for row in samples.tolist()]) <= 0.02


@pytest.mark.parametrize(("n", "share"), [(6, 0.6), (8, 0.9), (16, 0.99)])
def test_most_samples_that_hold_collapsed_seeds_and_others_have_two_humps(n: int, share: float) -> None:
    samples, collapsed = collapsing(1000, n, noise=3.0)
    both = collapsed.any(axis=1) & ~collapsed.all(axis=1)
    assert np.mean([two_humps(row, 0.1) for row in samples[both].tolist()]) >= share


def test_groups_hardly_further_apart_than_the_resolution_and_few_values_are_no_humps() -> None:
    assert not two_humps([100.0] * 7 + [99.9], 0.1)
    assert not two_humps([100.0] * 8, 0.1)
    assert not two_humps([], 0.1)
    assert not two_humps([1.0, 1.0, 1.0, 50.0], 0.1)
    assert two_humps([1.0, 1.0, 1.0, 50.0, 50.0], 0.1)


@pytest.mark.parametrize(("n", "errs"), [(8, 0.27), (32, 0.06)])
def test_where_15_percent_collapse_verdicts_err_as_often_as_the_note_says(n: int, errs: float) -> None:
    """Nearly all errors at n = 8 are samples without a collapsed seed: in them no flag can show."""
    samples, collapsed = collapsing(3000, n, noise=1.0)
    claims = [[[Link(row, [0.0] * n, "higher", 0.0, 0.1)]] for row in samples.tolist()]
    wrong = np.array([verdicts(claim)[0].verdict != "inconclusive" for claim in claims])
    assert np.mean(wrong) == pytest.approx(errs, abs=0.015)
    assert f"about {100 * errs:.0f} % at n = {n}" in footnotes.TWO_HUMPS
    if n == 8:
        assert np.mean(collapsed[wrong].any(axis=1)) < 0.03


def test_differences_may_have_two_humps_where_the_values_have_none() -> None:
    baseline = [10.0, 20.0, 31.0, 42.0, 50.0, 61.0, 70.0, 82.0]
    shifted = [value + 5.0 * (seed % 2) for seed, value in enumerate(baseline)]
    assert not two_humps(shifted, 0.1)
    assert robust(shifted, baseline, "higher").two_humps


def test_the_table_shows_what_is_robust_and_the_notes_warn() -> None:
    values: dict[str, dict[str, list[float | str]]] = {
        "a": {"bleu": [80.0, 81.0, 79.0, 80.5, 80.2, 79.8, 81.2, 80.9]},
        "b": {"bleu": [84.0, 30.0, 85.0, 84.2, 31.0, 84.4, 83.9, 84.6]},
    }
    text = markdown(compared(values))
    assert "| IQM BLEU | P(better BLEU) | collapsed |" in text
    assert re.search(r"\(two humps\) \| 0.75 \\\[0.\d\d, 1.00\\\] \| 2 of 8 \|", text)
    assert "- Two humps: t b (BLEU): the mean of an outcome with two humps cannot" in text
    single = compared({name: {"bleu": [1.0]} for name in "ab"})
    assert "IQM" not in markdown(single)
