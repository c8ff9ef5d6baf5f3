"""The figures that look into the runs of a comparison: over training, by position, after an error, attention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ssrun.analysis import evidence
from ssrun.analysis.evidence import Curve, Observations, Run, runs_of_one_seed
from ssrun.errors import UsageError
from ssrun.metrics import METRICS
from ssrun.views.figures.canvas import FAINT, GREY, Canvas, Picture, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ssrun.analysis.explanation import AttentionMap

LONGEST = 24  # tokens of an attention map's side
TOKEN = 9  # characters of a token on it
LOSSES = {"teacher_forced_loss": "fed the true tokens", "free_running_loss": "fed its own tokens"}
QUALITY = ("bleu", "exact_match", "validity", "bracket_f1")
SCALES = {"nats": "nats per position"}  # of units whose name alone says too little


def tasks_of(keys: Iterable[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(task for task, _ in keys))


def draw_curves(
    canvas: Canvas, curves: dict[tuple[str, str], dict[str, Curve]], **options: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Curves by task and strategy, then by heading: a row of `panels` (its options) a task, in each a line a strategy.

    A heading without a curve in a task has no panel there.
    """
    rows: dict[str, list[str]] = {}
    for (task, _), lines in curves.items():
        there = rows.setdefault(task, [])
        there += [heading for heading, found in lines.items() if found.x and heading not in there]
    headings = list(dict.fromkeys(heading for lines in curves.values() for heading in lines))
    rows = {task: sorted(there, key=headings.index) for task, there in rows.items() if there}
    figure, axes = canvas.panels(rows, **options)
    canvas.legend(figure)
    panels = {
        task: dict(zip(there, found, strict=True)) for (task, there), found in zip(rows.items(), axes, strict=True)
    }
    for (task, strategy), lines in curves.items():
        for heading, found in lines.items():
            if found.x:
                canvas.line(panels[task][heading], strategy, found)
                panels[task][heading].locator_params(axis="x", nbins=5, integer=True)
    return figure, axes


def learning(canvas: Canvas, observations: Observations) -> Picture:
    """Metrics of the evaluations over training.

    Raises:
        UsageError: The evaluations have none of those that were asked for.
    """
    runs = observations.runs
    lines = [line for group in runs.values() for run in group for line in run.evaluations[-1:]]
    wanted = canvas.metrics or [*LOSSES, *(name for name in canvas.comparison.columns if name in QUALITY)]
    metrics = [name for name in wanted if any(line.has(name) for line in lines)]
    if not metrics:
        raise UsageError(f"no evaluation has {', '.join(wanted)}")
    headings = {metric: LOSSES.get(metric, METRICS[metric].short.removesuffix(" %")) for metric in metrics}
    curves = {
        key: {heading: evidence.over_training(group, metric) for metric, heading in headings.items()}
        for key, group in runs.items()
    }
    scales = {headings[metric]: SCALES.get(METRICS[metric].unit, METRICS[metric].unit) for metric in metrics}
    figure, axes = draw_curves(canvas, curves, height=1.9, narrowest=1.5, scales=scales, below="step")
    for panels in axes:
        for axis in panels:
            low, high = axis.get_ylim()
            axis.set_ylim(max(low, 0) if low > -0.1 * high else low, high)
    return canvas.picture(
        "learning",
        "Over training: the losses and the quality of the outputs",
        "On the validation set, at every evaluation; losses in nats per position, one scale in a row. Mean over "
        "seeds, band from the lowest seed to the highest.",
        figure,
        metrics,
    )


def schedules(canvas: Canvas, observations: Observations) -> Picture:
    headings = {"ε realised": "realised_epsilon", "replaced": "replaced"}
    curves = {
        key: {
            "ε of the schedule": evidence.scheduled(group[0]),
            **{heading: evidence.over_training(group, metric) for heading, metric in headings.items()},
        }
        for key, group in observations.runs.items()
    }
    scales = dict.fromkeys(["ε of the schedule", *headings], "")
    figure, axes = draw_curves(canvas, curves, height=1.6, narrowest=1.9, scales=scales, below="step")
    for panels in axes:
        panels[0].set_ylim(-0.04, 1.04)
    return canvas.picture(
        "schedules",
        "What the decoder was fed: the plan, the coins, and what really differed",
        "ε is the probability of feeding the true token; realised, the share of coins that said true; replaced, the "
        "share of fed tokens unlike the true ones: where the model is right, sampling is teacher forcing again.",
        figure,
    )


def positions(canvas: Canvas, observations: Observations) -> Picture:
    runs = observations.runs
    rows = {task: [strategy for of_task, strategy in runs if of_task == task] for task in tasks_of(runs)}
    scales = {strategy: "% wrong" for _, strategy in runs}
    figure, axes = canvas.panels(rows, 1.6, narrowest=1.05, scales=scales, below="position")
    for (task, strategies), panels in zip(rows.items(), axes, strict=True):
        highest = 1.0
        for strategy, axis in zip(strategies, panels, strict=True):
            colour = canvas.styles[strategy].colour
            x, teacher_forced, *_ = evidence.by_position(runs[task, strategy], "next_step")
            free_running = evidence.by_position(runs[task, strategy], "decoding").mean
            axis.fill_between(x, teacher_forced, free_running, color=colour, alpha=0.22, linewidth=0)
            axis.plot(x, teacher_forced, color=colour, linestyle=(0, (1, 1)), linewidth=1.1)
            axis.plot(x, free_running, color=colour)
            axis.locator_params(axis="x", nbins=4, integer=True)
            highest = max(highest, *teacher_forced, *free_running)
        panels[0].set_ylim(0, 1.05 * highest)
    return canvas.picture(
        "positions",
        "Errors by position: the fan opens where errors accumulate",
        "% of wrong tokens at each target position, fed the true tokens (dotted) and its own (solid); the shade "
        "between is what the model's own errors cost. Mean over seeds; positions that few targets reach are left out.",
        figure,
    )


def recovery(canvas: Canvas, observations: Observations) -> Picture:
    """What one injected error does to what comes after.

    Raises:
        UsageError: A task's test set is not at hand.
    """
    scales = {"errors added": "percentage points", "pairs back on track": "%"}
    curves = {
        key: {
            "errors added": evidence.after_error(group, "excess"),
            "pairs back on track": evidence.after_error(group, "recovered"),
        }
        for key, group in observations.recoveries.items()
    }
    below = "positions after the error"
    figure, axes = draw_curves(canvas, curves, height=1.8, narrowest=2.4, scales=scales, below=below)
    for excess, recovered in axes:
        excess.axhline(0, color=GREY, linewidth=0.8)
        recovered.set_ylim(-4, 104)
    return canvas.picture(
        "recovery",
        "After one injected error: how far it spreads, and how soon it is over",
        f"A wrong token in the middle of the true prefix, then the model's own tokens; first {evidence.PAIRS} test "
        "pairs, as far as enough of them reach. Mean over seeds, band from the lowest seed to "
        "the highest.",
        figure,
    )


def attention(canvas: Canvas, observations: Observations) -> Picture:
    """Where two strategies' models look on one example of each task.

    Raises:
        UsageError: No model's attention weighs positions.
    """
    rows: dict[str, dict[str, AttentionMap]] = {}  # the maps of strategies, by the row's title
    for task in tasks_of(observations.runs):
        for contrast in observations.contrasts(task, canvas.comparison.baseline)[:1]:
            candidates = two_ends(runs_of_one_seed(observations.runs, task), canvas.comparison.baseline)
            maps = {run.name.strategy: observations.attention(run, contrast.example) for run in candidates}
            if found := {strategy: seen for strategy, seen in maps.items() if seen}:
                rows[f"{task}, test example {contrast.test_index}, seed {contrast.seed}"] = found
    if not rows:
        raise UsageError("no run's attention weighs positions: model.attention = dot or general does")
    headings = {title: list(maps) for title, maps in rows.items()}
    figure, axes = canvas.panels(headings, 3.1, narrowest=2.4, scales={})
    for drawn, panels in zip(rows.values(), axes, strict=True):
        for (strategy, weights), axis in zip(drawn.items(), panels, strict=True):
            draw_attention(axis, weights, canvas.styles[strategy].colour)
    return canvas.picture(
        "attention",
        "Where the decoder looks while it says its own output",
        "A typical example: the median error over strategies; one run each. One column a source token, one line an "
        "output token; a square's area is its attention weight.",
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
