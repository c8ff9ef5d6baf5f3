"""The two streams of a command: data to stdout, progress and messages to stderr."""

from __future__ import annotations

from rich.console import Console

UNBROKEN = 10_000  # columns


def stdout_console() -> Console:
    """Where data goes: as wide as the terminal; in a pipe, wider than any line, of which none is broken there."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=UNBROKEN)


def stderr_console() -> Console:
    return Console(stderr=True, highlight=False)


def is_live(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal
