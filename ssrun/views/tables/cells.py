"""A comparison's numbers, notes and claims as short texts: what every kind of table is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ssrun.analysis.document import ClaimEvidence, Comparison, Estimate, Row, best
from ssrun.metrics import METRICS
from ssrun.system.text import visible


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


def mean(estimate: Estimate | None, metric: str) -> str:
    """The mean and the half width of its interval: `93.1 ±2.0`."""
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return number(estimate.mean, metric)
    return f"{number(estimate.mean, metric)} ±{number((estimate.high - estimate.low) / 2, metric)}"


def mean_cell(rows: Sequence[Row], row: Row, metric: str) -> Cell:
    """The mean of a row, marked where it is the best of these rows."""
    estimate = row.estimates.get(metric)
    return Cell(mean(estimate, metric), estimate is not None and estimate.mean == best(rows, metric))


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


def bootstrapped(row: Row) -> str:
    """In how many seeds the paired bootstrap over the test set tells the two models' BLEU apart at 5 %: `2/3`."""
    bleu = row.estimates.get("bleu")
    if bleu is None or not bleu.bootstrap:
        return "-"
    return f"{sum(pair.p < 0.05 for pair in bleu.bootstrap)}/{len(bleu.bootstrap)}"


def has_bootstrap(comparison: Comparison) -> bool:
    """Whether BLEU is shown and its paired bootstrap was computed."""
    return "bleu" in comparison.columns and any(bootstrapped(row) != "-" for row in comparison.rows)


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


def notes(comparison: Comparison, best_mark: str) -> list[str]:
    """What must be known to read the numbers; `best_mark` tells the best means: the sign before them, or `bold:`."""
    n = len(comparison.seeds)
    lines = [
        f"Mean and 95 % t-interval over seeds (n = {n}); {best_mark} best mean of the task; "
        "losses in nats per position."
        if n > 1
        else "One seed: no interval, no p; a difference may be luck. Use --seeds 0..5 for evidence."
    ]
    if n > 1 and comparison.baseline in comparison.strategies:
        lines.append(
            f"Differences are paired by seed with {comparison.baseline}; p is the exact sign-flip p, Holm-corrected "
            f"over strategies: with {n} seeds no p can be below {comparison.smallest_p:.3g}."
        )
    if comparison.published:
        source = comparison.published.source
        lines.append(f"paper: {source}; other data and another model: compare orders, not values.")
    if has_bootstrap(comparison):
        lines.append("bootstrap: seeds in which BLEU differs at 5 % by sacreBLEU's paired bootstrap of the test set.")
    for task, facts in comparison.facts.items():
        lines.append(f"{task}: " + ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in facts.items()))
    signatures = sorted({signature for found in comparison.signatures.values() for signature in found})
    lines += [f"BLEU: {signature}" for signature in signatures]
    for status in ("diverged", "failed", "missing"):
        if faults := [fault for fault in comparison.faults if fault.status == status]:
            first = faults[0]
            reason = f": {first.reason}" if first.reason else ""
            name = f"{first.task}/{first.strategy} seed {first.seed}"
            lines.append(f"{len(faults)} {status}, counted and not averaged; first: {name}{reason}")
    if len(comparison.environments) > 1:
        many = f"{len(comparison.environments)} different environments"
        lines.append(f"The runs come from {many} (machine, versions or variables).")
    return [visible(line) for line in lines]


def claim_lines(claim: ClaimEvidence) -> tuple[str, str]:
    """A claim's sentence with its source, and its evidence."""
    if claim.difference is None:
        found = "no pair of complete runs"
    else:
        measured = interval(claim.difference, claim.low, claim.high, claim.metric)
        found = f"difference {measured}, p = {p_value(claim.p)}, n = {claim.n}"
    source = f" ({claim.source})" if claim.source else ""
    margin = f" by at least {claim.by:g}" if claim.by else ""
    return visible(f"{claim.text}{source}"), visible(f"{claim.metric}: {claim.order}{margin}: {found}")


def reading(comparison: Comparison) -> str:
    """What to make of the table, as one paragraph: the file's line ends are not the reader's."""
    return visible(" ".join(comparison.reading.split()))
