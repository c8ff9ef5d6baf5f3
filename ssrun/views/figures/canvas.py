"""The one style of all figures: styles of strategies, grids of panels, titles and captions. It knows no numbers.

Colours are those of Okabe and Ito (2008), which the colour-blind can tell apart; line styles and markers say the
same in grey. Text is never read as mathematics: a token with a `$` shows as itself.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ssrun.analysis.document import Comparison, Row
from ssrun.analysis.evidence import Curve
from ssrun.errors import UsageError
from ssrun.strategies import STRATEGIES
from ssrun.system.text import ellipsis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#000000", "#d55e00", "#56b4e9", "#009e73", "#e69f00", "#0072b2", "#cc79a7", "#7f7f7f")
GAPS = ((4, 1.5), (6, 1.5, 1, 1.5), (1, 1), (9, 2), (3, 1, 1, 1, 1, 1), (2, 1), (6, 1, 3, 1), (1, 2.5))
DASHES: tuple[Any, ...] = ("solid", *((0, lengths) for lengths in GAPS))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
GREY, FAINT = "#555555", "#dddddd"
WIDTH = 7.0  # inches: two columns of a page in print
COMMAND = 300  # characters of a command that a caption shows
AXES = {"titlesize": 8, "labelsize": 8, "labelcolor": "#222222", "edgecolor": "#888888", "linewidth": 0.6}
TICKS = {"labelsize": 7, "color": "#888888", "labelcolor": "#333333", "major.size": 2.5}
SETTINGS: dict[Any, dict[str, Any]] = {  # by matplotlib's groups
    "font": {"sans-serif": ["DejaVu Sans"], "size": 8},
    "axes": {**AXES, "axisbelow": True, "grid": True, "spines.top": False, "spines.right": False},
    "grid": {"color": "#e8e8e8", "linewidth": 0.6},
    "xtick": TICKS,
    "ytick": TICKS,
    "lines": {"linewidth": 1.3, "markersize": 4},
    "legend": {"frameon": False, "fontsize": 7.5},
    "text": {"parse_math": False},
    "pdf": {"fonttype": 42},
    "svg": {"fonttype": "none", "hashsalt": "ssrun"},
    "figure": {"dpi": 200},
}
FALLBACKS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari")
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


class Style(NamedTuple):
    """How a strategy is drawn, everywhere."""

    colour: str
    dash: Any
    marker: str


class Picture(NamedTuple):
    """A figure, and what is to be said of it.

    Attributes:
        name: Of its files.
        title: What it shows.
        about: How to read it.
        figure: Laid out for good.
    """

    name: str
    title: str
    about: str
    figure: Figure


@contextmanager
def drawing() -> Iterator[None]:
    """Everything that is drawn and saved within looks the same, whatever the user's own settings are.

    Raises:
        UsageError: There is no matplotlib.
    """
    try:
        import matplotlib as mpl
        from matplotlib import font_manager
    except ImportError:
        raise UsageError("figures need matplotlib: pip install 'ssrun[plot]'") from None
    installed = set(font_manager.fontManager.get_font_names())
    fonts = ["DejaVu Sans", *(name for name in FALLBACKS if name in installed), "sans-serif"]
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # then a box is drawn
        mpl.rcdefaults()
        for group, values in SETTINGS.items():
            mpl.rc(group, **values)
        mpl.rc("font", family=fonts)
        yield


def drawable(text: object, longest: int = 10_000) -> str:
    """A text as a figure can show it: escapes for what is no character of XML or of a line; cut where too long."""
    return ellipsis(_NOT_XML.sub(lambda match: ascii(match.group())[1:-1], str(text)), longest)


def styles(strategies: Sequence[str]) -> dict[str, Style]:
    """The style of each strategy: the same in every experiment for one that ssrun knows, the next free for others."""
    order = [*STRATEGIES, *(name for name in strategies if name not in STRATEGIES)]
    return {
        name: Style(COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)], MARKERS[index % len(MARKERS)])
        for index, name in enumerate(order)
        if name in strategies
    }


def provenance(comparison: Comparison) -> str:
    """What every caption ends with: n, the command, the signature."""
    counts = sorted({row.n for row in comparison.rows} - {0}) or [0]
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    signatures = sorted({signature for of_task in comparison.signatures.values() for signature in of_task})
    command = drawable(comparison.command, COMMAND)
    return f"n = {n} seeds per strategy and task. {command}. BLEU: {'; '.join(map(drawable, signatures)) or 'none'}."


class Canvas:
    """What all figures of one comparison share; framed: title and caption stand in them, where no page sets its own."""

    def __init__(self, comparison: Comparison, framed: bool = True) -> None:
        self.comparison = comparison
        self.framed = framed
        self.styles = styles(comparison.strategies)

    def panels(
        self,
        tasks: Sequence[str],
        headings: Sequence[Sequence[str]],
        height: float,
        width: float = WIDTH,
        share: Literal["row", "none"] = "row",
        below: str = "",
    ) -> tuple[Figure, list[list[Axes]]]:
        """A figure of panels: a row for each task, a column for each heading.

        Args:
            tasks: Titles of the rows.
            headings: Titles of the panels, row by row; of the first row alone where they hold for all.
            height: Of a row, with its labels, in inches.
            width: Of the figure, in inches.
            share: Whether the panels of a row have one vertical axis.
            below: What the horizontal axes of the last row are.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height * len(tasks) + 0.2))
        figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
        # within a figure of its own, or a legend outside the panels would lie upon the title
        inner = figure.add_subfigure(figure.add_gridspec()[0])
        axes: list[list[Axes]] = inner.subplots(len(tasks), len(headings[0]), squeeze=False, sharey=share).tolist()
        for row, (task, panels) in enumerate(zip(tasks, axes, strict=True)):
            titles = headings[row] if row < len(headings) else [""] * len(panels)
            for title, axis in zip(titles, panels, strict=True):
                axis.set_title(drawable(title, 40), color="#222222")
            panels[0].set_title(drawable(task, 60) + "\n" * any(titles), loc="left", size=8.5, weight="bold")
        for axis in axes[-1]:
            axis.set_xlabel(below)
        return figure, axes

    def legend(self, figure: Figure) -> None:
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], color=colour, linestyle=dash, marker=marker, label=drawable(name, 30))
            for name, (colour, dash, marker) in self.styles.items()
        ]
        longest = max(min(len(name), 30) for name in self.styles)
        columns = min(len(handles), max(1, int((figure.get_figwidth() - 0.3) / (0.55 + 0.064 * longest))))
        inner = figure.subfigs[0]
        inner.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=3, columnspacing=1.3)
        figure.set_figheight(figure.get_figheight() + 0.1 + 0.16 * -(-len(handles) // columns))

    def picture(self, name: str, title: str, about: str, figure: Figure) -> Picture:
        """The figure that `panels` made, finished: with its title and its caption, where it has them, and laid out."""
        if self.framed:
            width = figure.get_figwidth()
            titles = textwrap.wrap(title, round(11.5 * width))
            lines = textwrap.wrap(f"{about} {provenance(self.comparison)}", round(22 * width), break_on_hyphens=False)
            figure.set_figheight(figure.get_figheight() + 0.2 * len(titles) + 0.13 * len(lines) + 0.25)
            figure.suptitle("\n".join(titles), x=0.1 / width, ha="left", size=10, weight="bold", linespacing=1.25)
            figure.supxlabel("\n".join(lines), x=0.1 / width, ha="left", size=6.3, color=GREY, linespacing=1.35)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the same in every format
        return Picture(name, title, about, figure)

    def line(self, axis: Axes, strategy: str, curve: Curve) -> None:
        """A strategy's curve with the band of its seeds."""
        colour, dash, marker = self.styles[strategy]
        every = max(1, len(curve.x) // 6)
        start = list(self.styles).index(strategy) % every
        axis.plot(curve.x, curve.mean, color=colour, linestyle=dash, marker=marker, markevery=(start, every))
        if curve.low != curve.high:
            axis.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.12, linewidth=0)

    @staticmethod
    def list_strategies(panels: Sequence[Axes], rows: Sequence[Row]) -> None:
        """Makes the vertical axis of panels side by side a list of the rows' strategies, the first on top."""
        panels[0].set_ylim(len(rows) - 0.4, -0.6)
        panels[0].set_yticks(range(len(rows)), [drawable(row.strategy, 24) for row in rows])
        for axis in panels:
            axis.tick_params(axis="y", length=0)
            axis.grid(False, axis="y")

    def dot(self, axis: Axes, row: int, strategy: str, value: float, low: float | None, high: float | None) -> None:
        """A value with its interval, on a row of a list of strategies."""
        colour, _, marker = self.styles[strategy]
        if low is not None and high is not None:
            axis.plot([low, high], [row, row], color=colour, linewidth=1.2, solid_capstyle="butt", alpha=0.7)
        axis.plot(
            [value], [row], color=colour, marker=marker, markersize=6, markeredgecolor="white", markeredgewidth=0.4
        )


def rendered(picture: Picture, kind: str) -> bytes:
    """The figure as `svg`, `pdf` or `png`: the same bytes for the same numbers."""
    unsaid = {"svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer"), "png": ("Software",)}[kind]
    file = io.BytesIO()
    picture.figure.savefig(file, format=kind, metadata={**dict.fromkeys(unsaid), "Title": drawable(picture.title)})
    return file.getvalue()
