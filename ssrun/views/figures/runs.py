"""The figures that look into the runs of a comparison: over training, by position, after an error, attention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ssrun.analysis import evidence
from ssrun.analysis.evidence import Curve, Run, Runs
from ssrun.views.figures.canvas import FAINT, GREY, WIDTH, Canvas, Picture, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ssrun.analysis.explanation import AttentionMap

LONGEST = 24  # tokens of an attention map's side
TOKEN = 9  # characters of a token on it


def tasks_of(keys: Iterable[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(task for task, _ in keys))


def draw_curves(
    canvas: Canvas, curves: dict[tuple[str, str], list[Curve]], headings: Sequence[str], **options: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Curves by task and strategy, one a heading: a row of `panels` (its options) a task, in each a line a strategy."""
    tasks = tasks_of(curves)
    figure, axes = canvas.panels(tasks, [headings], **options)
    canvas.legend(figure)
    for (task, strategy), lines in curves.items():
        for axis, curve in zip(axes[tasks.index(task)], lines, strict=True):
            canvas.line(axis, strategy, curve)
            axis.locator_params(axis="x", integer=True)
    return figure, axes


def learning(canvas: Canvas, runs: Runs) -> Picture:
    losses = ("teacher_forced_loss", "free_running_loss")
    curves = {key: [evidence.over_training(group, loss) for loss in losses] for key, group in runs.items()}
    figure, axes = draw_curves(canvas, curves, ["fed the true tokens", "fed its own tokens"], height=2.0, below="step")
    for first, _ in axes:
        low, high = first.get_ylim()
        first.set_ylim(max(low, 0), high)
        first.set_ylabel("nats per position")
    return canvas.picture(
        "learning",
        "Both losses over training: the same model, fed true tokens and its own",
        "Validation loss in nats per position, one scale in a row: mean over seeds, band from the lowest seed to the "
        "highest.",
        figure,
    )


def schedules(canvas: Canvas, runs: Runs) -> Picture:
    metrics = ("realised_epsilon", "replaced")
    curves = {
        key: [evidence.scheduled(group[0]), *(evidence.over_training(group, metric) for metric in metrics)]
        for key, group in runs.items()
    }
    headings = ["ε of the schedule", "ε realised", "replaced"]
    figure, axes = draw_curves(canvas, curves, headings, height=1.6, below="step")
    for panels in axes:
        panels[0].set_ylim(-0.04, 1.04)
        for axis in panels:
            axis.locator_params(axis="x", nbins=5)
    return canvas.picture(
        "schedules",
        "What the decoder was fed: the plan, the coins, and what really differed",
        "ε is the probability of feeding the true token; realised, the share of coins that said true; replaced, the "
        "share of fed tokens unlike the true ones: where the model is right, sampling is teacher forcing again.",
        figure,
    )


def positions(canvas: Canvas, runs: Runs) -> Picture:
    strategies = list(dict.fromkeys(strategy for _, strategy in runs))
    width = max(WIDTH, 0.7 + 1.15 * len(strategies))
    figure, axes = canvas.panels(tasks_of(runs), [strategies], 1.6, width=width, below="position")
    for task, panels in zip(tasks_of(runs), axes, strict=True):
        highest = 1.0
        for strategy, axis in zip(strategies, panels, strict=True):
            if group := runs.get((task, strategy)):
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
    curves = {
        key: [evidence.after_error(group, "excess"), evidence.after_error(group, "recovered")]
        for key, group in evidence.recoveries(runs).items()
    }
    headings = ["errors added (percentage points)", "pairs back on track (%)"]
    figure, axes = draw_curves(canvas, curves, headings, height=1.8, share="none", below="positions after the error")
    for excess, recovered in axes:
        excess.axhline(0, color=GREY, linewidth=0.8)
        recovered.set_ylim(-4, 104)
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
