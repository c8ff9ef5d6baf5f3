"""What people see while runs go on: whole lines in a pipe, and on a terminal a view that fits it."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ssrun.config.experiment import Experiment
from ssrun.config.loading import load_plan
from ssrun.config.spec import Cell
from ssrun.engines.local import Update
from ssrun.views.terminal import console as live
from ssrun.views.terminal.board import SPARKS, Board, Chart, bar, duration, on_scale, sparkline
from tests.support.outcomes import HOSTILE

SIZES = [(80, 24), (200, 50), (40, 10), (20, 5)]
WORDS = " ".join(HOSTILE)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return load_plan("default", smoke=True).experiment


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    return load_plan("default", smoke=True).cells()


def terminal(width: int, height: int) -> Console:
    return Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None, highlight=False
    )


def screen(view: Any, console: Console) -> list[str]:
    """The lines of a view, as this terminal shows them."""
    assert isinstance(console.file, io.StringIO)
    console.print(view)
    text = console.file.getvalue()
    console.file.seek(0)
    console.file.truncate()
    return text.removesuffix("\n").split("\n")


def step(cell: Cell, number: int, loss: float = 1.0) -> Update:
    return Update(cell, "step", {"step": number, "steps": 100, "epsilon": 0.5, "loss": loss})


def evaluated(cell: Cell, forced: float, free: float) -> Update:
    values = {"step": 5, "epsilon": 0.5, "teacher_forced_loss": forced, "free_running_loss": free, "bleu": 12.34}
    return Update(cell, "evaluation", values)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_board_fits_the_terminal_at_every_moment(
    experiment: Experiment, cells: list[Cell], tmp_path: Path, width: int, height: int
) -> None:
    console = terminal(width, height)
    board = Board(experiment, cells, len(cells), tmp_path, console)
    for number, cell in enumerate(cells[:12]):
        board.update(Update(cell, "start", {"worker": 0}))
        for updates in (step(cell, 10 * number + 1, 1 / (number + 1)), Update(cell, "warning", {"text": WORDS})):
            board.update(updates)
        lines = screen(board, console)
        assert len(lines) <= height
        assert max(map(len, lines)) <= width
        assert all(line.isprintable() for line in lines)
        if number > 1:
            board.update(Update(cells[number - 2], "end", {"status": "complete"}))
    assert board.done == 10


def test_the_board_tells_what_is_done_what_runs_and_what_went_wrong(
    experiment: Experiment, cells: list[Cell], tmp_path: Path
) -> None:
    board = Board(experiment, cells, 4, tmp_path, terminal(100, 30))
    board.update(Update(cells[0], "start", {}))
    board.update(Update(cells[1], "start", {}))
    board.update(step(cells[0], 40, 2.5))
    board.update(Update(cells[1], "retry", {"reason": "killed by SIGKILL"}))
    lines = screen(board, board.console)
    assert lines[0].startswith("━" * 20)
    assert "0/4 runs" in lines[0]
    assert lines[0].endswith(experiment.name)
    assert "copy/teacher-forcing 0  40/100  ε 0.50  loss 2.500" in lines[1]
    assert "copy/always-sampling 0  starting" in lines[2]
    assert any("killed by SIGKILL" in line for line in lines)
    assert any(re.match(r"copy +teacher-forcing +0/2", line) for line in lines)
    for number, kind in enumerate(("end", "failed")):
        board.update(Update(cells[number], kind, {"reason": "x"}))
    assert "2/4 runs" in screen(board, board.console)[0]
    assert board.running == {}


def test_the_time_left_follows_from_the_share_that_is_done(
    experiment: Experiment, cells: list[Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    board = Board(experiment, cells, 4, tmp_path, terminal(80, 24))
    assert board.left() == "..."
    now += 60
    board.update(Update(cells[0], "end", {}))
    assert board.left() == "3:00"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_chart_fits_the_terminal_and_draws_both_losses_on_one_scale(
    cells: list[Cell], width: int, height: int
) -> None:
    chart = Chart(cells[0], terminal(width, height))
    assert "starting" in screen(chart, terminal(80, 24))[1]
    for number in range(100):
        chart.update(step(cells[0], number + 1))
        chart.update(evaluated(cells[0], 1 / (number + 1), 2.0))
    chart.update(Update(cells[0], "warning", {"text": WORDS}))
    lines = screen(chart, chart.console)
    assert len(lines) == 5 <= height
    assert max(map(len, lines)) <= width
    assert all(line.isprintable() for line in lines)
    wide = screen(chart, terminal(200, 24))
    assert f"{SPARKS[-1]}" * 10 in wide[2]
    assert wide[3].endswith(SPARKS[0])


@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.integers(1, 20))
def test_a_sparkline_has_a_block_for_each_of_the_last_values_from_the_lowest_to_the_highest(
    values: list[float], width: int
) -> None:
    blocks = sparkline(values, width)
    shown = values[-width:]
    assert len(blocks) == len(shown)
    assert set(blocks) <= set(SPARKS)
    if shown and max(shown) > min(shown):
        assert blocks[shown.index(max(shown))] == SPARKS[-1]
        assert blocks[shown.index(min(shown))] == SPARKS[0]


def test_values_on_a_shared_scale_and_a_scale_of_no_width() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == SPARKS
    assert on_scale([0.0, 7.0], 0, 7) == "▁█"
    assert on_scale([3.0, 3.0], 3, 3) == "▁▁"
    assert sparkline([]) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (61, "1:01"), (3723, "1:02:03")]
)
def test_a_duration_reads_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_a_bar_keeps_its_width(share: float) -> None:
    assert bar(share, 10).plain == "━" * 10


def test_in_a_pipe_each_event_is_one_line_on_stderr(cells: list[Cell], capsys: pytest.CaptureFixture[str]) -> None:
    lines = live.Lines(2)
    end = {"status": "complete", "bleu": 56.78, "free_running_loss": 0.12345, "seconds": 7.4}
    for update in (
        Update(cells[0], "start", {}), step(cells[0], 3), evaluated(cells[0], 1.0, 2.0), Update(cells[0], "end", end),
        Update(cells[1], "warning", {"text": WORDS}), Update(cells[1], "retry", {"reason": "killed by SIGKILL"}),
        Update(cells[1], "failed", {"reason": "[/] \x1b[2J no memory"}),
    ):  # fmt: skip
        lines.update(update)
    out, err = capsys.readouterr()
    assert out == ""
    said = err.splitlines()
    assert said[0] == "[1/2] copy/teacher-forcing seed 0: BLEU 56.8, free loss 0.123 (7 s)"
    assert said[1].startswith("copy/always-sampling seed 0: warning: [/] [bold]b[/bold] \\x1b]0;x\\x07")
    assert said[2] == "copy/always-sampling seed 0: retry: killed by SIGKILL"
    assert said[3] == r"[2/2] copy/always-sampling seed 0: failed: [/] \x1b[2J no memory"
    assert len(said) == 4


def test_in_a_pipe_a_single_run_tells_its_evaluations(cells: list[Cell], capsys: pytest.CaptureFixture[str]) -> None:
    live.Lines(1).update(evaluated(cells[0], 1.0, 2.0))
    assert capsys.readouterr().err == (
        "copy/teacher-forcing seed 0 step 5: epsilon 0.500, forced loss 1.000, free loss 2.000, BLEU 12.3\n"
    )


def test_a_diverged_run_says_so(cells: list[Cell]) -> None:
    assert live.outcome_of(Update(cells[0], "end", {"status": "diverged", "reason": "loss is nan"})) == "loss is nan"


def test_a_view_leaves_a_clean_screen_and_data_goes_past_it() -> None:
    console = Console(file=io.StringIO(), width=60, height=10, force_terminal=True)
    assert isinstance(console.file, io.StringIO)
    with live.shown("three\nlines\nhere", console):
        pass
    end = console.file.getvalue()
    assert end.endswith("\x1b[1A\x1b[2K" * 3 + "\x1b[?25h") or end.count("\x1b[1A\x1b[2K") >= 3
    assert "\x1b[?25h" in end, "the cursor is shown again"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "30")
    return


@pytest.mark.usefixtures("narrow")
def test_in_a_pipe_a_table_is_as_wide_as_it_wants_to_be() -> None:
    assert live.stdout_console().width == 120


def test_bars_are_for_terminals_that_can_draw_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not live.is_live(Console(file=io.StringIO()))
    assert live.is_live(terminal(80, 24))
    monkeypatch.setenv("TERM", "dumb")
    assert not live.is_live(terminal(80, 24))


def test_a_result_is_printed_with_its_units_and_where_it_lies(capsys: pytest.CaptureFixture[str]) -> None:
    result = {
        "status": "complete", "bleu": 12.345, "exposure_gap": 0.98765, "schedule": {"k": 3.14159},
        "facts": {"pairs": 7}, "bleu_signature": "nrefs:1", "run": "results/[/]/x\x1b",
    }  # fmt: skip
    live.print_result(result)
    text = capsys.readouterr().out
    assert re.search(r"bleu +12\.3 +0-100: corpus BLEU", text)
    assert re.search(r"exposure_gap +0\.988 +nats: free_running_loss - teacher_forced_loss", text)
    assert re.search(r"^k +3\.142 ", text, re.MULTILINE)
    assert re.search(r"pairs +7 +of the corpus", text)
    assert text.endswith("run        results/[/]/x\\x1b\n")
    live.print_result({"status": "diverged", "reason": "loss is [/] nan", "run": "r"})
    assert "diverged  loss is [/] nan" in capsys.readouterr().out
