"""A comparison's tables for the terminal; and a picture of the terminal that shows them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ssrun.analysis.document import Comparison, Row
from ssrun.metrics import METRICS
from ssrun.system.text import visible
from ssrun.views.tables import cells
from ssrun.views.tables.cells import compared, has_difference

BEST = "*"  # before a best mean: colour alone says nothing to many
VERDICT_STYLES = {"agree": "bold green", "disagree": "bold red", "inconclusive": "bold yellow"}


def terminal(comparison: Comparison) -> RenderableType:
    parts: list[RenderableType] = [Text(visible(comparison.question), style="bold")]
    for task, rows in comparison.by_task():
        parts += [Text(), Fitting(*(means(comparison, task, rows, snug) for snug in (False, True)))]
        if has_difference(rows, compared(comparison)):
            parts.append(Fitting(*(differences(comparison, rows, snug) for snug in (False, True))))
    parts += [Text(), *(Text(note, style="dim") for note in cells.notes(comparison, BEST))]
    if comparison.claims:
        parts += [Text(), Text("Claims", style="bold cyan")]
        for claim in comparison.claims:
            sentence, evidence = cells.claim_lines(claim)
            parts.append(Text.assemble((f"{claim.verdict:>12}  ", VERDICT_STYLES[claim.verdict]), sentence))
            parts.append(Text(f"{'':14}{evidence}", style="dim"))
    if comparison.reading:
        parts += [Text(), Text(cells.reading(comparison))]
    return Group(*parts)


class Fitting:
    """Of several tables the first that the terminal has room for; else the last, its cells wrapped."""

    def __init__(self, *tables: Table) -> None:
        self.tables = tables

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        free = options.update_width(10_000)
        fits = (table for table in self.tables if console.measure(table, options=free).maximum <= options.max_width)
        yield next(fits, self.tables[-1])


def means(comparison: Comparison, task: str, rows: Sequence[Row], snug: bool) -> Table:
    """The means of one task; snug: columns stand closer, and an n that all rows share stands in the title."""
    counts = {cells.count(row) for row in rows}
    n_in_title = snug and len(counts) == 1
    table = bare(Text(f"{task}, n = {', '.join(counts)}" if n_in_title else task), "bold cyan", snug)
    if not n_in_title:
        table.add_column("n", justify="right", no_wrap=True)
    for metric in comparison.columns:
        table.add_column(METRICS[metric].short, justify="right")
    for heading in cells.paper_headings(comparison):
        table.add_column(Text(heading), justify="right", style="dim")
    for row in rows:
        line = [Text(row.strategy), *([] if n_in_title else [Text(cells.count(row))])]
        for text, best in (cells.mean_cell(rows, row, metric) for metric in comparison.columns):
            line.append(Text(f"{BEST}{text}", style="bold green") if best else Text(text))
        table.add_row(*line, *map(Text, cells.paper_cells(comparison, row)))
    return table


def differences(comparison: Comparison, rows: Sequence[Row], snug: bool) -> Table:
    """The paired differences from the baseline, of one task; snug: columns stand closer."""
    metrics = compared(comparison)
    with_bootstrap = cells.has_bootstrap(comparison)
    table = bare(Text(f"difference from {comparison.baseline}"), "italic", snug)
    for metric in metrics:
        table.add_column(METRICS[metric].short, justify="right")
        table.add_column("p", justify="right")
    if with_bootstrap:
        table.add_column("boot." if snug else "bootstrap", justify="right")
    for row in (row for row in rows if has_difference([row], metrics)):
        line = [row.strategy]
        for metric in metrics:
            estimate = row.estimates.get(metric)
            line += [cells.difference(estimate, metric), cells.p_holm(estimate)]
        line += [cells.bootstrapped(row)] if with_bootstrap else []
        table.add_row(*map(Text, line))
    return table


def bare(title: Text, style: str, snug: bool) -> Table:
    """A table without lines, its first column the strategy."""
    table = Table(title=title, title_justify="left", title_style=style, box=None, pad_edge=False, collapse_padding=snug)
    table.add_column("strategy", no_wrap=True)
    return table


def svg(comparison: Comparison) -> str:
    """A picture of the terminal that shows the table; it asks no other host for a font."""
    console = Console(record=True, file=io.StringIO(), width=110, force_terminal=True, color_system="truecolor")
    console.print(terminal(comparison), highlight=False)
    picture = console.export_svg(title=visible(comparison.command), unique_id="ssrun")
    styles, end, drawing = picture.partition("</style>")  # no text of the comparison stands before it
    return re.sub(r"@font-face \{.*?\}", "", styles, flags=re.S) + end + drawing
