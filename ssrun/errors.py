"""The errors a user meets: one line each (what, where, what to do next) and an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SsrunError(Exception):
    """Something a person can put right. Its text is the whole message; where there are several faults, of the first.

    Attributes:
        more: The messages on the others.
    """

    exit_code = 1

    def __init__(self, message: str, *more: str) -> None:
        super().__init__(message)
        self.more = more


class UsageError(SsrunError):
    """Wrong usage, configuration or corpus."""

    exit_code = 2


class ClaimError(SsrunError):
    """A claim that was asked for did not hold."""

    exit_code = 4


class StoreError(SsrunError):
    """The store is damaged, locked or too new."""

    exit_code = 5


class Interrupted(SsrunError):
    """A signal asked to stop, and everything worth keeping is on disk. `exit_code` is 128 + signal."""

    def __init__(self, signal_number: int, reached: str = "") -> None:
        super().__init__(f"interrupted{reached and ' at '}{reached}: the same command goes on from here")
        self.exit_code = 128 + signal_number


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """`unknown task 'revers': did you mean 'reverse'? (copy, reverse ...)`."""
    names = list(known)
    written = {known.casefold(): known for known in reversed(names)}
    near = get_close_matches(str(name).casefold(), written, n=1, cutoff=0.5)
    meant = f"did you mean {written[near[0]]!r}? " if near else ""
    return f"unknown {kind} {name!r}: {meant}known: {', '.join(names)}"
