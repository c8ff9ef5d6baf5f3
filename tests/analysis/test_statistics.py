"""The statistics against SciPy, published examples, exact counting, and what they promise about noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ssrun.analysis.statistics import (
    Hypothesis,
    Interval,
    PairedDifference,
    SimultaneousInterval,
    holm,
    mean_interval,
    paired,
    simultaneous,
    verdict,
    verdicts,
)

# Darwin's maize, crossed minus self-fertilised, in eighths of an inch (Fisher 1935, sections 16 to 21).
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]

HIGHER = [3.0, 3.1, 2.9, 3.0, 3.2, 2.8]
LOWER = [-value for value in HIGHER]
UNCLEAR = [1.0, -1.0, 2.0, -2.0, 0.5, -0.5]
ZEROS = [0.0] * 6

measurements = st.integers(-1000, 1000).map(lambda thousandths: thousandths / 1000)
tables = st.lists(st.tuples(measurements, measurements), min_size=2, max_size=9)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def within_binomial_error(count: int, trials: int, probability: float) -> bool:
    """True in all but one of 1,000 samples."""
    low, high = stats.binom.interval(0.999, trials, probability)
    return bool(low <= count <= high)


def at_most(count: int, trials: int, probability: float) -> bool:
    return bool(count <= stats.binom.ppf(0.999, trials, probability))


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
            lambda: simultaneous([[1.0, bad]], [0.0]),
            lambda: simultaneous([[1.0, 2.0]], [bad]),
            lambda: verdicts([[Hypothesis([1.0, bad], [0.0, 0.0], "higher")]]),
        ):
            with pytest.raises(ValueError, match="not all finite"):
                call()

    @pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -5.0])
    def test_a_level_that_is_no_probability_is_refused_everywhere(self, level: float) -> None:
        for call in (
            lambda: mean_interval([], level),
            lambda: paired([1.0, 2.0], [0.0, 0.0], level),
            lambda: simultaneous([[1.0, 2.0]] * 10, [0.0] * 10, level),
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


class TestSimultaneous:
    def test_levels_descend_to_the_first_that_is_not_rejected(self) -> None:
        family = [UNCLEAR, HIGHER, [0.1, 0.2, 0.3, -0.2, 0.1, 0.0], LOWER, [5.0]]
        found = simultaneous(family, [0.0] * 5)
        levels = [1 - 0.05 / share for share in (3, 5, 3, 4, 3)]
        assert [interval.level for interval in found] == pytest.approx(levels, rel=1e-12)
        for interval, differences in zip(found[:4], family, strict=False):
            student = stats.ttest_1samp(differences, 0)
            ends = student.confidence_interval(interval.level)
            assert (interval.difference, interval.low, interval.high, interval.p) == pytest.approx(
                (np.mean(differences), ends.low, ends.high, student.pvalue), rel=1e-9, abs=1e-15
            )
        assert found[4] == SimultaneousInterval(5.0, None, None, found[0].level, 1, None, 0.0)

    def test_an_interval_excludes_its_boundary_exactly_where_holm_rejects(self) -> None:
        generator = np.random.default_rng(5)
        rejected = []
        for _ in range(300):
            lengths = generator.integers(2, 9, generator.integers(1, 7))
            shifts = generator.choice([0.0, 0.5, 2.0, 6.0], lengths.size)
            boundaries = generator.choice([0.0, 0.5, -0.5], lengths.size)
            family = [
                generator.normal(shift, size=length).tolist() for shift, length in zip(shifts, lengths, strict=True)
            ]
            found = simultaneous(family, boundaries.tolist())
            excluded = [verdict(interval, "higher") != "inconclusive" for interval in found]
            assert excluded == [adjusted <= 0.05 for adjusted in holm([interval.p for interval in found])]
            assert all(interval.level >= 0.95 - 1e-12 for interval in found)
            rejected += excluded
        assert 0.2 < np.mean(rejected) < 0.8

    def test_the_order_of_the_claims_does_not_matter(self) -> None:
        family = [UNCLEAR, HIGHER, LOWER, MAIZE, [1.0, 1.0], [5.0]]
        boundaries = [0.0, 2.8, 0.0, 1.0, 0.0, 0.0]
        turned = simultaneous(family[::-1], boundaries[::-1])[::-1]
        assert turned == simultaneous(family, boundaries)

    def test_equal_differences_are_certain(self) -> None:
        found = simultaneous([[0.5] * 4, [-0.5] * 4, [0.0] * 4], [0.0] * 3)
        expected = [(0.5, 0.5, 0.0), (-0.5, -0.5, 0.0), (0.0, 0.0, 1.0)]
        assert [(interval.low, interval.high, interval.p) for interval in found] == expected
        assert [verdict(interval, "higher") for interval in found] == ["agree", "disagree", "inconclusive"]

    def test_two_equal_differences_are_too_few(self) -> None:
        for pair in ([1.0, 1.0], [0.3 - 0.2, 0.4 - 0.3], [0.0, 0.0]):
            found, other = simultaneous([pair, HIGHER], [-1.0, 0.0])
            assert (found.p, found.level, verdict(found, "higher")) == (None, 1 - 0.05 / 1, "inconclusive")
            assert other.level == 1 - 0.05 / 2
        (judged,) = verdicts([[Hypothesis([1, 1], [0, 0], "higher")]])
        assert judged.verdict == "inconclusive"

    def test_a_difference_equal_to_its_margin_but_for_rounding_stays_inconclusive(self) -> None:
        for differences in ([0.3 - 0.2] * 4, [0.3 - 0.2, 0.4 - 0.3, 28.8 - 28.7]):
            for sign in (1, -1):
                (found,) = simultaneous([[sign * difference for difference in differences]], [sign * 0.1])
                assert (found.p, verdict(found, "higher")) == (1.0, "inconclusive")

    def test_every_list_of_differences_needs_its_boundary(self) -> None:
        with pytest.raises(ValueError, match="shorter"):
            simultaneous([HIGHER, LOWER], [0.0])


class TestVerdicts:
    @pytest.mark.parametrize(
        ("differences", "direction", "margin", "expected"),
        [
            (HIGHER, "higher", 0.0, "agree"),
            (HIGHER, "lower", 0.0, "disagree"),
            (LOWER, "higher", 0.0, "disagree"),
            (LOWER, "lower", 0.0, "agree"),
            (UNCLEAR, "higher", 0.0, "inconclusive"),
            (UNCLEAR, "lower", 0.0, "inconclusive"),
            (LOWER, "lower", 2.5, "agree"),
            (LOWER, "lower", 3.05, "inconclusive"),
            (LOWER, "lower", 3.5, "disagree"),
            (LOWER, "higher", -3.5, "agree"),
            (HIGHER[:1], "higher", 0.0, "inconclusive"),
            ([], "higher", 0.0, "inconclusive"),
        ],
    )
    def test_where_the_interval_lies_decides(self, differences, direction, margin, expected) -> None:  # noqa: ANN001
        claim = Hypothesis(differences, [0.0] * len(differences), direction, margin)
        (found,) = verdicts([[claim]])
        assert found.verdict == expected
        assert found.intervals[0].boundary == (margin if direction == "higher" else -margin)

    @pytest.mark.parametrize(
        ("parts", "expected"),
        [
            ((HIGHER, HIGHER), "agree"),
            ((HIGHER, UNCLEAR), "inconclusive"),
            ((HIGHER, LOWER), "disagree"),
            ((HIGHER, UNCLEAR, LOWER), "disagree"),
            ((HIGHER, HIGHER[:1]), "inconclusive"),
        ],
    )
    def test_an_order_agrees_if_all_of_it_does_and_disagrees_if_any_does(self, parts, expected) -> None:  # noqa: ANN001
        claim = [Hypothesis(part, [0.0] * len(part), "higher") for part in parts]
        for order in (claim, claim[::-1]):
            (found,) = verdicts([order])
            assert found.verdict == expected
            assert [interval.difference for interval in found.intervals] == [np.mean(part.treatment) for part in order]

    def test_a_claim_that_passes_alone_may_not_pass_among_others(self) -> None:
        close = Hypothesis([1.0, 0.1, 0.9, 0.2, 0.8, 0.5], ZEROS, "higher")
        unclear = Hypothesis(UNCLEAR, ZEROS, "higher")
        assert verdicts([[close]])[0].verdict == "agree"
        assert verdicts([[close]] + [[unclear]] * 9)[0].verdict == "inconclusive"

    def test_an_empty_claim_and_an_unknown_direction_are_refused(self) -> None:
        with pytest.raises(ValueError, match="no hypothesis"):
            verdicts([[]])
        with pytest.raises(KeyError, match="greater"):
            verdicts([[Hypothesis(HIGHER, ZEROS, "greater")]])  # type: ignore[arg-type]
        assert verdicts([]) == []


def false_verdicts(tables: np.ndarray, margin: float = 0.0) -> tuple[int, int]:
    """In how many tables any claim agrees, and in how many any disagrees. Axes: table, strategy, seed.

    Strategy 0 is the baseline that every claim shares, as in an experiment.
    """
    agree = disagree = 0
    for baseline, *treatments in tables.tolist():
        claims = [[Hypothesis(treatment, baseline, "higher", margin)] for treatment in treatments]
        found = {judged.verdict for judged in verdicts(claims)}
        agree += "agree" in found
        disagree += "disagree" in found
    return agree, disagree


NOISE: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "heavy tails": lambda generator, shape: generator.standard_t(3, shape),
    "skewed": lambda generator, shape: generator.lognormal(size=shape),
}


class TestPromises:
    @pytest.mark.parametrize("seeds", [6, 8])
    @pytest.mark.parametrize("noise", NOISE)
    def test_noise_agrees_no_more_often_than_the_level_says(self, noise: str, seeds: int) -> None:
        """A claim can only agree on one side, so half of 5 % is the nominal share of experiments."""
        generator, agree, disagree, trials = np.random.default_rng(seeds), 0, 0, 0
        for claims in range(1, 7):
            tables = NOISE[noise](generator, (600, claims + 1, seeds))
            tables = tables + generator.normal(size=(600, 1, seeds)) * 3  # what the seed does to all alike
            found = false_verdicts(tables)
            agree, disagree, trials = agree + found[0], disagree + found[1], trials + 600
        assert at_most(agree, trials, 0.025)
        assert at_most(disagree, trials, 0.025)
        assert agree + disagree > 0

    @pytest.mark.parametrize("margin", [0.0, 2.0, -0.5])
    def test_a_single_claim_on_its_boundary_errs_exactly_as_often_as_the_level_says(self, margin: float) -> None:
        tables = normal(11, 3000, 2, 6)
        tables[:, 1] += margin
        assert all(within_binomial_error(count, 3000, 0.025) for count in false_verdicts(tables, margin))

    def test_differences_that_are_skewed_themselves_exceed_the_level_on_one_side(self) -> None:
        """The known limit of t: exponential differences of mean 0 err in 11 % away from their tail."""
        differences = np.random.default_rng(14).exponential(size=(2000, 6)) - 1
        found = [verdict(simultaneous([row], [0.0])[0], "higher") for row in differences.tolist()]
        assert within_binomial_error(found.count("disagree"), 2000, 0.111)
        assert within_binomial_error(found.count("agree"), 2000, 0.0039)

    def test_true_effects_do_not_loosen_the_judgement_of_the_others(self) -> None:
        """Two of four claims are plainly true, so Holm judges the other two more mildly: 5 % for both."""
        tables = normal(12, 1500, 3, 6)
        wrong = 0
        for table in tables:
            family = [HIGHER, LOWER, *(table[1:] - table[0]).tolist()]
            intervals = simultaneous(family, [0.0] * 4)[2:]
            wrong += any(verdict(interval, "higher") != "inconclusive" for interval in intervals)
        assert at_most(wrong, 1500, 0.05)
        assert wrong > 15

    @pytest.mark.parametrize(
        ("seeds", "effect", "margin"), [(6, 1.2, 0.0), (8, 1.2, 0.0), (8, 2.2, 1.0), (5, 2.0, 0.0)]
    )
    def test_a_planted_difference_is_found_as_often_as_theory_says(
        self, seeds: int, effect: float, margin: float
    ) -> None:
        """P(T > t(n - 1, 0.975)), T noncentral t of (effect - margin) sqrt(n), in standard deviations."""
        differences = normal(13, 2000, seeds) + effect
        power = stats.nct.sf(stats.t.ppf(0.975, seeds - 1), seeds - 1, (effect - margin) * seeds**0.5)
        for direction, sign in (("higher", 1), ("lower", -1)):
            claims = [Hypothesis(row, [0.0] * seeds, direction, margin) for row in (sign * differences).tolist()]
            agree = sum(verdicts([[claim]])[0].verdict == "agree" for claim in claims)
            assert within_binomial_error(agree, 2000, power)
