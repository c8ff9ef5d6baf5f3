"""What a Ray worker does: brings one chain to its end, in the store itself where it sees that, or in its own folder.

Whether it sees the store is found out by a file there that is unlike any other. Where it does not, files of the runs
that it needs come with the job, and those of each that has ended go back with the news.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ssrun.engines.worker import job_of, work
from ssrun.errors import Interrupted, StoreError
from ssrun.runs.events import UPDATE, Finished
from ssrun.runs.folder import RunFolder
from ssrun.runs.parcels import Parcel, pack, unpack
from ssrun.system import signals
from ssrun.system.files import read_bytes
from ssrun.system.threads import use_one_thread


class Session(NamedTuple):
    """One call of the engine: a token, the file in the store that holds it, and the folder that the user stands in."""

    token: str
    seen: Path
    here: Path


class Arrived(NamedTuple):
    """The first news of a job: at which node, and whether that sees the store."""

    node: str
    sees_store: bool


class News(NamedTuple):
    """An update, as JSON; with the files of the run where it has come to its end and they are not in the store."""

    update: bytes
    parcel: Parcel | None = None


def bring_to_end(line: str, session: Session, apart: bool, needed: Mapping[str, Parcel]) -> Iterator[Arrived | News]:
    """Works on a job, a line of JSON, as a local worker does; `apart`: in its own folder, also where it sees the store.

    `needed` are files by the place of a run: of those that are trained already, and of teachers. A cancelled task ends
    as a local worker does that is told to stop: with a checkpoint, and Interrupted.
    """
    import ray

    use_one_thread()
    with suppress(OSError):
        os.chdir(session.here)
    with signals.heard(signal.SIGINT):
        sees_store = not apart and holds(session.seen, session.token)
        job = job_of(line)  # the first that imports plugins, from the folder that the user stands in
        yield Arrived(ray.get_runtime_context().get_node_id(), sees_store)
        if sees_store:
            updates = work(job)
            try:
                for update in updates:
                    yield News(UPDATE.dump_json(update))
            except GeneratorExit:  # cancelled: let the training hear the signal, and write its checkpoint
                with suppress(Interrupted):
                    deque(updates, maxlen=0)
                raise
            return
        own = Path(tempfile.gettempdir()) / f"ssrun-{session.token}" / job.chain[-1].name.place.replace("/", "-")
        folders = {run.name: RunFolder.of(own, run.name) for run in job.chain}
        for place, parcel in needed.items():
            target = RunFolder.at(own / place)
            if not target.trained:  # by a worker that died here
                target.make()
                unpack(parcel, target)
        for update in work(job._replace(store=own)):
            ended = isinstance(update.event, Finished)
            yield News(UPDATE.dump_json(update), pack(folders[update.run]) if ended else None)
        shutil.rmtree(own, ignore_errors=True)
        with suppress(OSError):  # others work beside it
            own.parent.rmdir()


def holds(path: Path, token: str) -> bool:
    try:
        return read_bytes(path) == token.encode()
    except StoreError:
        return False
