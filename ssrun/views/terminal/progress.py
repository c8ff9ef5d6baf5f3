"""What people see while runs go on: a view that takes updates in, live on a terminal, one line an event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from ssrun.config.experiment import Experiment
from ssrun.config.spec import RunName
from ssrun.errors import Interrupted
from ssrun.runs.events import Evaluated, Failed, Finished, Retried, Stepped, Update, Warned
from ssrun.runs.result import CompleteResult, DivergedResult, Scored
from ssrun.system.text import visible
from ssrun.views.terminal.board import Board, Chart, resumed_at
from ssrun.views.terminal.console import is_live, stderr_console


class View(Protocol):
    """Takes updates in, and shows them."""

    def update(self, update: Update) -> None: ...


class Watched(View, Protocol):
    """A view that knows how far it is."""

    @property
    def reached(self) -> str:
        """In words, such as `3 of 54 runs`; empty before there is anything to tell."""


class Lines:
    """One line an event, for pipes and logs; quiet: what went wrong alone. Of `total` runs so many are done already."""

    def __init__(self, total: int, done: int = 0, quiet: bool = False) -> None:
        self.console, self.total, self.done, self.quiet = stderr_console(), total, done, quiet
        self.steps: dict[RunName, Stepped] = {}

    @property
    def reached(self) -> str:
        if self.total > 1:
            return f"{self.done} of {self.total} runs"
        return "".join(f"about step {now.step} of {now.steps}" for now in self.steps.values())

    def update(self, update: Update) -> None:
        name = f"{update.run.task}/{update.run.strategy} seed {update.run.seed}"
        match update.event:
            case Finished() | Failed() as end:
                self.done += 1
                if self.total > 1:
                    self.steps.pop(update.run, None)
                failed = not (isinstance(end, Finished) and isinstance(end.result, CompleteResult))
                if failed or not self.quiet:
                    outcome = outcome_of(end) if isinstance(end, Finished) else f"failed: {end.reason}"
                    self.say(f"[{self.done}/{self.total}] {name}: {outcome}")
            case Stepped() as now:
                if update.run not in self.steps and now.step > 1 and not self.quiet:
                    self.say(f"{name}: {resumed_at(now.step)}")
                self.steps[update.run] = now
            case Evaluated() if self.quiet:
                pass
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
def watch_run(run: RunName, quiet: bool = False) -> Iterator[View]:
    """Shows one run: its two losses over training, which stay on the screen, or a line an evaluation."""
    console = stderr_console()
    if is_live(console) and not quiet:
        chart = Chart(run)
        with reaching(chart), on_screen(chart, console):
            yield chart
    else:
        lines = Lines(1, quiet=quiet)
        with reaching(lines):
            yield lines


@contextmanager
def watch_comparison(
    experiment: Experiment,
    runs: Sequence[RunName],
    todo: int,
    complete: Callable[[], Mapping[RunName, Scored]],
    at_once: str,
    quiet: bool = False,
) -> Iterator[View]:
    """Shows a comparison, of whose runs so many are `todo`: its table as it fills, or a line a run.

    Those that are `complete` are asked for where there is a table, and not read for lines.

    At the end the table is printed whole; where it is interrupted, what stood there stays on the screen.
    """
    console = stderr_console()
    if todo and is_live(console) and not quiet:
        board = Board(experiment, runs, todo, complete(), console)
        with reaching(board), on_screen(board, console) as live:
            yield board
            live.transient = True
        for message in board.messages:
            console.print(Text(visible(message), style="yellow"))
    else:
        lines = Lines(len(runs), len(runs) - todo, quiet)
        if todo and not quiet:
            of_all = f" of {len(runs)}" if todo < len(runs) else ""
            lines.say(f"{experiment.name}: {todo}{of_all} runs to train, {at_once} at once")
        with reaching(lines):
            yield lines


@contextmanager
def reaching(view: Watched) -> Iterator[None]:
    """Says of an interruption how far the view saw it come."""
    try:
        yield
    except Interrupted as error:
        raise Interrupted(error.exit_code - 128, view.reached) from None


def on_screen(view: RenderableType, console: Console) -> Live:
    """Shows a view on the terminal as long as the block lasts, and leaves its last picture there."""
    return Live(view, console=console, refresh_per_second=4, transient=False, redirect_stdout=False)


def tell_bootstrap(counts: Iterable[tuple[int, int]], quiet: bool = False) -> None:
    """Lets the paired bootstraps be made, and tells how far they are, where they take a while, unless quiet."""
    console, since = stderr_console(), time.monotonic()
    for done, total in counts:
        if quiet:
            continue
        if is_live(console):
            console.print(Text(f"paired bootstrap over the test set {done}/{total}"), end="\r")
        elif done == total and time.monotonic() - since > 1:
            console.out(f"paired bootstrap over the test set: {total} comparisons")
