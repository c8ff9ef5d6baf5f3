"""The streams of a command."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ssrun.views.terminal.console import is_live, stdout_console


def test_in_a_pipe_a_table_is_as_wide_as_it_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert stdout_console().width == 120


def test_bars_are_for_terminals_that_can_draw_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_live(Console(file=io.StringIO()))
    assert is_live(Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setenv("TERM", "dumb")
    assert not is_live(Console(file=io.StringIO(), force_terminal=True))
