"""One worker process: reads jobs, one JSON line each, from stdin; tells events, one JSON line each, on stdout.

It ends when its parent closes stdin or dies, however the parent dies. SIGINT it leaves to its parent.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from filelock import Timeout

from ssrun.config.spec import Cell
from ssrun.errors import Interrupted, SsrunError
from ssrun.runs.folder import RunFolder
from ssrun.system import signals as interruption

GRACE = 3.0  # seconds from the parent's end to the worker's


def main() -> None:
    """Works until stdin ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=watch, args=(sys.stdin, jobs), daemon=True).start()
    from ssrun.runs import execution as running  # noqa: F401 - torch loads while the parent prepares the first job

    interruption.listen()  # not before the imports, which look at no flag
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (job := jobs.get()) is not None:
        try:
            work(json.loads(job), out)
        except Interrupted:
            tell(out, "interrupted", {})
            return
        except BrokenPipeError:
            return


def watch(stdin: TextIO, jobs: queue.SimpleQueue[str | None]) -> None:
    """Passes jobs on; at the end of stdin asks for a stop, and after GRACE ends the process."""
    for line in stdin:
        jobs.put(line)
    jobs.put(None)
    interruption.request()
    time.sleep(GRACE)
    os._exit(1)


def tell(out: TextIO, kind: str, values: dict[str, Any]) -> None:
    """One event to the parent."""
    out.write(json.dumps({"kind": kind, "values": values}, allow_nan=False) + "\n")
    out.flush()


def work(job: dict[str, Any], out: TextIO) -> None:
    """One job: the cell's lock, the run, its end. A failure is told and noted, and never raised.

    Raises:
        Interrupted: A signal came, or the parent is gone.
    """
    try:
        cell = Cell.read(job["cell"], "job")
        folder = RunFolder.of(Path(job["results"]), cell)
    except SsrunError as error:
        tell(out, "failed", {"reason": str(error)})
        return
    try:
        folder.make()
        with folder.lock():
            from ssrun.runs.execution import execute

            for event in execute(cell, folder, job["checkpoint_every"]):
                tell(out, event.kind, event.values)
    except Timeout:
        tell(out, "busy", {})
    except (Interrupted, BrokenPipeError):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, SsrunError) else f"{type(error).__name__}: {error}"
        reason = " ".join(reason.split())[:500]
        try:
            folder.fail(reason)
        except SsrunError as disk:
            reason = f"{reason} (and {disk})"
        tell(out, "failed", {"reason": reason})


if __name__ == "__main__":
    main()
