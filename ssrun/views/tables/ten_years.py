"""Ten years of scheduled sampling on one page: a row a method, what its authors claim, what came out here.

A claim of an experiment is a method's where its source names the publication that the method's strategies are from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ssrun.analysis.document import ClaimEvidence, Comparison
from ssrun.strategies import STRATEGIES
from ssrun.views.tables.cells import interval
from ssrun.views.tables.claims import is_exploratory, measured
from ssrun.views.tables.markdown import code, escaped, table_lines

FIRST = "Bengio et al. 2015"  # what the others came after
SAME = "the same"  # how a source says that it is the one of the claim before
AUTHORS = re.compile(r"\b[A-Z][a-z]+(?: et al\.| and [A-Z][a-z]+)? (\d{4})")
ARXIV = re.compile(r"arXiv (\d{4}\.\d{5})")

INTRODUCTION = f"""## Ten years of scheduled sampling on one page

A row a method that came after the paper ({FIRST}), or before it and is compared with it: the strategies that
`ssrun list strategies` has of it, what its authors say, or what follows from it, and what came out here, on small
models and toy tasks: the verdict, what was compared, the difference with its interval, and n. The claims of the paper
itself, and of its critics, stand below with all others."""


class Method(NamedTuple):
    """A publication, as the source of some strategies."""

    source: str
    strategies: list[str]

    @property
    def year(self) -> int:
        found = AUTHORS.search(self.source)
        return int(found[1]) if found else 0

    def is_source_of(self, text: str, others: Sequence[Method]) -> bool:
        """Whether a claim's source names this publication: by its arXiv number, or as none of the others is named."""
        if number := ARXIV.search(text):
            return number[0] in self.source
        authors, venue = AUTHORS.search(self.source), self.source.partition(", arXiv")[0]
        if authors is None or authors[0] not in text:
            return False
        alike = [other for other in others if authors[0] in other.source]
        return len(alike) == 1 or venue in text


def methods() -> list[Method]:
    """The publications after which strategies are built, by year."""
    found: dict[str, list[str]] = {}
    for name, entry in STRATEGIES.built_in.items():
        for source in entry.source.split("; "):
            if (authors := AUTHORS.search(source)) and not source.startswith(FIRST):
                found.setdefault(source if ARXIV.search(source) else authors[0], []).append(name)
    return sorted((Method(*item) for item in found.items()), key=lambda method: method.year)


def claims_with_sources(comparisons: Sequence[Comparison]) -> Iterator[tuple[str, str, ClaimEvidence]]:
    """Every claim, with its experiment's name and with its source said in full."""
    for comparison in comparisons:
        source = ""
        for claim in comparison.claims:
            source = source if claim.source.startswith(SAME) else claim.source
            yield comparison.experiment, source, claim


def ten_years(comparisons: Sequence[Comparison]) -> list[str]:
    """The page's lines of Markdown; none where no comparison judges a method's claim."""
    claims, all_methods, rows = [*claims_with_sources(comparisons)], methods(), []
    for method in all_methods:
        own = [(name, claim) for name, source, claim in claims if method.is_source_of(source, all_methods)]
        if own:
            said = [escaped(claim.text) for _, claim in own]
            outcomes = [outcome(name, claim) for name, claim in own]
            known = [", ".join(map(code, method.strategies)), escaped(method.source)]
            rows.append([*known, "<br>".join(said), "<br>".join(outcomes)])
    headings = ["method", "source", "what it claims", "what came out here"]
    return [INTRODUCTION, "", *table_lines("llll", [headings, *rows]), ""] if rows else []


def outcome(experiment: str, claim: ClaimEvidence) -> str:
    """A claim's verdict with its evidence."""
    found = ""
    if claim.difference is not None and claim.low is not None:
        found = f": {interval(claim.difference, claim.low, claim.high, claim.metric)}"
    told = f"**{claim.verdict}**{' (exploratory)' if is_exploratory(claim) else ''}"
    return f"{told} ({escaped(measured(claim))}{escaped(found)}, n = {claim.n}, {code(experiment)})"
