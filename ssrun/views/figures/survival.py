"""The figure of times to a score: the share of runs that have not reached it yet, strategy by strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssrun.analysis.document import Comparison, Row
from ssrun.analysis.survival import Time, kaplan_meier, median
from ssrun.errors import UsageError
from ssrun.views.figures.canvas import GREY, Canvas, Picture
from ssrun.views.tables.arrivals import score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRIC = "steps_to_reach"


def times_of(comparison: Comparison, row: Row) -> list[Time]:
    """How many steps each complete run of a row took to the score."""
    return [
        Time(run.metrics[METRIC], run.reached)
        for run in comparison.runs
        if (run.task, run.strategy) == (row.task, row.strategy) and run.reached is not None and METRIC in run.metrics
    ]


def survival(canvas: Canvas) -> Picture:
    """The share of runs that have not reached the score yet.

    Raises:
        UsageError: There is none to reach.
    """
    comparison = canvas.comparison
    tasks = {
        task: found
        for task, rows in comparison.by_task()
        if (found := {row.strategy: times for row in rows if (times := times_of(comparison, row))})
    }
    if comparison.reach is None or not tasks:
        raise UsageError("no run has a score to reach: give the experiment one: [reach] metric, value")
    figure, axes = canvas.panels(
        {task: [""] for task in tasks}, 2.1, narrowest=2.4, scales={"": "not there yet"}, below="step"
    )
    canvas.legend(figure)
    for groups, (axis,) in zip(tasks.values(), axes, strict=True):
        axis.axhline(0.5, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)))
        for strategy, times in groups.items():
            draw(canvas, axis, strategy, times)
        axis.set_xlim(left=0)
        axis.set_ylim(-0.06, 1.06)
        axis.yaxis.set_major_formatter("{x:.0%}")
    return canvas.picture(
        "survival",
        f"When the runs reach {score(comparison.reach)}",
        "Share of runs that have not been there on the validation set (Kaplan-Meier), with its 95 % log-log band. "
        "A marker is the median; a cross is where runs ended without it, which may have come later.",
        figure,
    )


def draw(canvas: Canvas, axis: Axes, strategy: str, times: list[Time]) -> None:
    """A strategy's step curve with its band, its median, and the runs that were censored."""
    curve = kaplan_meier(times)
    colour, dash, marker = canvas.styles[strategy]
    end = max(time.value for time in times)
    x, share, low, high = (
        [*values, last] for values, last in zip(curve, (end, *(c[-1] for c in curve[1:])), strict=True)
    )
    axis.step(x, share, where="post", color=colour, linestyle=dash)
    axis.fill_between(x, low, high, step="post", color=colour, alpha=0.08, linewidth=0)
    censored = sorted({time.value for time in times if not time.reached})
    left = [
        next(s for t, s in reversed(list(zip(curve.times, curve.share, strict=True))) if t <= at) for at in censored
    ]
    axis.plot(censored, left, "+", color=colour, markersize=7, markeredgewidth=1.3)
    if (middle := median(times)) is not None:
        axis.plot([middle], [0.5], marker=marker, color=colour, markeredgecolor="white", markersize=6)
