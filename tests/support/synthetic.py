"""Comparisons of very many runs: one small run is trained, and the others are made like it, with numbers drawn.

All that planning, listing, showing and the table read is there and whole. Configuration, outputs, scores and result are
each run's own, with their digests; every other file is the trained run's, by a hard link. `ssrun verify`, which scores
the stored text again, finds that the scores are drawn; it finds nothing else.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ssrun.config.loading import load_plan
from ssrun.config.plan import Plan
from ssrun.config.spec import RunDocument
from ssrun.runs.folder import OUTPUTS, RunFolder
from ssrun.runs.manifest import Manifest, write_manifest
from ssrun.runs.results_folder import Destination
from ssrun.system.documents import canonical
from ssrun.system.files import digest
from tests.support.runs import finished

TASKS, STRATEGIES = 10, 10
LINKS = 50_000  # of one file, which ext4 allows 65,000
TINY = {"training": {"steps": 2}, "task": {"test_pairs": 100}}
OWN = ("run.json",)


def experiment_of(folder: Path, seeds: int) -> Path:
    """The file of an experiment of 100 runs a seed, with a claim."""
    tasks = "".join(f"task-{n} = {{ base = 'copy', task.test_pairs = {100 + n} }}\n" for n in range(TASKS))
    linear = "".join(f"linear-{n} = {{ base = 'linear', over = {1 + n / 100} }}\n" for n in range(1, STRATEGIES))
    claim = 'text = "Less is less."\nmetric = "bleu"\ntask = "task-0"\norder = "linear-1 < teacher-forcing"\n'
    path = folder / "scale.toml"
    path.write_text(
        f'question = "Which?"\nseeds = "0..{seeds - 1}"\n[tasks]\n{tasks}'
        f"[strategies]\nteacher-forcing = {{}}\n{linear}[[claims]]\n{claim}",
        encoding="utf-8",
    )
    return path


def made(results: Path, plan: Plan) -> None:
    """The results of this plan, as if all its runs had been trained, in a folder that is not there yet."""
    draw, runs = random.Random(0), plan.runs()
    with TemporaryDirectory(dir=results.parent) as scratch:
        (run, *_) = load_plan("default", "copy", "teacher-forcing", overrides=TINY).runs()
        like = finished(Path(scratch), run)
        shared = {name: (like.path / name).read_bytes() for name in RunFolder.FILES if name not in OWN}
        shared["metrics.jsonl"] = evaluations(like, runs[0].config.training.steps)
        right = [line.split("\t")[0] for line in like.lines("references.txt")]
        wrong = [" ".join(reversed(line.split(" "))) for line in right]
        digests = {**like.result().files, **{name: digest(content) for name, content in shared.items()}}
        result, scores = (found.model_dump(mode="json") for found in (like.result(), like.scores()))
        for number, run in enumerate(runs):
            folder, identity = RunFolder.of(results / "runs", run.name), run.config.weights_id
            folder.score_path.mkdir(parents=True)
            if number % LINKS == 0:
                first = folder.path
                for name, content in shared.items():
                    (first / name).write_bytes(content)
            else:
                for name in shared:
                    os.link(f"{first}/{name}", f"{folder.path}/{name}")
            document = RunDocument(run=identity, config=run.config)
            config = canonical(document.model_dump(mode="json", exclude={"config": {"scoring"}}))
            quality = draw.uniform(0.3, 0.9)
            lines = [good if draw.random() < quality else bad for good, bad in zip(right, wrong, strict=True)]
            outputs = "".join(f"{line}\n" for line in lines).encode()
            own = {"run": identity, "steps": run.config.training.steps, "free_running_loss": draw.uniform(1, 2)}
            of_run = {"files": {**digests, "run.json": digest(config)}}
            of_scores = {"run": identity, "bleu": 100 * quality, "files": {**scores["files"], OUTPUTS: digest(outputs)}}
            (folder.path / "run.json").write_bytes(config)
            (folder.path / "result.json").write_bytes(with_seal({**result, **own, **of_run}))
            (folder.score_path / OUTPUTS).write_bytes(outputs)
            (folder.score_path / "scores.json").write_bytes(with_seal({**scores, **of_scores}))
    manifest = Manifest(plan=plan, runs=tuple(run.name for run in runs), command="ssrun compare")
    write_manifest(Destination(results, "runs"), plan.id, manifest)


def evaluations(like: RunFolder, steps: int) -> bytes:
    """The file of evaluations of a run of so many steps: twenty, of which five are of the whole validation set."""
    (last,) = like.evaluations()
    lines = [
        last.model_copy(update={"step": steps * place // 20, "pairs": 50 if place % 4 else None})
        for place in range(1, 21)
    ]
    return b"".join(canonical(line.model_dump(mode="json")) + b"\n" for line in lines)


def with_seal(fields: dict[str, Any]) -> bytes:
    """As `write_sealed` writes a document of these fields."""
    return canonical({**fields, "digest": digest(canonical(fields))})
