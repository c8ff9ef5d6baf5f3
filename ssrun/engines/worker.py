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

from ssrun.config.run import RunConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import Interrupted, SsrunError
from ssrun.runs.events import Event, Failed, Postponed
from ssrun.runs.folder import Busy, RunFolder
from ssrun.system import signals
from ssrun.system.threads import use_one_thread

GRACE = 3.0  # seconds from the parent's end to the worker's


def main() -> None:
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_thread()
    jobs: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=watch, args=(sys.stdin, jobs), daemon=True).start()
    from ssrun.runs import execution  # noqa: F401 - torch loads while the parent prepares the first job

    signals.listen()  # not before the imports, which look at no flag
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (job := jobs.get()) is not None:
        try:
            work(json.loads(job), out)
        except (Interrupted, BrokenPipeError):
            return


def watch(stdin: TextIO, jobs: queue.SimpleQueue[str | None]) -> None:
    """Passes jobs on; at the end of stdin asks for a stop, and after GRACE ends the process."""
    for line in stdin:
        jobs.put(line)
    jobs.put(None)
    signals.request()
    time.sleep(GRACE)
    os._exit(1)


def tell(out: TextIO, event: Event) -> None:
    out.write(event.model_dump_json() + "\n")
    out.flush()


def work(job: dict[str, Any], out: TextIO) -> None:
    """One job, to its end. A failure is told and noted; Interrupted is raised alone, also where the parent is gone."""
    from ssrun.runs.execution import execute

    folder = None
    try:
        run = RunSpec.unlabelled(RunConfig.model_validate(job["config"]))
        folder = RunFolder.of(Path(job["store"]), run.name)
        for event in execute(run.config, folder, job["checkpoint_every"]):
            tell(out, event)
    except Busy:
        tell(out, Postponed())
    except (Interrupted, BrokenPipeError):
        raise
    except Exception as error:
        tell(out, Failed(reason=noted(folder, error)))


def noted(folder: RunFolder | None, error: Exception) -> str:
    """Why a run failed, in one line, noted in its folder as well."""
    reason = str(error) if isinstance(error, SsrunError) else f"{type(error).__name__}: {error}"
    reason = " ".join(reason.split())[:500].encode(errors="backslashreplace").decode()
    try:
        if folder:
            folder.fail(reason)
    except SsrunError as disk:
        reason = f"{reason} (and {disk})"
    return reason


if __name__ == "__main__":
    main()
