"""What people see while runs go on: a view that takes updates in, live on a terminal, one line an event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from ssrun.config.experiment import Experiment
from ssrun.config.spec import RunName
from ssrun.runs.events import Evaluated, Failed, Finished, Retried, Update, Warned
from ssrun.runs.result import DivergedResult, Scored
from ssrun.system.text import visible
from ssrun.views.terminal.board import Board, Chart
from ssrun.views.terminal.console import is_live, stderr_console


class View(Protocol):
    """Takes updates in, and shows them."""

    def update(self, update: Update) -> None: ...


class Lines:
    """One line an event, for pipes and logs; `total` runs are to be done."""

    def __init__(self, total: int) -> None:
        self.console, self.total, self.done = stderr_console(), total, 0

    def update(self, update: Update) -> None:
        name = f"{update.run.task}/{update.run.strategy} seed {update.run.seed}"
        match update.event:
            case Finished() | Failed() as end:
                self.done += 1
                outcome = outcome_of(end) if isinstance(end, Finished) else f"failed: {end.reason}"
                self.say(f"[{self.done}/{self.total}] {name}: {outcome}")
            case Evaluated(evaluation=scores) if self.total == 1:
                losses = f"forced loss {scores.teacher_forced_loss:.3f}, free loss {scores.free_running_loss:.3f}"
                self.say(f"{name} step {scores.step}: epsilon {scores.epsilon:.3f}, {losses}, BLEU {scores.bleu:.1f}")
            case Warned(text=text):
                self.say(f"{name}: warning: {text}")
            case Retried(reason=reason):
                self.say(f"{name}: retry: {reason}")

    def say(self, line: str) -> None:
        self.console.out(visible(line))


def outcome_of(end: Finished) -> str:
    if isinstance(end.result, DivergedResult):
        return end.result.reason
    bleu = f"BLEU {end.scores.bleu:.1f}, " if end.scores else ""
    return f"{bleu}free loss {end.result.free_running_loss:.3f} ({end.result.seconds:.0f} s)"


@contextmanager
def watch_run(run: RunName) -> Iterator[View]:
    """Shows one run: its two losses drawing apart, or a line an evaluation."""
    console = stderr_console()
    if is_live(console):
        chart = Chart(run, console)
        with on_screen(chart, console):
            yield chart
    else:
        yield Lines(1)


@contextmanager
def watch_comparison(
    experiment: Experiment, runs: Sequence[RunName], todo: int, complete: Mapping[RunName, Scored], jobs: int
) -> Iterator[View]:
    """Shows a comparison, of whose runs so many are `todo`, `jobs` at once: its table as it fills, or a line a run."""
    console = stderr_console()
    if todo and is_live(console):
        board = Board(experiment, runs, todo, complete, console)
        with on_screen(board, console):
            yield board
        for message in board.messages:
            console.print(Text(visible(message), style="yellow"))
    else:
        lines = Lines(todo)
        if todo:
            lines.say(f"{experiment.name}: {todo} runs to train, {jobs} at once")
        yield lines


def on_screen(view: RenderableType, console: Console) -> Live:
    """Shows a view on the terminal as long as the block lasts, and leaves a clean screen."""
    return Live(view, console=console, refresh_per_second=4, transient=True, redirect_stdout=False)


def tell_bootstrap(counts: Iterable[tuple[int, int]]) -> None:
    """Tells how the paired bootstraps come along, where they take a while: how many are done, of how many."""
    console, since = stderr_console(), time.monotonic()
    for done, total in counts:
        if is_live(console):
            console.print(Text(f"paired bootstrap over the test set {done}/{total}"), end="\r")
        elif done == total and time.monotonic() - since > 1:
            console.out(f"paired bootstrap over the test set: {total} comparisons")
