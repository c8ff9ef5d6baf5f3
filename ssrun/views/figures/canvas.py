"""The one style of all figures: styles of strategies, grids of panels, titles and captions. It knows no numbers.

Colours are those of Okabe and Ito (2008), which the colour-blind can tell apart; line styles and markers say the
same in grey. Text is never read as mathematics: a token with a `$` shows as itself.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ssrun.analysis.document import Comparison, Row
from ssrun.analysis.evidence import Curve
from ssrun.analysis.sweeps import titles
from ssrun.errors import UsageError
from ssrun.strategies import STRATEGIES
from ssrun.system.text import ellipsis
from ssrun.views.figures.catalogue import WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#000000", "#d55e00", "#56b4e9", "#009e73", "#e69f00", "#0072b2", "#cc79a7", "#7f7f7f")
GAPS = ((4, 1.5), (6, 1.5, 1, 1.5), (1, 1), (9, 2), (3, 1, 1, 1, 1, 1), (2, 1), (6, 1, 3, 1), (1, 2.5))
DASHES: tuple[Any, ...] = ("solid", *((0, lengths) for lengths in GAPS))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
GREY, FAINT = "#555555", "#dddddd"
NARROW = 3.4  # inches: one column of it, or the screen of a telephone
BESIDE = 0.27  # of a row of a list: how far below a mean its seeds stand
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
        source: What its numbers come from: n, the command, and the signature where it shows BLEU.
        figure: Laid out for good.
    """

    name: str
    title: str
    about: str
    source: str
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
    """The style of each strategy: the same everywhere for one that ssrun knows, a colour still free for another."""
    own = {name: index for index, name in enumerate(STRATEGIES.built_in) if name in strategies}
    others = [name for name in strategies if name not in own]
    free = [index for index in range(len(COLOURS)) if index not in {place % len(COLOURS) for place in own.values()}]
    shapes = own | {name: len(STRATEGIES.built_in) + index for index, name in enumerate(others)}
    colours = shapes | dict(zip(others, free, strict=False))
    return {
        name: Style(
            COLOURS[colours[name] % len(COLOURS)],
            DASHES[shapes[name] % len(DASHES)],
            MARKERS[shapes[name] % len(MARKERS)],
        )
        for name in [*own, *others]
    }


def provenance(comparison: Comparison, metrics: Sequence[str]) -> str:
    """What every caption ends with: n, the command, and the signature of BLEU where it is among the metrics shown."""
    counts = sorted({row.n for row in comparison.rows} - {0}) or [0]
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    text = f"n = {n} {'seed' if n == '1' else 'seeds'} per strategy and task. {drawable(comparison.command, COMMAND)}."
    signatures = sorted({signature for of_task in comparison.signatures.values() for signature in of_task})
    return f"{text} BLEU: {'; '.join(map(drawable, signatures))}." if "bleu" in metrics and signatures else text


class Canvas:
    """What all figures of one comparison share.

    Attributes:
        framed: Title and caption stand in the figures, where no page or paper sets its own.
        width: Of every figure, in inches; panels that do not fit side by side stand under each other.
        metrics: What figures of metrics show; each its own choice where there are none.
        titles: Of the tasks.
    """

    def __init__(
        self, comparison: Comparison, framed: bool = True, width: float = WIDTH, metrics: Sequence[str] = ()
    ) -> None:
        self.comparison = comparison
        self.framed = framed
        self.width = width
        self.metrics = metrics
        self.styles = styles(comparison.strategies)
        self.titles = titles(comparison)

    def panels(
        self,
        rows: Mapping[str, Sequence[str]],
        height: float,
        narrowest: float,
        scales: Mapping[str, str],
        below: str = "",
        margin: float = 0.2,
    ) -> tuple[Figure, list[list[Axes]]]:
        """A figure of panels.

        Args:
            rows: The headings of each row's panels, by the row's title: a task.
            height: Of a panel with its labels, in inches.
            narrowest: A panel's width that can be read, in inches: as many stand side by side as have it.
            scales: What the vertical axis of a heading's panels is; those of one row with the same scale share it.
                A heading that is not there has an axis of its own, without a label.
            below: What the horizontal axes are.
            margin: Inches beside the panels.

        Returns:
            The figure, and the axes by row and heading.
        """
        from matplotlib.figure import Figure

        fit = max(1, int((self.width - margin) / narrowest))
        most = max(map(len, rows.values()))
        columns = -(-most // -(-most // fit))  # equally full lines
        lines = sum(-(-len(headings) // columns) for headings in rows.values())
        figure = Figure(figsize=(self.width, height * lines + 0.2))
        figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
        # within a figure of its own, or a legend outside the panels would lie upon the title
        inner = figure.add_subfigure(figure.add_gridspec()[0])
        grid = inner.add_gridspec(lines, columns)
        axes: list[list[Axes]] = []
        line = 0
        above: Sequence[str] = ()
        for title, headings in rows.items():
            shared: dict[str, Axes] = {}
            panels = []
            for index, heading in enumerate(headings):
                down, across = divmod(index, columns)
                scale = scales.get(heading, heading)
                axis = inner.add_subplot(grid[line + down, across], sharey=shared.get(scale))
                if across and scale == scales.get(headings[index - 1]):
                    axis.tick_params(axis="y", labelleft=False)
                else:
                    axis.set_ylabel(scales.get(heading, ""))
                if len(headings) > columns or headings != above:
                    axis.set_title(drawable(heading, 40), color="#222222")
                shared.setdefault(scale, axis)
                panels.append(axis)
            has_headings = any(axis.get_title() for axis in panels)
            panels[0].set_title(
                drawable(self.titles.get(title, title), 60) + "\n" * has_headings, loc="left", size=8.5, weight="bold"
            )
            line += -(-len(headings) // columns)
            above = headings
            axes.append(panels)
        for axis in axes[-1][-columns:]:
            axis.set_xlabel(below)
        return figure, axes

    def legend(self, figure: Figure, without: str | None = None) -> None:
        """The strategies' styles above the panels, but for one that is not drawn."""
        from matplotlib.lines import Line2D

        drawn = {name: style for name, style in self.styles.items() if name != without}
        handles = [
            Line2D([], [], color=colour, linestyle=dash, marker=marker, label=drawable(name, 30))
            for name, (colour, dash, marker) in drawn.items()
        ]
        longest = max(min(len(name), 30) for name in drawn)
        columns = min(len(handles), max(1, int((figure.get_figwidth() - 0.3) / (0.55 + 0.064 * longest))))
        inner = figure.subfigs[0]
        inner.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=3, columnspacing=1.3)
        figure.set_figheight(figure.get_figheight() + 0.1 + 0.16 * -(-len(handles) // columns))

    def picture(self, name: str, title: str, about: str, figure: Figure, metrics: Sequence[str] = ()) -> Picture:
        """The figure that `panels` made of these metrics, finished: title and caption in it, where framed; laid out."""
        source = provenance(self.comparison, metrics)
        if self.framed:
            width = figure.get_figwidth()
            titles = textwrap.wrap(title, round(11.5 * width))
            lines = textwrap.wrap(f"{about} {source}", round(22 * width), break_on_hyphens=False)
            figure.set_figheight(figure.get_figheight() + 0.2 * len(titles) + 0.13 * len(lines) + 0.25)
            figure.suptitle("\n".join(titles), x=0.1 / width, ha="left", size=10, weight="bold", linespacing=1.25)
            figure.supxlabel("\n".join(lines), x=0.1 / width, ha="left", size=6.3, color=GREY, linespacing=1.35)
        figure.subfigs[0].align_xlabels()
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the same in every format
        return Picture(name, title, about, source, figure)

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
            axis.locator_params(axis="x", nbins=6)  # so that labels such as 0.0025 have room

    def dot(
        self,
        axis: Axes,
        row: float,
        strategy: str,
        value: float,
        low: float | None,
        high: float | None,
        seeds: Iterable[float] = (),
        hollow: bool = False,
    ) -> None:
        """A value with its interval, and the seeds' own beside it, on a row of a list of strategies."""
        colour, _, marker = self.styles[strategy]
        values = list(seeds)
        if len(values) > 1:
            look: dict[str, Any] = {"markersize": 2.6, "markeredgewidth": 0.5, "color": colour, "alpha": 0.75}
            axis.plot(values, [row + BESIDE] * len(values), "o", markerfacecolor="white" if hollow else colour, **look)
        if low is not None and high is not None:
            axis.plot([low, high], [row, row], color=colour, linewidth=1.2, solid_capstyle="butt", alpha=0.7)
        edge: dict[str, Any] = {
            "markerfacecolor" if hollow else "markeredgecolor": "white",
            "markeredgewidth": 1.0 if hollow else 0.4,
        }
        axis.plot([value], [row], color=colour, marker=marker, markersize=5 if hollow else 6, clip_on=False, **edge)


def rendered(picture: Picture, kind: str) -> bytes:
    """The figure as `svg`, `pdf` or `png`: the same bytes for the same numbers."""
    unsaid = {"svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer"), "png": ("Software",)}[kind]
    file = io.BytesIO()
    picture.figure.savefig(file, format=kind, metadata={**dict.fromkeys(unsaid), "Title": drawable(picture.title)})
    return file.getvalue()
