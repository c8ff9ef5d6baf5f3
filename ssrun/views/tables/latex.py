"""A comparison as LaTeX tables, in which no text of anybody's is a command."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import chain, groupby
from typing import NamedTuple

from ssrun.analysis.document import Comparison, Estimate, Row
from ssrun.analysis.sweeps import titles
from ssrun.errors import UsageError
from ssrun.metrics import METRICS
from ssrun.system.text import shown_value, visible
from ssrun.views.tables import cells, claims, footnotes
from ssrun.views.tables.arrivals import is_timed
from ssrun.views.tables.cells import Cell, in_groups, number

LABEL = re.compile(r"[A-Za-z0-9:._/+-]+")  # what `\label` and `\ref` take for a name in any document
ROOM = 356  # points: the text of an article of 11 pt is 360 wide, in one of 10 pt the signs are smaller too
GAP = 8  # points between columns
LINES = 45  # of tables' source on a page, rules and all, above their notes
WIDTHS = {  # of signs of 9 pt Computer Modern, in points; of every other sign, WIDTH
    **dict.fromkeys(".,:;|!'[]il", 2.6),
    **dict.fromkeys("fj- ", 3.1),
    **dict.fromkeys("rst()", 3.7),
    **dict.fromkeys("ce", 4.2),
    **dict.fromkeys("0123456789ago", 4.65),
    **dict.fromkeys("bdhnpu", 5.2),
    **dict.fromkeys("ABCDEFGHIJKLNOPQRSTUVXYZΔ+w", 6.9),
    **dict.fromkeys("mMW%", 8.0),
    "±": 11.4,  # with the spaces around it
}
WIDTH = 5.0
SCRIPT = 0.82  # how wide a sign is above or below the line
SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "ε": r"$\varepsilon$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # at a line's start it would be an option of the line before
    "]": "{]}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030c": "v", "\u0327": "c"}


class Typeset(NamedTuple):
    """A cell in LaTeX, and how many points it is wide, about."""

    text: str
    width: float


class Column(NamedTuple):
    """A column of numbers: its heading, a cell a row, and what stands above it and its neighbours."""

    heading: str
    cells: Sequence[Typeset]
    above: str = ""

    @property
    def width(self) -> float:
        return max([width_of(self.heading), *(cell.width for cell in self.cells)])


def latex(comparison: Comparison, caption: str | None = None, label: str | None = None) -> str:
    """Floats that compile in a document that uses booktabs: the means, and the differences from the baseline.

    Args:
        comparison: What is shown.
        caption: Instead of the question, as plain text.
        label: Instead of `tab:<experiment>`; the second float's has `-differences` after it.

    Raises:
        UsageError: The label is none.
    """
    experiment, baseline = comparison.experiment, comparison.baseline
    if label is not None and not LABEL.fullmatch(label):
        raise UsageError(f"--label {shown_value(label)}: letters, digits and : . _ / + - alone, such as tab:mine")
    name = label or f"tab:{''.join(LABEL.findall(experiment))}"
    title = comparison.question if caption is None else caption
    differing = [row for row in comparison.rows if cells.has_difference([row], cells.compared(comparison))]
    of_differences = [visible(line) for line in footnotes.about_differences(comparison)] if differing else []
    notes = [line for line in footnotes.notes(comparison, "bold:") if line not in of_differences]
    text = [*header(comparison), *table(mean_tables(comparison), experiment, title, name, notes)]
    if differing:
        of_differences.insert(0, "Mean difference and half the width of its 95 % t-interval.")
        both = (f"{experiment}: differences from {baseline}", f"{title} Differences from {baseline}.")
        text += table(difference_tables(comparison, differing), *both, f"{name}-differences", of_differences)
    for claim in comparison.claims:
        text.append(comment(f"{claims.verdict(claim)}: {' -- '.join(claims.claim_lines(claim))}"))
    if comparison.reading:
        text.append(comment(cells.reading(comparison)))
    return "\n".join(text) + "\n"


def tabular(comparison: Comparison) -> str:
    """The means alone, in no float: several tables below each other where a page has no room for all columns."""
    return "\n".join([*header(comparison), *below_each_other(mean_tables(comparison))]) + "\n"


def header(comparison: Comparison) -> list[str]:
    return [comment(r"needs \usepackage{booktabs}"), comment(f"made by: {comparison.command}")]


def table(tables: Sequence[Sequence[str]], short: str, caption: str, label: str, notes: Sequence[str]) -> list[str]:
    """A float of tables below each other, with notes below them; several floats where a page has no room for all."""
    floats = pages(tables)
    lines: list[str] = []
    for part, found in enumerate(floats, start=1):
        again, suffix = (" (continued)", f"-{part}") if part > 1 else ("", "")
        lines += [
            r"\begin{table}[tbp]",
            r"\centering\footnotesize",
            rf"\caption[{escaped(short + again)}]{{{escaped(caption + again)}}}",
            rf"\label{{{label}{suffix}}}\par\medskip",
            r"\renewcommand{\arraystretch}{1.15}",
            *below_each_other(found),
        ]
        if part == len(floats):
            lines += [r"\par\medskip", r"\begin{minipage}{\linewidth}\footnotesize\raggedright"]
            lines += [*(rf"{escaped(note)}\par" for note in notes), r"\end{minipage}"]
        lines.append(r"\end{table}")
    return lines


def pages(tables: Sequence[Sequence[str]]) -> list[list[Sequence[str]]]:
    """The tables in as many parts as have room on a page each, with notes below them; a table is never broken."""
    parts: list[list[Sequence[str]]] = [[]]
    for found in tables:
        if parts[-1] and sum(map(len, parts[-1])) + len(found) > LINES:
            parts.append([])
        parts[-1].append(found)
    return parts


def below_each_other(tables: Sequence[Sequence[str]]) -> list[str]:
    lines: list[str] = []
    for found in tables:
        lines += [r"\par\medskip", *found] if lines else found
    return [rf"\setlength{{\tabcolsep}}{{{GAP / 2:g}pt}}", *lines]


def mean_tables(comparison: Comparison) -> list[list[str]]:
    """The means, and what was published beside them; in several tables where one would be too wide."""
    rows = [row for _, of_task in comparison.by_task() for row in of_task]
    columns = []
    if cells.has_not_converged(comparison):
        columns.append(Column(cells.NOT_CONVERGED, [typeset(cells.not_converged(row)) for row in rows]))
    for metric in comparison.columns:
        found: list[Typeset] = []
        for _, of_task in comparison.by_task():
            marks = cells.mean_cells(of_task, metric)
            found += [
                typeset_time(mark) if is_timed(of_task, metric) else typeset_mean(estimate, metric, mark.best)
                for estimate, mark in zip((row.estimates.get(metric) for row in of_task), marks, strict=True)
            ]
        columns.append(Column(METRICS[metric].short, found))
    published = [cells.paper_cells(comparison, row) for row in rows]
    for index, heading in enumerate(comparison.published.metrics if comparison.published else []):
        columns.append(Column(heading, [typeset(values[index]) for values in published], "paper"))
    counts = [cells.count(row) for row in rows]
    beside = [] if set(counts) == {str(len(comparison.seeds))} else [Column("n", list(map(typeset, counts)))]
    return tables_of(titled(comparison, rows), beside, [[column] for column in columns])


def difference_tables(comparison: Comparison, rows: Sequence[Row]) -> list[list[str]]:
    """The paired differences of these rows from the baseline."""
    columns = []
    for metric in cells.compared(comparison):
        estimates = [row.estimates.get(metric) for row in rows]
        found = [typeset_difference(estimate, metric) for estimate in estimates]
        columns.append([Column(f"Δ {METRICS[metric].short}", found)])
        if cells.shows_p(comparison):
            columns[-1].append(Column("p", [typeset(cells.p_holm(estimate)) for estimate in estimates]))
    if cells.has_bootstrap(comparison):
        columns.append([Column("bootstrap", [typeset(cells.bootstrapped(row)) for row in rows])])
    return tables_of(titled(comparison, rows), [], columns)


def titled(comparison: Comparison, rows: Sequence[Row]) -> list[Row]:
    """The rows, their tasks by title."""
    names = titles(comparison)
    return [row.model_copy(update={"task": names[row.task]}) for row in rows]


def tables_of(rows: Sequence[Row], beside: Sequence[Column], columns: Sequence[Sequence[Column]]) -> list[list[str]]:
    """As few tables as have room across a page, each with the strategies and the columns that go beside them.

    Columns that are given together stay together.
    """
    start = max((width_of(row.strategy) for row in rows), default=0)
    groups = [list(columns)]
    for count in range(1, len(columns) + 1):
        groups = [list(group) for group in in_groups(columns, count)]
        if all(start + sum(GAP + column.width for column in chain(beside, *group)) <= ROOM for group in groups):
            break
    return [one_table(rows, list(chain(beside, *group))) for group in groups]


def one_table(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    headings = ["strategy", *(column.heading for column in columns)]
    lines = [rf"\begin{{tabular}}{{@{{}}l{'r' * len(columns)}@{{}}}}", r"\toprule"]
    first = 2  # counted from 1, after the strategies
    for above, group in groupby(columns, key=lambda column: column.above):
        last = first + len(list(group)) - 1
        if above:
            lines.append(rf"{'& ' * (first - 1)}\multicolumn{{{last - first + 1}}}{{c@{{}}}}{{{escaped(above)}}} \\")
            lines.append(rf"\cmidrule(l){{{first}-{last}}}")
        first = last + 1
    lines.append(" & ".join(map(escaped, headings)) + r" \\")
    task = None
    for index, row in enumerate(rows):
        if row.task != task:
            task = row.task
            lines += [r"\midrule", rf"\multicolumn{{{len(headings)}}}{{@{{}}l@{{}}}}{{\emph{{{escaped(task)}}}}} \\"]
        lines.append(" & ".join([escaped(row.strategy), *(column.cells[index].text for column in columns)]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def typeset_time(cell: Cell) -> Typeset:
    """A median time to a score, bold where it is the earliest."""
    text = typeset(cell.text)
    return text._replace(text=rf"\textbf{{{text.text}}}") if cell.best else text


def typeset_mean(estimate: Estimate | None, metric: str, best: bool) -> Typeset:
    """A mean and half its interval; of an interval that is cut, how far it goes up and down; bold where it is best."""
    if estimate is None:
        return typeset("-")
    shown = number(estimate.mean, metric)
    mean = rf"\mathbf{{{shown}}}" if best else shown
    if estimate.low is None or estimate.high is None:
        return Typeset(f"${mean}$", width_of(shown))
    if not cells.is_cut(estimate, metric):
        half = number((estimate.high - estimate.low) / 2, metric)
        return Typeset(rf"${mean} \pm {half}$", width_of(f"{shown}±{half}"))
    low, high = cells.possible_interval(estimate, metric)
    up, down = (number(abs(end - estimate.mean), metric) for end in (high, low) if end is not None)
    script = SCRIPT * max(width_of(f"+{up}"), width_of(f"+{down}"))
    return Typeset(f"${mean}^{{+{up}}}_{{-{down}}}$", width_of(shown) + script)


def typeset_difference(estimate: Estimate | None, metric: str) -> Typeset:
    if estimate is None or estimate.difference is None:
        return typeset("-")
    shown = f"{estimate.difference:+.{METRICS[metric].decimals}f}"
    if estimate.difference_low is None or estimate.difference_high is None:
        return typeset(shown)
    half = number((estimate.difference_high - estimate.difference_low) / 2, metric)
    return Typeset(rf"${shown} \pm {half}$", width_of(f"+{shown[1:]}±{half}"))


def typeset(text: str) -> Typeset:
    """A cell's text, its numbers in mathematics: there a minus is a minus."""
    if text == "-":
        return Typeset("--", WIDTH)
    if re.fullmatch(r"[<+-]?\d[\d.,]*[+-]?", text):
        return Typeset(f"${text}$", width_of(text.replace("-", "+")))
    parts = re.split(r"(?<=\d)([+-])(?= )", text)  # of `5+ 2- of 8`
    shown = "".join(f"${part}$" if part in ("+", "-") else escaped(part) for part in parts)
    return Typeset(shown, width_of(text))


def width_of(text: str) -> float:
    """About how many points a text is wide."""
    return sum(WIDTHS.get(sign, WIDTH) for sign in text)


def comment(text: str) -> str:
    return f"% {visible(text).encode('ascii', 'backslashreplace').decode()}"


def escaped(text: str) -> str:
    """Text that stands for itself in LaTeX, in ASCII alone."""
    return "".join(SIGNS.get(sign) or (sign if sign.isascii() else accented(sign)) for sign in visible(text))


def accented(sign: str) -> str:
    """A letter with an accent, as any LaTeX reads it; a question mark for what has no such form."""
    parts = unicodedata.normalize("NFD", sign)
    return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}" if len(parts) == 2 and parts[1] in ACCENTS else "?"
