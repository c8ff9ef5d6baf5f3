"""The figures of a comparison, written as SVG, PDF and PNG; those that look into the runs are drawn here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ssrun.analysis import comparison as comparing
from ssrun.analysis import evidence as inspecting
from ssrun.analysis.evidence import Run, Runs
from ssrun.errors import StoreError, UsageError
from ssrun.metrics import METRICS
from ssrun.runs.folder import must_be_no_link
from ssrun.system.files import sweep_temporaries, write, writing
from ssrun.views.figures.canvas import FAINT, GREY, WIDTH, Drawn, Easel, clean, saved, style
from ssrun.views.figures.comparison import finding, forest, gap, rows_with

KINDS = ("svg", "pdf", "png")
LONGEST = 24  # tokens of an attention map's side
TOKEN = 9  # characters of a token on it

Tell = Callable[[str], None]


def write_figures(results: Path, out: Path | None = None, tell: Tell = lambda note: None) -> list[Path]:
    """Writes every figure that the results allow, each as SVG, PDF and PNG; the same results give the same bytes.

    Args:
        results: A folder of a comparison, or of its tables alone.
        out: Where to; `figures` in the results unless told.
        tell: Takes a line on each figure that could not be drawn.

    Raises:
        UsageError: There is no matplotlib.
        StoreError: The results are damaged, or there are none.
    """
    with style():
        easel = Easel(comparing.document(results))
        folder = out or results / "figures"
        if out is None:
            must_be_no_link(folder)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        sweep_temporaries(folder)
        paths = []
        for drawn in figures(easel, inspecting.complete(results), tell):
            for kind in KINDS:
                paths.append(folder / f"{drawn.name}.{kind}")
                write(paths[-1], saved(drawn, kind))
    return paths


def figures(easel: Easel, runs: Runs, tell: Tell) -> Iterator[Drawn]:
    """The figures, within `style`, the finding first; those that need runs only where there are some."""
    if not rows_with(easel.document, "exposure_gap", "free_running_loss", "teacher_forced_loss"):
        tell("no run is complete: no figures")
        return
    yield finding(easel)
    if any("difference" in row.get(metric, {}) for row in easel.document["rows"] for metric in METRICS):
        yield forest(easel)
    else:
        tell(f"differences: nothing to compare with {easel.document['baseline']}")
    yield gap(easel)
    if not runs:
        tell("learning, schedules, positions, recovery, attention: they need the runs, and only tables are here")
        return
    yield learning(easel, runs)
    yield schedules(easel, runs)
    yield positions(easel, runs)
    try:
        yield recovery(easel, runs)
    except UsageError as error:
        tell(f"recovery: {error}")
    maps = attention(easel, runs)
    if maps:
        yield maps
    else:
        tell("attention: no run has dot attention")


def tasks_of(runs: Runs) -> list[str]:
    """The tasks that have runs, in order."""
    return list(dict.fromkeys(task for task, _ in runs))


def group(runs: Runs, task: str) -> dict[str, list[Run]]:
    """A task's runs by strategy."""
    return {strategy: of for (name, strategy), of in runs.items() if name == task}


def learning(easel: Easel, runs: Runs) -> Drawn:
    """Both losses over training."""
    losses = {"teacher_forced_loss": "fed the true tokens", "free_running_loss": "fed its own tokens"}
    drawn, axes = easel.sheet(
        "learning",
        "Both losses over training: the same model, fed true tokens and its own",
        "Validation loss in nats per position, one scale in a row: mean over seeds, band from the lowest seed to the "
        "highest.",
        rows=tasks_of(runs),
        headings=list(losses.values()),
        height=1.5,
        across=0.2,
    )
    for task, line in zip(tasks_of(runs), axes, strict=True):
        for metric, axis in zip(losses, line, strict=True):
            for strategy, of in group(runs, task).items():
                easel.line(axis, strategy, inspecting.over_training(of, metric))
            axis.locator_params(axis="x", integer=True)
            if line is axes[-1]:
                axis.set_xlabel("step")
        low, high = (choose(limit for axis in line for limit in axis.get_ylim()) for choose in (min, max))
        for axis in line:
            axis.set_ylim(max(low, 0), high)
        line[0].set_ylabel("nats per position")
        line[1].tick_params(axis="y", labelleft=False)
    return drawn


def schedules(easel: Easel, runs: Runs) -> Drawn:
    """What was really fed over training."""
    drawn, axes = easel.sheet(
        "schedules",
        "What the decoder was fed: the plan, the coins, and what really differed",
        "ε is the probability of feeding the true token; realised, the share of coins that said true; replaced, the "
        "share of fed tokens unlike the true ones: where the model is right, sampling is teacher forcing again.",
        rows=tasks_of(runs),
        headings=["ε of the schedule", "ε realised", "replaced"],
        height=1.15,
        across=0.2,
    )
    for task, line in zip(tasks_of(runs), axes, strict=True):
        for strategy, of in group(runs, task).items():
            easel.line(line[0], strategy, inspecting.scheduled(of[0]))
            for metric, axis in zip(("realised_epsilon", "replaced"), line[1:], strict=True):
                easel.line(axis, strategy, inspecting.over_training(of, metric))
        for axis in line:
            axis.set_ylim(-0.04, 1.04)
            if line is axes[-1]:
                axis.set_xlabel("step")
            axis.tick_params(axis="y", labelleft=axis is line[0])
            axis.locator_params(axis="x", nbins=5, integer=True)
    return drawn


def positions(easel: Easel, runs: Runs) -> Drawn:
    """Errors by target position under either feed: the fan."""
    strategies = list(dict.fromkeys(strategy for _, strategy in runs))
    drawn, axes = easel.sheet(
        "positions",
        "Errors by position: the fan opens where errors accumulate",
        "% of wrong tokens at each target position, fed the true tokens (dotted) and its own (solid); the shade "
        "between is what the model's own errors cost. Mean over seeds; positions that few targets reach are left out.",
        rows=tasks_of(runs),
        headings=strategies,
        height=1.1,
        across=0.1,
        legend=False,
        width=max(WIDTH, 0.7 + 1.15 * len(strategies)),
    )
    for task, line in zip(tasks_of(runs), axes, strict=True):
        top = 1.0
        for strategy, axis in zip(strategies, line, strict=True):
            axis.tick_params(axis="y", labelleft=axis is line[0])
            if of := group(runs, task).get(strategy):
                colour = easel.looks[strategy].colour
                forced = inspecting.by_position(of, "next_step")
                free = inspecting.by_position(of, "decoding")
                axis.fill_between(free.x, forced.mean, free.mean, color=colour, alpha=0.22, linewidth=0)
                axis.plot(forced.x, forced.mean, color=colour, linestyle=(0, (1, 1)), linewidth=1.1)
                axis.plot(free.x, free.mean, color=colour)
                axis.locator_params(axis="x", nbins=4, integer=True)
                top = max(top, *forced.mean, *free.mean)
        for axis in line:
            axis.set_ylim(0, 1.05 * top)
            if line is axes[-1]:
                axis.set_xlabel("position")
        line[0].set_ylabel("% wrong")
    return drawn


def recovery(easel: Easel, runs: Runs) -> Drawn:
    """What one injected error does to what comes after.

    Raises:
        UsageError: A task's test set is not at hand.
    """
    found = inspecting.recoveries(runs)
    drawn, axes = easel.sheet(
        "recovery",
        "After one injected error: how far it spreads, and how soon it is over",
        f"A wrong token in the middle of the true prefix, then the model's own tokens; first {inspecting.PAIRS} test "
        "pairs. Mean over seeds, band from the lowest seed to the highest.",
        rows=tasks_of(runs),
        headings=["errors added (percentage points)", "pairs back on track (%)"],
        height=1.3,
        across=0.45,
    )
    for task, line in zip(tasks_of(runs), axes, strict=True):
        for field, axis in zip(("excess", "recovered"), line, strict=True):
            for strategy in group(runs, task):
                easel.line(axis, strategy, inspecting.after_error(found[task, strategy], field))
            if line is axes[-1]:
                axis.set_xlabel("positions after the error")
            axis.locator_params(axis="x", integer=True)
        line[0].axhline(0, color=GREY, linewidth=0.8)
        line[1].set_ylim(-4, 104)
    return drawn


def attention(easel: Easel, runs: Runs) -> Drawn | None:
    """Where two strategies' models look on one example of each task; None where no model has dot attention."""
    found = []
    for task in tasks_of(runs):
        of_task = inspecting.of_one_seed({key: of for key, of in runs.items() if key[0] == task}, task)
        ends = [run for run in of_task if run.strategy == easel.document["baseline"]] or of_task[:1]
        ends += [run for run in of_task if run.strategy != ends[0].strategy][-1:]
        for contrast in inspecting.contrasts(of_task, 1):
            maps = [inspecting.attention(run, contrast.example) for run in ends]
            if all(maps):
                found.append((f"{task}, test example {contrast.number}, seed {contrast.seed}", ends, maps))
    if not found:
        return None
    drawn, axes = easel.sheet(
        "attention",
        "Where the decoder looks while it says its own output",
        "One run each. One column a source token, one line an output token; a square's area is its attention weight.",
        rows=[task for task, _, _ in found],
        headings=["", ""][: max(len(ends) for _, ends, _ in found)],
        height=2.2,
        left=0.75,
        across=0.85,
        below=0.65,
        above=0.28,
        legend=False,
    )
    for (_, ends, maps), line in zip(found, axes, strict=True):
        for run, seen, axis in zip(ends, maps, line, strict=False):
            assert seen is not None  # noqa: S101 - asked above
            source, output = seen.source[:LONGEST], seen.output[:LONGEST]
            box = axis.get_position()
            figure = drawn.figure
            cell = 72 * min(box.width * figure.get_figwidth() / len(source),
                            box.height * figure.get_figheight() / len(output))  # fmt: skip
            squares = [(x, y, seen.weights[y][x]) for y in range(len(output)) for x in range(len(source))
                       if seen.weights[y][x] >= 0.01]  # fmt: skip
            axis.scatter([x for x, _, _ in squares], [y for _, y, _ in squares], marker="s", linewidths=0,
                         s=[max(round(20 * weight), 1) / 20 * (0.9 * cell) ** 2 for _, _, weight in squares],
                         color=easel.looks[run.strategy].colour)  # fmt: skip
            axis.set_xlim(-0.6, len(source) - 0.4)
            axis.set_ylim(len(output) - 0.4, -0.6)
            axis.set_xticks(range(len(source)), [clean(token, TOKEN) for token in source], rotation=90)
            axis.set_yticks(range(len(output)), [clean(token, TOKEN) for token in output])
            axis.set_title(clean(run.strategy, 30), pad=4)
            axis.tick_params(length=0)
            axis.grid(color=FAINT, linewidth=0.4)
        for axis in line[len(ends) :]:
            axis.remove()
    return drawn


def check(results: Path) -> None:
    """Refuses what is no folder.

    Raises:
        StoreError: It is not there.
    """
    if not results.is_dir():
        raise StoreError(f"{results}: no such folder: give one that `ssrun compare` wrote, such as results/default")
