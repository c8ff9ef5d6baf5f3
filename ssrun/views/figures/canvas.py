"""The one style of all figures: looks of strategies, sheets of panels, captions. It knows no numbers.

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
from typing import TYPE_CHECKING, Any, NamedTuple

from ssrun.analysis.evidence import Curve
from ssrun.errors import UsageError
from ssrun.strategies import STRATEGIES
from ssrun.views.tables.cells import Document, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#000000", "#d55e00", "#56b4e9", "#009e73", "#e69f00", "#0072b2", "#cc79a7", "#7f7f7f")
DASHES: tuple[Any, ...] = (
    "solid",
    (0, (4, 1.5)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (1, 1)),
    (0, (9, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 1)),
    (0, (6, 1, 3, 1)),
    (0, (1, 2.5)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
GREY, FAINT = "#555555", "#dddddd"
WIDTH = 7.0  # inches: two columns of a page in print
COMMAND = 300  # characters of a command that a caption shows
STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.labelcolor": "#222222",
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e8e8e8",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": "#888888",
    "ytick.color": "#888888",
    "xtick.labelcolor": "#333333",
    "ytick.labelcolor": "#333333",
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "text.parse_math": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "ssrun",
    "savefig.dpi": 200,
}
FALLBACKS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari")
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


class Look(NamedTuple):
    """How a strategy is drawn, everywhere."""

    colour: str
    dash: Any
    marker: str


class Drawn(NamedTuple):
    """A figure, and what is to be said of it.

    Attributes:
        name: Of its files.
        title: What it shows.
        about: How to read it.
        figure: It.
    """

    name: str
    title: str
    about: str
    figure: Figure


@contextmanager
def style() -> Iterator[None]:
    """Everything that is drawn and saved within has the style, whatever the user's own settings are.

    Raises:
        UsageError: There is no matplotlib.
    """
    try:
        import matplotlib as mpl
        from matplotlib import font_manager
    except ImportError:
        raise UsageError("figures need matplotlib: pip install 'ssrun[plot]'") from None
    installed = set(font_manager.fontManager.get_font_names())
    fonts = [*STYLE["font.family"], *(name for name in FALLBACKS if name in installed)]
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # then a box is drawn
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, "font.family": fonts})
        yield


def clean(text: object, longest: int = 10_000) -> str:
    """A text as a figure can show it: escapes for what is no character of XML or of a line; cut where too long."""
    text = _NOT_XML.sub(lambda match: ascii(match.group())[1:-1], visible(text))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def looks(strategies: Sequence[str]) -> dict[str, Look]:
    """The look of each strategy: the same in every experiment for one that ssrun knows, the next free for others."""
    known = list(STRATEGIES)
    order = [*known, *(name for name in strategies if name not in known)]
    return {
        name: Look(COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)], MARKERS[place % len(MARKERS)])
        for place, name in enumerate(order)
        if name in strategies
    }


def evidence(document: Document) -> str:
    """What every caption ends with: n, the command, the signature."""
    counts = sorted({row["n"] for row in document["rows"]} - {0}) or [0]
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    signatures = sorted({signature for of_task in document["signatures"].values() for signature in of_task})
    command = clean(document["command"], COMMAND)
    return f"n = {n} seeds per strategy and task. {command}. BLEU: {'; '.join(map(clean, signatures)) or 'none'}."


class Easel:
    """What all figures of one comparison share.

    Args:
        document: The comparison's.
        framed: Title and caption stand in the figure itself; a page sets its own.
    """

    def __init__(self, document: Document, framed: bool = True) -> None:
        self.document, self.framed = document, framed
        self.strategies = list(dict.fromkeys(row["strategy"] for row in document["rows"]))
        self.looks = looks(self.strategies)

    def sheet(
        self,
        name: str,
        title: str,
        about: str,
        rows: Sequence[str],
        headings: Sequence[str],
        height: float,
        left: float = 0.55,
        across: float = 0.5,
        below: float = 0.3,
        above: float = 0.1,
        legend: bool = True,
        width: float = WIDTH,
    ) -> tuple[Drawn, list[list[Axes]]]:
        """A figure of panels, a row for each of `rows` (tasks) and a column for each heading; sizes in inches.

        Args:
            name: Of its files.
            title: What it shows.
            about: How to read it.
            rows: Titles of the rows.
            headings: Titles of the columns.
            height: Of a panel.
            left: Room for the labels of the vertical axes.
            across: Between panels of a row.
            below: Under each row, for the labels of the horizontal axes' ticks.
            above: Over each row, under its title.
            legend: Whether strategies are told by a legend.
            width: Of the figure.
        """
        from matplotlib.figure import Figure

        caption = f"{about} {evidence(self.document)}"
        titles = textwrap.wrap(title, round(11.5 * width)) if self.framed else []
        lines = textwrap.wrap(caption, round(22 * width), break_on_hyphens=False) if self.framed else []
        longest = max(map(len, self.strategies), default=1)
        abreast = max(1, min(len(self.strategies), int((width - 0.3) / (0.55 + 0.064 * min(longest, 30)))))
        keys = -(-len(self.strategies) // abreast) if legend else 0
        top = 0.1 + 0.2 * len(titles) + 0.17 * keys + (0.08 if keys else 0) + 0.24
        pitch = 0.1 + above + height + below
        total = top + len(rows) * pitch + 0.2 + (0.13 * len(lines) + 0.1 if lines else 0)
        figure = Figure(figsize=(width, total))

        def place(x: float, y: float) -> tuple[float, float]:
            """Inches from the left and from the top, as shares of the figure."""
            return x / width, 1 - y / total

        if titles:
            figure.text(*place(0.12, 0.1), "\n".join(titles), size=10, weight="bold", va="top", linespacing=1.25)
        if legend:
            where = place(0.12, 0.12 + 0.2 * len(titles))
            figure.legend(handles=self.keys(), loc="upper left", bbox_to_anchor=where, ncols=abreast, borderpad=0,
                          handlelength=3, columnspacing=1.3, labelspacing=0.35, borderaxespad=0)  # fmt: skip
        panel = (width - left - 0.12 - across * (len(headings) - 1)) / len(headings)
        axes: list[list[Axes]] = []
        for number, row in enumerate(rows):
            start = top + number * pitch
            figure.text(*place(0.12, start), clean(row, 60), size=8.5, weight="bold", va="bottom")
            boxes = [(*place(left + k * (panel + across), start + above + height), panel / width, height / total)
                     for k in range(len(headings))]  # fmt: skip
            axes.append([figure.add_axes(box) for box in boxes])
            for axis, heading in zip(axes[-1], headings, strict=True):
                if heading and number == 0:
                    axis.text(0.5, 1 + 0.13 / height, clean(heading, 40), transform=axis.transAxes,
                              ha="center", va="bottom", color="#222222")  # fmt: skip
        if lines:
            figure.text(*place(0.12, total - 0.13 * len(lines) - 0.08), "\n".join(lines), size=6.3, color=GREY,
                        va="top", linespacing=1.35)  # fmt: skip
        return Drawn(name, title, about, figure), axes

    def keys(self) -> list[Any]:
        """The legend's entries."""
        from matplotlib.lines import Line2D

        return [
            Line2D([], [], color=look.colour, linestyle=look.dash, marker=look.marker, label=clean(name, 30))
            for name, look in self.looks.items()
        ]

    def line(self, axis: Axes, strategy: str, curve: Curve, band: bool = True) -> None:
        """A strategy's curve with the band of its seeds."""
        look = self.looks[strategy]
        every = max(1, len(curve.x) // 6)
        start = list(self.looks).index(strategy) % every
        axis.plot(curve.x, curve.mean, color=look.colour, linestyle=look.dash, marker=look.marker,
                  markevery=(start, every), clip_on=True)  # fmt: skip
        if band and curve.low != curve.high:
            axis.fill_between(curve.x, curve.low, curve.high, color=look.colour, alpha=0.12, linewidth=0)

    def named(self, axis: Axes, strategies: Sequence[str], labels: bool) -> None:
        """Makes the vertical axis a list of strategies, the first on top."""
        axis.set_ylim(len(strategies) - 0.4, -0.6)
        axis.set_yticks(range(len(strategies)), [clean(name, 24) for name in strategies] if labels else [])
        axis.tick_params(axis="y", length=0)
        axis.grid(False, axis="y")

    def dot(self, axis: Axes, place: float, strategy: str, value: float, low: float | None, high: float | None) -> None:
        """A value with its interval, on the row `place`."""
        look = self.looks[strategy]
        if low is not None and high is not None:
            axis.plot([low, high], [place, place], color=look.colour, linewidth=1.2, solid_capstyle="butt", alpha=0.7)
        axis.plot([value], [place], color=look.colour, marker=look.marker, markersize=6, markeredgecolor="white",
                  markeredgewidth=0.4)  # fmt: skip


def saved(drawn: Drawn, kind: str) -> bytes:
    """The figure as `svg`, `pdf` or `png`: the same bytes for the same numbers."""
    unsaid = {"svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer"), "png": ("Software",)}[kind]
    file = io.BytesIO()
    drawn.figure.savefig(file, format=kind, metadata={**dict.fromkeys(unsaid), "Title": clean(drawn.title)})
    return file.getvalue()
