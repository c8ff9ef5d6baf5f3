"""Epsilon drawn in the terminal: where it is, and within 80 columns and 24 rows."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.console import Console

from ssrun.strategies import SCHEDULES, STRATEGIES
from ssrun.strategies.schedules import Linear, Schedule
from ssrun.strategies.trajectory import Trajectory
from ssrun.views.terminal.schedule import schedule_view


def lines_of(schedule: Schedule, steps: int, plain: bool, about: str = "") -> list[str]:
    console = Console(width=120, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(schedule_view("a schedule", Trajectory.of(schedule, steps), about, plain))
    return capture.get().splitlines()


OFFERED = {name: (kind(name=name), "") for name, kind in SCHEDULES.items()} | {
    name: (entry.strategy.schedule, entry.about) for name, entry in STRATEGIES.items()
}


@pytest.mark.parametrize("plain", [False, True], ids=["utf-8", "ascii"])
@pytest.mark.parametrize("name", OFFERED)
def test_a_schedule_fits_80_columns_and_24_rows(name: str, plain: bool) -> None:
    schedule, about = OFFERED[name]
    lines = lines_of(schedule, 1000, plain, about)
    assert max(map(cell_len, lines)) <= 80
    assert len(lines) <= 23
    assert "".join(lines).isascii() or not plain


@pytest.mark.parametrize("plain", [False, True], ids=["utf-8", "ascii"])
def test_the_curve_is_drawn_where_epsilon_is(plain: bool) -> None:
    lines = [line[9:69].ljust(60) for line in lines_of(Linear(), 61, plain)[1:12]]
    drawn = [[row for row in range(11) if lines[row][column] != " "] for column in range(60)]
    assert all(abs(row - column / 6) <= 1 for column, rows in enumerate(drawn) for row in rows)
    assert all(drawn)
