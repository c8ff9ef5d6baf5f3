"""The figures that look into the runs of a comparison: over training, by position, after an error, attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ssrun.analysis import evidence
from ssrun.analysis.evidence import Run, Runs
from ssrun.views.figures.canvas import FAINT, GREY, WIDTH, Canvas, Picture, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ssrun.analysis.explanation import AttentionMap

LONGEST = 24  # tokens of an attention map's side
TOKEN = 9  # characters of a token on it


def tasks_of(runs: Runs) -> list[str]:
    return list(dict.fromkeys(task for task, _ in runs))


def by_strategy(runs: Runs, task: str) -> dict[str, list[Run]]:
    return {strategy: group for (name, strategy), group in runs.items() if name == task}


def learning(canvas: Canvas, runs: Runs) -> Picture:
    losses = {"teacher_forced_loss": "fed the true tokens", "free_running_loss": "fed its own tokens"}
    figure, axes = canvas.panels(tasks_of(runs), [list(losses.values())], 2.0)
    canvas.legend(figure)
    for task, panels in zip(tasks_of(runs), axes, strict=True):
        for metric, axis in zip(losses, panels, strict=True):
            for strategy, group in by_strategy(runs, task).items():
                canvas.line(axis, strategy, evidence.over_training(group, metric))
            axis.locator_params(axis="x", integer=True)
        low, high = panels[0].get_ylim()
        panels[0].set_ylim(max(low, 0), high)
        panels[0].set_ylabel("nats per position")
    canvas.label_below(axes, "step")
    return canvas.picture(
        "learning",
        "Both losses over training: the same model, fed true tokens and its own",
        "Validation loss in nats per position, one scale in a row: mean over seeds, band from the lowest seed to the "
        "highest.",
        figure,
    )


def schedules(canvas: Canvas, runs: Runs) -> Picture:
    figure, axes = canvas.panels(tasks_of(runs), [["ε of the schedule", "ε realised", "replaced"]], 1.6)
    canvas.legend(figure)
    for task, panels in zip(tasks_of(runs), axes, strict=True):
        for strategy, group in by_strategy(runs, task).items():
            canvas.line(panels[0], strategy, evidence.scheduled(group[0]))
            for metric, axis in zip(("realised_epsilon", "replaced"), panels[1:], strict=True):
                canvas.line(axis, strategy, evidence.over_training(group, metric))
        panels[0].set_ylim(-0.04, 1.04)
        for axis in panels:
            axis.locator_params(axis="x", nbins=5, integer=True)
    canvas.label_below(axes, "step")
    return canvas.picture(
        "schedules",
        "What the decoder was fed: the plan, the coins, and what really differed",
        "ε is the probability of feeding the true token; realised, the share of coins that said true; replaced, the "
        "share of fed tokens unlike the true ones: where the model is right, sampling is teacher forcing again.",
        figure,
    )


def positions(canvas: Canvas, runs: Runs) -> Picture:
    strategies = list(dict.fromkeys(strategy for _, strategy in runs))
    figure, axes = canvas.panels(tasks_of(runs), [strategies], 1.6, width=max(WIDTH, 0.7 + 1.15 * len(strategies)))
    for task, panels in zip(tasks_of(runs), axes, strict=True):
        highest = 1.0
        for strategy, axis in zip(strategies, panels, strict=True):
            if group := by_strategy(runs, task).get(strategy):
                colour = canvas.styles[strategy].colour
                x, teacher_forced, *_ = evidence.by_position(group, "next_step")
                free_running = evidence.by_position(group, "decoding").mean
                axis.fill_between(x, teacher_forced, free_running, color=colour, alpha=0.22, linewidth=0)
                axis.plot(x, teacher_forced, color=colour, linestyle=(0, (1, 1)), linewidth=1.1)
                axis.plot(x, free_running, color=colour)
                axis.locator_params(axis="x", nbins=4, integer=True)
                highest = max(highest, *teacher_forced, *free_running)
        panels[0].set_ylim(0, 1.05 * highest)
        panels[0].set_ylabel("% wrong")
    canvas.label_below(axes, "position")
    return canvas.picture(
        "positions",
        "Errors by position: the fan opens where errors accumulate",
        "% of wrong tokens at each target position, fed the true tokens (dotted) and its own (solid); the shade "
        "between is what the model's own errors cost. Mean over seeds; positions that few targets reach are left out.",
        figure,
    )


def recovery(canvas: Canvas, runs: Runs) -> Picture:
    """What one injected error does to what comes after.

    Raises:
        UsageError: A task's test set is not at hand.
    """
    recoveries = evidence.recoveries(runs)
    fields: dict[Literal["excess", "recovered"], str] = {
        "excess": "errors added (percentage points)",
        "recovered": "pairs back on track (%)",
    }
    figure, axes = canvas.panels(tasks_of(runs), [list(fields.values())], 1.8, share="none")
    canvas.legend(figure)
    for task, panels in zip(tasks_of(runs), axes, strict=True):
        for field, axis in zip(fields, panels, strict=True):
            for strategy in by_strategy(runs, task):
                canvas.line(axis, strategy, evidence.after_error(recoveries[task, strategy], field))
            axis.locator_params(axis="x", integer=True)
        panels[0].axhline(0, color=GREY, linewidth=0.8)
        panels[1].set_ylim(-4, 104)
    canvas.label_below(axes, "positions after the error")
    return canvas.picture(
        "recovery",
        "After one injected error: how far it spreads, and how soon it is over",
        f"A wrong token in the middle of the true prefix, then the model's own tokens; first {evidence.PAIRS} test "
        "pairs. Mean over seeds, band from the lowest seed to the highest.",
        figure,
    )


def attention(canvas: Canvas, runs: Runs) -> Picture | None:
    """Where two strategies' models look on one example of each task; None where no model has dot attention."""
    rows: dict[str, list[tuple[str, AttentionMap]]] = {}  # strategies and their maps, by the row's title
    for task in tasks_of(runs):
        candidates = evidence.runs_of_one_seed(runs, task)
        for contrast in evidence.contrasts(candidates, 1):
            maps = [
                (run.name.strategy, seen)
                for run in two_ends(candidates, canvas.comparison.baseline)
                if (seen := evidence.attention(run, contrast.example))
            ]
            if maps:
                rows[f"{task}, test example {contrast.test_index}, seed {contrast.seed}"] = maps
    if not rows:
        return None
    width = max(map(len, rows.values()))
    headings = [[strategy for strategy, _ in maps] + [""] * (width - len(maps)) for maps in rows.values()]
    figure, axes = canvas.panels(list(rows), headings, 3.1, share="none")
    for maps, panels in zip(rows.values(), axes, strict=True):
        for (strategy, seen), axis in zip(maps, panels, strict=False):
            draw_attention(axis, seen, canvas.styles[strategy].colour)
        for axis in panels[len(maps) :]:
            axis.set_visible(False)
    return canvas.picture(
        "attention",
        "Where the decoder looks while it says its own output",
        "One run each. One column a source token, one line an output token; a square's area is its attention weight.",
        figure,
    )


def two_ends(runs: Sequence[Run], baseline: str) -> list[Run]:
    """Of the runs of one task and seed the baseline's, or else the first, and the last of another strategy."""
    first = next((run for run in runs if run.name.strategy == baseline), runs[0])
    return [first, *[run for run in runs if run.name.strategy != first.name.strategy][-1:]]


def draw_attention(axis: Axes, seen: AttentionMap, colour: str) -> None:
    """Squares whose areas are the weights."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    source, output = seen.source[:LONGEST], seen.output[:LONGEST]
    squares = []
    for y, weights in enumerate(seen.weights[:LONGEST]):
        for x, weight in enumerate(weights[:LONGEST]):
            if weight >= 0.01:  # too small to be seen
                side = 0.9 * weight**0.5
                squares.append(Rectangle((x - side / 2, y - side / 2), side, side))
    axis.add_collection(PatchCollection(squares, facecolor=colour, linewidth=0))
    axis.set_xlim(-0.6, len(source) - 0.4)
    axis.set_ylim(len(output) - 0.4, -0.6)
    axis.set_xticks(range(len(source)), [drawable(token, TOKEN) for token in source], rotation=90)
    axis.set_yticks(range(len(output)), [drawable(token, TOKEN) for token in output])
    axis.set_aspect("equal")
    axis.tick_params(length=0)
    axis.grid(color=FAINT, linewidth=0.4)
