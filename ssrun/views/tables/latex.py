"""A comparison as a LaTeX table, in which no text of anybody's is a command."""

from __future__ import annotations

import unicodedata

from ssrun.analysis.document import Comparison
from ssrun.system.text import visible
from ssrun.views.tables.cells import Cell, claim_lines, notes, reading
from ssrun.views.tables.plain import grid

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


def latex(comparison: Comparison) -> str:
    """A booktabs table, the best means bold, that compiles as it is in a document that uses booktabs."""
    headings, rows = grid(comparison)
    caption = " ".join(map(escaped, [comparison.question, *notes(comparison, "bold:")]))
    text = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{ll{'r' * (len(headings) - 2)}}}",
        r"\toprule",
        " & ".join(map(escaped, headings)) + r" \\",
    ]
    last_task = None
    for task, *others in rows:
        text += [] if task == last_task else [r"\midrule"]
        first = Cell("") if task == last_task else task
        text.append(" & ".join(map(_dressed, [first, *others])) + r" \\")
        last_task = task
    text += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    for claim in comparison.claims:
        sentence, evidence = map(escaped, claim_lines(claim))
        text.append(rf"\par\noindent\emph{{{claim.verdict}}}: {sentence} --- {evidence}")
    if comparison.reading:
        text.append(rf"\par\noindent {escaped(reading(comparison))}")
    return "\n".join(text) + "\n"


def _dressed(cell: Cell) -> str:
    return rf"\textbf{{{escaped(cell.text)}}}" if cell.best else escaped(cell.text)


def escaped(text: str) -> str:
    """Text that stands for itself in LaTeX, in ASCII alone."""
    return "".join(SIGNS.get(sign) or (sign if sign.isascii() else accented(sign)) for sign in visible(text))


def accented(sign: str) -> str:
    """A letter with an accent, as any LaTeX reads it; a question mark for what has no such form."""
    parts = unicodedata.normalize("NFD", sign)
    return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}" if len(parts) == 2 and parts[1] in ACCENTS else "?"
