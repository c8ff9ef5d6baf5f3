"""Local worker processes, one thread each: hands out runs, passes on what they tell, survives their deaths."""

from __future__ import annotations

import json
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
from ssrun.errors import StoreError
from ssrun.runs.events import EVENT, Event, Failed, Finished, Postponed, Retried, Started, Update
from ssrun.runs.folder import RunFolder
from ssrun.system import signals

TRIES = 3  # of a run whose worker dies under it
BUSY_PAUSE = 0.5  # seconds before a run that another process has is asked for again
PATIENCE = 7.0  # seconds that workers have to stop when asked


class _Worker:
    """One process, and the run that it has."""

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
        self.run: RunSpec | None = None
        self.since = 0.0
        self._unread = b""

    def give(self, run: RunSpec, store: Path, checkpoint_every: int | None) -> None:
        self.run, self.since = run, time.monotonic()
        job = {"config": run.config.model_dump(mode="json"), "store": str(store), "checkpoint_every": checkpoint_every}
        with suppress(BrokenPipeError):  # then it is dead, and `read` will say so
            self.stdin.write(json.dumps(job).encode() + b"\n")
            self.stdin.flush()

    def read(self) -> tuple[list[Event], bool]:
        """The events since the last call, and whether the worker lives."""
        alive = False
        try:
            while data := os.read(self.stdout.fileno(), 65536):
                self._unread += data
        except BlockingIOError:  # it tells no more for now
            alive = True
        *lines, self._unread = self._unread.split(b"\n")
        return [EVENT.validate_json(line) for line in lines], alive

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
    pool = _Pool(runs, store, options)
    try:
        for _ in range(min(options.jobs, len(runs))):
            pool.workers.append(hire())
        while pool.waiting or any(worker.run for worker in pool.workers):
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
    """The workers, and the runs that wait for one."""

    def __init__(self, runs: Sequence[RunSpec], store: Path, options: Options) -> None:
        self.store, self.options = store, options
        self.waiting = deque((0.0, run) for run in runs)  # each from a moment on
        self.workers: list[_Worker] = []
        self.deaths: Counter[RunName] = Counter()

    def hand_out(self) -> Iterator[Update]:
        for worker in self.workers:
            if worker.run is None and self.waiting and self.waiting[0][0] <= time.monotonic():
                _, run = self.waiting.popleft()
                worker.give(run, self.store, self.options.checkpoint_every)
                yield Update(run.name, Started())

    def listen(self, worker: _Worker) -> Iterator[Update]:
        """Passes on what a worker tells; puts a new one in its place where it is dead or hangs."""
        events, alive = worker.read()
        for event in events:
            if (run := worker.run) is None:
                break
            if isinstance(event, Postponed):
                self.waiting.append((time.monotonic() + BUSY_PAUSE, run))
            if isinstance(event, Finished | Failed | Postponed):
                worker.run = None
            yield Update(run.name, event)
        timeout = self.options.cell_timeout
        hung = bool(timeout and worker.run and time.monotonic() - worker.since > timeout)
        if hung and alive:
            os.killpg(worker.process.pid, signal.SIGKILL)
        if hung or not alive:
            if worker.run:
                reason = f"hung: no end within {timeout:g} s" if hung else worker.last_words()
                yield from self.bury(worker.run, reason, last=hung)
            worker.close()
            self.workers[self.workers.index(worker)] = hire()

    def bury(self, run: RunSpec, reason: str, last: bool) -> Iterator[Update]:
        """Lets the run of a dead worker be tried again, from its checkpoint; or gives it up."""
        self.deaths[run.name] += 1
        if last or self.deaths[run.name] >= TRIES:
            try:
                RunFolder.of(self.store, run.name).fail(reason)
            except StoreError as error:
                reason = f"{reason} (and {error})"
            yield Update(run.name, Failed(reason=reason))
        else:
            self.waiting.append((0.0, run))
            yield Update(run.name, Retried(reason=reason))


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
