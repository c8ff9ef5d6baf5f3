"""What every engine keeps in mind: the chains that wait, how far each at work is, and what becomes of one that dies."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from ssrun.config.spec import RunName, RunSpec
from ssrun.errors import StoreError
from ssrun.runs.chains import Chain
from ssrun.runs.events import Failed, Finished, Postponed, Retried, Started, Update
from ssrun.runs.folder import RunFolder

TRIES = 3  # of a run whose worker dies under it
LOST_PLACES = 10  # tries of one that dies with the place where it was, which need not be its own doing
BUSY_PAUSE = 0.5  # seconds before a run that another process has is asked for again


class Assignment:
    """A chain that somebody works on.

    Attributes:
        left: The runs that have not ended, the next to end first.
        postponed: Those that another process has.
        since: When the last of them ended, or the chain was begun: on the monotonic clock.
    """

    def __init__(self, chain: Chain) -> None:
        self.left = list(chain)
        self.postponed: list[RunSpec] = []
        self.since = time.monotonic()

    def is_hung(self, timeout: float | None) -> bool:
        return bool(timeout and self.left and time.monotonic() - self.since > timeout)


class Assignments:
    """The chains that wait for somebody to work on them, and the deaths of those who did."""

    def __init__(self, chains: Sequence[Chain], store: Path) -> None:
        self.store = store
        self.waiting = deque((0.0, chain) for chain in chains)  # each from a moment on
        self.deaths: Counter[RunName] = Counter()
        self.lost: Counter[RunName] = Counter()

    def next(self) -> Chain | None:
        """The next chain whose moment has come, which waits no more; None where there is none."""
        if self.waiting and self.waiting[0][0] <= time.monotonic():
            return self.waiting.popleft()[1]
        return None

    def note(self, assignment: Assignment, update: Update) -> Iterator[Update]:
        """Lets the next run of a chain come after one that has ended."""
        if isinstance(update.event, Retried):
            assignment.since = time.monotonic()
        if not isinstance(update.event, Finished | Failed | Postponed):
            return
        assignment.since = time.monotonic()
        next_to_end = assignment.left[0]
        (run,) = (run for run in assignment.left if run.name == update.run)
        assignment.left.remove(run)
        if isinstance(update.event, Postponed):
            assignment.postponed.append(run)
        if not assignment.left:
            self.queue(assignment.postponed, BUSY_PAUSE)
        elif assignment.left[0] is not next_to_end:
            yield Update(assignment.left[0].name, Started())

    def queue(self, runs: Sequence[RunSpec], pause: float = 0.0) -> None:
        """Lets runs of a chain wait, for so many seconds at least."""
        if runs:
            self.waiting.append((time.monotonic() + pause, tuple(runs)))

    def bury(
        self, assignment: Assignment, reason: str, *, last: bool = False, with_its_place: bool = False
    ) -> Iterator[Update]:
        """Lets the runs of a dead worker be tried again, from their checkpoints; or gives them up.

        It was the `last` try where they hung. One that died with its place, such as a node, has many tries.
        """
        counter, most = (self.lost, LOST_PLACES) if with_its_place else (self.deaths, TRIES)
        counter.update(run.name for run in assignment.left)
        again = [run for run in assignment.left if not last and counter[run.name] < most]
        for run in assignment.left:
            if run not in again:
                yield Update(run.name, given_up(self.store, run, reason))
        if again:
            yield Update(again[0].name, Retried(reason=reason))
        self.queue(again)
        self.queue(assignment.postponed, BUSY_PAUSE)


def given_up(store: Path, run: RunSpec, reason: str) -> Failed:
    """That a run has failed, for this reason, which is noted in its folder as well."""
    try:
        RunFolder.of(store, run.name).fail(reason)
    except StoreError as error:
        reason = f"{reason} (and {error})"
    return Failed(reason=reason)
