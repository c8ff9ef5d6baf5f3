"""The two streams of a command: data to stdout, progress and messages to stderr."""

from __future__ import annotations

from rich.console import Console


def stdout_console() -> Console:
    """Where data goes: as wide as the terminal; in a pipe, as wide as a table may want to be."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


def stderr_console() -> Console:
    return Console(stderr=True, highlight=False)


def is_live(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal
