"""Verdicts: what decides them, that p, interval and verdict say the same, and how often they err, by simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats

from ssrun.analysis.statistics import holm
from ssrun.analysis.verdicts import ALPHA, ClaimVerdict, HolmInterval, Link, confirmations, seeds_needed, verdicts
from ssrun.config.claims import Relation

HIGHER = [3.0, 3.1, 2.9, 3.0, 3.2, 2.8]
LOWER = [-value for value in HIGHER]
UNCLEAR = [1.0, -1.0, 2.0, -2.0, 0.5, -0.5]


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def within_binomial_error(count: int, trials: int, probability: float) -> bool:
    """True in all but one of 1,000 samples."""
    low, high = stats.binom.interval(0.999, trials, probability)
    return bool(low <= count <= high)


def at_most(count: int, trials: int, probability: float) -> bool:
    return bool(count <= stats.binom.ppf(0.999, trials, probability))


def link(
    differences: Sequence[float], relation: Relation = "higher", margin: float = 0.0, resolution: float = 0.0
) -> Link:
    return Link(differences, [0.0] * len(differences), relation, margin, resolution)


def judged(*links: Link) -> ClaimVerdict:
    return verdicts([links])[0]


class TestWhatDecides:
    @pytest.mark.parametrize(
        ("differences", "relation", "margin", "expected"),
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
            (HIGHER, "equal", 3.5, "agree"),
            (LOWER, "equal", 3.5, "agree"),
            (HIGHER, "equal", 2.5, "disagree"),
            (LOWER, "equal", 2.5, "disagree"),
            (HIGHER, "equal", 3.05, "inconclusive"),
            (UNCLEAR, "equal", 1.0, "inconclusive"),
            (UNCLEAR, "equal", 2.0, "agree"),
            (HIGHER[:1], "equal", 9.0, "inconclusive"),
        ],
    )
    def test_where_the_differences_lie_decides(
        self, differences: list[float], relation: Relation, margin: float, expected: str
    ) -> None:
        assert judged(link(differences, relation, margin)).verdict == expected

    @pytest.mark.parametrize(
        ("parts", "expected"),
        [
            ((HIGHER, HIGHER), "agree"),
            ((HIGHER, UNCLEAR), "inconclusive"),
            ((HIGHER, LOWER), "disagree"),
            ((HIGHER, UNCLEAR, LOWER), "disagree"),
            ((HIGHER, HIGHER[:1]), "inconclusive"),
            ((HIGHER, []), "inconclusive"),
        ],
    )
    def test_a_chain_agrees_if_all_of_it_does_and_disagrees_if_any_does(
        self, parts: tuple[list[float], ...], expected: str
    ) -> None:
        chain = [link(part) for part in parts]
        for order in (chain, chain[::-1]):
            found = judged(*order)
            assert found.verdict == expected
            means = [np.mean(part.treatment) if part.treatment else None for part in order]
            assert [interval.difference for interval in found.intervals] == means
            worst = {"agree": HIGHER, "disagree": LOWER}.get(expected, parts[-1])
            assert order[found.weakest].treatment == worst

    def test_a_chain_may_mix_directions_and_equality(self) -> None:
        mixed = (link(HIGHER), link(UNCLEAR, "equal", 2.0))
        assert judged(*mixed).verdict == "agree"
        assert judged(link(HIGHER), link(HIGHER, "equal", 2.0)).verdict == "disagree"

    def test_the_p_of_one_link_is_scipys_two_sided_one_and_of_an_equality_that_of_two_one_sided_tests(self) -> None:
        values = np.array([0.4, 1.9, -0.3, 1.2, 0.8])
        for margin in (-0.5, 0.0, 2.5):
            for relation in ("higher", "lower"):
                sign = 1 if relation == "higher" else -1
                expected = stats.ttest_1samp(sign * values, margin).pvalue
                assert judged(link(values.tolist(), relation, margin)).p == pytest.approx(expected, rel=1e-9)  # type: ignore[arg-type]
        above, below = (
            stats.ttest_1samp(values, s * 2.0, alternative=a).pvalue for s, a in ((-1, "greater"), (1, "less"))
        )
        assert judged(link(values.tolist(), "equal", 2.0)).p == pytest.approx(max(above, below), rel=1e-9)
        outside = stats.ttest_1samp(values, 0.1, alternative="greater").pvalue
        assert judged(link(values.tolist(), "equal", 0.1)).p == pytest.approx(2 * outside, rel=1e-9)

    def test_only_disagreeing_is_corrected_for_the_links_of_a_chain(self) -> None:
        first, second = [0.9, 1.1, 0.2, 0.8], [0.5, 1.5, 0.1, 0.7]
        alone = [judged(link(values)).p for values in (first, second)]
        assert judged(link(first), link(second)).p == max(p for p in alone if p)
        turned = judged(link(first, "lower"), link(second, "lower"))
        assert turned.p == 2 * min(p for p in alone if p)

    def test_the_p_of_a_family_is_holms_and_a_claim_without_pairs_counts(self) -> None:
        family = [[link(HIGHER)], [link([0.1, 0.2, 0.3, -0.2, 0.1, 0.0])], [link(UNCLEAR)], [link([5.0])]]
        raw = [judged(*claim).p for claim in family[:3]]
        assert [found.p for found in verdicts(family)] == [*holm([*raw, 1.0])[:3], None]

    def test_a_claim_that_passes_alone_may_not_pass_among_others(self) -> None:
        close = [link([1.0, 0.1, 0.9, 0.2, 0.8, 0.5])]
        assert verdicts([close])[0].verdict == "agree"
        assert verdicts([close] + [[link(UNCLEAR)]] * 9)[0].verdict == "inconclusive"

    def test_a_difference_equal_to_its_margin_but_for_rounding_stays_inconclusive(self) -> None:
        for differences in ([0.3 - 0.2] * 4, [0.3 - 0.2, 0.4 - 0.3, 28.8 - 28.7]):
            found = judged(link(differences, "higher", 0.1))
            assert (found.p, found.verdict) == (1.0, "inconclusive")

    def test_few_equal_differences_of_a_coarse_metric_decide_nothing(self) -> None:
        for n in range(2, 7):
            assert judged(link([0.1] * n, resolution=0.1)).verdict == "inconclusive"
        assert judged(link([0.1] * 9, resolution=0.1)).verdict == "agree"
        assert judged(link([1.0] * 4, resolution=0.1)).verdict == "agree"

    def test_an_empty_claim_and_an_alpha_above_5_percent_are_refused(self) -> None:
        with pytest.raises(ValueError, match="no link"):
            verdicts([[]])
        for alpha in (0.0, 0.06, 5.0):
            with pytest.raises(ValueError, match="alpha"):
                verdicts([[link(HIGHER)]], alpha)
        with pytest.raises(ValueError, match="not all finite"):
            verdicts([[link([1.0, float("nan")])]])
        assert verdicts([]) == []


def random_family(generator: np.random.Generator) -> list[list[Link]]:
    family = []
    for _ in range(generator.integers(1, 6)):
        links = []
        for _ in range(generator.integers(1, 4)):
            values = generator.normal(generator.choice([0.0, 0.5, 3.0]), size=generator.integers(2, 9))
            relation: Relation = generator.choice(["lower", "higher", "equal"])
            margin = generator.choice([0.5, 1.0, 4.0]) if relation == "equal" else generator.choice([0.0, 0.5, -0.5])
            links.append(link(values.tolist(), relation, float(margin), 0.1))
        family.append(links)
    return family


def speaks(of: Link, interval: HolmInterval) -> str:
    """The verdict that is read off an interval."""
    assert interval.low is not None
    assert interval.high is not None
    low, high = (interval.low, interval.high) if of.relation != "lower" else (-interval.high, -interval.low)
    if of.relation == "equal":
        inside, outside = -of.margin < low and high < of.margin, high < -of.margin or of.margin < low
    else:
        inside, outside = low > of.margin, high < of.margin
    return "agree" if inside else "disagree" if outside else "inconclusive"


class TestAgreement:
    @pytest.mark.parametrize("alpha", [0.05, 0.01])
    def test_verdict_p_and_intervals_say_the_same(self, alpha: float) -> None:
        generator, seen = np.random.default_rng(5), set()
        for _ in range(400):
            family = random_family(generator)
            for claim, found in zip(family, verdicts(family, alpha), strict=True):
                parts = {speaks(*part) for part in zip(claim, found.intervals, strict=True)}
                if found.leaning == "agree":
                    assert (found.verdict == "agree") == (parts == {"agree"})
                else:
                    assert (found.verdict == "disagree") == ("disagree" in parts)
                assert found.p is not None
                assert (found.verdict != "inconclusive") == (found.p <= ALPHA)
                seen.add(found.verdict)
        assert len(seen) == 3

    def test_levels_descend_to_the_first_that_is_not_rejected(self) -> None:
        family = [UNCLEAR, HIGHER, [0.1, 0.2, 0.3, -0.2, 0.1, 0.0], [-1.0, -0.8, -0.3, -1.2, -0.9, -1.1], [5.0]]
        found = verdicts([[link(differences)] for differences in family])
        levels = [1 - 0.05 / share for share in (3, 5, 3, 4, 3)]
        assert [claim.intervals[0].level for claim in found] == pytest.approx(levels, rel=1e-12)
        for claim, differences in zip(found[:4], family, strict=False):
            interval = claim.intervals[0]
            ends = stats.ttest_1samp(differences, 0).confidence_interval(interval.level)
            assert (interval.difference, interval.low, interval.high) == pytest.approx((np.mean(differences), *ends))

    def test_the_order_of_the_claims_does_not_matter(self) -> None:
        family = random_family(np.random.default_rng(8))
        assert verdicts(family[::-1])[::-1] == verdicts(family)


class TestExact:
    def test_it_is_the_corrected_sign_flip_p(self) -> None:
        values = [0.4, 1.9, -0.3, 1.2, 0.8, 2.0]
        family = [[link(values, "higher", 0.5)], [link(values, "equal", 3.0)]]
        (first, second) = confirmations(family, verdicts(family))
        shifted = (np.array(values) - 0.5,)
        one = stats.permutation_test(shifted, np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
        assert first.p == pytest.approx(max(one, second.p), rel=1e-12)
        assert second.p == 2 / 2**6  # two claims, and all differences are below 3.0

    @pytest.mark.parametrize(
        ("n", "claims", "possible"), [(5, 1, False), (6, 1, True), (6, 2, False), (8, 6, True), (8, 7, False)]
    )
    def test_it_is_said_where_no_exact_p_could_be_small_enough(self, n: int, claims: int, possible: bool) -> None:
        family = [[link(list(np.arange(1.0, n + 1)))]] * claims
        found = confirmations(family, verdicts(family))
        assert [confirmation.possible for confirmation in found] == [possible] * claims
        assert [confirmation.p for confirmation in found] == pytest.approx([min(1.0, claims * 2.0 ** (1 - n))] * claims)

    def test_an_equality_needs_one_seed_less(self) -> None:
        family = [[link([0.1, 0.2, -0.1, 0.0, 0.15], "equal", 1.0)]]
        assert confirmations(family, verdicts(family))[0].possible

    def test_what_one_look_may_spend_counts(self) -> None:
        family = [[link(list(np.arange(1.0, 9.0)))]]
        assert confirmations(family, verdicts(family, 0.01), 0.01)[0].p == pytest.approx(5 * 2.0**-7)


Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
NOISE: dict[str, Noise] = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "heavy tails": lambda generator, shape: generator.standard_t(3, shape),
    "skewed": lambda generator, shape: generator.lognormal(size=shape),
}


def errors(families: Sequence[Sequence[Sequence[Link]]]) -> tuple[int, int]:
    """In how many families any claim agrees, and in how many any disagrees."""
    found = [{claim.verdict for claim in verdicts(family)} for family in families]
    return sum("agree" in verdicts for verdicts in found), sum("disagree" in verdicts for verdicts in found)


def against_baseline(tables: np.ndarray, margin: float = 0.0) -> list[list[list[Link]]]:
    """A claim for each strategy of each table (axes: table, strategy, seed) against the first, as in an experiment."""
    return [[[Link(values, baseline, "higher", margin)] for values in others] for baseline, *others in tables.tolist()]


class TestPromises:
    @pytest.mark.parametrize("claims", range(1, 7))
    def test_a_normal_null_gives_a_false_verdict_in_5_percent_of_experiments_of_eight_seeds(self, claims: int) -> None:
        families = [[[link(row)] for row in rows] for rows in normal(claims, 2000, claims, 8).tolist()]
        wrong = sum(any(claim.verdict != "inconclusive" for claim in verdicts(family)) for family in families)
        assert 0.04 <= wrong / 2000 <= 0.06

    @pytest.mark.parametrize("noise", NOISE)
    def test_noise_agrees_no_more_often_than_the_level_says(self, noise: str) -> None:
        """A claim can only agree on one side, so half of 5 % is the nominal share of experiments."""
        generator, agree, disagree, trials = np.random.default_rng(8), 0, 0, 0
        for claims in range(1, 7):
            tables = NOISE[noise](generator, (200, claims + 1, 8))
            tables = tables + generator.normal(size=(200, 1, 8)) * 3  # what the seed does to all alike
            found = errors(against_baseline(tables))
            agree, disagree, trials = agree + found[0], disagree + found[1], trials + 200
        assert at_most(agree, trials, 0.025)
        assert at_most(disagree, trials, 0.025)
        assert agree + disagree > 0

    @pytest.mark.parametrize("margin", [0.0, 2.0, -0.5])
    def test_a_single_claim_on_its_boundary_errs_exactly_as_often_as_the_level_says(self, margin: float) -> None:
        tables = normal(11, 3000, 2, 6)
        tables[:, 1] += margin
        found = errors(against_baseline(tables, margin))
        assert all(within_binomial_error(count, 3000, 0.025) for count in found)

    def test_differences_that_are_skewed_themselves_exceed_the_level_on_one_side(self) -> None:
        """The known limit of t: exponential differences of mean 0 err in 11 % away from their tail."""
        differences = np.random.default_rng(14).exponential(size=(2000, 6)) - 1
        agree, disagree = errors([[[link(row)]] for row in differences.tolist()])
        assert within_binomial_error(disagree, 2000, 0.111)
        assert within_binomial_error(agree, 2000, 0.0039)

    def test_true_effects_do_not_loosen_the_judgement_of_the_others(self) -> None:
        """Two of four claims are plainly true, so Holm judges the other two more mildly: 5 % for both."""
        wrong = 0
        for rows in normal(12, 1500, 2, 6).tolist():
            found = verdicts([[link(HIGHER)], [link(LOWER)], *([link(row)] for row in rows)])[2:]
            wrong += any(claim.verdict != "inconclusive" for claim in found)
        assert at_most(wrong, 1500, 0.05)
        assert wrong > 15

    def test_a_chain_without_any_effect_hardly_ever_agrees_and_seldom_disagrees(self) -> None:
        """Two links that share a strategy; disagreeing is one-sided, so half of 5 % at most."""
        families = [[[Link(a, b, "lower"), Link(b, c, "lower")]] for a, b, c in normal(15, 3000, 3, 6).tolist()]
        agree, disagree = errors(families)
        assert agree <= 3
        assert at_most(disagree, 3000, 0.025)
        assert disagree > 30

    def test_a_chain_with_one_false_link_agrees_at_most_in_2_5_percent(self) -> None:
        """The other link is beyond doubt: then all rests on the false one, and it is not corrected."""
        families = [[[link(HIGHER), link(row)]] for row in normal(16, 3000, 6).tolist()]
        assert within_binomial_error(errors(families)[0], 3000, 0.025)

    @pytest.mark.parametrize("beyond", [0.0, 0.3])
    @pytest.mark.parametrize("side", [1, -1])
    @pytest.mark.parametrize("within", [1.0, 3.0])
    def test_what_is_not_within_is_said_to_be_in_at_most_5_percent(
        self, within: float, side: int, beyond: float
    ) -> None:
        """At the boundary in exactly 5 % where the margin is wide, beyond it less often."""
        values = normal(17, 2000, 8) + side * (within + beyond)
        agree, _ = errors([[[link(row, "equal", within)]] for row in values.tolist()])
        assert at_most(agree, 2000, 0.05)
        if within == 3.0 and not beyond:
            assert within_binomial_error(agree, 2000, 0.05)

    @pytest.mark.parametrize("within", [0.001, 0.2, 1.0])
    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_what_is_within_is_said_not_to_be_in_at_most_5_percent(self, within: float, share: float) -> None:
        values = normal(18, 1000, 8) + share * within
        _, disagree = errors([[[link(row, "equal", within)]] for row in values.tolist()])
        assert at_most(disagree, 1000, 0.05)

    @pytest.mark.parametrize("n", [2, 3, 4, 6, 8])
    def test_ties_of_a_coarse_metric_no_longer_pass_for_certainty(self, n: int) -> None:
        """Differences of +-0.1 where 0.1 is the least that shows: without a floor 24 % err at n = 3."""
        signs = np.random.default_rng(19).choice([-0.1, 0.1], size=(1000, n)).tolist()
        assert at_most(sum(errors([[[link(row, resolution=0.1)]] for row in signs])), 1000, 0.05)
        if n == 3:
            assert sum(errors([[[link(row)]] for row in signs])) > 200

    @pytest.mark.parametrize(
        ("seeds", "effect", "margin"), [(6, 1.2, 0.0), (8, 1.2, 0.0), (8, 2.2, 1.0), (5, 2.0, 0.0)]
    )
    def test_a_planted_difference_is_found_as_often_as_theory_says(
        self, seeds: int, effect: float, margin: float
    ) -> None:
        """P(T > t(n - 1, 0.975)), T noncentral t of (effect - margin) sqrt(n), in standard deviations."""
        differences = normal(13, 2000, seeds) + effect
        power = stats.nct.sf(stats.t.ppf(0.975, seeds - 1), seeds - 1, (effect - margin) * seeds**0.5)
        agree, _ = errors([[[link(row, "higher", margin)]] for row in differences.tolist()])
        assert within_binomial_error(agree, 2000, power)


class TestSeedsNeeded:
    @pytest.mark.parametrize(
        ("relation", "margin", "mean"),
        [("higher", 0.0, 0.8), ("lower", 0.5, 0.3), ("equal", 1.0, 0.2), ("equal", 0.3, 1.1)],
    )
    @pytest.mark.parametrize("claims", [1, 4])
    def test_so_many_seeds_decide_in_80_percent(
        self, relation: Relation, margin: float, mean: float, claims: int
    ) -> None:
        pattern = np.array([-1.0, 0.0, 1.0])  # a deviation of exactly 1
        n = seeds_needed([link((pattern + mean).tolist(), relation, margin)], ALPHA / claims)
        assert n is not None
        values = normal(n, 2000, n) + mean
        decided = sum(
            errors([[[link(row, relation, margin)]] + [[link([])]] * (claims - 1) for row in values.tolist()])
        )
        assert 0.77 <= decided / 2000 <= (0.9 if n < 10 else 0.83)

    def test_the_audits_numbers_of_undecided_claims(self) -> None:
        """d, sd and seeds: footnote 2 on translation, its control, parsing; three claims each, and one of two."""
        for d, deviation, claims, expected in [(1.6, 3.8, 3, 63), (0.17, 0.38, 4, 58), (-33.0, 35.0, 2, 14)]:
            found = seeds_needed([link([d - deviation, d, d + deviation])], ALPHA / claims)
            assert found == pytest.approx(expected, rel=0.1)

    def test_a_chain_needs_what_its_links_need(self) -> None:
        small, large = link([-0.5, 0.5, 1.5]), link([4.0, 5.0, 6.0])
        alone = [seeds_needed([part], ALPHA) for part in (small, large)]
        assert seeds_needed([small, large], ALPHA) == alone[0] != alone[1]
        refuted = seeds_needed([small, link([-3.0, -2.0, -1.0])], ALPHA)
        assert refuted == seeds_needed([link([-3.0, -2.0, -1.0])], ALPHA / 2)

    def test_no_effect_needs_more_than_a_thousand_and_one_pair_tells_nothing(self) -> None:
        assert seeds_needed([link([-1.0, 0.0, 1.0])], ALPHA) == 1001
        assert seeds_needed([link([1.0])], ALPHA) is None
