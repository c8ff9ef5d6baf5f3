"""The figure of maps: the difference from the baseline in each square of two fields that were swept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ssrun.analysis.maps import EffectMap, Square, effect_maps
from ssrun.analysis.sweeps import Plane, planes
from ssrun.errors import UsageError
from ssrun.metrics import METRICS
from ssrun.views.figures.canvas import COLOURS, FAINT, Canvas, Picture, drawable
from ssrun.views.tables.cells import interval
from ssrun.views.tables.swept import about_signs, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORSE, BETTER = COLOURS[1], COLOURS[5]
DEEPEST = 0.6  # opacity of the largest difference: the text upon it can be read
SIDE, TALL = 0.63, 0.42  # inches that a square with its text takes
BESIDE, BELOW = 0.65, 0.75  # inches of a panel that labels take
LETTER = 0.62  # of its size: how wide a letter is
HATCHES = 6  # lines across a square


class Panel(NamedTuple):
    """One strategy's map of one metric, and the largest difference of the metric's maps."""

    metric: str
    plane: Plane
    found: EffectMap
    largest: float


def map_figure(canvas: Canvas) -> Picture:
    """Maps of the differences from the baseline.

    Raises:
        UsageError: No task is there at several values of exactly two fields, or nothing differs by a number.
    """
    comparison = canvas.comparison
    over = planes(comparison)
    if not over:
        raise UsageError("no task is there at several values of exactly two fields: give them as [vary]")
    metrics = canvas.metrics or comparison.columns[:1]
    rows: dict[str, list[Panel]] = {}
    for metric in metrics:
        maps = [(plane, found) for plane in over for found in effect_maps(comparison, plane, metric)]
        sizes = [abs(square.difference) for _, found in maps for square in found.squares.values()]
        for plane, found in maps:
            name = f"{plane.title}: {METRICS[metric].short}" if len(metrics) > 1 else plane.title
            rows.setdefault(name, []).append(Panel(metric, plane, found, max(sizes) or 1.0))
    if not rows:
        raise UsageError(f"nothing to compare with {comparison.baseline}")
    columns = max(len(plane.columns.values) for plane in over)
    narrowest = min(canvas.width - 0.3, BESIDE + SIDE * columns)
    figure, axes = canvas.panels(
        {name: [panel.found.strategy for panel in panels] for name, panels in rows.items()},
        BELOW + TALL * max(len(plane.rows.values) for plane in over),
        narrowest=narrowest,
        scales={},
    )
    for row, drawn in zip(rows.values(), axes, strict=True):
        for panel, axis in zip(row, drawn, strict=True):
            draw_map(axis, panel, 72 * (narrowest - BESIDE) / columns)
    names = ", ".join(METRICS[metric].short for metric in metrics)
    ways = " or ".join(dict.fromkeys(map(ahead, metrics)))
    signs = " ".join(dict.fromkeys(map(about_signs, metrics)))
    return canvas.picture(
        "map",
        f"Where each strategy differs from {drawable(comparison.baseline, 40)}",
        f"Mean difference in {names} of each square, and its interval at the level of the correction. Blue is {ways}, "
        f"orange the contrary, the deeper the larger; hatched is undecided. {signs}",
        figure,
        metrics,
    )


def ahead(metric: str) -> str:
    return "higher" if METRICS[metric].better == "neither" else "better"


def draw_map(axis: Axes, panel: Panel, side: float) -> None:
    """The squares, each at least `side` points wide, the first row on top."""
    plane = panel.plane
    for y, row in enumerate(plane.rows.values):
        for x, column in enumerate(plane.columns.values):
            if square := panel.found.squares.get((row, column)):
                draw_square(axis, x, y, square, panel, side)
    axis.set_xlim(-0.5, len(plane.columns.values) - 0.5)
    axis.set_ylim(len(plane.rows.values) - 0.5, -0.5)
    axis.set_xticks(range(len(plane.columns.values)), [drawable(value, 12) for value in plane.columns.values])
    axis.set_yticks(range(len(plane.rows.values)), [drawable(value, 12) for value in plane.rows.values])
    axis.set_xlabel(drawable(plane.columns.name, 30))
    axis.set_ylabel(drawable(plane.rows.name, 30))
    axis.tick_params(length=0)
    axis.grid(False)
    axis.spines[:].set_visible(False)


def draw_square(axis: Axes, x: int, y: int, square: Square, panel: Panel, side: float) -> None:
    """Its colour, grey lines across where it is undecided, its number and sign, and its interval below them."""
    from matplotlib.patches import Rectangle

    is_better = (square.difference < 0) == (METRICS[panel.metric].better == "lower")
    depth = DEEPEST * abs(square.difference) / panel.largest
    place, size = (x - 0.48, y - 0.47), (0.96, 0.94)
    axis.add_patch(Rectangle(place, *size, facecolor=BETTER if is_better else WORSE, alpha=depth, linewidth=0))
    if square.verdict == "inconclusive":
        draw_hatch(axis, *place, *size)
    text: dict[str, Any] = {"ha": "center", "color": "#222222"}
    has_interval = square.low is not None
    middle = y - 0.12 if has_interval else y
    number = signed(square, panel.metric)
    axis.text(x, middle, number, va="center", size=fitting(number, side, 7.5), **text)
    if has_interval:
        ends = interval(square.difference, square.low, square.high, panel.metric).partition(" ")[2]
        axis.text(x, y + 0.24, ends, va="center", size=fitting(ends, side, 5.4), **text)


def fitting(text: str, width: float, size: float) -> float:
    """The size of a text, in points, that is at most so large and about so many points wide."""
    return min(size, width / (LETTER * len(text)))


def draw_hatch(axis: Axes, left: float, top: float, width: float, height: float) -> None:
    """Slanted lines across a rectangle, as lines: a pattern would not be kept on a page."""
    from matplotlib.collections import LineCollection

    lines = []
    for number in range(1, 2 * HATCHES):
        along = number / HATCHES  # where the line leaves a unit square, counted along its left and lower sides
        start = (max(0.0, along - 1), min(1.0, along))
        end = (min(1.0, along), max(0.0, along - 1))
        lines.append([(left + width * x, top + height * y) for x, y in (start, end)])
    axis.add_collection(LineCollection(lines, colors=FAINT, linewidths=0.6))
