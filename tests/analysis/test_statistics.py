"""The statistics against SciPy, published examples, and exact counting."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ssrun.analysis.statistics import (
    Interval,
    PairedDifference,
    all_paired,
    holm,
    mean_interval,
    paired,
    sign_flip_above,
    smallest_sign_flip,
    t_above,
)

# Darwin's maize, crossed minus self-fertilised, in eighths of an inch (Fisher 1935, sections 16 to 21).
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]

measurements = st.integers(-1000, 1000).map(lambda thousandths: thousandths / 1000)
tables = st.lists(st.tuples(measurements, measurements), min_size=2, max_size=9)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def within_binomial_error(count: int, trials: int, probability: float) -> bool:
    """True in all but one of 1,000 samples."""
    low, high = stats.binom.interval(0.999, trials, probability)
    return bool(low <= count <= high)


def sign_flip_p_by_counting(differences: list[int]) -> float:
    """The exact p of whole numbers: the number of sign assignments per sum, by repeated convolution."""
    ways = Counter({0: 1})
    for difference in differences:
        more, less = (Counter({total + step: ways[total] for total in ways}) for step in (difference, -difference))
        ways = more + less
    far = sum(count for total, count in ways.items() if abs(total) >= abs(sum(differences)))
    return far / 2 ** len(differences)


class TestMeanInterval:
    @pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
    @pytest.mark.parametrize("n", [2, 5, 30])
    def test_it_is_the_t_interval_of_scipy(self, n: int, level: float) -> None:
        values = normal(n, n) * 3 + 28.8
        low, high = stats.t.interval(level, n - 1, loc=values.mean(), scale=stats.sem(values))
        found = mean_interval(values.tolist(), level)
        assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), low, high), rel=1e-12)
        assert found.n == n

    def test_too_few_values_have_no_interval(self) -> None:
        assert mean_interval([]) == Interval(None, None, None, 0)
        assert mean_interval([2.5]) == Interval(2.5, None, None, 1)

    @pytest.mark.parametrize("n", [2, 7, 10])
    def test_equal_values_have_an_interval_of_no_width(self, n: int) -> None:
        assert mean_interval([0.1] * n) == Interval(0.1, 0.1, 0.1, n)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
    def test_a_diverged_value_is_refused_everywhere(self, bad: float) -> None:
        for call in (
            lambda: mean_interval([1.0, bad]),
            lambda: paired([1.0, bad], [1.0, 2.0]),
            lambda: paired([1.0, 2.0], [bad, 1.0]),
        ):
            with pytest.raises(ValueError, match="not all finite"):
                call()

    @pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -5.0])
    def test_a_level_that_is_no_probability_is_refused_everywhere(self, level: float) -> None:
        for call in (
            lambda: mean_interval([], level),
            lambda: paired([1.0, 2.0], [0.0, 0.0], level),
        ):
            with pytest.raises(ValueError, match=r"outside \(0, 1\)"):
                call()


class TestPaired:
    @pytest.mark.parametrize("n", [2, 3, 6, 10])
    def test_it_agrees_with_scipy(self, n: int) -> None:
        treatment, baseline = normal(n, 2, n) + np.array([[0.7], [0.0]])
        found = paired(treatment.tolist(), baseline.tolist(), 0.9)
        student = stats.ttest_rel(treatment, baseline).confidence_interval(0.9)
        pairs = (treatment - baseline,)
        flips = stats.permutation_test(pairs, np.sum, permutation_type="samples", n_resamples=np.inf)
        assert found.difference == pytest.approx((treatment - baseline).mean(), rel=1e-12)
        assert (found.low, found.high) == pytest.approx((student.low, student.high), rel=1e-11)
        assert found.p == pytest.approx(flips.pvalue, rel=1e-12)

    @pytest.mark.parametrize("unit", [1.0, 0.1, 1 / 3, 1e-7, 1e6])
    def test_darwins_maize_has_fishers_p_in_every_unit(self, unit: float) -> None:
        """835 assignments exceed the sum of 314 and 28 tie with it, on either side of 2^15: 5.267 %."""
        found = paired([unit * value for value in MAIZE], [0.0] * 15)
        assert found.p == 2 * (835 + 28) / 2**15
        assert found.difference == pytest.approx(unit * 314 / 15)
        t = 2.147987  # Fisher's 2.148
        assert found.high is not None
        half = found.high - unit * 314 / 15
        assert half == pytest.approx(unit * 314 / 15 / t * stats.t.ppf(0.975, 14), rel=1e-6)

    @pytest.mark.parametrize("n", range(2, 11))
    def test_the_smallest_p_is_reached_when_all_pairs_agree(self, n: int) -> None:
        treatment = [0.1 * (seed + 1) for seed in range(n)]
        for found in (paired(treatment, [0.0] * n), paired([0.0] * n, treatment)):
            assert found.p == found.smallest_p == 2.0 ** (1 - n)

    @pytest.mark.parametrize("value", [0.3, 0.1 + 0.2])
    def test_no_difference_but_for_rounding_is_certain(self, value: float) -> None:
        assert paired([value] * 6, [0.3] * 6) == PairedDifference(0.0, 0.0, 0.0, 1.0, 6, 1 / 32)

    def test_too_few_pairs_have_no_interval_and_no_p(self) -> None:
        assert paired([], []) == PairedDifference(None, None, None, None, 0, None)
        assert paired([3.0], [1.0]) == PairedDifference(2.0, None, None, None, 1, 1.0)

    def test_unpaired_values_are_refused(self) -> None:
        with pytest.raises(ValueError, match="2 treatments, 3 baselines"):
            paired([1.0, 2.0], [1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match="3 treatments, 1 baselines"):
            paired([1.0, 2.0, 3.0], [1.0])

    def test_twenty_pairs_are_counted_exactly(self) -> None:
        differences = np.random.default_rng(3).integers(-9, 14, 20).tolist()
        assert paired(differences, [0.0] * 20).p == sign_flip_p_by_counting(differences)

    @pytest.mark.parametrize("shift", [0, 2, 4])
    def test_above_twenty_the_drawn_p_is_the_exact_one_within_binomial_error(self, shift: int) -> None:
        differences = (np.random.default_rng(4).integers(-9, 10, 30) + shift).tolist()
        found = paired(differences, [0.0] * 30)
        assert found.p is not None
        hits = round(found.p * 100_000) - 1
        assert within_binomial_error(hits, 99_999, sign_flip_p_by_counting(differences))
        assert found == paired(differences, [0.0] * 30)
        assert found.p == paired(differences[::-1], [0.0] * 30).p == paired([0.0] * 30, differences).p

    def test_above_twenty_the_smallest_p_is_that_of_the_draws(self) -> None:
        found = paired([1.0] * 40, [0.0] * 40)
        assert found.p == found.smallest_p == 1 / 100_000

    @pytest.mark.parametrize("n", [21, 30, 64])
    def test_many_at_once_have_the_p_of_each_whose_drawn_signs_are_added_one_by_one(self, n: int) -> None:
        draw = np.random.default_rng(n)
        tables = [draw.normal(0.2, 1, n), draw.integers(-3, 5, n) / 10, draw.choice([0.0, 0.1, 0.2], n), np.zeros(n)]
        few = tables[0][:7].tolist()
        found = all_paired([*((table.tolist(), [0.0] * n) for table in tables), (few, [0.0] * 7)], [0.0] * 5)
        signs, sums = np.random.default_rng(0), np.zeros((4, 99_999))
        for place in range(n):
            plus = signs.random(99_999) < 0.5
            for row, table in enumerate(tables):
                size = np.sort(np.abs(table))[place]
                sums[row] += np.where(plus, size, -size)
        bars = [abs(table.sum()) - 1e-9 * np.abs(table).sum() for table in tables]
        hits = [int((np.abs(row) >= bar).sum()) for row, bar in zip(sums, bars, strict=True)]
        assert [each.p for each in found[:4]] == [(count + 1) / 100_000 for count in hits]
        assert found[4] == paired(few, [0.0] * 7)

    @given(tables)
    def test_exchanging_the_two_turns_the_difference_round(self, table: list[tuple[float, float]]) -> None:
        treatment, baseline = zip(*table, strict=True)
        there, back = paired(treatment, baseline), paired(baseline, treatment)
        assert (there.p, there.smallest_p) == (back.p, back.smallest_p)
        assert None not in (there.difference, there.low, there.high, back.low, back.high)
        assert there.difference == -back.difference
        assert (there.low, there.high) == (-back.high, -back.low)

    @given(tables, st.sampled_from([1e-6, 0.1, 1 / 3, 7.0, 1e6]), st.randoms(use_true_random=False))
    def test_neither_unit_nor_order_matters(self, table, unit, random) -> None:  # noqa: ANN001
        found = paired(*zip(*table, strict=True))
        random.shuffle(table)
        other = paired(*zip(*((unit * first, unit * second) for first, second in table), strict=True))
        assert other.p == found.p
        scaled = [unit * value for value in (found.difference, found.low, found.high)]
        assert [other.difference, other.low, other.high] == pytest.approx(scaled, rel=1e-9, abs=1e-9 * unit)


class TestHolm:
    @pytest.mark.parametrize(
        ("p_values", "adjusted"),
        [
            ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # Wikipedia, Holm-Bonferroni method
            ([0.01, 0.02, 0.03], [0.03, 0.04, 0.04]),  # 3 p, 2 p, then 1 p = 0.03 raised to 0.04
            ([None, 0.02, None, 0.04], [None, 0.04, None, 0.04]),
            ([], []),
        ],
    )
    def test_worked_examples(self, p_values: list[float | None], adjusted: list[float | None]) -> None:
        for found, expected in zip(holm(p_values), adjusted, strict=True):
            assert found == (None if expected is None else pytest.approx(expected, rel=1e-12))

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
    def test_it_is_the_closure_of_bonferroni(self, p_values: list[float]) -> None:
        """A claim falls where Bonferroni rejects every set of claims that it belongs to."""
        indices = range(len(p_values))
        subsets = [chosen for size in indices for chosen in combinations(indices, size + 1)]
        for claim, found in enumerate(holm(p_values)):
            with_it = [subset for subset in subsets if claim in subset]
            worst = max(min(1.0, len(subset) * min(p_values[index] for index in subset)) for subset in with_it)
            assert found == worst

    @pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
    def test_what_is_no_probability_is_refused(self, bad: float) -> None:
        with pytest.raises(ValueError, match="lies in"):
            holm([0.1, bad])


class TestOneSided:
    @pytest.mark.parametrize("boundary", [-1.0, 0.0, 0.3, 5.0])
    def test_the_t_p_is_scipys(self, boundary: float) -> None:
        for n in (2, 5, 30):
            values = normal(n, n) + 0.5
            expected = stats.ttest_1samp(values, boundary, alternative="greater").pvalue
            assert t_above(values, boundary) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("boundary", [-1, 0, 2])
    def test_the_sign_flip_p_is_scipys_and_above_twenty_within_binomial_error(self, boundary: int) -> None:
        values = np.random.default_rng(6).integers(-3, 9, 8).astype(float)
        exact = stats.permutation_test(
            (values - boundary,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="greater"
        )
        assert sign_flip_above(values, boundary) == pytest.approx(exact.pvalue, rel=1e-12)
        many = np.random.default_rng(7).integers(-9, 12, 24)
        ways = Counter({0: 1})
        for value in (many - boundary).tolist():
            more, less = (Counter({total + step: ways[total] for total in ways}) for step in (value, -value))
            ways = more + less
        share = sum(count for total, count in ways.items() if total >= (many - boundary).sum()) / 2**24
        assert within_binomial_error(round(sign_flip_above(many.astype(float), boundary) * 100_000) - 1, 99_999, share)

    def test_without_spread_t_is_certain_and_on_the_boundary_it_knows_nothing(self) -> None:
        values = np.array([0.5] * 4)
        assert [t_above(values, boundary) for boundary in (0.0, 1.0, 0.5, 0.2 + 0.3)] == [0.0, 1.0, 0.5, 0.5]

    def test_a_spread_below_the_resolution_counts_as_the_resolution(self) -> None:
        for values in (np.array([0.1, 0.1, 0.1]), np.array([0.1, 0.11, 0.09])):
            t = values.mean() / (0.1 / 3**0.5)
            assert t_above(values, 0.0, 0.1) == pytest.approx(stats.t.sf(t, 2), rel=1e-12)
            half = stats.t.ppf(0.975, 2) * 0.1 / 3**0.5
            found = mean_interval(values.tolist(), resolution=0.1)
            assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-12)
        wide = [0.0, 1.0, 3.0]
        assert mean_interval(wide, resolution=0.1) == mean_interval(wide)

    @pytest.mark.parametrize("n", [1, 5, 20, 21])
    def test_the_smallest_sign_flip_p_is_reached(self, n: int) -> None:
        assert sign_flip_above(np.arange(1.0, n + 1), 0.0) == smallest_sign_flip(n)
