"""A comparison's tables for the terminal; and a picture of the terminal that shows them."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ssrun.analysis import sweeps
from ssrun.analysis.document import ClaimEvidence, Comparison, Row, Tuning
from ssrun.metrics import METRICS
from ssrun.system.text import visible
from ssrun.views.tables import cells, claims, footnotes, swept, tuning
from ssrun.views.tables.cells import compared, has_difference, in_groups
from ssrun.views.tables.swept import SweptTable

BEST = "*"  # before a best mean: colour alone says nothing to many
VERDICT_STYLES = {"agree": "bold green", "disagree": "bold red", "inconclusive": "bold yellow"}
INDENT = 14  # columns of a verdict, and before what goes on below it
Column = tuple[str, list[Text], str]  # its heading, its cells and their style


def terminal(comparison: Comparison) -> RenderableType:
    parts: list[RenderableType] = [Text(visible(comparison.question), style="bold")]
    titles = sweeps.titles(comparison)
    for task, rows in comparison.by_task():
        parts += [Text(), means(comparison, titles[task], rows)]
        if has_difference(rows, compared(comparison)):
            parts.append(differences(comparison, rows))
    for block in swept.blocks(comparison):
        for table in block.tables:
            parts += [Text(), Text(table.title, style="bold cyan"), of_sweep(table)]
        parts += [Text(note, style="dim") for note in block.notes]
    parts += [Text(), *(Text(note, style="dim") for note in footnotes.notes(comparison, BEST))]
    if comparison.claims:
        parts += [Text(), Text("Claims", style="bold cyan"), *map(Verdict, comparison.claims)]
    if comparison.tuning:
        parts += [Text(), tuned(comparison.tuning), Text(tuning.about(comparison.tuning), style="dim")]
    if comparison.reading:
        parts += [Text(), Text(cells.reading(comparison))]
    return Group(*parts)


class Fitting:
    """A table as wide as the terminal has room for: else its columns closer, else several tables below each other.

    Attributes:
        make: The table of these columns, closer or not.
        columns: All of them but the one that names the rows, those together that stay beside each other.
    """

    def __init__(self, make: Callable[[list[Column], bool], Table], columns: Sequence[Sequence[Column]]) -> None:
        self.make, self.columns = make, columns

    def forms(self) -> Iterator[list[Table]]:
        yield [self.make(list(chain(*self.columns)), False)]
        for count in range(1, len(self.columns) + 1):
            yield [self.make(list(chain(*group)), True) for group in in_groups(self.columns, count)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        free = options.update_width(10**6)
        tables: list[Table] = []
        for tables in self.forms():
            if all(console.measure(table, options=free).maximum <= options.max_width for table in tables):
                break
        yield from tables


def means(comparison: Comparison, name: str, rows: Sequence[Row]) -> Fitting:
    """The means of one task of this name; where they stand closer, an n that all rows share stands in the title."""
    counts = [cells.count(row) for row in rows]
    columns: list[Column] = []
    if any(row.not_converged for row in rows):
        columns.append((cells.NOT_CONVERGED.replace(" ", "\n"), [Text(cells.not_converged(row)) for row in rows], ""))
    for metric in comparison.columns:
        found = [
            Text(f"{BEST}{text}", style="bold green") if best else Text(text)
            for text, best in cells.mean_cells(rows, metric)
        ]
        columns.append((METRICS[metric].short, found, ""))
    published = [cells.paper_cells(comparison, row) for row in rows]
    for index, heading in enumerate(cells.paper_headings(comparison)):
        columns.append((heading, [Text(values[index]) for values in published], "dim"))

    def make(columns: list[Column], snug: bool) -> Table:
        n_in_title = snug and len(set(counts)) == 1
        title = Text(f"{name}, n = {counts[0]}" if n_in_title else name)
        of_runs: list[Column] = [] if n_in_title else [("n", list(map(Text, counts)), "")]
        return bare(title, "bold cyan", [strategies(rows)], [*of_runs, *columns], snug)

    return Fitting(make, [[column] for column in columns])


def differences(comparison: Comparison, rows: Sequence[Row]) -> Fitting:
    """The paired differences from the baseline, of one task."""
    metrics = compared(comparison)
    differing = [row for row in rows if has_difference([row], metrics)]
    columns: list[list[Column]] = []
    for metric in metrics:
        estimates = [row.estimates.get(metric) for row in differing]
        columns.append([(METRICS[metric].short, [Text(cells.difference(found, metric)) for found in estimates], "")])
        if cells.shows_p(comparison):
            columns[-1].append(("p", [Text(cells.p_holm(found)) for found in estimates], ""))
    if cells.has_bootstrap(comparison):
        columns.append([("bootstrap", [Text(cells.bootstrapped(row)) for row in differing], "")])

    def make(columns: list[Column], snug: bool) -> Table:
        title = Text(f"difference from {comparison.baseline}")
        return bare(title, "italic", [strategies(differing)], columns, snug)

    return Fitting(make, columns)


def tuned(found: Tuning) -> Table:
    """What was tried of each strategy, and what won."""
    headings, rows = tuning.grid(found)
    table = Table(title=tuning.TITLE, title_justify="left", title_style="bold cyan", box=None, pad_edge=False)
    for heading in headings:
        table.add_column(Text(heading), justify="left" if heading in headings[:3] else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def of_sweep(swept: SweptTable) -> Fitting:
    texts = zip(swept.headings, zip(*swept.lines, strict=True), strict=True)
    columns: list[Column] = [(heading, list(map(Text, found)), "") for heading, found in texts]
    words, numbers = columns[: swept.words], columns[swept.words :]

    def make(columns: list[Column], snug: bool) -> Table:
        return bare(None, "", words, columns, snug)

    return Fitting(make, [[column] for column in numbers])


def strategies(rows: Sequence[Row]) -> Column:
    return "strategy", [Text(row.strategy) for row in rows], ""


def bare(title: Text | None, style: str, words: Sequence[Column], columns: Sequence[Column], snug: bool) -> Table:
    """A table without lines, its first columns words; snug: the others stand closer."""
    table = Table(title=title, title_justify="left", title_style=style, box=None, pad_edge=False, collapse_padding=snug)
    for heading, _, _ in words:
        table.add_column(Text(heading), vertical="bottom", no_wrap=True)
    for heading, _, column_style in columns:
        table.add_column(Text(heading), justify="right", vertical="bottom", style=column_style, no_wrap=heading == "n")
    for line in zip(*(found for _, found, _ in (*words, *columns)), strict=True):
        table.add_row(*line)
    return table


class Verdict:
    """A claim with its verdict and its evidence: all lines indented as the first, and no interval broken."""

    def __init__(self, claim: ClaimEvidence) -> None:
        self.claim = claim

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        sentence, evidence = claims.claim_lines(self.claim)
        if claims.is_exploratory(self.claim):
            evidence = f"exploratory; {evidence}"
        head = Text(f"{self.claim.verdict:>{INDENT - 2}}  ", style=VERDICT_STYLES[self.claim.verdict])
        for text, style in ((sentence, ""), (evidence, "dim")):
            for line in unbroken(text, max(options.max_width - INDENT, INDENT)):
                yield head + Text(line, style=style)
                head = Text(" " * INDENT)


def unbroken(text: str, width: int) -> list[str]:
    """The lines of a text that is broken at spaces, but at none within brackets, and none of `n = 8`."""
    whole = re.sub(r"\[[^][]*\]|\b[np] [=<] \S+", lambda match: match.group().replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.wrap(whole, width, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def svg(comparison: Comparison) -> str:
    """A picture of the terminal that shows the table; it asks no other host for a font."""
    console = Console(record=True, file=io.StringIO(), width=110, force_terminal=True, color_system="truecolor")
    console.print(terminal(comparison), highlight=False)
    picture = console.export_svg(title=visible(comparison.command), unique_id="ssrun")
    styles, end, drawing = picture.partition("</style>")  # no text of the comparison stands before it
    return re.sub(r"@font-face \{.*?\}", "", styles, flags=re.S) + end + drawing
