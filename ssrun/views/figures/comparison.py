"""The figures that a comparison's document alone gives: the finding at a glance, paired differences, the gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssrun.metrics import METRICS
from ssrun.views.figures.canvas import GREY, Drawn, Easel, clean
from ssrun.views.tables.cells import Document, Row, by_task, columns

QUALITY = ("validity", "bracket_f1", "bleu")


def rows_with(document: Document, *metrics: str) -> list[tuple[str, list[Row]]]:
    """The rows of each task that have these metrics; no task without one."""
    tasks = [(task, [row for row in rows if all(metric in row for metric in metrics)])
             for task, rows in by_task(document)]  # fmt: skip
    return [(task, rows) for task, rows in tasks if rows]


def primary(document: Document, rows: Sequence[Row]) -> str:
    """The metric that tells a task's quality: what the task itself accepts where it can tell, else the first shown."""
    there = [metric for metric in columns(document) if any(metric in row for row in rows)]
    return next((metric for metric in (*QUALITY, *there) if metric in there), "free_running_loss")


def limits(metric: str) -> tuple[float | None, float | None]:
    """The least and the most that a metric can be."""
    return {"0-100": (0, 100), "%": (0, 100), "0-1": (0, 1)}.get(METRICS[metric].unit, (0, None))


def clipped(cell: dict[str, Any], metric: str) -> tuple[float | None, float | None]:
    """An interval within what the metric can be."""
    least, most = limits(metric)
    low, high = cell["low"], cell["high"]
    if low is None or metric == "exposure_gap":
        return low, high
    return max(low, least or 0), high if most is None else min(high, most)


def finding(easel: Easel) -> Drawn:
    """Quality and both losses of every strategy, at a glance."""
    tasks = rows_with(easel.document, "free_running_loss", "teacher_forced_loss")
    drawn, axes = easel.sheet(
        "finding",
        "What each strategy buys, and what it costs",
        "Left, quality of the outputs. Right, loss in nats per position when fed the true tokens (hollow) and its own "
        "(filled): the line between them is the exposure gap. Means with 95 % t-intervals over seeds.",
        rows=[task for task, _ in tasks],
        headings=["quality: to the right is better", "loss: to the left is better"],
        height=0.14 + 0.17 * len(easel.strategies),
        left=0.3 + 0.066 * min(24, max(map(len, easel.strategies))),
        across=0.3,
        below=0.42,
        legend=False,
    )
    for (_, rows), (quality, loss) in zip(tasks, axes, strict=True):
        metric = primary(easel.document, rows)
        names = [row["strategy"] for row in rows]
        for place, row in enumerate(rows):
            if metric in row:
                easel.dot(quality, place, names[place], row[metric]["mean"], *clipped(row[metric], metric))
            free, forced = row["free_running_loss"], row["teacher_forced_loss"]
            look = easel.looks[names[place]]
            loss.plot([forced["mean"], free["mean"]], [place, place], color=look.colour, linewidth=0.8)
            easel.dot(loss, place, names[place], free["mean"], *clipped(free, "free_running_loss"))
            loss.plot([forced["mean"]], [place], color=look.colour, marker=look.marker, markerfacecolor="white",
                      markersize=4.5)  # fmt: skip
        easel.named(quality, names, labels=True)
        easel.named(loss, names, labels=False)
        quality.set_xlabel(f"{METRICS[metric].short.removesuffix(' %')} ({METRICS[metric].unit})", labelpad=1)
    axes[-1][1].set_xlabel("nats per position")
    return drawn


def forest(easel: Easel) -> Drawn:
    """The paired differences from the baseline, with their intervals."""
    document = easel.document
    metrics = [m for m in columns(document) if any("difference" in row.get(m, {}) for row in document["rows"])][:4]
    tasks = [(task, [row for row in rows if any("difference" in row.get(m, {}) for m in metrics)])
             for task, rows in by_task(document)]  # fmt: skip
    tasks = [(task, rows) for task, rows in tasks if rows]
    drawn, axes = easel.sheet(
        "differences",
        f"How each strategy differs from {clean(document['baseline'], 40)}, paired by seed",
        "Mean difference with its 95 % t-interval over pairs; one that crosses the line may be luck.",
        rows=[task for task, _ in tasks],
        headings=[METRICS[metric].short for metric in metrics],
        height=0.14 + 0.17 * max(len(rows) for _, rows in tasks),
        left=0.3 + 0.066 * min(24, max(map(len, easel.strategies))),
        across=0.15,
        legend=False,
    )
    for (_, rows), line in zip(tasks, axes, strict=True):
        for number, (metric, axis) in enumerate(zip(metrics, line, strict=True)):
            axis.axvline(0, color=GREY, linewidth=0.8)
            for place, row in enumerate(rows):
                cell = row.get(metric, {})
                if "difference" in cell:
                    easel.dot(axis, place, row["strategy"], cell["difference"], cell["difference_low"],
                              cell["difference_high"])  # fmt: skip
            easel.named(axis, [row["strategy"] for row in rows], labels=number == 0)
            axis.locator_params(axis="x", nbins=4)
            if line is axes[-1]:
                axis.set_xlabel({"higher": "more is better", "lower": "less is better"}.get(METRICS[metric].better, ""))
    return drawn


def gap(easel: Easel) -> Drawn:
    """The exposure gap of every strategy, by task."""
    tasks = rows_with(easel.document, "exposure_gap")
    drawn, axes = easel.sheet(
        "gap",
        "Exposure gap: how much worse a model does on its own words than on true ones",
        "Free-running minus teacher-forced loss, nats per position. Means with 95 % t-intervals over seeds.",
        rows=[task for task, _ in tasks],
        headings=[""],
        height=0.14 + 0.17 * len(easel.strategies),
        left=0.3 + 0.066 * min(24, max(map(len, easel.strategies))),
        legend=False,
    )
    for (_, rows), (axis,) in zip(tasks, axes, strict=True):
        axis.axvline(0, color=GREY, linewidth=0.8)
        for place, row in enumerate(rows):
            cell = row["exposure_gap"]
            easel.dot(axis, place, row["strategy"], cell["mean"], cell["low"], cell["high"])
        easel.named(axis, [row["strategy"] for row in rows], labels=True)
    axes[-1][0].set_xlabel("nats per position")
    return drawn
