"""A Ray cluster: a task for each chain of runs, anywhere; results come home, checked by digest, unless they are there.

Which cluster: the one that is connected already or that RAY_ADDRESS names, as `ray job submit` does; else one of this
machine alone is started, and stopped at the end.
"""

from __future__ import annotations

import io
import logging
import math
import os
import secrets
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ssrun.config.spec import RunSpec
from ssrun.engines import Options
from ssrun.engines.assignments import BUSY_PAUSE, Assignment, Assignments, given_up
from ssrun.engines.ray_task import Arrived, News, Session, bring_to_end
from ssrun.engines.worker import JOB, Job
from ssrun.errors import StoreError, UsageError
from ssrun.runs.chains import Chain, chains
from ssrun.runs.events import UPDATE, Failed, Finished, Postponed, Started, Update, Warned
from ssrun.runs.folder import Busy, RunFolder
from ssrun.runs.parcels import Parcel, pack, unpack
from ssrun.runs.teachers import teacher_path
from ssrun.system import signals
from ssrun.system.devices import check_device
from ssrun.system.fields import Fields
from ssrun.system.files import sweep_temporaries, temporary_file, writing

try:
    ray: Any = import_module("ray")
    exceptions: Any = import_module("ray.exceptions")
except ImportError:
    raise UsageError("--engine ray needs Ray: pip install 'ssrun[ray]'") from None

ADDRESS = "RAY_ADDRESS"
STARTS = 3  # of a cluster of our own: Ray gives up after 30 seconds, which a busy machine may need
PATIENCE = 7.0  # seconds that tasks have to stop when asked
WAIT = 0.1  # seconds for news
LONG = 30.0  # seconds without room for any task, before that is said
SEEN = "ray"  # the file in a store by which a worker knows it


class RayOptions(Fields):
    """What `--engine-option` sets: of each task, what Ray is to keep free for it."""

    num_cpus: float = Field(1.0, ge=0, le=4096, description="processors of a run, for Ray's bookkeeping")
    num_gpus: float = Field(0.0, ge=0, le=64, description="accelerators of a run; 0.25 lets four share one")
    memory: int = Field(0, ge=0, description="bytes of a run; 0 asks for none")
    store: Literal["auto", "apart"] = Field(
        "auto", description="auto: workers that see the store write to it; apart: each to a folder of its own"
    )

    @property
    def resources(self) -> dict[str, float]:
        """As Ray names them, in the sums that it tells of its nodes."""
        asked = {"CPU": self.num_cpus, "GPU": self.num_gpus, "memory": self.memory}
        return {name: amount for name, amount in asked.items() if amount}


def check(options: Options) -> None:
    """UsageError where it cannot do what it is told."""
    asked = options.of_engine(RayOptions)
    if options.device == "cuda" and not asked.num_gpus:
        raise UsageError("--device cuda: Ray gives a run no accelerator unless asked: add --engine-option num_gpus=1")
    if os.environ.get(ADDRESS, "").startswith("ray://"):
        raise UsageError(f"{ADDRESS}: a client cannot drive runs: use `ray job submit`, or a node's own address")
    if not is_elsewhere():
        check_device(options.device)
        if options.jobs is None and asked.num_cpus > (most := os.cpu_count() or 1):
            raise UsageError(f"--engine-option num_cpus={asked.num_cpus:g}: this machine has {most}: give fewer")


def is_elsewhere() -> bool:
    """Whether there is a cluster already."""
    return ray.is_initialized() or bool(os.environ.get(ADDRESS))


def at_once(options: Options) -> str:
    return str(options.jobs or "as many as the cluster has room for")


def run(runs: Sequence[RunSpec], store: Path, options: Options) -> Iterator[Update]:
    """Brings the runs to their ends on a Ray cluster, `options.jobs` at once: an `Engine`."""
    flights = Flights(chains(runs), store.absolute(), options)
    with redirect_stdout(io.StringIO()), connected(options), flights.visible():  # Ray tells of dead workers there
        try:
            while flights.waiting or flights.going:
                signals.check()
                yield from flights.start()
                yield from flights.news()
        finally:
            flights.cancel()


@contextmanager
def connected(options: Options) -> Iterator[None]:
    """A cluster to work on; StoreError where it cannot be reached."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry, unless the user has asked for it
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    address = os.environ.get(ADDRESS) or "local"
    sizes: dict[str, Any] = {}
    if address == "local":
        cpus = options.jobs and max(1, math.ceil(options.jobs * options.of_engine(RayOptions).num_cpus))
        sizes = {"num_cpus": cpus, "include_dashboard": False}
    logging.getLogger("ray").setLevel(logging.ERROR)
    tries = STARTS if address == "local" else 1
    while not ray.is_initialized():
        signals.check()
        tries -= 1
        try:
            must_answer(address)
            with signals.kept():  # ray has its own
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **sizes)
        except Exception as error:
            ray.shutdown()
            if not tries:
                told = " ".join(str(error).split())[:200]
                raise StoreError(f"no Ray cluster at {address}: {told}: start one, or unset {ADDRESS}") from None
    try:
        yield
    finally:
        ray.shutdown()


def must_answer(address: str) -> None:
    """OSError where nobody listens at `host:port`: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10):
            pass


class Flight:
    """A chain that is at work somewhere.

    Attributes:
        needed: The runs whose files went with it.
        node: Where it is; empty where it waits for room.
        sees_store: Whether it writes to the store itself.
        locks: On its runs here, where it does not.
    """

    def __init__(self, chain: Chain, needed: Collection[str]) -> None:
        self.assignment, self.needed = Assignment(chain), needed
        self.node, self.sees_store = "", True
        self.locks = ExitStack()


class Flights(Assignments):
    """The chains that wait, and those at work, by the stream of news of their tasks."""

    def __init__(self, chains: Sequence[Chain], store: Path, options: Options) -> None:
        super().__init__(chains, store)
        self.options, self.asked = options, options.of_engine(RayOptions)
        self.going: dict[Any, Flight] = {}
        self.session = Session(secrets.token_hex(8), store, Path.cwd())
        self.moved, self.has_told = time.monotonic(), False
        amounts = {"num_cpus": self.asked.num_cpus, "num_gpus": self.asked.num_gpus or None}
        self.task = ray.remote(**amounts, memory=self.asked.memory or None, max_retries=0)(bring_to_end)

    @contextmanager
    def visible(self) -> Iterator[None]:
        """Puts the file into the store by which workers know it, as long as the block lasts."""
        with writing(self.store):
            self.store.mkdir(parents=True, exist_ok=True)
        sweep_temporaries(self.store, [SEEN])
        with temporary_file(self.store / SEEN, self.session.token.encode()) as seen:
            self.session = self.session._replace(seen=seen)
            yield

    def room(self) -> int:
        """How many tasks may be under way: `jobs`, or what the nodes hold that live now."""
        if self.options.jobs:
            return self.options.jobs
        there, asked = ray.cluster_resources(), self.asked.resources or {"CPU": 1}
        return max(1, min(int(there.get(name, 0) / amount) for name, amount in asked.items()))

    def start(self) -> Iterator[Update]:
        """Sends chains on their way, as many as there is room for."""
        room = self.room() if self.waiting else 0
        while len(self.going) < room and (chain := self.next()):
            try:
                needed = self.needed_by(chain)
            except StoreError as error:
                yield from (Update(run.name, given_up(self.store, run, str(error))) for run in chain)
                continue
            job = JOB.dump_json(Job.of(chain, self.store, self.options)).decode()
            stream = self.task.remote(job, self.session, self.asked.store == "apart", needed)
            self.going[stream] = Flight(chain, needed)

    def needed_by(self, chain: Chain) -> dict[str, Parcel]:
        """What a worker needs that does not see the store: runs that are trained and not scored, and teachers."""
        folders = [folder for run in chain if (folder := RunFolder.of(self.store, run.name)).trained]
        teachers = [run.config.strategy.teacher for run in chain if run.config.strategy.needs_teacher]
        folders += [RunFolder.at(teacher_path(teacher, self.store)) for teacher in teachers]
        return {place_of(folder): pack(folder) for folder in folders if folder.trained}

    def news(self) -> Iterator[Update]:
        """What the tasks tell within WAIT."""
        if not self.going:
            time.sleep(WAIT)
            return
        ready, _ = ray.wait(list(self.going), num_returns=len(self.going), timeout=WAIT, fetch_local=False)
        for stream in ready:
            yield from self.listen(stream)
        for stream, flight in list(self.going.items()):
            timeout = self.options.cell_timeout
            if flight.node and flight.assignment.is_hung(timeout):
                ray.cancel(stream, force=True)
                yield from self.end(stream, f"hung: no end within {timeout:g} s", last=True)
        yield from self.told_of_no_room(bool(ready))

    def told_of_no_room(self, moved: bool) -> Iterator[Update]:
        """Says once that nothing goes on, where no task has found room for LONG seconds."""
        if moved or any(flight.node for flight in self.going.values()):
            self.moved = time.monotonic()
        elif time.monotonic() - self.moved > LONG and not self.has_told:
            self.has_told = True
            asked = ", ".join(f"{amount:g} {name}" for name, amount in self.asked.resources.items())
            (flight, *_) = self.going.values()
            yield Update(
                flight.assignment.left[0].name, Warned(text=f"no node of the cluster has {asked} free: waiting")
            )

    def listen(self, stream: Any) -> Iterator[Update]:
        """The next news of a task; where it has died, its runs are tried again elsewhere."""
        flight = self.going[stream]
        try:
            told = ray.get(next(stream))
        except StopIteration:
            yield from self.end(stream, "its task ended before it did")
        except exceptions.RayError as error:
            yield from self.end(stream, reason_of(error), with_its_place=self.has_lost(flight.node, error))
        else:
            yield from self.arrive(stream, told) if isinstance(told, Arrived) else self.take_in(flight, told)

    def arrive(self, stream: Any, arrived: Arrived) -> Iterator[Update]:
        """A task has begun; where it does not see the store, its runs are locked here meanwhile."""
        flight = self.going[stream]
        flight.node, flight.sees_store = arrived
        flight.assignment.since = time.monotonic()
        left = flight.assignment.left
        yield Update(left[0].name, Started())
        if flight.sees_store:
            return
        try:
            folders = [RunFolder.of(self.store, run.name) for run in left]
            for folder in folders:
                flight.locks.enter_context(folder.locked())
            is_ours = all(not folder.trained or place_of(folder) in flight.needed for folder in folders)
        except Busy:
            is_ours = False
        if not is_ours:  # another process has it, or had it meanwhile
            ray.cancel(stream, force=True)
            for run in list(left):
                yield Update(run.name, Postponed())
            self.going.pop(stream).locks.close()
            self.queue(left, BUSY_PAUSE)

    def take_in(self, flight: Flight, news: News) -> Iterator[Update]:
        """An update, after what it speaks of is in the store."""
        update = UPDATE.validate_json(news.update)
        if not flight.sees_store:
            (run,) = (run for run in flight.assignment.left if run.name == update.run)
            if isinstance(update.event, Failed):
                update = Update(run.name, given_up(self.store, run, update.event.reason))
            elif isinstance(update.event, Finished) and news.parcel:
                try:
                    unpack(news.parcel, RunFolder.of(self.store, run.name))
                except StoreError as error:
                    update = Update(run.name, given_up(self.store, run, str(error)))
        yield update
        yield from self.note(flight.assignment, update)

    def end(self, stream: Any, reason: str, **how: bool) -> Iterator[Update]:
        """A task has ended, whether its runs have or not."""
        flight = self.going.pop(stream)
        flight.locks.close()
        if flight.assignment.left:
            yield from self.bury(flight.assignment, reason, **how)

    def has_lost(self, node: str, error: Exception) -> bool:
        """Whether a task has died with its node."""
        alive = {known["NodeID"] for known in ray.nodes() if known["Alive"]}
        return isinstance(error, exceptions.NodeDiedError) or bool(node and node not in alive)

    def cancel(self) -> None:
        """Asks every task to stop, waits for those that write to the store, and kills what has not stopped."""
        with suppress(Exception):  # a cluster that is gone
            for stream in self.going:
                ray.cancel(stream)
            flights = [flight for flight in self.going.values() if flight.node and flight.sees_store]
            runs = [run.name for flight in flights for run in flight.assignment.left]
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and any(RunFolder.of(self.store, run).in_use for run in runs):
                time.sleep(WAIT)  # their checkpoints are being written; Ray says that they have ended at once
            for stream in self.going:
                ray.cancel(stream, force=True)
        for flight in self.going.values():
            flight.locks.close()


def place_of(folder: RunFolder) -> str:
    """Where it lies in its store."""
    return f"{folder.path.parent.name}/{folder.path.name}"


def reason_of(error: Exception) -> str:
    """Why a task died, in one line."""
    cause = getattr(error, "cause", None) or error
    (first, *_) = str(cause).strip().splitlines() or [type(cause).__name__]
    return f"its task died: {type(cause).__name__}: {first.split('. ')[0][:300]}"
