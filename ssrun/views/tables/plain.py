"""A comparison's table as plain text: the grid of cells that Markdown and LaTeX dress, and CSV."""

from __future__ import annotations

import csv
import io

from ssrun.analysis.document import Comparison, Estimate
from ssrun.metrics import METRICS
from ssrun.views.tables import cells
from ssrun.views.tables.cells import Cell, compared, paper_cells, paper_headings

COUNTS = ("n", "of", "diverged", "failed", "missing")
VALUES = ("mean", "low", "high", "difference", "difference_low", "difference_high", "p", "p_holm")


def grid(comparison: Comparison) -> tuple[list[str], list[list[Cell]]]:
    """The headings and rows of the means, with the differences from the baseline and what was published beside them.

    The first two columns, task and strategy, are words and the others numbers.
    """
    with_bootstrap = cells.has_bootstrap(comparison)
    headings = ["task", "strategy", "n", *(METRICS[metric].short for metric in comparison.columns)]
    headings += [f"Δ {METRICS[metric].short} (p)" for metric in compared(comparison)]
    headings += ["bootstrap"] if with_bootstrap else []
    headings += paper_headings(comparison)
    lines = []
    for task, rows in comparison.by_task():
        for row in rows:
            line = [Cell(task), Cell(row.strategy), Cell(cells.count(row))]
            line += [cells.mean_cell(rows, row, metric) for metric in comparison.columns]
            line += [Cell(difference_and_p(row.estimates.get(metric), metric)) for metric in compared(comparison)]
            line += [Cell(cells.bootstrapped(row))] if with_bootstrap else []
            line += map(Cell, paper_cells(comparison, row))
            lines.append(line)
    return headings, lines


def difference_and_p(estimate: Estimate | None, metric: str) -> str:
    if estimate is None or estimate.difference is None:
        return "-"
    return f"{cells.difference(estimate, metric)} ({cells.p_holm(estimate)})"


def csv_text(comparison: Comparison) -> str:
    """One line a row, one column a number. Text that a spreadsheet would compute is quoted with an apostrophe."""
    metrics = [metric for metric in METRICS if any(metric in row.estimates for row in comparison.rows)]
    headings = ["task", "strategy", *COUNTS, *(f"{metric}_{value}" for metric in metrics for value in VALUES)]
    headings += ["bleu_bootstrap_p", *map(computes_nothing, paper_headings(comparison))]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(headings)
    for row in comparison.rows:
        line: list[object] = [computes_nothing(row.task), computes_nothing(row.strategy)]
        line += [getattr(row, name) for name in COUNTS]
        line += [getattr(row.estimates.get(metric), value, None) for metric in metrics for value in VALUES]
        bleu = row.estimates.get("bleu")
        line.append(" ".join(f"{pair.p:.4g}" for pair in bleu.bootstrap or []) if bleu else "")
        line += map(computes_nothing, paper_cells(comparison, row))
        writer.writerow(line)
    return file.getvalue()


def computes_nothing(text: str) -> str:
    """Text that a spreadsheet would compute, with an apostrophe before it; a dash alone is a dash."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text != "-" else text
