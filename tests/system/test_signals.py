"""A signal sets a flag, and every loop asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from ssrun.errors import Interrupted
from ssrun.system import signals


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those of before, and no flag, afterwards."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    monkeypatch.setattr(signals, "_received", [])
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_is_heard_at_the_next_check(number: signal.Signals) -> None:
    signals.listen()
    signals.check()
    signal.raise_signal(number)
    with pytest.raises(Interrupted) as interrupted:
        signals.check()
    assert interrupted.value.exit_code == 128 + number


def test_a_closed_terminal_stays_ignored_where_it_was() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.listen()
    signal.raise_signal(signal.SIGHUP)
    signals.check()
