"""Local worker processes, one thread each: hands out chains of runs, passes on what they tell, survives deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO, cast

from ssrun.config.spec import RunName, RunSpec
from ssrun.engines import Options
from ssrun.engines.worker import JOB, Job
from ssrun.errors import StoreError
from ssrun.runs.chains import Chain, chains
from ssrun.runs.events import UPDATE, Failed, Finished, Postponed, Retried, Started, Update
from ssrun.runs.folder import RunFolder
from ssrun.system import signals

TRIES = 3  # of a run whose worker dies under it
BUSY_PAUSE = 0.5  # seconds before a run that another process has is asked for again
PATIENCE = 7.0  # seconds that workers have to stop when asked


class _Worker:
    """One process, and how far it is with the chain that it was given.

    Attributes:
        left: The runs that have not ended, the next to end first.
        postponed: Those that another process has.
        since: When the last of them ended, or the chain was given: on the monotonic clock.
    """

    def __init__(self) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ssrun.engines.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C is the parent's
            )
        except OSError:
            self.errors.close()
            raise
        self.stdin, self.stdout = cast("IO[bytes]", self.process.stdin), cast("IO[bytes]", self.process.stdout)
        os.set_blocking(self.stdout.fileno(), False)
        self.left: list[RunSpec] = []
        self.postponed: list[RunSpec] = []
        self.since = 0.0
        self._unread = b""

    def give(self, job: Job) -> None:
        self.left, self.postponed, self.since = list(job.chain), [], time.monotonic()
        with suppress(BrokenPipeError):  # then it is dead, and `read` will say so
            self.stdin.write(JOB.dump_json(job) + b"\n")
            self.stdin.flush()

    def read(self) -> tuple[list[Update], bool]:
        """The updates since the last call, and whether the worker lives."""
        alive = False
        try:
            while data := os.read(self.stdout.fileno(), 65536):
                self._unread += data
        except BlockingIOError:  # it tells no more for now
            alive = True
        *lines, self._unread = self._unread.split(b"\n")
        return [UPDATE.validate_json(line) for line in lines], alive

    def last_words(self) -> str:
        """How it ended, and the last line it wrote to stderr."""
        code = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"its process ended with code {code}"
        return f"{how}: {said[-1][:300]}" if said else how

    def close(self) -> None:
        self.process.wait()
        for stream in (self.stdin, self.stdout, self.errors):
            with suppress(BrokenPipeError):
                stream.close()


def run(runs: Sequence[RunSpec], store: Path, options: Options) -> Iterator[Update]:
    """Brings the runs to their ends, `options.jobs` at once, each in a process of its own: an `Engine`."""
    pool = _Pool(chains(runs), store, options)
    try:
        for _ in range(min(options.jobs, len(pool.waiting))):
            pool.workers.append(hire())
        while pool.waiting or any(worker.left for worker in pool.workers):
            signals.check()
            yield from pool.hand_out()
            wait([worker.stdout.fileno() for worker in pool.workers], timeout=0.1)
            for worker in list(pool.workers):
                yield from pool.listen(worker)
    finally:
        stop(pool.workers)


def hire() -> _Worker:
    """A new worker; StoreError where the system has no room for one."""
    try:
        return _Worker()
    except OSError as error:
        raise StoreError(f"no room for another worker ({error.strerror}): give fewer --jobs") from None


class _Pool:
    """The workers, and the chains that wait for one."""

    def __init__(self, waiting: Sequence[Chain], store: Path, options: Options) -> None:
        self.store, self.options = store, options
        self.waiting = deque((0.0, chain) for chain in waiting)  # each from a moment on
        self.workers: list[_Worker] = []
        self.deaths: Counter[RunName] = Counter()

    def hand_out(self) -> Iterator[Update]:
        for worker in self.workers:
            if not worker.left and self.waiting and self.waiting[0][0] <= time.monotonic():
                _, chain = self.waiting.popleft()
                worker.give(Job(chain, self.store, self.options.checkpoint_every, self.options.plugins))
                yield Update(chain[0].name, Started())

    def listen(self, worker: _Worker) -> Iterator[Update]:
        """Passes on what a worker tells; puts a new one in its place where it is dead or hangs."""
        updates, alive = worker.read()
        for update in updates:
            yield update
            yield from self.note(worker, update)
        timeout = self.options.cell_timeout
        hung = bool(timeout and worker.left and time.monotonic() - worker.since > timeout)
        if hung and alive:
            os.killpg(worker.process.pid, signal.SIGKILL)
        if hung or not alive:
            if worker.left:
                reason = f"hung: no end within {timeout:g} s" if hung else worker.last_words()
                yield from self.bury(worker, reason, last=hung)
            worker.close()
            self.workers[self.workers.index(worker)] = hire()

    def note(self, worker: _Worker, update: Update) -> Iterator[Update]:
        """Lets the next run of a chain come after one that has ended."""
        if isinstance(update.event, Retried):
            worker.since = time.monotonic()
        if not isinstance(update.event, Finished | Failed | Postponed):
            return
        worker.since = time.monotonic()
        next_to_end = worker.left[0]
        (run,) = (run for run in worker.left if run.name == update.run)
        worker.left.remove(run)
        if isinstance(update.event, Postponed):
            worker.postponed.append(run)
        if not worker.left:
            self.queue(worker.postponed, BUSY_PAUSE)
        elif worker.left[0] is not next_to_end:
            yield Update(worker.left[0].name, Started())

    def queue(self, runs: Sequence[RunSpec], pause: float = 0.0) -> None:
        """Lets runs of a chain wait for a worker, for so many seconds at least."""
        if runs:
            self.waiting.append((time.monotonic() + pause, tuple(runs)))

    def bury(self, worker: _Worker, reason: str, last: bool) -> Iterator[Update]:
        """Lets the runs of a dead worker be tried again, from their checkpoints; or gives them up."""
        self.deaths.update(run.name for run in worker.left)
        again = [run for run in worker.left if not last and self.deaths[run.name] < TRIES]
        for run in worker.left:
            if run not in again:
                yield Update(run.name, self.given_up(run, reason))
        if again:
            yield Update(again[0].name, Retried(reason=reason))
        self.queue(again)
        self.queue(worker.postponed, BUSY_PAUSE)

    def given_up(self, run: RunSpec, reason: str) -> Failed:
        """That a run has failed, for this reason, which is noted in its folder as well."""
        try:
            RunFolder.of(self.store, run.name).fail(reason)
        except StoreError as error:
            reason = f"{reason} (and {error})"
        return Failed(reason=reason)


def stop(workers: Sequence[_Worker]) -> None:
    """Asks every worker to stop, waits, and kills what has not."""
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.terminate()
            with suppress(BrokenPipeError):
                worker.stdin.close()
    deadline = time.monotonic() + PATIENCE
    for worker in workers:
        while worker.process.poll() is None and time.monotonic() < deadline:
            worker.read()
            time.sleep(0.02)
        if worker.process.poll() is None:
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.close()
