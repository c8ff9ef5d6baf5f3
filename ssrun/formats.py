"""A comparison's document as Markdown, CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from ssrun.config import canonical
from ssrun.metrics import METRICS
from ssrun.tables import (
    Document,
    best,
    by_task,
    claim_lines,
    columns,
    compared,
    count,
    difference,
    mean,
    notes,
    p_value,
    visible,
)

SUFFIXES = {"markdown": "md", "csv": "csv", "json": "json", "latex": "tex"}
FORMATS = ("rich", *SUFFIXES)


def grid(document: Document) -> tuple[list[str], list[list[str]]]:
    """The main table as text: headings, and a row each, the best marked `*`."""
    metrics = columns(document)
    headings = ["task", "strategy", "n", *(METRICS[metric].short for metric in metrics)]
    headings += [f"Δ {METRICS[metric].short} (p)" for metric in compared(document)]
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
            lines.append(line)
    return headings, lines


def markdown(document: Document) -> str:
    """The comparison as GitHub-flavoured Markdown."""

    def cell(text: str) -> str:
        text = re.sub(r"([\\`*_{}\[\]<>#|&$~])", r"\\\1", visible(text))
        return f"**{text[2:]}**" if text.startswith("\\*") else text

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
        "| " + " | ".join(cell(part) if line is not rows[1] else part for part in line) + " |"
        for line in [*rows, *lines]
    ]
    if paper := document["published"]:
        text += ["", f"Published: {cell(paper['source'])}", ""]
        shown = [
            ["strategy", *paper["metrics"]],
            *([name, *map(str, values)] for name, values in paper["rows"].items()),
        ]
        text += table_lines("l" + "r" * len(paper["metrics"]), [[cell(part) for part in line] for line in shown])
    text += ["", *(f"- {cell(line)}" for line in notes(document))]
    if document["claims"]:
        claims = [[claim["verdict"], *map(cell, claim_lines(claim))] for claim in document["claims"]]
        text += ["", *table_lines("lll", [["verdict", "claim", "evidence"], *claims])]
    if document["reading"]:
        text += ["", cell(document["reading"].strip())]
    return "\n".join(text) + "\n"


def table_lines(sides: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; the first line is its heading, `sides` has an l or r for each column."""
    rule = ["---" if side == "l" else "---:" for side in sides]
    return [f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]]]


def csv_text(document: Document) -> str:
    """One line a row, one column a number. Text that a spreadsheet would compute is quoted with an apostrophe."""
    names = list(dict.fromkeys(name for row in document["rows"] for name in row if name in METRICS))
    keys = ("mean", "low", "high", "difference", "difference_low", "difference_high", "p", "p_holm")
    counts = ["n", "of", "diverged", "failed", "missing"]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["task", "strategy", *counts, *(f"{name}_{key}" for name in names for key in keys)])
    for row in document["rows"]:
        labels = [f"'{text}" if text[:1] in "=+-@\t\r" else text for text in (row["task"], row["strategy"])]
        values = [row.get(name, {}).get(key) for name in names for key in keys]
        writer.writerow([*labels, *(row[key] for key in counts), *("" if value is None else value for value in values)])
    return file.getvalue()


def json_text(document: Document) -> str:
    """The document itself: strict JSON, canonical."""
    return canonical(document).decode() + "\n"


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
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def latex(document: Document) -> str:
    """A booktabs table that compiles as it is, in a document that uses booktabs."""

    def cell(text: str) -> str:
        text = "".join(_LATEX.get(sign, sign if sign.isascii() else "?") for sign in visible(text))
        return rf"\textbf{{{text[1:]}}}" if text.startswith("*") else text

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
        text.append(" & ".join(map(cell, shown)) + r" \\")
    text += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    for claim in document["claims"]:
        sentence, found = claim_lines(claim)
        text.append(rf"\par\noindent\emph{{{claim['verdict']}}}: {cell(sentence)} --- {cell(found)}")
    return "\n".join(text) + "\n"


TEXTS = {"markdown": markdown, "csv": csv_text, "json": json_text, "latex": latex}
