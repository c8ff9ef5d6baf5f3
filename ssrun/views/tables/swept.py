"""The tables of what was swept, as short texts: differences from the baseline by budget, and maps over two fields."""

from __future__ import annotations

from typing import NamedTuple

from ssrun.analysis.budget import RESAMPLES, BudgetCurve, Crossing, budget_curves
from ssrun.analysis.document import Comparison
from ssrun.analysis.maps import Square, effect_maps
from ssrun.analysis.sweeps import Plane, Series, budgets, planes
from ssrun.analysis.verdicts import Verdict
from ssrun.metrics import METRICS
from ssrun.views.tables.cells import interval

SIGNS: dict[Verdict, str] = {"agree": "▲", "disagree": "▼", "inconclusive": "·"}


class SweptTable(NamedTuple):
    """A table; its first columns, `words` of them, name the line, and the others are numbers."""

    title: str
    words: int
    headings: list[str]
    lines: list[list[str]]


class Block(NamedTuple):
    """Tables of one kind, and what must be known to read them."""

    tables: list[SweptTable]
    notes: list[str]


def blocks(comparison: Comparison) -> list[Block]:
    """The tables that the comparison's sweep gives, of its first metric; none without one."""
    if not comparison.columns:
        return []
    metric = comparison.columns[0]
    by_budget = [budget_table(comparison, series, metric) for series in budgets(comparison)]
    over_planes = [map_table(comparison, plane, metric) for plane in planes(comparison)]
    kinds = ((by_budget, about_crossings()), (over_planes, about_signs(metric)))
    shown = [Block([table for table in tables if table.lines], [note]) for tables, note in kinds]
    return [block for block in shown if block.tables]


def budget_table(comparison: Comparison, series: Series, metric: str) -> SweptTable:
    """A line a strategy, a column a budget, and where the difference crosses zero."""
    curves = budget_curves(comparison, series, metric)
    headings = ["strategy", *(f"{steps:,} steps" for steps in series.tasks), "n", "crosses zero at"]
    lines = [budget_line(curve, series, metric) for curve in curves]
    return SweptTable(f"{series.title}: {difference_in(comparison, metric)} by budget", 1, headings, lines)


def budget_line(curve: BudgetCurve, series: Series, metric: str) -> list[str]:
    points = {point.x: point for point in curve.at_equal_steps}
    shown = [points.get(steps) for steps in series.tasks]
    counts = sorted({len(point.seeds) for point in points.values()})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    cells = [interval(point.mean, point.low, point.high, metric) if point else "-" for point in shown]
    return [curve.strategy, *cells, n, crossing_words(curve.crossing)]


def crossing_words(found: Crossing) -> str:
    """`1,240 [980, 1,900] (97 %)`: the interval is the first crossing's, the share that of the resamples with one."""
    share = "" if found.share is None else f" ({100 * found.share:.0f} %)"
    if not found.at:
        return f"no crossing{share}"
    ends = "" if found.low is None or found.high is None else f" [{found.low:,.0f}, {found.high:,.0f}]"
    first, *others = (f"{steps:,.0f}" for steps in found.at)
    return ", ".join([f"{first}{ends}{share}", *others])


def map_table(comparison: Comparison, plane: Plane, metric: str) -> SweptTable:
    """A line for each strategy and value of the plane's first field, a column for each of its second's."""
    headings = ["strategy", plane.rows.name, *map(plane.columns.label, plane.columns.values)]
    lines = [
        [found.strategy, row, *(signed(found.squares.get((row, column)), metric) for column in plane.columns.values)]
        for found in effect_maps(comparison, plane, metric)
        for row in plane.rows.values
    ]
    return SweptTable(f"{plane.title}: {difference_in(comparison, metric)}, {over(plane)}", 2, headings, lines)


def signed(square: Square | None, metric: str) -> str:
    """`+7.2 ▲`."""
    return "-" if square is None else f"{interval(square.difference, None, None, metric)} {SIGNS[square.verdict]}"


def difference_in(comparison: Comparison, metric: str) -> str:
    return f"difference in {METRICS[metric].short} from {comparison.baseline}"


def over(plane: Plane) -> str:
    """`learning_rate by steps`."""
    return " by ".join(axis.name for axis in (plane.rows, plane.columns))


def about_crossings() -> str:
    return (
        "crosses zero at: steps, on the line through the mean differences over the logarithm of steps; of the first "
        "crossing the 95 % percentile interval, and in brackets the share that cross, over "
        f"{RESAMPLES:,} bootstrap resamples of the seeds."
    )


def about_signs(metric: str) -> str:
    """What the signs of a map mean."""
    ways = ("higher", "lower") if METRICS[metric].better == "neither" else ("better", "worse")
    return (
        f"▲ {ways[0]}, ▼ {ways[1]}, · undecided: by the paired t-interval over seeds (95 %), Holm-corrected over the "
        "squares of one strategy's map."
    )
