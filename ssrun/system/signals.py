"""SIGINT, SIGTERM and SIGHUP: a handler that only sets a flag, and the check that every loop makes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ssrun.errors import Interrupted

_received: list[int] = []


def listen() -> None:
    """From here on these signals set the flag; a second SIGINT ends the process at once.

    SIGHUP, a closed terminal, is left ignored where it is, as `nohup` asks.
    """
    signal.signal(signal.SIGINT, _note)
    signal.signal(signal.SIGTERM, _note)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _note)


@contextmanager
def heard(number: int) -> Iterator[None]:
    """As long as the block lasts this signal sets the flag, in a process that is somebody else's afterwards."""
    _received.clear()
    before = signal.signal(number, _note)
    try:
        yield
    finally:
        signal.signal(number, before)
        _received.clear()


@contextmanager
def kept() -> Iterator[None]:
    """Puts the handlers back that were there before the block, whatever a library in it has made of them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(number: int, frame: FrameType | None) -> None:
    if _received and number == signal.SIGINT:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _received.append(number)


def request(number: int = signal.SIGTERM) -> None:
    """Sets the flag, as a signal would."""
    _received.append(number)


def check() -> None:
    """Raises Interrupted where a signal has come; every loop calls it once a turn."""
    if _received:
        raise Interrupted(_received[0])
