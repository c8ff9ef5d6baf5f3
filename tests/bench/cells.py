"""What a whole cell costs: against a former commit, by strategy, and against the machine; part of `make bench`.

A cell is one run: batches, training, evaluations, the test set's scores, files. Seconds are the processor's, unless it
is said, and ratios are medians over pairs in turn, so that what else the machine does falls on both sides alike.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from os import cpu_count, environ
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from typing import Any

import torch

from ssrun.config.loading import load_plan
from ssrun.config.resolution import resolve
from ssrun.runs.execution import execute, prepare
from ssrun.runs.folder import RunFolder
from ssrun.seq2seq.batches import Batch
from ssrun.seq2seq.decoder_inputs import draw, scheduled_inputs
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.model import Seq2Seq
from ssrun.system.threads import use_one_thread

ROOT = Path(__file__).parents[2]
TASK, STRATEGY, STEPS = "translation", "always-sampling", 1000
WORKER = "ssrun.engines.worker"
BEFORE, AIM, PAIRS = "466f367", 0.75, 5
BATCHES, SIZE = 100, 1024

# Prints what a worker is asked, in this tree and in one of that commit.
JOB = """
import json, sys
task, strategy, steps, results = sys.argv[1:]
layer = {"training": {"steps": int(steps)}}
try:
    from pathlib import Path
    from ssrun.config.resolution import resolve
    from ssrun.config.spec import RunSpec
    from ssrun.engines.worker import JOB, Job
    run = RunSpec.of(task, strategy, resolve(task, strategy, 0, [layer]))
    print(JOB.dump_json(Job((run,), Path(results), None)).decode())
except ModuleNotFoundError:
    from ssrun.cells import Cell
    from ssrun.config import resolve
    cell = Cell(task, strategy, resolve(task, strategy, 0, [layer])).document()
    print(json.dumps({"cell": cell, "results": results, "checkpoint_every": None}))
"""


def cell_in(tree: Path) -> float:
    """Seconds of a worker with the code of this tree, from its start to its end, that is given one cell."""
    python = [sys.executable, "-P"]
    told: dict[str, Any] = {"cwd": tree, "env": {**environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}}
    with tempfile.TemporaryDirectory() as results:
        asked = [*python, "-c", JOB, TASK, STRATEGY, str(STEPS), results]
        job = subprocess.run(asked, check=True, capture_output=True, **told).stdout
        start = used()
        with subprocess.Popen([*python, "-m", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **told) as worker:
            assert worker.stdin
            assert worker.stdout
            worker.stdin.write(job)
            worker.stdin.flush()
            last = next(line for line in worker.stdout if kind_of(json.loads(line)) in ("end", "finished", "failed"))
        assert b"failed" not in last, last
    return used() - start


def kind_of(told: Any) -> str:
    """What an event is, which stands behind its run by now."""
    event = told[1] if isinstance(told, list) else told
    return str(event["kind"])


def used() -> float:
    """Seconds of the processor that ended processes have used."""
    children = getrusage(RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def before(scratch: Path) -> Iterator[str]:
    """A worker with one cell here against the same at BEFORE."""
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, check=False, capture_output=True)
    if archive.returncode:
        yield f"no comparison with {BEFORE}: this is no clone that has that commit"
        return
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(scratch, filter="data")
    here, there = zip(*((cell_in(ROOT), cell_in(scratch)) for _ in range(PAIRS)), strict=True)
    ratio = median(new / old for new, old in zip(here, there, strict=True))
    aim = f"aim <= {AIM}: {'met' if ratio <= AIM else 'MISSED'}"
    yield f"a worker with one cell, {TASK}, {STRATEGY}, {STEPS} steps, here / at {BEFORE}, {PAIRS} pairs:"
    yield f"  {ratio:.2f}  {median(here):.2f} s, {median(there):.2f} s  ({aim})"


def by_strategy(scratch: Path) -> Iterator[str]:
    """A cell of each strategy of the default experiment, in this process, which has imported everything."""
    for strategy in load_plan("default").experiment.strategies:
        config = resolve(TASK, strategy, 0, [{"training": {"steps": STEPS}}])
        wall, start = time.perf_counter(), time.process_time()
        for _ in execute(config, RunFolder(scratch / strategy)):
            pass
        taken = time.process_time() - start
        yield f"a cell of {TASK}, {strategy:16} {taken:6.2f} s ({time.perf_counter() - wall:.2f} s on the wall)"


def peak() -> float:
    """Multiplications and additions a second of a large product of matrices, on one thread."""
    one, other = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    taken = []
    for _ in range(20):
        start = time.process_time()
        _ = one @ other
        taken.append(time.process_time() - start)
    return 2 * SIZE**3 / min(taken)


def operations(model: Seq2Seq, batch: Batch) -> tuple[float, float]:
    """Multiplications and additions in the products of matrices of a batch's walk, and of its learning pass.

    The walk's are those that the textbook's loop needs; a pass back takes two products for each one forth.
    """
    (size, longest), length = batch.source.shape, batch.target.shape[1]
    embedding, hidden, vocabulary = model.config.embedding, model.config.hidden, model.target_size
    recurrence = 2 * (embedding + hidden) * 4 * hidden  # a position
    attention = 2 * 2 * longest * hidden + 2 * 2 * hidden * hidden
    readout = attention + 2 * hidden * vocabulary
    decoder = recurrence + readout
    return size * (length - 1) * decoder, 3 * size * (longest * recurrence + length * decoder)


def share_of_peak(_: Path) -> Iterator[str]:
    """How near the walk and the learning pass come to the fastest that one thread can multiply matrices."""
    config = resolve(TASK, STRATEGY, 0)
    parts, highest = prepare(config), peak()
    taken: dict[str, list[float]] = {"the walk": [], "the learning pass": []}
    rates: dict[str, list[float]] = {name: [] for name in taken}
    for step in range(BATCHES):
        batch = parts.batches.at(step)
        draws = draw(batch.target, config.strategy.coin, config.seed, step)
        parts.model.zero_grad()
        start = time.process_time()
        memory = parts.model.encode(batch.source, batch.lengths)
        encoded = time.process_time()
        inputs = scheduled_inputs(parts.model, memory, batch.target, 0, config.strategy, draws)
        walked = time.process_time()
        loss_of(parts.model.decode(memory, inputs.tokens), batch.target).backward()  # type: ignore[no-untyped-call]
        learned = time.process_time()
        spent = (walked - encoded, encoded - start + learned - walked)
        for name, second, count in zip(taken, spent, operations(parts.model, batch), strict=True):
            taken[name].append(second)
            rates[name].append(count / second)
    yield f"products of matrices on one thread: at most {highest / 1e9:.0f} GFLOP/s"
    for name, seconds in taken.items():
        rate, milliseconds = median(rates[name]), 1e3 * median(seconds)
        yield f"  {name:18} {milliseconds:5.2f} ms a batch, {rate / 1e9:5.1f} GFLOP/s, {rate / highest:.0%}"


def busy(scratch: Path) -> Iterator[str]:
    """The share of the cores' time that the processes of a comparison use."""
    jobs = cpu_count() or 1
    asked = ["--tasks", TASK, "--strategies", STRATEGY, "--seeds", f"0..{2 * jobs - 1}", "--quiet"]
    command = [sys.executable, "-m", "ssrun", "compare", *asked, "--jobs", str(jobs), "--out", str(scratch / "busy")]
    wall, start = time.perf_counter(), used()
    subprocess.run(command, check=True, capture_output=True)
    wall, share = time.perf_counter() - wall, used() - start
    yield f"a comparison of {2 * jobs} runs: {wall:.1f} s on the wall, {jobs} cores busy {share / wall / jobs:.0%}"


def main() -> None:
    """Prints the figures."""
    use_one_thread()
    torch.set_num_threads(1)
    for part in (before, by_strategy, share_of_peak, busy):
        with tempfile.TemporaryDirectory() as scratch:
            for line in part(Path(scratch)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
