"""A comparison for spreadsheets and data frames: a sheet of its estimates, and one of its runs; one value a cell.

Text that a spreadsheet would compute is quoted with an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ssrun.analysis.document import Comparison, RunValues
from ssrun.metrics import METRICS
from ssrun.system.text import visible
from ssrun.views.tables.cells import has_not_converged, told_apart

COUNTS = ("n", "of", "diverged", "failed", "missing")
VALUES = ("mean", "low", "high", "difference", "difference_low", "difference_high", "p", "p_holm", "pairs")
ARRIVALS = {
    "reached": "reached",
    "median": "median",
    "log_rank_p": "p",
    "log_rank_p_holm": "p_holm",
}  # of times to a score
FLAGS = ("converged", "reached")  # of a run, where any has one
BOOTSTRAP = ("bootstrap_better", "bootstrap_worse", "bootstrap_pairs")  # of BLEU alone
COMPUTED = tuple("=+-@＝＋－＠")  # noqa: RUF001 - a spreadsheet takes a full-width sign for a formula's too


def estimates_sheet(comparison: Comparison) -> str:
    """A line for each metric of each strategy on each task; what there is no number for is empty."""
    metrics = [metric for metric in METRICS if any(metric in row.estimates for row in comparison.rows)]
    counted = [*COUNTS, "not_converged"] if has_not_converged(comparison) else COUNTS
    arrivals = ARRIVALS if any(row.arrivals for row in comparison.rows) else {}
    headings = ["task", "strategy", "metric", *counted, *VALUES, *arrivals, *BOOTSTRAP]
    lines = []
    for row in comparison.rows:
        for metric in metrics or comparison.metrics:
            apart = told_apart(row) if metric == "bleu" else None
            estimate = row.estimates.get(metric)
            counts = [getattr(row, name) for name in counted]
            values = [getattr(estimate, name, None) for name in VALUES]
            values += [getattr(row.arrivals.get(metric), name, None) for name in arrivals.values()]
            lines.append([row.task, row.strategy, metric, *counts, *values, *(apart or [None] * len(BOOTSTRAP))])
    return sheet(headings, lines)


def runs_sheet(comparison: Comparison) -> str:
    """A line for each run: how it ended, the settings that are not the same in all, and its metrics."""
    runs = comparison.runs
    settings = list(dict.fromkeys(name for run in runs for name in run.settings))
    metrics = [metric for metric in METRICS if any(metric in run.metrics for run in runs)]

    flags = [name for name in FLAGS if any(getattr(run, name) is not None for run in runs)]

    def line(run: RunValues) -> list[object]:
        labels = [run.task, run.strategy, run.seed, run.status, *(getattr(run, name) for name in flags)]
        return [*labels, *(run.settings.get(name) for name in settings), *(run.metrics.get(name) for name in metrics)]

    return sheet(["task", "strategy", "seed", "status", *flags, *settings, *metrics], map(line, runs))


def sheet(headings: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for line in (headings, *lines):
        writer.writerow([computes_nothing(value) if isinstance(value, str) else value for value in line])
    return file.getvalue()


def computes_nothing(text: str) -> str:
    """Visible text, on one line; where a spreadsheet would compute it, with an apostrophe before it."""
    shown = visible(text)
    return f"'{shown}" if shown.startswith(COMPUTED) else shown
