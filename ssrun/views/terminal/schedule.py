"""Epsilon over a run, as numbers and as a drawing for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ssrun.strategies.schedules import Decay, Schedule
from ssrun.views.terminal.run import count, page, shown

WIDTH, HEIGHT = 60, 11  # of the chart, in cells; an odd height, so that 1/2 has a row
EXACT = 1_000_000  # steps of a run up to which its mean is taken over every step
SAMPLES = 100_000  # steps that it is taken over in a longer run
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # braille, by column and row


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
