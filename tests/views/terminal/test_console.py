"""The streams of a command."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ssrun.views.terminal.console import is_live, stdout_console


def test_in_a_pipe_no_line_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stdout_console().print("results/a-rather-long-name-of-a-task/and-of-a-strategy/seed-0-0123456789 " * 5)
    assert capsys.readouterr().out.count("\n") == 1


def test_bars_are_for_terminals_that_can_draw_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_live(Console(file=io.StringIO()))
    assert is_live(Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setenv("TERM", "dumb")
    assert not is_live(Console(file=io.StringIO(), force_terminal=True))
