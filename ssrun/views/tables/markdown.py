"""A comparison as GitHub-flavoured Markdown, in which no text of anybody's is markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ssrun.analysis import sweeps
from ssrun.analysis.document import Comparison, Estimate, Tuning
from ssrun.metrics import METRICS
from ssrun.system.text import visible
from ssrun.views.tables import cells, swept, tuning
from ssrun.views.tables.cells import Cell, paper_cells, paper_headings, reading
from ssrun.views.tables.claims import claim_lines, verdict
from ssrun.views.tables.footnotes import notes
from ssrun.views.tables.robust import ROBUST, robust_lines
from ssrun.views.tables.swept import Block


def markdown(comparison: Comparison) -> str:
    headings, rows = grid(comparison)
    sides = "ll" + "r" * (len(headings) - 2)
    text = [
        f"# {escaped(comparison.experiment)}",
        "",
        paragraph(comparison.question),
        "",
        f"    {visible(comparison.command)}",
        "",
        *table_lines(sides, [list(map(escaped, headings)), *(list(map(_dressed, row)) for row in rows)]),
        "",
        *(f"- {escaped(note)}" for note in notes(comparison, "bold:")),
        *(line for block in swept.blocks(comparison) for line in block_lines(block)),
    ]
    if comparison.claims:
        claims = [[verdict(claim), *map(escaped, claim_lines(claim))] for claim in comparison.claims]
        text += ["", *table_lines("lll", [["verdict", "claim", "evidence"], *claims])]
    if comparison.tuning:
        text += ["", *tuning_lines(comparison.tuning)]
    if robust := robust_lines(comparison):
        text += ["", *table_lines("ll" + "r" * (len(robust[0]) - 2), [list(map(escaped, line)) for line in robust])]
        text += ["", f"- {escaped(ROBUST)}"]
    if comparison.reading:
        text += ["", paragraph(reading(comparison))]
    return "\n".join(text) + "\n"


def tuning_lines(tuned: Tuning) -> list[str]:
    headings, rows = tuning.grid(tuned)
    sides = "lll" + "r" * (len(headings) - 3)
    lines = [list(map(escaped, headings)), *(list(map(escaped, row)) for row in rows)]
    return [f"**{tuning.TITLE}.** {escaped(tuning.about(tuned))}", "", *table_lines(sides, lines)]


def grid(comparison: Comparison) -> tuple[list[str], list[list[Cell]]]:
    """The headings and rows of the means, with the differences from the baseline and what was published beside them.

    The first two columns, task and strategy, are words and the others numbers.
    """
    metrics, with_p, with_bootstrap = comparison.columns, cells.shows_p(comparison), cells.has_bootstrap(comparison)
    differing = cells.compared(comparison)
    falling = cells.has_not_converged(comparison)
    headings = [
        "task",
        "strategy",
        "n",
        *[cells.NOT_CONVERGED][:falling],
        *(METRICS[metric].short for metric in metrics),
    ]
    headings += [f"Δ {METRICS[metric].short}{' (p)' if with_p else ''}" for metric in differing]
    headings += ["bootstrap"] if with_bootstrap else []
    headings += paper_headings(comparison)
    lines = []
    titles = sweeps.titles(comparison)
    for task, rows in comparison.by_task():
        means = [cells.mean_cells(rows, metric) for metric in metrics]
        for index, row in enumerate(rows):
            line = [Cell(titles[task]), Cell(row.strategy), Cell(cells.count(row))]
            line += [Cell(cells.not_converged(row))] if falling else []
            line += [column[index] for column in means]
            line += [Cell(difference(row.estimates.get(metric), metric, with_p)) for metric in differing]
            line += [Cell(cells.bootstrapped(row))] if with_bootstrap else []
            lines.append([*line, *map(Cell, paper_cells(comparison, row))])
    return headings, lines


def block_lines(block: Block) -> list[str]:
    """Tables of what was swept, each below its title, and their notes."""
    lines: list[str] = []
    for table in block.tables:
        sides = "l" * table.words + "r" * (len(table.headings) - table.words)
        texts = [list(map(escaped, line)) for line in (table.headings, *table.lines)]
        lines += ["", f"**{escaped(table.title)}**", "", *table_lines(sides, texts)]
    return [*lines, "", *(f"- {escaped(note)}" for note in block.notes)]


def difference(estimate: Estimate | None, metric: str, with_p: bool) -> str:
    shown = cells.difference(estimate, metric)
    return f"{shown} ({cells.p_holm(estimate)})" if with_p and shown != "-" else shown


def _dressed(cell: Cell) -> str:
    return f"**{escaped(cell.text)}**" if cell.best else escaped(cell.text)


def code(text: str) -> str:
    """Text as code within a line, in which no backtick and no line end closes it."""
    shown = visible(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence} {shown} {fence}" if "`" in shown else f"{fence}{shown}{fence}"


def escaped(text: str) -> str:
    """Text that stands for itself in Markdown, within a table too; an address in it is no link."""
    return re.sub(r"([\\`*_{}\[\]<>#|&$~]|:(?=//)|(?<=www)\.)", r"\\\1", visible(text))


def paragraph(text: str) -> str:
    """Text that stands for itself as a paragraph, and begins neither a list nor a line."""
    return re.sub(r"^(\s*\d*)(?=[-+=.)])", r"\1\\", escaped(text).strip())


def table_lines(sides: str, lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table.

    Args:
        sides: An `l` or `r` for each column.
        lines: Its cells in Markdown; the first line is the heading.
    """
    rule = ["---" if side == "l" else "---:" for side in sides]
    return [f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]]]
