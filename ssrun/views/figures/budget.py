"""The figure of budgets: the difference from the baseline against steps, and against equal compute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ssrun.analysis.budget import WALK, BudgetCurve, Point, budget_curves
from ssrun.analysis.sweeps import budgets
from ssrun.errors import UsageError
from ssrun.metrics import METRICS
from ssrun.views.figures.canvas import GREY, Canvas, Picture, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS, COMPUTE = "at equal steps", "at equal compute"
BELOW = {STEPS: "steps", COMPUTE: "compute, in teacher-forced steps"}
ROOM = 0.06  # of the budgets' range, before and after it
CLOSE = 0.014  # of it: how far apart the seeds' dots of two strategies stand
LABELS = 0.7  # inches beside a panel
DIGIT = 0.08  # inches of a digit of the horizontal axis, with what must be free beside it
LANE = 2.4  # points between the crossings' intervals of two strategies


def budget(canvas: Canvas) -> Picture:
    """How the differences from the baseline change with the budget.

    Raises:
        UsageError: No task is there at several budgets, or nothing differs from the baseline by a number.
    """
    comparison = canvas.comparison
    series = budgets(comparison)
    if not series:
        raise UsageError("no task is there at several budgets: give some, such as budgets = [500, 1000, 2000]")
    metrics = canvas.metrics or comparison.columns[:1]
    several = len(metrics) > 1
    found: dict[str, tuple[str, list[int], list[BudgetCurve]]] = {}
    for metric in metrics:
        for one in series:
            if curves := budget_curves(comparison, one, metric):
                name = f"{one.title}: {METRICS[metric].short}" if several else one.title
                found[name] = (metric, [*one.tasks], curves)
    if not found:
        raise UsageError(f"nothing to compare with {comparison.baseline}")
    rows = {name: [STEPS, COMPUTE] for name in found}
    figure, axes = canvas.panels(rows, 2.5, narrowest=2.6, scales=dict.fromkeys(BELOW, "difference"))
    canvas.legend(figure, without=comparison.baseline)
    for (metric, steps, curves), panels in zip(found.values(), axes, strict=True):
        across = 1 if panels[1].get_ylabel() else 2  # below each other, or side by side
        for heading, axis in zip(BELOW, panels, strict=True):
            axis.axhline(0, color=GREY, linewidth=0.8)
            if axis.get_ylabel():
                axis.set_ylabel(f"difference in {METRICS[metric].short}")
            for lane, curve in enumerate(curves):
                points = curve.at_equal_steps if heading == STEPS else curve.at_equal_compute
                aside = CLOSE * (lane - (len(curves) - 1) / 2)
                draw_points(canvas, axis, curve.strategy, points, (steps[-1] / steps[0]) ** aside)
            log_axis(axis, steps, canvas.width / across - LABELS)
            axis.set_xlabel(BELOW[heading])
        for lane, curve in enumerate(curve for curve in curves if curve.crossing.at):
            draw_crossing(canvas, figure, panels[0], curve, lane)
    words = {"higher": "above zero is better", "lower": "below zero is better"}
    better = dict.fromkeys(words.get(METRICS[metric].better, "") for metric in metrics)
    which = f"; {better.popitem()[0]}" if len(better) == 1 and any(better) else ""
    return canvas.picture(
        "budget",
        f"What the budget does to the difference from {drawable(comparison.baseline, 40)}",
        f"Mean difference over pairs (dots) with its 95 % t-interval (band){which}. Ring: where the mean crosses "
        "zero; bar: the first crossing's 95 % interval, of a bootstrap over seeds. Compute: 1 a step, "
        f"{1 + WALK:g} where the model must walk through its own output to be fed; the baseline is interpolated to the "
        "same compute, and what lies beyond its budgets is left out.",
        figure,
        metrics,
    )


def draw_points(canvas: Canvas, axis: Axes, strategy: str, points: Sequence[Point], factor: float) -> None:
    """A strategy's line with its band, a bar where there is one point; and the seeds' dots beside it, by a factor."""
    if not points:
        return
    colour, dash, marker = canvas.styles[strategy]
    x = [point.x for point in points]
    axis.plot(x, [point.mean for point in points], color=colour, linestyle=dash, marker=marker, zorder=3)
    lows, highs = (
        [point.mean if end is None else end for point, end in zip(points, ends, strict=True)]
        for ends in ([point.low for point in points], [point.high for point in points])
    )
    if len(points) > 1:
        axis.fill_between(x, lows, highs, color=colour, alpha=0.12, linewidth=0)
    else:
        axis.vlines(x, lows, highs, color=colour, linewidth=1.2, alpha=0.7)
    for point in points:
        values = [*point.seeds.values()]
        if len(values) > 1:
            look: dict[str, Any] = {"markersize": 2.2, "markeredgewidth": 0, "color": colour, "alpha": 0.5}
            axis.plot([point.x * factor] * len(values), values, "o", **look)


def draw_crossing(canvas: Canvas, figure: Figure, axis: Axes, curve: BudgetCurve, lane: int) -> None:
    """Rings on the zero line; there or below it, in a lane of the strategy's own, the interval of the first."""
    from matplotlib.transforms import ScaledTranslation

    colour, _, _ = canvas.styles[curve.strategy]
    low, high = curve.crossing.low, curve.crossing.high
    if low is not None and high is not None:
        lower = axis.transData + ScaledTranslation(0, -lane * LANE / 72, figure.dpi_scale_trans)
        axis.plot([low, high], [0, 0], color=colour, linewidth=2, solid_capstyle="butt", transform=lower, zorder=4)
    look: dict[str, Any] = {"markersize": 5.5, "markerfacecolor": "white", "markeredgewidth": 1.4, "zorder": 5}
    axis.plot(curve.crossing.at, [0] * len(curve.crossing.at), "o", color=colour, **look)


def log_axis(axis: Axes, steps: Sequence[int], width: float) -> None:
    """A horizontal axis of a logarithmic scale, a tick a budget, as many of them labelled as have room."""
    axis.set_xscale("log")
    axis.minorticks_off()
    ratio = (steps[-1] / steps[0]) ** ROOM
    axis.set_xlim(steps[0] / ratio, steps[-1] * ratio)
    room = DIGIT * max(len(f"{step:,}") for step in steps) / width * math.log(steps[-1] / steps[0])
    labels, last = [], 0.0
    for step in steps:
        fits = not last or math.log(step / last) >= room
        last = step if fits else last
        labels.append(f"{step:,}" if fits else "")
    axis.set_xticks(steps, labels)
