"""The page of ten years: whose claim it is, by its source; a row a method, from the tables that are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.strategies import STRATEGIES
from ssrun.views.tables.claims_page import comparisons_in
from ssrun.views.tables.ten_years import ARXIV, claims_with_sources, methods, ten_years

RESULTS = Path(__file__).parents[3] / "results"


@pytest.mark.parametrize(
    ("source", "strategy"),
    [
        ("Liu et al. 2021, EMNLP, arXiv 2108.12963: the inverse is worse", "decoding-step"),
        ("Liu et al. 2021, EMNLP", "decoding-step"),
        ("Liu et al. 2021, ACL Findings", "confidence-aware"),
        ("Liu et al. 2021", None),
        ("Ross et al. 2011: the states that the learner visits", "dagger"),
        ("Huszar 2015 and Sabour et al. 2019; one other seed", "dagger"),
        ("Zhang et al. 2019, arXiv 1906.02448: 27.24 against 26.86", "sentence-oracle"),
        ("Zhang et al. 2019, arXiv 1906.99999", None),
        ("Bengio et al. 2015, Table 1", None),
        ("six other seeds", None),
    ],
)
def test_a_claim_is_the_methods_that_its_source_names(source: str, strategy: str | None) -> None:
    found = [method for method in methods() if method.is_source_of(source, methods())]
    assert len(found) == (strategy is not None)
    assert strategy is None or strategy in found[0].strategies


def test_the_methods_are_the_publications_of_the_strategies_by_year() -> None:
    found = methods()
    assert [method.year for method in found] == sorted(method.year for method in found)
    assert {name for method in found for name in method.strategies} <= {*STRATEGIES.built_in}
    numbers = {number for entry in STRATEGIES.built_in.values() for number in ARXIV.findall(entry.source)}
    assert numbers == {number for method in found for number in ARXIV.findall(method.source)}


def test_the_page_has_each_claim_of_a_method_with_its_own_verdict_once() -> None:
    comparisons = comparisons_in(RESULTS)
    page = "\n".join(ten_years(comparisons))
    known = methods()
    claims = [
        claim
        for _, source, claim in claims_with_sources(comparisons)
        for method in known
        if method.is_source_of(source, known)
    ]
    assert len(claims) > 5
    assert sum(page.count(f"**{verdict}**") for verdict in ("agree", "disagree", "inconclusive")) == len(claims)


def test_the_same_source_is_that_of_the_claim_before() -> None:
    told = {claim.text: source for _, source, claim in claims_with_sources(comparisons_in(RESULTS))}
    assert told["With 500 pairs it does, too."] == "Norouzi et al. 2016, arXiv 1609.00150"


def test_without_a_method_there_is_no_such_page() -> None:
    assert ten_years([one for one in comparisons_in(RESULTS) if one.experiment == "floor"]) == []
