"""Live views: the comparison's table as it fills, and one run's losses drawing apart. They know what updates tell."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ssrun.analysis.document import Estimate
from ssrun.analysis.statistics import mean_interval
from ssrun.config.experiment import Experiment
from ssrun.config.spec import RunName
from ssrun.metrics import METRICS
from ssrun.runs.events import Evaluated, Event, Failed, Finished, Postponed, Retried, Started, Stepped, Update, Warned
from ssrun.runs.result import Evaluation, Scored
from ssrun.system.text import visible
from ssrun.views.tables.cells import mean

SPARKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], low: float | None = None, high: float | None = None) -> str:
    """Values as blocks, from low to high; where these are not given, from the lowest value to the highest."""
    low = min(values, default=0.0) if low is None else low
    high = max(values, default=0.0) if high is None else high
    scale = (len(SPARKS) - 1) / (high - low) if high > low else 0
    return "".join(SPARKS[round((value - low) * scale)] for value in values)


def duration(seconds: float) -> str:
    """Seconds as 0:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def progress_bar(share: float, width: int) -> Text:
    """A bar, filled to a share from 0 to 1."""
    full = round(share * width)
    return Text("━" * full, style="green") + Text("━" * (width - full), style="bright_black")


class RunProgress:
    """A run that goes on, as far as it was told."""

    def __init__(self) -> None:
        self.now = Stepped(step=0, steps=1, epsilon=0.0, loss=0.0)
        self.losses: list[float] = []
        self.evaluations: list[Evaluation] = []

    def take_in(self, event: Event) -> None:
        match event:
            case Stepped():
                self.now = event
                self.losses.append(event.loss)
            case Evaluated():
                self.evaluations.append(event.evaluation)

    def words(self, decimals: int) -> str:
        """Where it stands; before the first step there is nothing to tell."""
        now = self.now
        return f"{now.step}/{now.steps}  ε {now.epsilon:.{decimals}f}  loss {now.loss:.3f}" if now.step else "starting"


class Board:
    """The whole comparison on a terminal: the table as it fills, the runs that go on, the time left.

    Of `runs`, in the order of the table, so many are `todo`; the others are done already, and count.
    """

    def __init__(
        self,
        experiment: Experiment,
        runs: Sequence[RunName],
        todo: int,
        complete: Mapping[RunName, Scored],
        console: Console,
    ) -> None:
        self.experiment, self.console = experiment, console
        self.groups: dict[tuple[str, str], list[RunName]] = {}
        for run in runs:
            self.groups.setdefault((run.task, run.strategy), []).append(run)
        self.values: dict[tuple[str, str], list[dict[str, float]]] = {labels: [] for labels in self.groups}
        self._cells: dict[tuple[str, str], list[str]] = {}  # of rows since their last run ended
        for run, scored in complete.items():
            self.take_in(run, scored)
        self.total, self.todo, self.since = len(runs), todo, time.monotonic()
        self.done = 0  # of those to do
        self.running: dict[RunName, RunProgress] = {}
        self.messages: list[str] = []

    def update(self, update: Update) -> None:
        run, event = update
        match event:
            case Started():
                self.running[run] = RunProgress()
            case Finished() | Failed():
                self.running.pop(run, None)
                self.done += 1
                if isinstance(event, Finished) and event.scored:
                    self.take_in(run, event.scored)
            case Postponed():
                self.running.pop(run, None)
            case Warned(text=message) | Retried(reason=message):
                self.messages.append(f"{run.title}: {message}")
            case _ if run in self.running:
                self.running[run].take_in(event)

    def take_in(self, run: RunName, scored: Scored) -> None:
        """Keeps of a complete run the columns alone."""
        metrics = scored.metrics
        found = {name: metrics[name] for name in self.experiment.metrics if name in metrics}
        self.values[run.task, run.strategy].append(found)
        self._cells.pop((run.task, run.strategy), None)

    @property
    def reached(self) -> str:
        """How far it is, in words."""
        return f"{self.total - self.todo + self.done} of {self.total} runs"

    def time_left(self) -> str:
        done = self.done + sum(progress.now.step / progress.now.steps for progress in self.running.values())
        share = done / max(self.todo, 1)
        passed = time.monotonic() - self.since
        return duration(passed * (1 - share) / share) if share > 0.005 else "..."

    def __rich__(self) -> RenderableType:
        """The screen, never taller than the terminal."""
        height, width = self.console.size.height, self.console.size.width
        done = self.total - self.todo + self.done
        told = f"  {done}/{self.total} runs   {self.time_left()} left   "
        bar = progress_bar(done / max(self.total, 1), bar_room(width, told + self.experiment.name))
        lines: list[RenderableType] = [one_line(bar, told, (self.experiment.name, "bold"))]
        for run, progress in self.running.items():
            blocks = sparkline(progress.losses[-(16 if width >= 100 else 8) :])
            words = f"  {run.task}/{run.strategy} {run.seed}  {progress.words(2)} "
            lines.append(one_line(words, (blocks, "cyan")))
        lines += [one_line((visible(message), "yellow")) for message in self.messages[-2:]]
        room = height - len(lines) - 3
        if room > 2:
            lines.append(self.table(room, width))
        return Group(*lines[: height - 1])

    def table(self, room: int, width: int) -> Table:
        """The rows in the order of the plan; where there is no room for all, from the first that goes on."""
        metrics = self.experiment.metrics[: max(1, (width - 40) // 18)]
        table = Table(box=None, pad_edge=False)
        for heading in ("task", "strategy", "n", *(METRICS[metric].short for metric in metrics)):
            table.add_column(heading, no_wrap=True, justify="left" if heading in ("task", "strategy") else "right")
        rows = list(self.groups)
        going = [(run.task, run.strategy) for run in self.running]
        first = min(map(rows.index, going), default=0)
        top = max(0, min(first, len(rows) - room))
        for labels in rows[top : top + room]:
            table.add_row(*map(Text, self.row(*labels, metrics)))
        if len(rows) > room:
            table.add_row(Text(f"... {len(rows) - room} more", style="dim"))
        return table

    def row(self, task: str, strategy: str, metrics: Sequence[str]) -> list[str]:
        """A strategy on a task: how many of its runs are complete, and their means."""
        values, runs = self.values[task, strategy], self.groups[task, strategy]
        cells = self._cells.setdefault((task, strategy), [])
        for metric in metrics[len(cells) :]:
            found = mean_interval([of_run[metric] for of_run in values if metric in of_run])
            known = None if found.mean is None else Estimate(mean=found.mean, low=found.low, high=found.high)
            cells.append(mean(known, metric))
        return [task, strategy, f"{len(values)}/{len(runs)}", *cells[: len(metrics)]]


class Chart:
    """One run on a terminal: its progress, and the two losses over the run, beneath its bar."""

    def __init__(self, run: RunName) -> None:
        self.run, self.progress, self.since = run, RunProgress(), time.monotonic()
        self.first: int | None = None
        self.messages: list[str] = []

    def update(self, update: Update) -> None:
        if isinstance(update.event, Warned):
            self.messages.append(update.event.text)
        self.progress.take_in(update.event)
        if self.first is None and self.progress.now.step:
            self.first, self.since = self.progress.now.step, time.monotonic()
            if self.first > 1:
                self.messages.append(resumed_at(self.first))

    @property
    def reached(self) -> str:
        """How far it is, in words, as of the last step that was told; nothing before its first."""
        now = self.progress.now
        return f"about step {now.step} of {now.steps}" if now.step else ""

    def time_left(self) -> str:
        """The time left, from the steps since the first that was told; nothing before there are two."""
        now = self.progress.now
        done = now.step - (self.first or 0) if now.step < now.steps else 0
        passed = time.monotonic() - self.since
        return f"  {duration(passed * (now.steps - now.step) / done)} left" if done else ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        progress, told = self.progress, f"  {self.progress.words(3)}{self.time_left()}"
        width = bar_room(options.max_width, max(told, CURVE_WORDS, key=len))
        bar = progress_bar(progress.now.step / progress.now.steps, width)
        lines = [one_line((self.run.title, "bold")), one_line(bar, told)]
        shown = over_the_run(progress.evaluations, progress.now.steps, width)
        free = [scores.free_running_loss for scores in shown]
        forced = [scores.teacher_forced_loss for scores in shown]
        for name, values, style in (("free-running", free, "magenta"), ("teacher-forced", forced, "cyan")):
            if values:
                blocks = sparkline(values, min(*free, *forced), max(*free, *forced))
                lines.append(one_line((f"{blocks:{width}}", style), f"  {name} {values[-1]:.3f}"))
        yield from lines
        yield from (one_line((visible(message), "yellow")) for message in self.messages[-2:])


CURVE_WORDS = "  teacher-forced 00.000"


def bar_room(width: int, words: str) -> int:
    """The cells that a bar has beside these words, at least ten."""
    return max(10, width - len(words) - 1)


def over_the_run(evaluations: Sequence[Evaluation], steps: int, width: int) -> list[Evaluation]:
    """What a curve shows in each of the cells of a run, as far as it is evaluated: the first evaluation in or after it.

    The last cell has the last evaluation.
    """
    shown: list[Evaluation] = []
    for cell in range(width):
        later = bisect_right(evaluations, cell * steps / width, key=lambda scores: scores.step)
        if later == len(evaluations):
            break
        shown.append(evaluations[later])
    return [*shown[:-1], *evaluations[-1:]]


def resumed_at(first: int) -> str:
    """What is said of a run whose first step here was not its first."""
    return f"goes on from step {first - 1}"


def one_line(*parts: str | Text | tuple[str, str]) -> Text:
    """Text on one line, cut with an ellipsis where the terminal ends."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
