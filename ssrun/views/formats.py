"""A comparison's document as Markdown, CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from ssrun.metrics import METRICS
from ssrun.system.documents import canonical
from ssrun.system.files import digest
from ssrun.views.tables.cells import (
    CONTROL,
    Document,
    best,
    bootstrapped,
    by_task,
    claim_lines,
    columns,
    compared,
    count,
    difference,
    has_bootstrap,
    mean,
    notes,
    p_value,
    paper_cells,
    paper_headings,
    reading,
    terminal,
    visible,
)

SUFFIXES = {"markdown": "md", "csv": "csv", "json": "json", "latex": "tex"}
FORMATS = ("rich", *SUFFIXES, "svg")


def grid(document: Document) -> tuple[list[str], list[list[str]]]:
    """The main table as text: headings, and a row each, the best marked `*`."""
    metrics = columns(document)
    headings = ["task", "strategy", "n", *(METRICS[metric].short for metric in metrics)]
    headings += [f"Δ {METRICS[metric].short} (p)" for metric in compared(document)]
    headings += ["bootstrap"] if has_bootstrap(document) else []
    headings += paper_headings(document)
    lines = []
    for task, rows in by_task(document):
        for row in rows:
            line = [task, row["strategy"], count(row)]
            for metric in metrics:
                is_best = metric in row and row[metric]["mean"] == best(rows, metric)
                line.append(f"{'*' if is_best else ''}{mean(row, metric)}")
            for metric in compared(document):
                cell = row.get(metric, {})
                line.append(
                    "-"
                    if cell.get("difference") is None
                    else f"{difference(row, metric)} ({p_value(cell.get('p_holm'))})"
                )
            line += [bootstrapped(row)] if has_bootstrap(document) else []
            lines.append([*line, *paper_cells(document, row)])
    return headings, lines


def markdown_cell(text: str) -> str:
    """Text as itself in Markdown, within a table too."""
    return re.sub(r"([\\`*_{}\[\]<>#|&$~])", r"\\\1", visible(text))


def markdown(document: Document) -> str:
    """The comparison as GitHub-flavoured Markdown."""
    cell = markdown_cell

    def bold(text: str) -> str:
        return f"**{cell(text[1:])}**" if text.startswith("*") else cell(text)

    headings, lines = grid(document)
    rows = [headings, ["---", "---", *["---:"] * (len(headings) - 2)]]
    text = [
        f"# {cell(document['experiment'])}",
        "",
        cell(document["question"]),
        "",
        f"    {visible(document['command'])}",
        "",
    ]
    text += [
        "| " + " | ".join(bold(part) if line is not rows[1] else part for part in line) + " |"
        for line in [*rows, *lines]
    ]
    text += ["", *(f"- {cell(line)}" for line in notes(document))]
    if document["claims"]:
        claims = [[claim["verdict"], *map(cell, claim_lines(claim))] for claim in document["claims"]]
        text += ["", *table_lines("lll", [["verdict", "claim", "evidence"], *claims])]
    if document["reading"]:
        text += ["", cell(reading(document))]
    return "\n".join(text) + "\n"


def table_lines(sides: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; the first line is its heading, `sides` has an l or r for each column."""
    rule = ["---" if side == "l" else "---:" for side in sides]
    return [f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]]]


def safe(text: str) -> str:
    """Text that a spreadsheet would compute, with an apostrophe before it; a dash alone is a dash."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text != "-" else text


def csv_text(document: Document) -> str:
    """One line a row, one column a number. Text that a spreadsheet would compute is quoted with an apostrophe."""
    names = [name for name in METRICS if any(name in row for row in document["rows"])]
    keys = ("mean", "low", "high", "difference", "difference_low", "difference_high", "p", "p_holm")
    counts = ["n", "of", "diverged", "failed", "missing"]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    headings = [f"{name}_{key}" for name in names for key in keys]
    headings += ["bleu_bootstrap_p", *map(safe, paper_headings(document))]
    writer.writerow(["task", "strategy", *counts, *headings])
    for row in document["rows"]:
        labels = [safe(row["task"]), safe(row["strategy"])]
        values = [row.get(name, {}).get(key) for name in names for key in keys]
        values.append(" ".join(f"{one['p']:.4g}" for one in row.get("bleu", {}).get("bootstrap", [])))
        values += [safe(cell) for cell in paper_cells(document, row)]
        writer.writerow([*labels, *(row[key] for key in counts), *("" if value is None else value for value in values)])
    return file.getvalue()


def json_text(document: Document) -> str:
    """The document itself and its digest: strict JSON, canonical, with what could steer a terminal as its escape."""
    text = canonical({**document, "digest": digest(canonical(document))}).decode()
    return CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n"


_LATEX = {
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
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030c": "v", "\u0327": "c"}


def accented(sign: str) -> str:
    """A letter with an accent, as any LaTeX reads it; a question mark for what has no such form."""
    parts = unicodedata.normalize("NFD", sign)
    return rf"\{_ACCENTS[parts[1]]}{{{parts[0]}}}" if len(parts) == 2 and parts[1] in _ACCENTS else "?"


def latex(document: Document) -> str:
    """A booktabs table that compiles as it is, in a document that uses booktabs."""

    def cell(text: str) -> str:
        return "".join(_LATEX.get(sign) or (sign if sign.isascii() else accented(sign)) for sign in visible(text))

    def bold(text: str) -> str:
        return rf"\textbf{{{cell(text[1:])}}}" if text.startswith("*") else cell(text)

    headings, lines = grid(document)
    text = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{cell(document['question'])} {' '.join(cell(line) for line in notes(document))}}}",
        rf"\begin{{tabular}}{{ll{'r' * (len(headings) - 2)}}}",
        r"\toprule",
        " & ".join(map(cell, headings)) + r" \\",
    ]
    last = None
    for line in lines:
        if line[0] != last:
            text.append(r"\midrule")
        shown = ["" if line[0] == last else line[0], *line[1:]]
        last = line[0]
        text.append(" & ".join(map(bold, shown)) + r" \\")
    text += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    for claim in document["claims"]:
        sentence, found = claim_lines(claim)
        text.append(rf"\par\noindent\emph{{{claim['verdict']}}}: {cell(sentence)} --- {cell(found)}")
    if document["reading"]:
        text.append(rf"\par\noindent {cell(reading(document))}")
    return "\n".join(text) + "\n"


def svg(document: Document) -> str:
    """A picture of the terminal that shows the table; it asks no other host for a font."""
    console = Console(record=True, file=io.StringIO(), width=110, force_terminal=True, color_system="truecolor")
    console.print(terminal(document), highlight=False)
    without_fonts = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.S)
    return console.export_svg(title=visible(document["command"]), code_format=without_fonts, unique_id="ssrun")


TEXTS = {"markdown": markdown, "csv": csv_text, "json": json_text, "latex": latex, "svg": svg}
