"""A comparison's numbers, notes and claims as short texts: what every kind of table is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from ssrun.analysis.document import Comparison, Estimate, Row, best
from ssrun.metrics import METRICS
from ssrun.system.text import visible
from ssrun.views.tables.arrivals import arrival, earliest, is_timed

SIGNIFICANT = 0.05
Item = TypeVar("Item")
NOT_CONVERGED = "not converged"


class Cell(NamedTuple):
    """A table's cell, and whether it is the best of its column."""

    text: str
    best: bool = False


def number(value: float | None, metric: str) -> str:
    """A metric's value with its decimals; a dash for none."""
    return "-" if value is None else f"{value:.{METRICS[metric].decimals}f}"


def interval(difference: float, low: float | None, high: float | None, metric: str) -> str:
    """A difference and its interval, where there is one: `+1.2 [+0.3, +2.1]`."""
    sign = f"+.{METRICS[metric].decimals}f"
    ends = "" if low is None or high is None else f" [{low:{sign}}, {high:{sign}}]"
    return f"{difference:{sign}}{ends}"


def possible_interval(estimate: Estimate, metric: str) -> tuple[float | None, float | None]:
    """An interval within what the metric can be."""
    if estimate.low is None or estimate.high is None:
        return estimate.low, estimate.high
    return max(estimate.low, METRICS[metric].least), min(estimate.high, METRICS[metric].most)


def is_cut(estimate: Estimate, metric: str) -> bool:
    """Whether the interval reaches, as far as decimals are shown, beyond what the metric can be."""
    ends = zip(possible_interval(estimate, metric), (estimate.low, estimate.high), strict=True)
    decimals = METRICS[metric].decimals
    return any(
        end is not None and measured is not None and round(end, decimals) != round(measured, decimals)
        for end, measured in ends
    )


def mean(estimate: Estimate | None, metric: str) -> str:
    """The mean and the half width of its interval, `93.1 ±2.0`; of one that is cut the ends, `85.0 [51.7, 100]`."""
    if estimate is None:
        return "-"
    shown = number(estimate.mean, metric)
    if estimate.low is None or estimate.high is None:
        return shown
    if is_cut(estimate, metric):
        ends = zip(possible_interval(estimate, metric), (estimate.low, estimate.high), strict=True)
        low, high = (number(end, metric) if end == measured else f"{end:g}" for end, measured in ends)
        return f"{shown} [{low}, {high}]"
    return f"{shown} ±{number((estimate.high - estimate.low) / 2, metric)}"


def mean_cells(rows: Sequence[Row], metric: str) -> list[Cell]:
    """The means of these rows, and of times to reach a score the medians, marked where one is the best."""
    if is_timed(rows, metric):
        first = earliest(rows, metric)
        return [
            Cell(arrival(row, metric), metric in row.arrivals and row.arrivals[metric].median == first is not None)
            for row in rows
        ]
    most = best(rows, metric)
    estimates = [row.estimates.get(metric) for row in rows]
    return [Cell(mean(found, metric), found is not None and found.mean == most) for found in estimates]


def difference(estimate: Estimate | None, metric: str) -> str:
    if estimate is None or estimate.difference is None:
        return "-"
    return interval(estimate.difference, estimate.difference_low, estimate.difference_high, metric)


def has_difference(rows: Sequence[Row], metrics: Sequence[str]) -> bool:
    """Whether any of these rows differs from the baseline by a number, in any of these metrics."""
    found = (row.estimates.get(metric) for row in rows for metric in metrics)
    return any(estimate is not None and estimate.difference is not None for estimate in found)


def p_value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if value >= 0.001 else "<0.001"


def p_holm(estimate: Estimate | None) -> str:
    return p_value(estimate.p_holm if estimate else None)


def shows_p(comparison: Comparison) -> bool:
    """Whether any p of the table can be below 5 %, with so many seeds and strategies."""
    return comparison.smallest_p is not None and comparison.smallest_p < SIGNIFICANT


def told_apart(row: Row) -> tuple[int, int, int] | None:
    """By the paired bootstrap over the test set, at 5 %: seeds of better BLEU than the baseline's, of worse, of all."""
    bleu = row.estimates.get("bleu")
    if bleu is None or not bleu.bootstrap:
        return None
    apart = [pair.difference for pair in bleu.bootstrap if pair.p < SIGNIFICANT]
    return sum(found > 0 for found in apart), sum(found < 0 for found in apart), len(bleu.bootstrap)


def bootstrapped(row: Row) -> str:
    """In how many seeds the paired bootstrap tells the two models' BLEU apart: `5+ 2- of 8`, better and worse."""
    counts = told_apart(row)
    return "-" if counts is None else "{}+ {}- of {}".format(*counts)


def has_bootstrap(comparison: Comparison) -> bool:
    """Whether BLEU is shown and its paired bootstrap was computed."""
    return "bleu" in comparison.columns and any(bootstrapped(row) != "-" for row in comparison.rows)


def in_groups(items: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """The items in so many groups of about the same size, in order."""
    size = math.ceil(len(items) / count)
    return [items[start : start + size] for start in range(0, len(items), size)]


def compared(comparison: Comparison) -> list[str]:
    """The metrics whose differences are shown: the first, and the free-running loss."""
    return [metric for metric in comparison.columns if metric in (comparison.columns[0], "free_running_loss")]


def paper_headings(comparison: Comparison) -> list[str]:
    paper = comparison.published
    return [f"paper: {visible(metric)}" for metric in paper.metrics] if paper else []


def paper_cells(comparison: Comparison, row: Row) -> list[str]:
    """The published numbers of a row's strategy."""
    paper = comparison.published
    return [visible(value) for value in paper.rows.get(row.strategy, ["-"] * len(paper.metrics))] if paper else []


def count(row: Row) -> str:
    """How many runs stand behind a row: `3`, or `4 of 5`."""
    return str(row.n) if row.n == row.of else f"{row.n} of {row.of}"


def not_converged(row: Row) -> str:
    """How many of a row's runs had not converged: `3 of 8`."""
    return f"{row.not_converged} of {row.n}" if row.not_converged else "-"


def has_not_converged(comparison: Comparison) -> bool:
    return any(row.not_converged for row in comparison.rows)


def reading(comparison: Comparison) -> str:
    """What to make of the table, as one paragraph: the file's line ends are not the reader's."""
    return visible(" ".join(comparison.reading.split()))
