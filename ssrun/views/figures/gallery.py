"""The figures of a comparison, all of them, written as SVG, PDF and PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ssrun.analysis.comparison import comparison_in
from ssrun.analysis.evidence import Runs, complete_runs
from ssrun.errors import UsageError
from ssrun.system.files import must_be_no_link, sweep_temporaries, write, writing
from ssrun.views.figures.canvas import Canvas, Picture, drawing, rendered
from ssrun.views.figures.comparison import differences, finding, gap, rows_with
from ssrun.views.figures.runs import attention, learning, positions, recovery, schedules
from ssrun.views.tables.cells import has_difference

KINDS = ("svg", "pdf", "png")

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
    with drawing():
        canvas = Canvas(comparison_in(results))
        folder = out or results / "figures"
        if out is None:
            must_be_no_link(folder)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for picture in pictures(canvas, complete_runs(results), tell):
            for kind in KINDS:
                paths.append(folder / f"{picture.name}.{kind}")
                write(paths[-1], rendered(picture, kind))
        if out is None:
            sweep_temporaries(folder, [path.name for path in paths])
    return paths


def pictures(canvas: Canvas, runs: Runs, tell: Tell) -> Iterator[Picture]:
    """The figures, within `drawing`, the finding first; those that need runs only where there are some."""
    if not rows_with(canvas.comparison, "exposure_gap", "free_running_loss", "teacher_forced_loss"):
        tell("no run is complete: no figures")
        return
    yield finding(canvas)
    if has_difference(canvas.comparison.rows, canvas.comparison.columns):
        yield differences(canvas)
    else:
        tell(f"differences: nothing to compare with {canvas.comparison.baseline}")
    yield gap(canvas)
    if not runs:
        tell("learning, schedules, positions, recovery, attention: they need the runs, and only tables are here")
        return
    for draw in (learning, schedules, positions):
        yield draw(canvas, runs)
    try:
        yield recovery(canvas, runs)
    except UsageError as error:
        tell(f"recovery: {error}")
    if maps := attention(canvas, runs):
        yield maps
    else:
        tell("attention: no run has dot attention")
