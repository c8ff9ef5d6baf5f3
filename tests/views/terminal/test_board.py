"""The live views: they fit the terminal at every moment, and tell what the updates told them."""

from __future__ import annotations

import io
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from ssrun.config.experiment import Experiment
from ssrun.config.spec import RunName
from ssrun.runs.events import Evaluated, Failed, Finished, Postponed, Retried, Started, Stepped, Update, Warned
from ssrun.views.terminal.board import SPARKS, Board, Chart, duration, over_the_run, progress_bar, sparkline
from tests.support.outcomes import HOSTILE, diverged, evaluation, experiment, finished, run_name

SIZES = [(80, 24), (200, 50), (40, 10), (20, 5)]
WORDS = " ".join(HOSTILE)
RUNS = [run_name(strategy, seed) for seed in range(2) for strategy in "abcdef"]
RUN, OTHER = RUNS[:2]
ASKED: Experiment = experiment("abcdef", 2)


def console_of(width: int, height: int) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)


def board_of(width: int = 100, height: int = 30, todo: int = 4) -> Board:
    return Board(ASKED, RUNS, todo, {}, console_of(width, height))


def screen(view: RenderableType, console: Console) -> list[str]:
    """The lines of a view, as this terminal shows them."""
    with console.capture() as capture:
        console.print(view)
    return capture.get().removesuffix("\n").split("\n")


def stepped(run: RunName, step: int, loss: float = 1.0) -> Update:
    return Update(run, Stepped(step=step, steps=100, epsilon=0.5, loss=loss))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_board_fits_the_terminal_at_every_moment(width: int, height: int) -> None:
    board = board_of(width, height, len(RUNS))
    for index, run in enumerate(RUNS):
        board.update(Update(run, Started()))
        board.update(stepped(run, 8 * index + 1, 1 / (index + 1)))
        board.update(Update(run, Warned(text=WORDS)))
        lines = screen(board, board.console)
        assert len(lines) <= height
        assert max(map(len, lines)) <= width
        assert all(line.isprintable() for line in lines)
        if index > 1:
            board.update(Update(RUNS[index - 2], finished()))
    assert board.done == 10


def test_the_board_tells_what_is_done_what_runs_and_what_went_wrong() -> None:
    board = board_of()
    for run in (RUN, OTHER, RUNS[2]):
        board.update(Update(run, Started()))
    board.update(stepped(RUN, 40, 2.5))
    board.update(Update(OTHER, Retried(reason="killed by SIGKILL")))
    board.update(Update(RUNS[2], Postponed()))
    lines = screen(board, board.console)
    assert lines[0].startswith("━" * 60), "a bar is as wide as there is room"
    assert len(lines[0]) in (99, 100)
    assert "8/12 runs" in lines[0], "runs that were done before count as well"
    assert board.reached == "8 of 12 runs"
    assert lines[0].endswith("planted")
    assert "t/a 0  40/100  ε 0.50  loss 2.500" in lines[1]
    assert "t/b 0  starting" in lines[2]
    assert "killed by SIGKILL" in lines[3]
    assert any(re.match(r"t +a +0/2", line) for line in lines)
    board.update(Update(RUN, finished()))
    board.update(Update(OTHER, Failed(reason="x")))
    assert "10/12 runs" in screen(board, board.console)[0]
    assert board.running == {}


def test_the_boards_means_are_those_of_the_results_that_there_were_and_that_came() -> None:
    board = Board(ASKED, RUNS, 11, {RUN: finished(bleu=10.0).scored}, console_of(100, 30))
    assert any(re.fullmatch(r"t +a +1/2 +10\.0 +0\.123 *", line) for line in screen(board, board.console))
    second = run_name(RUN.strategy, 1)
    board.update(Update(second, finished(bleu=20.0)))
    board.update(Update(OTHER, Finished(result=diverged())))
    lines = screen(board, board.console)
    assert any(re.fullmatch(r"t +a +2/2 +15\.0 \[0, 78\.5\] +0\.123 ±0\.000 *", line) for line in lines)
    assert [line.split()[1] for line in lines if line.startswith("t ")] == [*"abcdef"], "the plan's order, begun or not"


def test_where_there_is_no_room_for_all_rows_those_that_go_on_are_seen() -> None:
    board = board_of(100, 8, len(RUNS))
    board.update(Update(RUNS[4], Started()))
    lines = screen(board, board.console)
    assert any(re.match(r"t +e +0/2", line) for line in lines)
    assert lines[-1].split() == ["...", "3", "more"]


def test_the_time_left_follows_from_the_share_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    board = board_of()
    assert board.time_left() == "..."
    now += 60
    board.update(Update(RUN, finished()))
    assert board.time_left() == "3:00"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_chart_fits_the_terminal_and_draws_both_losses_on_one_scale(width: int, height: int) -> None:
    chart = Chart(RUN)
    assert screen(chart, console_of(80, 24))[0] == "t / a / seed 0"
    assert "starting" in screen(chart, console_of(80, 24))[1]
    for step in range(1, 101):
        chart.update(stepped(RUN, step))
        chart.update(Update(RUN, Evaluated(evaluation=evaluation(step, 1 / step, 2.0))))
    chart.update(Update(RUN, Warned(text=WORDS)))
    lines = screen(chart, console_of(width, height))
    assert len(lines) == 5 <= height
    assert max(map(len, lines)) <= width
    assert all(line.isprintable() for line in lines)
    wide = screen(chart, console_of(200, 24))
    assert SPARKS[-1] * 10 in wide[2]
    assert wide[3].split()[0].endswith(SPARKS[0])
    assert chart.reached == "about step 100 of 100"


def test_a_curve_lies_beneath_the_bar_at_the_steps_that_it_is_of() -> None:
    evaluations = [evaluation(step) for step in (20, 40, 60)]
    assert [scores.step for scores in over_the_run(evaluations, 100, 10)] == [20, 20, 40, 40, 60, 60]
    dense = [evaluation(step) for step in range(1, 101)]
    assert [scores.step for scores in over_the_run(dense, 100, 5)] == [1, 21, 41, 61, 100]
    assert over_the_run([], 100, 10) == []


def test_a_run_that_goes_on_says_from_which_step() -> None:
    chart = Chart(RUN)
    chart.update(stepped(RUN, 41))
    assert screen(chart, console_of(80, 24))[2] == "goes on from step 40"


@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_a_sparkline_has_a_block_for_each_value_from_the_lowest_to_the_highest(values: list[float]) -> None:
    blocks = sparkline(values)
    assert len(blocks) == len(values)
    assert set(blocks) <= set(SPARKS)
    if values and max(values) > min(values):
        assert blocks[values.index(max(values))] == SPARKS[-1]
        assert blocks[values.index(min(values))] == SPARKS[0]


def test_a_sparkline_on_a_scale_that_others_share_and_on_one_of_no_width() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == SPARKS
    assert sparkline([0.0, 3.5], 0, 7) == "▁▅"
    assert sparkline([3.0, 3.0], 3, 3) == "▁▁"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (61, "1:01"), (3723, "1:02:03")]
)
def test_a_duration_reads_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_a_bar_keeps_its_width(share: float) -> None:
    assert progress_bar(share, 10).plain == "━" * 10
