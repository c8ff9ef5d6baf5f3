"""What people see while runs go on: live bars and a filling table on a terminal, one line an event elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ssrun.analysis import bootstrap
from ssrun.analysis import comparison as comparing
from ssrun.config.experiment import Experiment
from ssrun.config.spec import Cell
from ssrun.engines import local
from ssrun.engines.local import Update
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import Place
from ssrun.system import signals as interruption
from ssrun.views.tables.cells import visible
from ssrun.views.terminal.board import Board, Chart


def stdout_console() -> Console:
    """Where data goes: as wide as the terminal; in a pipe, as wide as a table may want to be."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


def stderr_console() -> Console:
    """Where progress goes."""
    return Console(stderr=True, highlight=False)


class View(Protocol):
    """Takes updates and shows them."""

    def update(self, update: Update) -> None:
        """Something happened."""


class Lines:
    """One line an event, for pipes and logs."""

    def __init__(self, total: int) -> None:
        self.console, self.total, self.done = stderr_console(), total, 0

    def update(self, update: Update) -> None:
        """Prints what is worth a line."""
        cell, values = update.cell, update.values
        name = f"{cell.task}/{cell.strategy} seed {cell.seed}"
        if update.kind in ("end", "failed"):
            self.done += 1
            self.say(f"[{self.done}/{self.total}] {name}: {outcome_of(update)}")
        elif update.kind == "evaluation" and self.total == 1:
            self.say(
                f"{name} step {values['step']}: epsilon {values['epsilon']:.3f}, "
                f"forced loss {values['teacher_forced_loss']:.3f}, free loss {values['free_running_loss']:.3f}, "
                f"BLEU {values['bleu']:.1f}"
            )
        elif update.kind in ("warning", "retry"):
            self.say(f"{name}: {update.kind}: {values.get('text') or values.get('reason')}")

    def say(self, line: str) -> None:
        """One line, as it is."""
        self.console.out(visible(line))


def outcome_of(update: Update) -> str:
    """How a cell ended, in a few words."""
    values = update.values
    if update.kind == "failed":
        return f"failed: {values['reason']}"
    if values["status"] != "complete":
        return str(values["reason"])
    return f"BLEU {values['bleu']:.1f}, free loss {values['free_running_loss']:.3f} ({values['seconds']:.0f} s)"


@contextmanager
def shown(view: Any, console: Console) -> Iterator[None]:
    """Shows a view on the terminal as long as the block lasts, and leaves a clean screen."""
    with Live(view, console=console, refresh_per_second=4, transient=True, redirect_stdout=False):
        yield


def is_live(console: Console) -> bool:
    """Whether bars can be drawn."""
    return console.is_terminal and not console.is_dumb_terminal


def watch_run(
    cell: Cell, folder: RunFolder, checkpoint_every: int | None, mirror: View | None = None
) -> dict[str, Any]:
    """Runs one cell in this process and shows how it goes, also to a `mirror`; returns its result."""
    from filelock import Timeout

    from ssrun.errors import StoreError
    from ssrun.runs.execution import execute

    interruption.listen()  # not before the imports, which look at no flag
    console = stderr_console()
    folder.make()
    view: View = Chart(cell, console) if is_live(console) else Lines(1)
    result: dict[str, Any] = {}

    def follow() -> None:
        for event in execute(cell, folder, checkpoint_every):
            for each in (view, mirror) if mirror else (view,):
                each.update(Update(cell, event.kind, event.values))
            if event.kind == "end":
                result.update(event.values)

    try:
        with folder.lock():
            if isinstance(view, Chart):
                with shown(view, console):
                    follow()
            else:
                follow()
    except Timeout:
        raise StoreError(f"{folder.path}: another process is training this run: wait for it") from None
    return result


def watch_comparison(
    experiment: Experiment,
    cells: Sequence[Cell],
    results: Path,
    jobs: int,
    checkpoint_every: int | None,
    cell_timeout: float | None,
    mirror: View | None = None,
) -> None:
    """Runs what is missing and shows how it goes, also to a `mirror`."""
    todo = comparing.incomplete(results, cells)
    if not todo:
        return
    console = stderr_console()
    updates = local.run(todo, results, jobs, checkpoint_every, cell_timeout)
    if is_live(console):
        board = Board(experiment, cells, len(todo), results, console)
        with shown(board, console):
            for update in updates:
                board.update(update)
                if mirror:
                    mirror.update(update)
        for message in board.messages:
            console.print(Text(visible(message), style="yellow"))
    else:
        lines = Lines(len(todo))
        lines.say(f"{experiment.name}: {len(todo)} runs to train, {jobs} at once")
        for update in updates:
            lines.update(update)
            if mirror:
                mirror.update(update)


def print_result(result: dict[str, Any]) -> None:
    """One run's result, and where it lies."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="dim")
    if result["status"] == "complete":
        for name, metric in METRICS.items():
            if name in result:
                table.add_row(name, f"{result[name]:.{metric.decimals}f}", f"{metric.unit}: {metric.about}")
        for name, value in result["schedule"].items():
            table.add_row(name, f"{value:.4g}", "of the schedule, as resolved")
        for name, value in result["facts"].items():
            table.add_row(name, str(value), "of the corpus")
    else:
        table.add_row(result["status"], Text(visible(result["reason"])), "")
    console = stdout_console()
    console.print(table)
    console.print(Text(f"signature  {result.get('bleu_signature', '-')}", style="dim"))
    console.print(Text(f"run        {visible(result['run'])}"), soft_wrap=True)
    sys.stdout.flush()


def watch_bootstrap(results: Path, places: Sequence[Place], baseline: str) -> None:
    """Computes the paired bootstraps that are missing, and says so where it takes a while."""
    console = stderr_console()
    since = time.monotonic()
    for done, total in bootstrap.fill(results, places, baseline):
        interruption.check()
        if is_live(console):
            console.print(Text(f"paired bootstrap over the test set {done}/{total}"), end="\r")
        elif done == total and time.monotonic() - since > 1:
            console.out(f"paired bootstrap over the test set: {total} comparisons")
