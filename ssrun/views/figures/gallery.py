"""The figures of a comparison, those that are wanted, written in the formats that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ssrun.analysis.comparison import comparison_in
from ssrun.analysis.document import Comparison
from ssrun.analysis.evidence import Observations, complete_runs
from ssrun.analysis.sweeps import budgets, planes
from ssrun.errors import UsageError, unknown
from ssrun.system.files import must_be_no_link, sweep_temporaries, write, writing
from ssrun.views.figures import comparison as of_tables
from ssrun.views.figures import runs as of_runs
from ssrun.views.figures.budget import budget
from ssrun.views.figures.canvas import Canvas, Picture, drawing, rendered
from ssrun.views.figures.catalogue import FIGURES, KINDS, OF_METRICS, OF_RUNS, WIDTH
from ssrun.views.figures.map import map_figure
from ssrun.views.figures.survival import survival

Tell = Callable[[str], None]
FROM_TABLES: dict[str, Callable[[Canvas], Picture]] = {
    "finding": of_tables.finding,
    "means": of_tables.means,
    "differences": of_tables.differences,
    "gap": of_tables.gap,
    "survival": survival,
    "budget": budget,
    "map": map_figure,
}
SPECIAL: dict[str, Callable[[Comparison], object]] = {  # what a comparison must have for a figure to be of it
    "survival": lambda comparison: comparison.reach,
    "budget": budgets,
    "map": planes,
}
FROM_RUNS: dict[str, Callable[[Canvas, Observations], Picture]] = {
    "learning": of_runs.learning,
    "schedules": of_runs.schedules,
    "positions": of_runs.positions,
    "recovery": of_runs.recovery,
    "attention": of_runs.attention,
}


class Wanted(NamedTuple):
    """What is to be drawn, and how.

    Attributes:
        figures: By name; where none is given all, or those of metrics where metrics are.
        metrics: Of the figures of metrics; each its own choice where there are none.
        kinds: Of files.
        caption: Whether title and caption stand in the figures.
        width: In inches.
    """

    figures: Sequence[str] = ()
    metrics: Sequence[str] = ()
    kinds: Sequence[str] = KINDS
    caption: bool = True
    width: float = WIDTH

    def names(self, comparison: Comparison) -> Sequence[str]:
        """What was asked for by name, or else all that make sense."""
        return self.figures or fitting(comparison, OF_METRICS if self.metrics else FIGURES)


EVERYTHING = Wanted()


def write_figures(
    results: Path, out: Path | None = None, tell: Tell = lambda note: None, wanted: Wanted = EVERYTHING
) -> list[Path]:
    """Writes the figures that are wanted and that the results allow; the same results give the same bytes.

    Args:
        results: A folder of a comparison, or of its tables alone.
        out: Where to; `figures` in the results unless told.
        tell: Takes a line on each figure that could not be drawn and was not asked for by name.
        wanted: Which and how; every figure in every format unless told.

    Raises:
        UsageError: There is no matplotlib, or a figure that was asked for by name cannot be drawn: none is written.
        StoreError: The results are damaged, or there are none.
    """
    with drawing():
        comparison = comparison_in(results)
        must_have(comparison, wanted.metrics)
        canvas = Canvas(comparison, framed=wanted.caption, width=wanted.width, metrics=wanted.metrics)
        left_out: list[str] = []
        drawn = list(pictures(canvas, Observations(complete_runs(results)), left_out.append, wanted.names(comparison)))
        if left_out and wanted.figures:
            raise UsageError(f"--only: {left_out[0]}")
        for line in left_out:
            tell(line)
        folder = out or results / "figures"
        if out is None:
            must_be_no_link(folder)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for picture in drawn:
            for kind in wanted.kinds:
                paths.append(folder / f"{picture.name}.{kind}")
                write(paths[-1], rendered(picture, kind))
        if out is None:
            sweep_temporaries(folder, [path.name for path in paths])
    return paths


def fitting(comparison: Comparison, names: Iterable[str]) -> list[str]:
    """Those of the figures that such a comparison has: of a sweep, or of times to a score, only where there is one."""
    return [name for name in names if name not in SPECIAL or SPECIAL[name](comparison)]


def must_have(comparison: Comparison, metrics: Sequence[str]) -> None:
    """Raises UsageError where no row has a metric."""
    known = dict.fromkeys(name for row in comparison.rows for name in row.estimates)
    for metric in metrics:
        if metric not in known:
            raise UsageError(f"--metric: {unknown('metric', metric, known)}")


def pictures(canvas: Canvas, observations: Observations, tell: Tell, names: Sequence[str]) -> Iterator[Picture]:
    """The figures of these names, within `drawing`, the finding first; those of runs only where there are some."""
    if not of_tables.rows_with(canvas.comparison, "exposure_gap", "free_running_loss", "teacher_forced_loss"):
        tell("no run is complete: no figures")
        return
    for name, draw in FROM_TABLES.items():
        if name in names:
            try:
                yield draw(canvas)
            except UsageError as error:
                tell(f"{name}: {error}")
    asked = [name for name in OF_RUNS if name in names]
    if asked and not observations.runs:
        tell(f"{', '.join(asked)}: they need the runs, and only tables are here")
        return
    for name in asked:
        try:
            yield FROM_RUNS[name](canvas, observations)
        except UsageError as error:
            tell(f"{name}: {error}")
