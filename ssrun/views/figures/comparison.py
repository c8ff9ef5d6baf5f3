"""The figures that a comparison's document alone gives: the finding at a glance, paired differences, the gap."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ssrun.analysis.document import Comparison, Row
from ssrun.metrics import METRICS
from ssrun.views.figures.canvas import GREY, Canvas, Picture, drawable
from ssrun.views.tables.cells import has_difference, possible_interval

QUALITY = ("validity", "bracket_f1", "bleu")
SHOWN = 4  # metrics whose differences stand side by side


def rows_where(comparison: Comparison, wanted: Callable[[Row], bool]) -> dict[str, list[Row]]:
    """The rows of each task that are wanted; no task without one."""
    tasks = {task: list(filter(wanted, rows)) for task, rows in comparison.by_task()}
    return {task: rows for task, rows in tasks.items() if rows}


def rows_with(comparison: Comparison, *metrics: str) -> dict[str, list[Row]]:
    return rows_where(comparison, lambda row: all(metric in row.estimates for metric in metrics))


def quality_of(comparison: Comparison, rows: Sequence[Row]) -> str:
    """The metric that tells a task's quality: what the task itself accepts where it can tell, else the first shown."""
    available = [metric for metric in comparison.columns if any(metric in row.estimates for row in rows)]
    return next((metric for metric in (*QUALITY, *available) if metric in available), "free_running_loss")


def list_height(rows: int) -> float:
    """Inches of a panel that lists so many strategies."""
    return 0.6 + 0.17 * rows


def finding(canvas: Canvas) -> Picture:
    tasks = rows_with(canvas.comparison, "free_running_loss", "teacher_forced_loss")
    headings = [["quality: to the right is better", "loss: to the left is better"]]
    figure, axes = canvas.panels(list(tasks), headings, list_height(len(canvas.styles)) + 0.1)
    for rows, (quality, loss) in zip(tasks.values(), axes, strict=True):
        metric = quality_of(canvas.comparison, rows)
        for index, row in enumerate(rows):
            if estimate := row.estimates.get(metric):
                canvas.dot(quality, index, row.strategy, estimate.mean, *possible_interval(estimate, metric))
            free_running = row.estimates["free_running_loss"]
            teacher_forced = row.estimates["teacher_forced_loss"].mean
            colour, _, marker = canvas.styles[row.strategy]
            loss.plot([teacher_forced, free_running.mean], [index, index], color=colour, linewidth=0.8)
            interval = possible_interval(free_running, "free_running_loss")
            canvas.dot(loss, index, row.strategy, free_running.mean, *interval)
            loss.plot([teacher_forced], [index], color=colour, marker=marker, markerfacecolor="white", markersize=4.5)
        canvas.list_strategies([quality, loss], rows)
        quality.set_xlabel(f"{METRICS[metric].short.removesuffix(' %')} ({METRICS[metric].unit})", labelpad=1)
    axes[-1][1].set_xlabel("nats per position", labelpad=1)
    return canvas.picture(
        "finding",
        "What each strategy buys, and what it costs",
        "Left, quality of the outputs. Right, loss in nats per position when fed the true tokens (hollow) and its own "
        "(filled): the line between them is the exposure gap. Means with 95 % t-intervals over seeds.",
        figure,
    )


def differences(canvas: Canvas) -> Picture:
    comparison = canvas.comparison
    metrics = [metric for metric in comparison.columns if has_difference(comparison.rows, [metric])][:SHOWN]
    tasks = rows_where(comparison, lambda row: has_difference([row], metrics))
    headings = [[METRICS[metric].short for metric in metrics]]
    figure, axes = canvas.panels(list(tasks), headings, list_height(max(map(len, tasks.values()))))
    for rows, panels in zip(tasks.values(), axes, strict=True):
        canvas.list_strategies(panels, rows)
        for metric, axis in zip(metrics, panels, strict=True):
            axis.axvline(0, color=GREY, linewidth=0.8)
            for index, row in enumerate(rows):
                found = row.estimates.get(metric)
                if found and found.difference is not None:
                    canvas.dot(axis, index, row.strategy, found.difference, found.difference_low, found.difference_high)
            axis.locator_params(axis="x", nbins=3)
    for metric, axis in zip(metrics, axes[-1], strict=True):
        axis.set_xlabel({"higher": "more is better", "lower": "less is better"}.get(METRICS[metric].better, ""))
    return canvas.picture(
        "differences",
        f"How each strategy differs from {drawable(comparison.baseline, 40)}, paired by seed",
        "Mean difference with its 95 % t-interval over pairs; one that crosses the line may be luck.",
        figure,
    )


def gap(canvas: Canvas) -> Picture:
    tasks = rows_with(canvas.comparison, "exposure_gap")
    figure, axes = canvas.panels(list(tasks), [[""]], list_height(len(canvas.styles)), below="nats per position")
    for rows, (axis,) in zip(tasks.values(), axes, strict=True):
        axis.axvline(0, color=GREY, linewidth=0.8)
        for index, row in enumerate(rows):
            estimate = row.estimates["exposure_gap"]
            canvas.dot(axis, index, row.strategy, estimate.mean, estimate.low, estimate.high)
        canvas.list_strategies([axis], rows)
    return canvas.picture(
        "gap",
        "Exposure gap: how much worse a model does on its own words than on true ones",
        "Free-running minus teacher-forced loss, nats per position. Means with 95 % t-intervals over seeds.",
        figure,
    )
