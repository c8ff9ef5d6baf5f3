"""One worker process: reads jobs, one JSON line each, from stdin; tells updates, one JSON line each, on stdout.

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
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self, TextIO

from pydantic import TypeAdapter

from ssrun.config.spec import RunName
from ssrun.engines import Options
from ssrun.engines.plugins import use
from ssrun.errors import Interrupted, SsrunError
from ssrun.runs.chains import Chain
from ssrun.runs.events import UPDATE, Failed, Finished, Postponed, Retried, Update
from ssrun.runs.folder import RunFolder
from ssrun.system import signals
from ssrun.system.devices import CPU
from ssrun.system.threads import use_one_thread

GRACE = 3.0  # seconds from the parent's end to the worker's


class Job(NamedTuple):
    """A chain to bring to its end, in a store; checkpoints, device and plugins as `Options` has them."""

    chain: Chain
    store: Path
    checkpoint_every: int | None
    device: str = CPU
    plugins: tuple[str, ...] = ()

    @classmethod
    def of(cls, chain: Chain, store: Path, options: Options) -> Self:
        return cls(chain, store, options.checkpoint_every, options.device, options.plugins)


JOB: TypeAdapter[Job] = TypeAdapter(Job)


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
            for update in work(job_of(job)):
                tell(out, update)
        except (Interrupted, BrokenPipeError):
            return


def job_of(line: str) -> Job:
    """A job from its JSON; first the plugins that it names are used, for the runs may be made of them."""
    use(json.loads(line)[Job._fields.index("plugins")])
    return JOB.validate_json(line)


def watch(stdin: TextIO, jobs: queue.SimpleQueue[str | None]) -> None:
    """Passes jobs on; at the end of stdin asks for a stop, and after GRACE ends the process."""
    for line in stdin:
        jobs.put(line)
    jobs.put(None)
    signals.request()
    time.sleep(GRACE)
    os._exit(1)


def tell(out: TextIO, update: Update) -> None:
    out.write(UPDATE.dump_json(update).decode() + "\n")
    out.flush()


def work(job: Job) -> Iterator[Update]:
    """Brings one job to its end, and tells how. A failure is told and noted; Interrupted is raised alone.

    A chain of several runs that fails falls apart: each that has not ended is tried by itself, from its last
    checkpoint, so that one whose folder cannot be written takes no other along.
    """
    from ssrun.runs.execution import Member, execute_chain

    left = list(job.chain)
    try:
        runs = {RunFolder.of(job.store, run.name): run for run in job.chain}
        chain = [Member(run.config, folder) for folder, run in runs.items()]
        for folder, event in execute_chain(chain, job.checkpoint_every, job.device):
            if isinstance(event, Finished | Postponed):
                left.remove(runs[folder])
            yield Update(runs[folder].name, event)
    except Interrupted:
        raise
    except Exception as error:
        for run in left:
            if len(left) > 1:
                yield Update(run.name, Retried(reason=reason_of(error)))
                yield from work(job._replace(chain=(run,)))
            else:
                yield Update(run.name, Failed(reason=noted(job.store, run.name, error)))


def reason_of(error: Exception) -> str:
    """Why a run failed, in one line."""
    reason = str(error) if isinstance(error, SsrunError) else f"{type(error).__name__}: {error}"
    return " ".join(reason.split())[:500].encode(errors="backslashreplace").decode()


def noted(store: Path, run: RunName, error: Exception) -> str:
    """Why a run failed, noted in its folder as well."""
    reason = reason_of(error)
    try:
        RunFolder.of(store, run).fail(reason)
    except SsrunError as disk:
        return reason if str(disk) == str(error) else f"{reason} (and {disk})"
    return reason


if __name__ == "__main__":
    main()
