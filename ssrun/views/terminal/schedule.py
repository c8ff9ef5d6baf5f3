"""Epsilon over a run, or over positions, drawn for the terminal: one curve, or several in one drawing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ssrun.strategies.trajectory import Trajectory
from ssrun.system.text import plural
from ssrun.views.terminal.run import page, shown

WIDTH, HEIGHT = 60, 11  # of the chart, in cells; an odd height, so that 1/2 has a row
AXIS = {"side": "│", "corner": "└", "floor": "─", "half": "┴"}
SIGNS = (("o", "cyan"), ("x", "magenta"), ("+", "yellow"), ("*", "green"), ("#", "red"), ("%", "blue"))  # a curve each
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # braille, by column and row


def schedule_view(title: str, trajectory: Trajectory, about: str = "", plain: bool = False) -> RenderableType:
    whole = "run" if trajectory.unit == "step" else "horizon"
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    formula = trajectory.formula.replace("ε", "epsilon").replace("·", "*") if plain else trajectory.formula
    facts.add_row("formula", Text(formula))
    if "k" in trajectory.resolved:
        facts.add_row("k", f"{trajectory.resolved['k']:.6g}")
    if trajectory.half_share is not None:
        beyond = f", beyond the {whole}" if trajectory.half_share >= 1 else ""
        share = f"{trajectory.half_share:.3g} of the {whole}{beyond}"
        facts.add_row("half point", f"{trajectory.unit} {half_step(trajectory)}, {share}")
    if trajectory.width is not None:
        share = f"{trajectory.width / trajectory.steps:.3g} of the {whole}"
        facts.add_row("90 to 10 %", f"{plural(trajectory.width, trajectory.unit)}, {share}")
    elif trajectory.falls is False:
        facts.add_row("90 to 10 %", "never")
    ends = f"first {trajectory.first:.4f}, last {trajectory.last:.4f}"
    facts.add_row("mean epsilon", f"{trajectory.mean_epsilon:.4f} ({ends}); own tokens {trajectory.mean_own:.4f}")
    words = [Text(shown(about, plain), style="dim")] if about else []
    return page(Text(shown(title, plain), style="bold"), *words, chart(trajectory, plain), facts)


def overlay_view(curves: Sequence[tuple[str, Trajectory]], plain: bool = False) -> RenderableType:
    """Curves over runs of the same length in one drawing, each with a sign of its own, and what they come to."""
    legend = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "", "k", "half point", "90 to 10 %", "mean epsilon"):
        legend.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    cells: list[list[tuple[str, str]]] = [[(" ", "")] * WIDTH for _ in range(HEIGHT)]
    for (name, trajectory), (sign, style) in zip(curves, SIGNS, strict=False):
        for column in range(WIDTH):
            for row in rows_of(trajectory.ranges[2 * column : 2 * column + 2], HEIGHT - 1):
                cells[row][column] = (sign, style)
        k = f"{trajectory.resolved['k']:.4g}" if "k" in trajectory.resolved else "-"
        half = "-" if trajectory.half_share is None else half_step(trajectory)
        width = "never" if trajectory.falls is False else "-" if trajectory.width is None else f"{trajectory.width:,}"
        facts = (k, half, width, f"{trajectory.mean_epsilon:.3f}")
        legend.add_row(Text(sign, style=style), Text(shown(name, plain)), *facts)
    first = curves[0][1]
    lines = [Text.assemble(*line) for line in cells]
    title = Text(plural(first.steps, first.unit), style="bold")
    return page(title, framed(lines, first._replace(half_share=None), plain), legend)


def half_step(trajectory: Trajectory) -> str:
    half = trajectory.resolved["half_step"]
    return f"{half:,.4g}" if half < 1e4 else f"{half:,.0f}"


def rows_of(ranges: Sequence[tuple[float, float]], top: int) -> range:
    """The rows, from 0 at epsilon 1 to `top` at 0, that these ranges of epsilon fill."""
    low = min(low for low, _ in ranges)
    high = max(high for _, high in ranges)
    return range(round((1 - high) * top), round((1 - low) * top) + 1)


def chart(trajectory: Trajectory, plain: bool) -> Text:
    """Epsilon from 0 to 1 over the run: two by four dots a cell, or one sign a cell in plain ASCII."""
    across, down = (1, 1) if plain else (2, 4)
    cells = [[0] * WIDTH for _ in range(HEIGHT)]
    for column in range(WIDTH * across):
        ranges = trajectory.ranges[2 * column : 2 * column + 2] if plain else [trajectory.ranges[column]]
        for row in rows_of(ranges, HEIGHT * down - 1):
            cells[row // down][column // across] |= 1 if plain else DOTS[column % 2][row % 4]
    signs = ("".join(("*" if plain else chr(0x2800 + cell)) if cell else " " for cell in line) for line in cells)
    return framed([Text(line, style="cyan") for line in signs], trajectory, plain)


def framed(lines: Sequence[Text], trajectory: Trajectory, plain: bool) -> Text:
    """A drawing's lines with their axes: epsilon on the left, steps below, and a mark at a half point in the run."""
    half_share = trajectory.half_share
    axis = {"side": "|", "corner": "+", "floor": "-", "half": "+"} if plain else AXIS
    labels = {0: "1.0", HEIGHT // 2: "0.5", HEIGHT - 1: "0.0"}
    text = Text()
    for row, line in enumerate(lines):
        name = "" if row else "eps" if plain else "ε"
        text.append(f"{name:>3}{labels.get(row, ''):>4} {axis['side']}", style="dim")
        text.append(line).append("\n")
    floor = [axis["floor"]] * WIDTH
    words = trajectory.unit
    if half_share is not None and half_share < 1:
        floor[int(half_share * WIDTH)] = axis["half"]
        words += f"   ({axis['half']} half point)"
    text.append(f"        {axis['corner']}{''.join(floor)}\n", style="dim")
    end = f"{trajectory.steps - 1:,}"
    text.append(f"         0{words:^{WIDTH - 1 - len(end)}}{end}", style="dim")
    return text
