"""A comparison as GitHub-flavoured Markdown, in which no text of anybody's is markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ssrun.analysis.document import Comparison
from ssrun.system.text import visible
from ssrun.views.tables.cells import Cell, claim_lines, notes, reading
from ssrun.views.tables.plain import grid


def markdown(comparison: Comparison) -> str:
    headings, rows = grid(comparison)
    sides = "ll" + "r" * (len(headings) - 2)
    text = [
        f"# {escaped(comparison.experiment)}",
        "",
        escaped(comparison.question),
        "",
        f"    {visible(comparison.command)}",
        "",
        *table_lines(sides, [list(map(escaped, headings)), *(list(map(_dressed, row)) for row in rows)]),
        "",
        *(f"- {escaped(note)}" for note in notes(comparison, "bold:")),
    ]
    if comparison.claims:
        claims = [[claim.verdict, *map(escaped, claim_lines(claim))] for claim in comparison.claims]
        text += ["", *table_lines("lll", [["verdict", "claim", "evidence"], *claims])]
    if comparison.reading:
        text += ["", escaped(reading(comparison))]
    return "\n".join(text) + "\n"


def _dressed(cell: Cell) -> str:
    return f"**{escaped(cell.text)}**" if cell.best else escaped(cell.text)


def escaped(text: str) -> str:
    """Text that stands for itself in Markdown, within a table too."""
    return re.sub(r"([\\`*_{}\[\]<>#|&$~])", r"\\\1", visible(text))


def table_lines(sides: str, lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table.

    Args:
        sides: An `l` or `r` for each column.
        lines: Its cells in Markdown; the first line is the heading.
    """
    rule = ["---" if side == "l" else "---:" for side in sides]
    return [f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]]]
