"""The figures that a comparison's document alone gives: the finding at a glance, means, paired differences, the gap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ssrun.analysis.document import Comparison, Row
from ssrun.analysis.pairing import differences_of, values_of
from ssrun.errors import UsageError
from ssrun.metrics import METRICS
from ssrun.views.figures.canvas import GREY, Canvas, Picture, drawable
from ssrun.views.tables.cells import has_difference, possible_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUALITY = ("validity", "bracket_f1", "bleu")
BETTER = {"higher": "quality: to the right is better", "lower": "errors: to the left is better", "neither": "quality"}
LOSS = "loss: to the left is better"
SHOWN = 4  # metrics whose differences stand side by side
APART = 0.2  # of a row: each of the two losses from its middle
MARGIN = 1.0  # inches that the names of the strategies take


def rows_where(comparison: Comparison, wanted: Callable[[Row], bool]) -> dict[str, list[Row]]:
    """The rows of each task that are wanted; no task without one."""
    tasks = {task: list(filter(wanted, rows)) for task, rows in comparison.by_task()}
    return {task: rows for task, rows in tasks.items() if rows}


def rows_with(comparison: Comparison, *metrics: str) -> dict[str, list[Row]]:
    return rows_where(comparison, lambda row: all(metric in row.estimates for metric in metrics))


def quality_of(comparison: Comparison, rows: Sequence[Row]) -> str:
    """The metric that tells a task's quality: what the task itself accepts where it can tell, else the first shown."""
    shown = [metric for metric in comparison.columns if any(metric in row.estimates for row in rows)]
    better = [metric for metric in shown if METRICS[metric].better == "higher"]
    return next((metric for metric in (*QUALITY, *better, *shown) if metric in shown), "free_running_loss")


def list_height(rows: int) -> float:
    """Inches of a panel that lists so many strategies."""
    return 0.62 + 0.22 * rows


def heading_of(metric: str) -> str:
    """`BLEU (0-100)`."""
    short, unit = METRICS[metric].short.removesuffix(" %"), METRICS[metric].unit
    return f"{short} ({unit})"


def same_start(axes: Sequence[Axes], end: bool = False) -> None:
    """Makes horizontal axes begin, and where asked end, at the same value."""
    ends = [axis.dataLim.intervalx for axis in axes]
    low, farthest = min(low for low, _ in ends), max(high for _, high in ends)
    highs = [farthest if end else high for _, high in ends]
    room = 0.04 * min(high - low for high in highs) or 0.5
    for axis, high in zip(axes, highs, strict=True):
        axis.set_xlim(low - room, high + max(room, 0.04 * (high - low)))


def finding(canvas: Canvas) -> Picture:
    comparison = canvas.comparison
    tasks = rows_with(comparison, "free_running_loss", "teacher_forced_loss")
    metrics = {task: quality_of(comparison, rows) for task, rows in tasks.items()}
    headings = {task: [BETTER[METRICS[metric].better], LOSS] for task, metric in metrics.items()}
    figure, axes = canvas.panels(
        headings,
        list_height(len(canvas.styles)) + 0.06 * len(canvas.styles) + 0.1,
        narrowest=2.0,
        scales=dict.fromkeys([*BETTER.values(), LOSS], ""),
        margin=MARGIN,
    )
    by_metric: dict[str, list[Axes]] = {}
    for (task, rows), (quality, loss) in zip(tasks.items(), axes, strict=True):
        metric = metrics[task]
        by_metric.setdefault(metric, []).append(quality)
        for index, row in enumerate(rows):
            if estimate := row.estimates.get(metric):
                seeds = values_of(comparison, row.task, row.strategy, metric).values()
                ends = possible_interval(estimate, metric)
                canvas.dot(quality, index, row.strategy, estimate.mean, *ends, seeds)
            sides = {name: row.estimates[name] for name in ("teacher_forced_loss", "free_running_loss")}
            forced, free = (estimate.mean for estimate in sides.values())
            box: dict[str, Any] = {"color": canvas.styles[row.strategy].colour, "alpha": 0.18, "linewidth": 0}
            loss.barh([index], [free - forced], 2 * APART, left=[forced], **box)
            for (name, estimate), place in zip(sides.items(), (index - APART, index + APART), strict=True):
                seeds = values_of(comparison, row.task, row.strategy, name).values()
                ends = possible_interval(estimate, name)
                canvas.dot(loss, place, row.strategy, estimate.mean, *ends, seeds, hollow=name == "teacher_forced_loss")
        canvas.list_strategies([quality, loss], rows)
        quality.set_xlabel(heading_of(metric), labelpad=1)
        loss.set_xlabel("nats per position", labelpad=1)
    for panels in by_metric.values():
        same_start(panels, end=True)
    same_start([loss for _, loss in axes])
    return canvas.picture(
        "finding",
        "What each strategy buys, and what it costs",
        "Quality of the outputs; and loss in nats per position when fed the true tokens (hollow) and its own "
        "(filled): the shaded box between them is the exposure gap. Means with 95 % t-intervals (lines) over seeds "
        "(dots).",
        figure,
        list(by_metric),
    )


def means(canvas: Canvas) -> Picture:
    comparison = canvas.comparison
    metrics = canvas.metrics or comparison.columns
    tasks = {
        task: [metric for metric in metrics if any(metric in row.estimates for row in rows)]
        for task, rows in rows_where(comparison, lambda row: any(metric in row.estimates for metric in metrics)).items()
    }
    headings = {heading_of(metric): metric for metric in metrics}
    figure, axes = canvas.panels(
        {task: list(map(heading_of, shown)) for task, shown in tasks.items()},
        list_height(len(canvas.styles)),
        narrowest=1.3,
        scales=dict.fromkeys(headings, ""),
        margin=MARGIN,
    )
    by_metric: dict[str, list[Axes]] = {}
    for (task, shown), panels in zip(tasks.items(), axes, strict=True):
        rows = [row for row in comparison.rows if row.task == task]
        canvas.list_strategies(panels, rows)
        for metric, axis in zip(shown, panels, strict=True):
            by_metric.setdefault(metric, []).append(axis)
            for index, row in enumerate(rows):
                if estimate := row.estimates.get(metric):
                    seeds = values_of(comparison, row.task, row.strategy, metric).values()
                    canvas.dot(axis, index, row.strategy, estimate.mean, *possible_interval(estimate, metric), seeds)
            axis.locator_params(axis="x", nbins=3)
    for metric, panels in by_metric.items():
        if METRICS[metric].most < math.inf:
            same_start(panels, end=True)
    return canvas.picture(
        "means",
        "Every strategy, metric by metric",
        "Means with 95 % t-intervals (lines) over seeds (dots).",
        figure,
        metrics,
    )


def differences(canvas: Canvas) -> Picture:
    """How strategies differ from the baseline.

    Raises:
        UsageError: None differs from it by a number.
    """
    comparison = canvas.comparison
    metrics = [metric for metric in canvas.metrics or comparison.columns if has_difference(comparison.rows, [metric])]
    metrics = metrics if canvas.metrics else metrics[:SHOWN]
    if not metrics:
        raise UsageError(f"nothing to compare with {comparison.baseline}")
    tasks = rows_where(comparison, lambda row: has_difference([row], metrics))
    headings = [METRICS[metric].short for metric in metrics]
    figure, axes = canvas.panels(
        dict.fromkeys(tasks, headings),
        list_height(max(map(len, tasks.values()))),
        narrowest=1.2,
        scales=dict.fromkeys(headings, ""),
        margin=MARGIN,
    )
    for rows, panels in zip(tasks.values(), axes, strict=True):
        canvas.list_strategies(panels, rows)
        for metric, axis in zip(metrics, panels, strict=True):
            axis.axvline(0, color=GREY, linewidth=0.8)
            for index, row in enumerate(rows):
                found = row.estimates.get(metric)
                if found and found.difference is not None:
                    ends = (found.difference_low, found.difference_high)
                    seeds = differences_of(comparison, row.task, row.strategy, metric).values()
                    canvas.dot(axis, index, row.strategy, found.difference, *ends, seeds)
            axis.locator_params(axis="x", nbins=3)
    for metric, axis in zip(metrics, axes[-1], strict=True):
        axis.set_xlabel({"higher": "more is better", "lower": "less is better"}.get(METRICS[metric].better, ""))
    return canvas.picture(
        "differences",
        f"How each strategy differs from {drawable(comparison.baseline, 40)}, paired by seed",
        "Mean difference with its 95 % t-interval (line) over pairs (dots); one that crosses the line may be luck.",
        figure,
        metrics,
    )


def gap(canvas: Canvas) -> Picture:
    comparison = canvas.comparison
    tasks = rows_with(comparison, "exposure_gap")
    figure, axes = canvas.panels(
        {task: [""] for task in tasks},
        list_height(len(canvas.styles)),
        narrowest=1.5,
        scales={"": ""},
        below="nats per position",
        margin=MARGIN,
    )
    for rows, (axis,) in zip(tasks.values(), axes, strict=True):
        axis.axvline(0, color=GREY, linewidth=0.8)
        for index, row in enumerate(rows):
            estimate = row.estimates["exposure_gap"]
            seeds = values_of(comparison, row.task, row.strategy, "exposure_gap").values()
            canvas.dot(axis, index, row.strategy, estimate.mean, estimate.low, estimate.high, seeds)
        canvas.list_strategies([axis], rows)
    return canvas.picture(
        "gap",
        "Exposure gap: how much worse a model does on its own words than on true ones",
        "Free-running minus teacher-forced loss, nats per position. Means with 95 % t-intervals (lines) over seeds "
        "(dots).",
        figure,
    )
