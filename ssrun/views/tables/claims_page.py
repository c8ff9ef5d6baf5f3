"""The claims page: every claim of every comparison whose tables are kept, its verdict, and how to get it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssrun.analysis.document import ClaimEvidence, Comparison, read_comparison
from ssrun.errors import StoreError
from ssrun.views.tables.cells import interval
from ssrun.views.tables.claims import is_exploratory, measured, needed, p_values
from ssrun.views.tables.markdown import code, escaped, paragraph, table_lines
from ssrun.views.tables.ten_years import ten_years

INTRODUCTION = """# What the claims came to

Made by `ssrun claims`, from the tables in this folder. All claims of one experiment are one family: a verdict is
*agree* or *disagree* where p, of Student's t over paired seeds and corrected by Holm's method, is at most 0.05; else
*inconclusive*. The interval is Holm's: it shows the difference at the level at which p decided. Beside p stands the
exact sign-flip p, corrected likewise, or *t only* where none could be small enough with so few seeds for so many
claims. *Exploratory* is a verdict on a claim that was not sealed before its runs. n is the number of paired seeds. Of a
chain of strategies the numbers are those of its weakest link. Toy tasks and small models: a verdict here says what this
instrument shows, not what the paper's own experiment would.
"""


def comparisons_in(results: Path) -> list[Comparison]:
    """The comparisons whose tables are kept in a folder's folders, in order of their names.

    Raises:
        StoreError: There are none.
    """
    comparisons = [read_comparison(path) for path in sorted(results.glob("*/table.json"))]
    if not comparisons:
        raise StoreError(f"{results}: no tables here: give the folder that holds the folders of results")
    return comparisons


def claims_page(comparisons: Sequence[Comparison]) -> str:
    text = [INTRODUCTION, *ten_years(comparisons)]
    for comparison in comparisons:
        if comparison.claims:
            headings = ["verdict", "claim", "source", "measured", "difference [interval]", "p", "n"]
            text += [f"## {escaped(comparison.experiment)}", "", paragraph(comparison.question), ""]
            text += table_lines("llllrrr", [headings, *map(claim_cells, comparison.claims)])
            text += ["", f"Again: {code(comparison.command)}", ""]
    return "\n".join(text).rstrip() + "\n"


def claim_cells(claim: ClaimEvidence) -> list[str]:
    """A claim and its evidence as a line of the page's table."""
    found = "-"
    if claim.difference is not None and claim.low is not None:
        found = interval(claim.difference, claim.low, claim.high, claim.metric)
    numbers = [found, p_values(claim), f"{claim.n}{needed(claim)}"]
    exploratory = " (exploratory)" if is_exploratory(claim) else ""
    return [f"**{claim.verdict}**{exploratory}", *map(escaped, [claim.text, claim.source, measured(claim), *numbers])]
