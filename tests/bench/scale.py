"""What 100,000 runs cost on paper: planned, resumed, listed, shown, their table made anew; part of `make bench`.

    python tests/bench/scale.py [RUNS]      10,000 unless told, in hundreds

The runs are made, and nothing is trained: `tests/support/synthetic.py` says what of them is drawn. A run's outputs are
of 100 sentences. Seconds are of the processor: others may use the machine. They stand beside those that it takes to
read and digest the files alone, since files that no cache holds are read at the disk's pace.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ssrun.analysis import bootstrap
from ssrun.config.loading import load_plan
from tests.support.synthetic import STRATEGIES, TASKS, experiment_of, made

RUNS = 10_000
MEASURED = """
import os, subprocess, sys, time
clock, seen = time.monotonic(), ""
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
for line in process.stderr:
    if " to train" in line:
        used = open(f"/proc/{process.pid}/stat").read().rpartition(")")[2].split()
        seen = f"; nothing to train after {sum(map(int, used[11:13])) / os.sysconf('SC_CLK_TCK'):.1f} s"
_, status, used = os.wait4(process.pid, 0)
if status:
    sys.exit(f"{sys.argv[1:]}: status {status}")
clock = time.monotonic() - clock
took, most = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
print(f"{took:7.1f} s ({clock:.1f} by the clock{seen}), {most:,.0f} MB", end="")
"""
READ = ("run.json", "environment.json", "metrics.jsonl", "result.json")


def seconds() -> float:
    """Of the processor, of this process and of its children that have ended."""
    return sum(os.times()[:4])


def ssrun(folder: Path, *words: str) -> str:
    """The figures of a command: seconds of the processor and of the clock, most memory, and when it had seen its runs.

    A small process starts it and waits for it: a child's most memory is at least its parent's.
    """
    command = [sys.executable, "-c", MEASURED, sys.executable, "-m", "ssrun", *words]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout


def digested(store: Path) -> float:
    """Seconds to read and digest the files of a table's runs, and nothing else."""
    since = seconds()
    for run in store.glob("*/*"):
        paths = [run / name for name in READ]
        for path in (*paths, *(scores / "scores.json" for scores in (run / "scores").iterdir())):
            hashlib.sha256(path.read_bytes()).hexdigest()
    return seconds() - since


def figures(folder: Path, runs: int) -> Iterator[str]:
    """A line for each step; the folder is left with the runs in it."""
    path, since = experiment_of(folder, max(1, runs // (TASKS * STRATEGIES))), seconds()
    plan = load_plan(str(path))
    count = len(plan.runs())
    yield f"{count:,} runs\nplanned, in Python alone    {seconds() - since:7.1f} s"
    since = seconds()
    made(folder / "results", plan)
    yield f"(made by this bench         {seconds() - since:7.1f} s)"
    yield f"files read and digested     {digested(folder / 'results' / 'runs'):7.1f} s"
    compare = ("compare", path.name, "--out", "results")
    yield f"planned  (--dry-run)        {ssrun(folder, *compare, '--dry-run')}"
    yield f"listed   (list runs)        {ssrun(folder, 'list', 'runs', '--store', 'results/runs')}"
    yield f"resumed  (and table anew)   {ssrun(folder, *compare)}"
    yield f"shown    (from its runs)    {ssrun(folder, 'show', 'results')}"
    kept = folder / "kept"
    kept.mkdir()
    for table in (folder / "results").glob("table.*"):
        shutil.copy(table, kept)
    yield f"shown    (kept table)       {ssrun(folder, 'show', 'kept')}"
    sizes = {name: (folder / "results" / name).stat().st_size for name in ("experiment.json", "table.json", "runs.csv")}
    yield "  ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in sizes.items())
    pairs = count - count // STRATEGIES
    told = f"more than {bootstrap.MOST:,}: none made" if pairs > bootstrap.MOST else "made, or there already"
    yield f"{pairs:,} pairs of runs for the bootstrap: {told}"


def main(runs: int) -> None:
    """Prints the figures."""
    folder = Path(tempfile.mkdtemp())
    try:
        for line in figures(folder, runs):
            print(line, flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
