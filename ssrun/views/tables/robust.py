"""The table of what one odd seed does not move: interquartile means, probabilities of improvement, collapsed runs."""

from __future__ import annotations

from collections.abc import Callable

from ssrun.analysis.document import Comparison, Robust, Row
from ssrun.metrics import METRICS
from ssrun.views.tables.cells import compared

ROBUST = (
    "IQM: the mean of the middle half of the seeds. P(better): how probably a run beats one of the baseline, a tie "
    "counting half. Both with 95 % bootstrap intervals over seeds. Collapsed: worse than half the baseline's median."
)
Cell = Callable[[Robust], str]


def robust_lines(comparison: Comparison) -> list[list[str]]:
    """The headings and a line a row; nothing where the document was made before this was known, or n is 1."""
    columns = {
        metric: columns_of(metric)
        for metric in compared(comparison)
        if any(robust_of(row, metric) for row in comparison.rows)
    }
    if not columns:
        return []
    lines = [["task", "strategy", *(heading for of_metric in columns.values() for heading in of_metric)]]
    for row in comparison.rows:
        line = [row.task, row.strategy]
        for metric, of_metric in columns.items():
            found = robust_of(row, metric)
            line += [cell(found) if found else "-" for cell in of_metric.values()]
        lines.append(line)
    return lines


def robust_of(row: Row, metric: str) -> Robust | None:
    estimate = row.estimates.get(metric)
    return estimate.robust if estimate else None


def columns_of(metric: str) -> dict[str, Cell]:
    """How a metric's cells are made, by heading."""
    about = METRICS[metric]

    def middle(found: Robust) -> str:
        shown = between(found.iqm, found.iqm_low, found.iqm_high, about.decimals)
        return f"{shown} (two humps)" if found.two_humps else shown

    columns: dict[str, Cell] = {f"IQM {about.short}": middle}
    if about.better != "neither":
        columns[f"P(better {about.short})"] = lambda found: between(
            found.better, found.better_low, found.better_high, 2
        )
    if about.better == "higher":
        columns["collapsed"] = lambda found: "-" if found.collapsed is None else f"{found.collapsed} of {found.n}"
    return columns


def between(value: float | None, low: float | None, high: float | None, decimals: int) -> str:
    """A number and its interval, where there are any: `0.84 [0.66, 0.97]`."""
    ends = "" if low is None or high is None else f" [{low:.{decimals}f}, {high:.{decimals}f}]"
    return "-" if value is None else f"{value:.{decimals}f}{ends}"
