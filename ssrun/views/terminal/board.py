"""Live views for a terminal: the comparison's table as it fills, and one run's losses drawing apart."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssrun.analysis import comparison as comparing
from ssrun.config.experiment import Experiment
from ssrun.config.spec import Cell
from ssrun.engines.local import Update
from ssrun.metrics import METRICS
from ssrun.runs.manifest import Place
from ssrun.views.tables.cells import mean, visible

SPARKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """The values, the last `width` of them at most, as a line of blocks from the lowest to the highest."""
    values = list(values)[-width:]
    if not values:
        return ""
    low, high = min(values), max(values)
    scale = (len(SPARKS) - 1) / (high - low) if high > low else 0
    return "".join(SPARKS[round((value - low) * scale)] for value in values)


def duration(seconds: float) -> str:
    """Seconds as 0:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bar(share: float, width: int = 20) -> Text:
    """A bar, filled to a share."""
    full = round(share * width)
    return Text("━" * full, style="green") + Text("━" * (width - full), style="bright_black")


class Running:
    """A cell that is being trained, as the display knows it."""

    def __init__(self) -> None:
        self.step, self.steps = 0, 1
        self.epsilon = self.loss = 0.0
        self.losses: list[float] = []
        self.forced: list[float] = []
        self.free: list[float] = []

    def shown(self, decimals: int) -> str:
        """Where it stands, in a few words; before the first step there is nothing to tell."""
        if not self.step:
            return "starting"
        return f"{self.step}/{self.steps}  ε {self.epsilon:.{decimals}f}  loss {self.loss:.3f}"

    def update(self, update: Update) -> None:
        """Takes in a step or an evaluation."""
        values = update.values
        if update.kind == "step":
            self.step, self.steps = values["step"], values["steps"]
            self.epsilon, self.loss = values["epsilon"], values["loss"]
            self.losses.append(self.loss)
        elif update.kind == "evaluation":
            self.forced.append(values["teacher_forced_loss"])
            self.free.append(values["free_running_loss"])


class Board:
    """The whole comparison on a terminal: the table as it fills, the running cells, the time left."""

    def __init__(
        self, experiment: Experiment, cells: Sequence[Cell], todo: int, results: Path, console: Console
    ) -> None:
        self.experiment, self.results, self.console = experiment, results, console
        self.places = [Place.of(cell) for cell in cells]
        self.todo, self.done, self.since = todo, 0, time.monotonic()
        self.running: dict[Cell, Running] = {}
        self.messages: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.refresh_table()

    def refresh_table(self) -> None:
        """Reads the results that there are."""
        outcomes = comparing.frame(self.results, self.places, self.experiment)
        metrics = [metric for metric in self.experiment.metrics if metric in outcomes]
        self.rows = [
            comparing.row(
                outcomes[(outcomes["task"] == task) & (outcomes["strategy"] == strategy)], task, strategy, metrics
            )
            for task in self.experiment.tasks
            for strategy in self.experiment.strategies
        ]

    def update(self, update: Update) -> None:
        """Takes in what happened."""
        if update.kind == "start":
            self.running[update.cell] = Running()
        elif update.kind in ("end", "failed"):
            self.running.pop(update.cell, None)
            self.done += 1
            self.refresh_table()
        elif update.kind == "busy":
            self.running.pop(update.cell, None)
        elif update.kind in ("warning", "retry"):
            self.messages.append(f"{update.cell.name}: {update.values.get('text') or update.values.get('reason')}")
        elif update.cell in self.running:
            self.running[update.cell].update(update)

    def left(self) -> str:
        """The time left, from the share that is done."""
        share = (self.done + sum(cell.step / cell.steps for cell in self.running.values())) / max(self.todo, 1)
        passed = time.monotonic() - self.since
        return duration(passed * (1 - share) / share) if share > 0.005 else "..."

    def __rich__(self) -> RenderableType:
        """The screen, never taller than the terminal."""
        height, width = self.console.size.height, self.console.size.width
        share = self.done / max(self.todo, 1)
        top = Text.assemble(
            bar(share), f"  {self.done}/{self.todo} runs   {self.left()} left   ",
            (self.experiment.name, "bold"), no_wrap=True, overflow="ellipsis",
        )  # fmt: skip
        lines: list[RenderableType] = [top]
        for cell, state in self.running.items():
            spark = sparkline(state.losses, 16 if width >= 100 else 8)
            line = f"{cell.task}/{cell.strategy} {cell.seed}  {state.shown(2)} "
            lines.append(Text.assemble("  ", line, (spark, "cyan"), no_wrap=True, overflow="ellipsis"))
        lines += [Text(visible(m), style="yellow", no_wrap=True, overflow="ellipsis") for m in self.messages[-2:]]
        room = height - len(lines) - 3
        if room > 2:
            lines.append(self.table(room, width))
        return Group(*lines[: height - 1])

    def table(self, room: int, width: int) -> Table:
        """The rows as far as they are known, the last to change within sight."""
        metrics = [m for m in self.experiment.metrics if m in METRICS][: max(1, (width - 40) // 14)]
        table = Table(box=None, pad_edge=False)
        for heading in ("task", "strategy", "n", *(METRICS[metric].short for metric in metrics)):
            table.add_column(heading, no_wrap=True, justify="left" if heading in ("task", "strategy") else "right")
        rows = [row for row in self.rows if row["n"]] or self.rows
        hidden = max(0, len(rows) - room)
        active = {cell.task for cell in self.running}
        rows.sort(key=lambda row: row["task"] not in active)
        for row in rows[: len(rows) - hidden]:
            cells = [
                row["task"],
                row["strategy"],
                f"{row['n']}/{row['of']}",
                *(mean(row, metric) for metric in metrics),
            ]
            table.add_row(*map(Text, cells))
        if hidden:
            table.add_row(Text(f"... {hidden} more", style="dim"))
        return table


class Chart:
    """One run on a terminal: its progress, and the two losses drawing apart."""

    def __init__(self, cell: Cell, console: Console) -> None:
        self.cell, self.console, self.state, self.since = cell, console, Running(), time.monotonic()
        self.first: int | None = None
        self.messages: list[str] = []

    def update(self, update: Update) -> None:
        """Takes in what happened."""
        if update.kind == "warning":
            self.messages.append(update.values["text"])
        self.state.update(update)
        if self.first is None and self.state.step:
            self.first, self.since = self.state.step, time.monotonic()

    def __rich__(self) -> RenderableType:
        """The screen."""
        state, width = self.state, max(10, min(60, self.console.size.width - 34))
        done = state.step - (self.first or 0)
        passed = time.monotonic() - self.since
        left = f"  {duration(passed * (state.steps - state.step) / done)} left" if done else ""
        lines = [
            Text(f"{self.cell.task} / {self.cell.strategy} / seed {self.cell.seed}", style="bold"),
            Text.assemble(bar(state.step / state.steps), f"  {state.shown(3)}{left}"),
        ]
        together = [*state.forced, *state.free]
        for name, values, style in (("free-running", state.free, "magenta"), ("teacher-forced", state.forced, "cyan")):
            if values:
                blocks = on_scale(values[-width:], min(together), max(together))
                lines.append(Text.assemble(f"{name:>15} {values[-1]:7.3f}  ", (blocks, style)))
        lines += [Text(visible(message), style="yellow") for message in self.messages[-2:]]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines)


def on_scale(values: Sequence[float], low: float, high: float) -> str:
    """Values as blocks, on a scale that other lines share."""
    scale = (len(SPARKS) - 1) / (high - low) if high > low else 0
    return "".join(SPARKS[round((value - low) * scale)] for value in values)
