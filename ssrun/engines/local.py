"""Local worker processes, one thread each: hands out chains of runs, passes on what they tell, survives deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO, cast

from ssrun.config.spec import RunSpec
from ssrun.engines import NoOptions, Options
from ssrun.engines.assignments import Assignment, Assignments
from ssrun.engines.worker import JOB, Job
from ssrun.errors import StoreError
from ssrun.runs.chains import chains
from ssrun.runs.events import UPDATE, Started, Update
from ssrun.system import signals
from ssrun.system.devices import check_device

PATIENCE = 7.0  # seconds that workers have to stop when asked


class _Worker:
    """One process, and what it works on."""

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
        self.assignment = Assignment(())
        self._unread = b""

    def give(self, job: Job) -> None:
        self.assignment = Assignment(job.chain)
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


def check(options: Options) -> None:
    """UsageError where it cannot do what it is told."""
    options.of_engine(NoOptions)
    check_device(options.device)


def at_once(options: Options) -> str:
    return str(options.jobs or os.cpu_count() or 1)


def run(runs: Sequence[RunSpec], store: Path, options: Options) -> Iterator[Update]:
    """Brings the runs to their ends, `options.jobs` at once, each in a process of its own: an `Engine`."""
    assignments = Assignments(chains(runs), store)
    workers: list[_Worker] = []
    try:
        jobs = min(options.jobs or os.cpu_count() or 1, len(assignments.waiting))
        workers.extend(hire() for _ in range(jobs))  # one by one: those before a failure are stopped
        while assignments.waiting or any(worker.assignment.left for worker in workers):
            signals.check()
            for worker in workers:
                if not worker.assignment.left and (chain := assignments.next()):
                    worker.give(Job.of(chain, store, options))
                    yield Update(chain[0].name, Started())
            wait([worker.stdout.fileno() for worker in workers], timeout=0.1)
            for index, worker in enumerate(workers):
                lives = yield from listen(worker, assignments, options.cell_timeout)
                if not lives:
                    workers[index] = hire()
    finally:
        stop(workers)


def hire() -> _Worker:
    """A new worker; StoreError where the system has no room for one."""
    try:
        return _Worker()
    except OSError as error:
        raise StoreError(f"no room for another worker ({error.strerror}): give fewer --jobs") from None


def listen(worker: _Worker, assignments: Assignments, cell_timeout: float | None) -> Generator[Update, None, bool]:
    """Passes on what a worker tells; ends it where it hangs, and returns whether it lives."""
    updates, alive = worker.read()
    for update in updates:
        yield update
        yield from assignments.note(worker.assignment, update)
    hung = worker.assignment.is_hung(cell_timeout)
    if hung and alive:
        os.killpg(worker.process.pid, signal.SIGKILL)
    if alive and not hung:
        return True
    if worker.assignment.left:
        reason = f"hung: no end within {cell_timeout:g} s" if hung else worker.last_words()
        yield from assignments.bury(worker.assignment, reason, last=hung)
    worker.close()
    return False


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
