"""What checkpoints cost, how large a run is, how soon a table of 1,000 runs stands; part of `make bench`."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ssrun.config.loading import load_plan
from ssrun.config.plan import Plan
from ssrun.config.spec import RunDocument
from ssrun.runs import checkpoints as saved
from ssrun.runs.events import Stepped
from ssrun.runs.execution import execute
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import Manifest, write_manifest
from ssrun.runs.results_folder import Destination
from ssrun.system.documents import canonical
from tests.support.runs import finished

RUNS = 40
STEPS, EVERY = 500, 200  # two checkpoints in half the default steps: the default's four in all of them
TASKS, STRATEGIES, SEEDS = 10, 10, 10
AIMS = {"checkpoints": 1.03, "megabytes": 2.0, "table": 3.0}


def checkpoints(scratch: Path) -> Iterator[str]:
    """What default checkpoints take of the default experiment's first run, shortened; its scoring left out."""
    (run, *_) = load_plan("default", overrides={"training": {"steps": STEPS, "evaluate_every": 200}}).runs()
    saving: list[float] = []
    real = saved.save_checkpoint

    def timed(*arguments: Any) -> None:
        start = time.perf_counter()
        real(*arguments)
        saving.append(time.perf_counter() - start)

    saved.save_checkpoint = timed
    whole = 0.0
    for _ in range(RUNS):
        start = time.perf_counter()
        for event in execute(run.config, RunFolder(scratch / "run"), EVERY):
            if isinstance(event, Stepped) and event.step == event.steps:
                whole += time.perf_counter() - start
        shutil.rmtree(scratch / "run")
    saved.save_checkpoint = real
    share = whole / (whole - sum(saving))
    yield (
        f"with checkpoints / without  {share:.3f}  (aim <= {AIMS['checkpoints']}: {met(share <= AIMS['checkpoints'])}; "
        f"{len(saving)} of them, {1e3 * sum(saving) / len(saving):.1f} ms each, at most {1e3 * max(saving):.1f} ms)"
    )


def sizes(scratch: Path) -> Iterator[str]:
    """The folder of a complete run of the default experiment, the largest of its tasks."""
    runs = {run.name.task: run for run in load_plan("default", overrides={"training": {"steps": 2}}).runs()}
    for task, run in runs.items():
        folder = finished(scratch / task, run)
        size = sum(path.stat().st_size for path in folder.path.rglob("*")) / 2**20
        yield f"a run of {task:16} {size:.2f} MB (aim < {AIMS['megabytes']}, {met(size < AIMS['megabytes'])})"


def thousand(results: Path, like: RunFolder) -> None:
    """A comparison of 1,000 complete runs, each the copy of one under another name and with other numbers."""
    draw = random.Random(0)
    tasks = {f"task-{number}": {"base": "copy", "task": {"test_pairs": 100 + number}} for number in range(TASKS)}
    linear = {f"linear-{n}": {"base": "linear", "over": 1 + n / 100} for n in range(1, STRATEGIES)}
    grid = {"tasks": tasks, "strategies": {"teacher-forcing": {}, **linear}, "seeds": tuple(range(SEEDS)), "claims": ()}
    experiment = load_plan("default").experiment.model_copy(update=grid)
    pattern = {name: (like.path / name).read_bytes() for name in RunFolder.FILES}
    result, scores = like.result(), like.scores()
    plan = Plan(experiment=experiment)
    runs = plan.runs()
    for run in runs:
        folder = RunFolder.of(results / "runs", run.name)
        folder.make()
        for name, content in pattern.items():
            (folder.path / name).write_bytes(content)
        document = RunDocument(run=run.config.weights_id, config=run.config)
        (folder.path / "run.json").write_bytes(canonical(document.model_dump(mode="json")))
        own = {"run": run.config.weights_id}
        folder.write_scores(scores.model_copy(update={**own, "bleu": draw.uniform(20, 80)}), like.outputs())
        numbers = {**own, "free_running_loss": draw.uniform(1, 2)}
        folder.finish(result.model_copy(update=numbers), result.files["metrics.jsonl"])
    manifest = Manifest(plan=plan, runs=tuple(run.name for run in runs), command="ssrun compare")
    write_manifest(Destination(results, "runs"), plan.id, manifest)


def table(scratch: Path) -> Iterator[str]:
    """`ssrun show` of 1,000 runs, a process each time."""
    overrides = {"training": {"steps": 2}}
    (run, *_) = load_plan("default", tasks="copy", strategies="teacher-forcing", overrides=overrides).runs()
    results = scratch / "thousand"
    thousand(results, finished(scratch / "like", run))
    for what in (["show", str(results)], ["show", str(results), "--json"], ["list"]):
        taken = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "ssrun", *what], check=True, capture_output=True)
            taken.append(time.perf_counter() - start)
        name = " ".join(["ssrun", what[0], *what[2:], "of 1,000 runs" if len(what) > 1 else ""])
        aim = f"aim <= {AIMS['table']}, {met(median(taken) <= AIMS['table'])}"
        yield f"{name:34} {median(taken):.2f} s (fastest {min(taken):.2f}; {aim})"


def met(yes: bool) -> str:
    """A word for it."""
    return "met" if yes else "MISSED"


def main() -> None:
    """Prints the figures."""
    torch.set_num_threads(1)
    scratch = Path(tempfile.mkdtemp())
    try:
        for part in (checkpoints, sizes, table):
            for line in part(scratch):
                print(line, flush=True)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
