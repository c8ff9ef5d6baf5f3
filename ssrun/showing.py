"""What is seen inside one run, for a terminal: positions, epsilon over the run, recovery. At most 80 columns wide.

Every sign means the same without colour. `plain` asks for ASCII alone, where the terminal's encoding has no more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

from ssrun.schedules import Decay, Schedule
from ssrun.tables import visible

if TYPE_CHECKING:  # torch: not needed to draw a schedule
    from ssrun.explaining import Position, Recovery, Sides, StepView

TOKEN = 14  # cells of a token in a table
PAGE = 80  # columns
LINE = 400  # cells of a source that are shown
OFFSETS = 40  # offsets that are shown
WIDTH, HEIGHT = 60, 11  # of the chart, in cells; an odd height, so that 1/2 has a row
EXACT = 1_000_000  # steps of a run up to which its mean is taken over every step
SAMPLES = 100_000  # steps that it is taken over in a longer run
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # braille, by column and row
FROM_0 = "Steps, examples and positions count from 0."
SIGNS = {
    "x": ("wrong", "bold red"),
    "r": ("the same as the prediction before", "magenta"),
    "*": ("not the true token", "bold yellow"),
}


def shown(text: str, plain: bool, width: int = LINE) -> str:
    """A user's text as it can be shown: controls as escapes, cut to `width` cells with an ellipsis."""
    text, dots = visible(text), "..." if plain else "…"
    if plain:
        text = text.encode("ascii", "backslashreplace").decode()
    return text if cell_len(text) <= width else set_cell_size(text, width - len(dots)) + dots


def table_of(*columns: str) -> Table:
    """An empty table; a heading that begins with `>` is of numbers, aligned on the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column[:1] == ">" else "left", no_wrap=True)
    return table


def marks(position: Position) -> Text:
    """The signs of a prediction."""
    return Text.assemble(
        *((sign, SIGNS[sign][1]) for sign, is_so in (("x", position.wrong), ("r", position.repeated)) if is_so)
    )


def prediction(position: Position, plain: bool) -> Text:
    """A predicted token, in the colour of an error where it is one."""
    return Text(shown(position.predicted, plain, TOKEN), style=SIGNS["x"][1] if position.wrong else "")


def legend(signs: str) -> Text:
    """What the signs mean."""
    parts: list[Any] = []
    for sign in signs:
        meaning, style = SIGNS[sign]
        parts += [(sign, style), (f" {meaning}   ", "dim")]
    return Text.assemble(*parts)


def page(*parts: RenderableType) -> RenderableType:
    """The parts under each other, at most PAGE columns wide."""
    return Constrain(Group(*parts), PAGE)


def head(title: str, facts: Iterable[str], source: Sequence[str], plain: bool) -> list[RenderableType]:
    """The run, what is looked at, and the source."""
    return [
        Text(shown(title, plain), style="bold"),
        Text("   ".join(facts)),
        Text.assemble(("source  ", "dim"), shown(" ".join(source), plain)),
        Text(),
    ]


def count(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def step_view(title: str, example: int, view: StepView, plain: bool = False) -> RenderableType:
    """One example of one training step: gold, coin, fed and predicted, position by position."""
    table = table_of(">t", "coin", "fed", "", "predicted", "", "gold", ">p(gold)")
    for position in view.positions:
        style = SIGNS["*"][1] if position.replaced else ""
        table.add_row(
            Text(str(position.position)),
            Text(position.coin, style="" if position.coin in ("true", "-") else "cyan"),
            Text(shown(position.fed, plain, TOKEN), style=style),
            Text("*" if position.replaced else "", style=style),
            prediction(position, plain),
            marks(position),
            Text(shown(position.gold, plain, TOKEN)),
            Text(f"{position.p_gold:.2f}"),
        )
    own = [position for position in view.positions if position.coin not in ("true", "-")]
    replaced, wrong = sum(position.replaced for position in own), sum(position.wrong for position in view.positions)
    facts = (
        f"step {view.step} of {view.steps}",
        f"{'epsilon' if plain else 'ε'} {view.epsilon:.3f}",
        f"loss {view.loss:.3f}",
        f"example {example} of {view.rows}",
    )
    return page(
        *head(title, facts, view.source, plain),
        table,
        Text(),
        legend("*xr"),
        Text(f"The token fed at t stands for the true one before it, gold at t - 1. {FROM_0}", style="dim"),
        Text(
            f"{len(own)} of {count(len(view.positions) - 1, 'coin')} did not say true, and {replaced} of them changed "
            f"the token.  {count(wrong, 'error')} in {count(len(view.positions), 'position')}."
        ),
    )


def sides_view(title: str, example: int, of: int, source: Sequence[str], sides: Sides, plain: bool) -> RenderableType:
    """The trained model on one test example: predicted when fed gold, beside predicted when fed its own argmax."""
    table = table_of(">t", "gold", "fed gold", "", ">p(gold)", "fed its own", "", ">p(gold)")
    for forced, free in zip(sides.forced, sides.free, strict=True):
        table.add_row(
            Text(str(forced.position)),
            Text(shown(forced.gold, plain, TOKEN)),
            *(prediction(forced, plain), marks(forced), Text(f"{forced.p_gold:.2f}")),
            *(prediction(free, plain), marks(free), Text(f"{free.p_gold:.2f}")),
        )

    def errors(side: Sequence[Position]) -> str:
        wrong = [position.position for position in side if position.wrong]
        return count(len(wrong), "error") + (f", the first at {wrong[0]}" if wrong else "")

    return page(
        *head(title, (f"test example {example} of {of}",), source, plain),
        table,
        Text(),
        legend("xr"),
        Text(FROM_0, style="dim"),
        Text(f"Fed gold: {errors(sides.forced)}.  Fed its own: {errors(sides.free)}.  {len(sides.forced)} positions."),
    )


class Course(NamedTuple):
    """A schedule over a run.

    Attributes:
        formula: The schedule's equation.
        steps: Of the run.
        resolved: `k` and `half_step`, as `Schedule.resolved` gives them.
        half_share: The half point's share of the run.
        width: Steps from the first at or below 90 % of a decay (of the way from its end to its start) to the first
            at or below 10 %; None for what is no decay.
        first: epsilon at the first step.
        last: epsilon at the last step.
        mean_epsilon: The mean share of true tokens.
        mean_own: The mean share of tokens that are not the true ones but the model's own (or random), 1 - mean_epsilon.
        ranges: Lowest and highest epsilon within each of 2 WIDTH equal parts of the run, and at their borders.
    """

    formula: str
    steps: int
    resolved: dict[str, float]
    half_share: float | None
    width: int | None
    first: float
    last: float
    mean_epsilon: float
    mean_own: float
    ranges: list[tuple[float, float]]


def course(schedule: Schedule, steps: int) -> Course:
    """The numbers of a schedule over a run of `steps` steps, from 1; a long run's mean is taken over a sample."""
    resolved = schedule.resolved(steps)
    half = resolved.get("half_step")
    mean = (
        schedule.mean(steps)
        if steps <= EXACT
        else math.fsum(schedule(step, steps) for step in spread(0, steps - 1, SAMPLES)) / SAMPLES
    )
    parts = 2 * WIDTH
    ranges = []
    for part in range(parts):
        first, after = part * steps // parts, min((part + 1) * steps // parts, steps - 1)
        values = [schedule(step, steps) for step in (*spread(first, max(first, after), 32), first, after)]
        ranges.append((min(values), max(values)))
    return Course(
        formula=schedule.formula,
        steps=steps,
        resolved=resolved,
        half_share=None if half is None else half / steps,
        width=width_of(schedule, steps) if isinstance(schedule, Decay) and schedule.end < schedule.start else None,
        first=schedule(0, steps),
        last=schedule(steps - 1, steps),
        mean_epsilon=mean,
        mean_own=1 - mean,
        ranges=ranges,
    )


def spread(first: int, last: int, most: int) -> Iterable[int]:
    """Every step from first to last, or `most` of them, spread by the golden ratio so that no period is missed."""
    span, golden = last - first + 1, (math.sqrt(5) - 1) / 2
    if span <= most:
        return range(first, last + 1)
    return (first + int(span * (number * golden % 1)) for number in range(most))


def width_of(schedule: Decay, steps: int) -> int:
    """Steps that a decay takes from 90 to 10 % of its way, in or beyond the run."""
    levels = [schedule.end + share * (schedule.start - schedule.end) for share in (0.1, 0.9)]

    def reached(level: float) -> int:
        low, high = -1, 2**60  # epsilon falls: bisect, from beyond the slowest decay's end
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if schedule(middle, steps) > level else (low, middle)
        return high

    return reached(levels[0]) - reached(levels[1])


def course_view(title: str, course: Course, about: str = "", plain: bool = False) -> RenderableType:
    """Epsilon drawn over the run, and the numbers."""
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    formula = course.formula.replace("ε", "epsilon").replace("·", "*") if plain else course.formula
    facts.add_row("formula", Text(formula))
    if "k" in course.resolved:
        facts.add_row("k", f"{course.resolved['k']:.6g}")
    if course.half_share is not None:
        half = course.resolved["half_step"]
        beyond = ", beyond the run" if half >= course.steps else ""
        at = f"{half:,.4g}" if half < 1e4 else f"{half:,.0f}"
        facts.add_row("half point", f"step {at}, {course.half_share:.3g} of the run{beyond}")
    if course.width is not None:
        facts.add_row("90 to 10 %", f"{count(course.width, 'step')}, {course.width / course.steps:.3g} of the run")
    ends = f"first {course.first:.4f}, last {course.last:.4f}"
    facts.add_row("mean epsilon", f"{course.mean_epsilon:.4f} ({ends}); own tokens {course.mean_own:.4f}")
    words = [Text(shown(about, plain), style="dim")] if about else []
    return page(Text(shown(title, plain), style="bold"), *words, chart(course, plain), facts)


def chart(course: Course, plain: bool) -> Text:
    """Epsilon from 0 to 1 over the run: two by four dots a cell, or one sign a cell in plain ASCII."""
    across, down = (1, 1) if plain else (2, 4)
    top = HEIGHT * down - 1
    cells = [[0] * WIDTH for _ in range(HEIGHT)]
    for column in range(WIDTH * across):
        of_cell = course.ranges[2 * column : 2 * column + 2] if plain else [course.ranges[column]]
        low, high = min(low for low, _ in of_cell), max(high for _, high in of_cell)
        for row in range(round((1 - high) * top), round((1 - low) * top) + 1):
            cells[row // down][column // across] |= 1 if plain else DOTS[column % 2][row % 4]
    side, corner, floor, tick = "|+-+" if plain else "│└─┴"
    labels = {0: "1.0", HEIGHT // 2: "0.5", HEIGHT - 1: "0.0"}
    text = Text()
    for number, line in enumerate(cells):
        signs = "".join(" *"[cell] if plain else chr(0x2800 + cell) if cell else " " for cell in line)
        name = "" if number else "eps" if plain else "ε"
        text.append(f"{name:>3}{labels.get(number, ''):>4} {side}", style="dim")
        text.append(f"{signs}\n", style="cyan")
    axis = [floor] * WIDTH
    if course.half_share is not None and course.half_share < 1:
        axis[int(course.half_share * WIDTH)] = tick
    text.append(f"        {corner}{''.join(axis)}\n", style="dim")
    end, middle = f"{course.steps - 1:,}", f"step   ({tick} half point)" if tick in axis else "step"
    text.append(f"         0{middle:^{WIDTH - 1 - len(end)}}{end}", style="dim")
    return text


def bar(points: float, plain: bool) -> str:
    """Percentage points as a bar, five of them a cell."""
    eighths = max(0, round(points * 8 / 5))
    if plain:
        return "#" * round(eighths / 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def recovery_view(title: str, recovery: Recovery, plain: bool = False) -> RenderableType:
    """A table with a bar per offset, and how many recover, and when."""
    table = table_of(">offset", ">pairs", ">without", ">injected", ">excess", "", ">recovered")
    for offset in recovery.offsets[:OFFSETS]:
        table.add_row(
            *(Text(str(number)) for number in (offset.offset, offset.pairs)),
            *(Text(f"{share:.1f} %") for share in (offset.without, offset.injected)),
            Text(f"{offset.excess:+.1f}"),
            Text(f"{bar(offset.excess, plain):<20}", style="red"),
            Text(f"{offset.recovered:.1f} %"),
        )
    n = recovery.pairs
    where = "the middle of each target" if recovery.position is None else f"position {recovery.position}"
    lines = [
        f"{recovery.recovered} of {n} recover ({recovery.untouched} of them never differ); "
        f"{n - recovery.recovered} do not before the target ends."
    ]
    if recovery.mean_steps is not None:
        lines.append(f"Those that recover do so after {recovery.mean_steps:.2f} outputs on average.")
    if recovery.left_out:
        lines.append(f"{count(recovery.left_out, 'pair')} left out: too short for a wrong token there.")
    notes = [
        "Offset 0 is the swapped position, still predicted from true tokens; from offset 1 on the model is fed its "
        "own argmax, after the true prefix (without) and after the one with the wrong token (injected). Errors in %, "
        "excess in points. Recovered: from here to the target's end, the same outputs as without the wrong token."
    ]
    if recovery.references > 1:
        notes.append("This task has several right answers, and errors count against the first: trust `recovered` more.")
    more = len(recovery.offsets) - OFFSETS
    return page(
        Text(shown(title, plain), style="bold"),
        Text(f"one wrong token at {where}, {count(n, 'test pair')}"),
        Text(),
        table,
        *([Text(f"{count(more, 'offset')} more: see --json", style="dim")] if more > 0 else []),
        Text(),
        *(Text(line) for line in lines),
        *(Text(note, style="dim") for note in notes),
    )
