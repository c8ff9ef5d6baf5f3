"""Epsilon over a run, drawn for the terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ssrun.strategies.trajectory import Trajectory
from ssrun.system.text import plural
from ssrun.views.terminal.run import page, shown

WIDTH, HEIGHT = 60, 11  # of the chart, in cells; an odd height, so that 1/2 has a row
AXIS = {"side": "│", "corner": "└", "floor": "─", "half": "┴"}
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # braille, by column and row


def schedule_view(title: str, trajectory: Trajectory, about: str = "", plain: bool = False) -> RenderableType:
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    formula = trajectory.formula.replace("ε", "epsilon").replace("·", "*") if plain else trajectory.formula
    facts.add_row("formula", Text(formula))
    if "k" in trajectory.resolved:
        facts.add_row("k", f"{trajectory.resolved['k']:.6g}")
    if trajectory.half_share is not None:
        half = trajectory.resolved["half_step"]
        beyond = ", beyond the run" if half >= trajectory.steps else ""
        at = f"{half:,.4g}" if half < 1e4 else f"{half:,.0f}"
        facts.add_row("half point", f"step {at}, {trajectory.half_share:.3g} of the run{beyond}")
    if trajectory.width is not None:
        share = trajectory.width / trajectory.steps
        facts.add_row("90 to 10 %", f"{plural(trajectory.width, 'step')}, {share:.3g} of the run")
    ends = f"first {trajectory.first:.4f}, last {trajectory.last:.4f}"
    facts.add_row("mean epsilon", f"{trajectory.mean_epsilon:.4f} ({ends}); own tokens {trajectory.mean_own:.4f}")
    words = [Text(shown(about, plain), style="dim")] if about else []
    return page(Text(shown(title, plain), style="bold"), *words, chart(trajectory, plain), facts)


def chart(trajectory: Trajectory, plain: bool) -> Text:
    """Epsilon from 0 to 1 over the run: two by four dots a cell, or one sign a cell in plain ASCII."""
    across, down = (1, 1) if plain else (2, 4)
    top = HEIGHT * down - 1
    cells = [[0] * WIDTH for _ in range(HEIGHT)]
    for column in range(WIDTH * across):
        ranges = trajectory.ranges[2 * column : 2 * column + 2] if plain else [trajectory.ranges[column]]
        low = min(low for low, _ in ranges)
        high = max(high for _, high in ranges)
        for row in range(round((1 - high) * top), round((1 - low) * top) + 1):
            cells[row // down][column // across] |= 1 if plain else DOTS[column % 2][row % 4]
    axis = {"side": "|", "corner": "+", "floor": "-", "half": "+"} if plain else AXIS
    labels = {0: "1.0", HEIGHT // 2: "0.5", HEIGHT - 1: "0.0"}
    text = Text()
    for row, line in enumerate(cells):
        signs = "".join(("*" if plain else chr(0x2800 + cell)) if cell else " " for cell in line)
        name = "" if row else "eps" if plain else "ε"
        text.append(f"{name:>3}{labels.get(row, ''):>4} {axis['side']}", style="dim")
        text.append(f"{signs}\n", style="cyan")
    floor = [axis["floor"]] * WIDTH
    words = "step"
    if trajectory.half_share is not None and trajectory.half_share < 1:
        floor[int(trajectory.half_share * WIDTH)] = axis["half"]
        words = f"step   ({axis['half']} half point)"
    text.append(f"        {axis['corner']}{''.join(floor)}\n", style="dim")
    end = f"{trajectory.steps - 1:,}"
    text.append(f"         0{words:^{WIDTH - 1 - len(end)}}{end}", style="dim")
    return text
