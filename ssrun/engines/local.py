"""Local worker processes, one thread each: hands out cells, passes on what they tell, survives their deaths."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from ssrun.config.spec import Cell
from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder
from ssrun.system import signals as interruption

TRIES = 3  # of a cell whose worker dies under it
BUSY_PAUSE = 0.5  # seconds before a cell that another process holds is asked for again
PATIENCE = 7.0  # seconds that workers have to stop when asked
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Update(NamedTuple):
    """Something that happened to a cell.

    Attributes:
        cell: Which.
        kind: `start`, `step`, `evaluation`, `warning`, `busy`, `retry`, `end` or `failed`.
        values: What is told of it.
    """

    cell: Cell
    kind: str
    values: dict[str, Any]


class _Worker:
    """One process, and the cell that it has."""

    def __init__(self) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ssrun.engines.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **ONE_THREAD, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C is the parent's
        )
        self.stdin, self.stdout = cast("IO[bytes]", self.process.stdin), cast("IO[bytes]", self.process.stdout)
        os.set_blocking(self.stdout.fileno(), False)
        self.cell: Cell | None = None
        self.since = 0.0
        self._unread = b""

    def give(self, cell: Cell, results: Path, checkpoint_every: int | None) -> None:
        """Hands over a cell."""
        self.cell, self.since = cell, time.monotonic()
        job = {
            "cell": cell.document(),
            "results": str(results),
            "checkpoint_every": checkpoint_every,
        }
        with suppress(BrokenPipeError):  # then it is dead, and `read` will say so
            self.stdin.write(json.dumps(job).encode() + b"\n")
            self.stdin.flush()

    def read(self) -> tuple[list[dict[str, Any]], bool]:
        """The events since the last call, and whether the worker lives."""
        alive = True
        try:
            while True:
                data = os.read(self.stdout.fileno(), 65536)
                if not data:
                    alive = False
                    break
                self._unread += data
        except BlockingIOError:
            pass
        *lines, self._unread = self._unread.split(b"\n")
        return [json.loads(line) for line in lines], alive

    def last_words(self) -> str:
        """How it ended, and the last line it wrote to stderr."""
        code = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"its process ended with code {code}"
        return f"{how}: {said[-1][:300]}" if said else how

    def kill(self) -> None:
        """Ends it at once."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Frees the pipes, once the process is gone."""
        self.process.wait()
        for stream in (self.stdin, self.stdout, self.errors):
            with suppress(BrokenPipeError):
                stream.close()


def run(
    cells: Sequence[Cell],
    results: Path,
    jobs: int,
    checkpoint_every: int | None = None,
    cell_timeout: float | None = None,
) -> Iterator[Update]:
    """Runs the cells, `jobs` at once, and tells what happens to each; no cell's end takes another along.

    Args:
        cells: What to run.
        results: The folder that holds them.
        jobs: Worker processes.
        checkpoint_every: Steps between checkpoints; None for a few a run.
        cell_timeout: Seconds after which a cell counts as hung; None for no limit.

    Raises:
        Interrupted: A signal came; every worker has stopped, its checkpoint written.
    """
    pool = _Pool(cells, results, checkpoint_every, cell_timeout)
    try:
        pool.workers = [_Worker() for _ in range(min(jobs, len(cells)))]
        while pool.waiting or any(worker.cell for worker in pool.workers):
            interruption.check()
            yield from pool.hand_out()
            wait_for(pool.workers)
            for number, worker in enumerate(pool.workers):
                alive = yield from pool.listen(worker)
                if not alive:
                    pool.workers[number] = _Worker()
    finally:
        stop(pool.workers)


class _Pool:
    """The workers, and the cells that wait for one."""

    def __init__(
        self, cells: Sequence[Cell], results: Path, checkpoint_every: int | None, cell_timeout: float | None
    ) -> None:
        self.results, self.checkpoint_every, self.cell_timeout = results, checkpoint_every, cell_timeout
        self.waiting = deque((0.0, cell) for cell in cells)
        self.workers: list[_Worker] = []
        self.deaths: dict[str, int] = {}

    def hand_out(self) -> Iterator[Update]:
        """Gives each idle worker a cell."""
        for number, worker in enumerate(self.workers):
            if worker.cell is None and self.waiting and self.waiting[0][0] <= time.monotonic():
                _, cell = self.waiting.popleft()
                worker.give(cell, self.results, self.checkpoint_every)
                yield Update(cell, "start", {"worker": number})

    def listen(self, worker: _Worker) -> Generator[Update, None, bool]:
        """Passes on what a worker tells; returns whether it lives."""
        events, alive = worker.read()
        for event in events:
            if (cell := worker.cell) is None:
                break
            if event["kind"] == "busy":
                self.waiting.append((time.monotonic() + BUSY_PAUSE, cell))
            if event["kind"] in ("end", "failed", "busy"):
                worker.cell = None
            yield Update(cell, event["kind"], event["values"])
        hung = bool(self.cell_timeout and worker.cell and time.monotonic() - worker.since > self.cell_timeout)
        if hung and alive:
            worker.kill()
        if hung or not alive:
            reason = f"hung: no end within {self.cell_timeout:g} s" if hung else worker.last_words()
            yield from self.bury(worker.cell, reason, last=hung)
            worker.close()
        return alive and not hung

    def bury(self, cell: Cell | None, reason: str, last: bool) -> Iterator[Update]:
        """Lets the cell of a dead worker be tried again, from its checkpoint; or gives it up."""
        if cell is None:
            return
        self.deaths[cell.name] = self.deaths.get(cell.name, 0) + 1
        if last or self.deaths[cell.name] >= TRIES:
            try:
                RunFolder.of(self.results, cell).fail(reason)
            except StoreError as error:
                reason = f"{reason} (and {error})"
            yield Update(cell, "failed", {"reason": reason})
        else:
            self.waiting.append((0.0, cell))
            yield Update(cell, "retry", {"reason": reason})


def wait_for(workers: Sequence[_Worker], seconds: float = 0.1) -> None:
    """Sleeps until a worker tells something, or for so long."""
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker.stdout, selectors.EVENT_READ)
        selector.select(seconds)


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
            worker.kill()
        worker.close()
