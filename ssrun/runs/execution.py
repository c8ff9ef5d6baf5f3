"""One run from end to end: task -> vocabulary -> batches -> training -> scoring -> result."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import torch
from safetensors.torch import save

from ssrun.config.run import RunConfig
from ssrun.config.spec import Cell
from ssrun.errors import Interrupted
from ssrun.runs import checkpoints
from ssrun.runs.folder import RunFolder
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.scoring import Scores, score
from ssrun.seq2seq.threads import use_one_thread
from ssrun.seq2seq.training import Diverged, Step, adam, train
from ssrun.seq2seq.vocabulary import SPECIALS, Vocabularies
from ssrun.system import signals as interruption
from ssrun.system.documents import canonical
from ssrun.system.files import write, writing
from ssrun.tasks import Example

CHECKPOINTS = 4  # a run, unless told
PACE = 0.25  # seconds between two events of one kind


class Event(NamedTuple):
    """Something worth telling while a run goes on.

    Attributes:
        kind: `step` (now and then), `evaluation`, `warning`, or `end`.
        values: What is told; strict JSON.
    """

    kind: Literal["step", "evaluation", "warning", "end"]
    values: dict[str, Any]


class Totals:
    """What a run counts as it goes: coins, replaced tokens, the loss, the time."""

    def __init__(self, saved: dict[str, Any] | None = None) -> None:
        fields = saved or {}
        self.step: int = fields.get("step", 0)
        self.run: list[int] = fields.get("run_counts", [0, 0, 0])
        self.window: list[int] = fields.get("window_counts", [0, 0, 0])
        self.loss: float = fields.get("loss", 0.0)
        self.steps: int = fields.get("steps", 0)
        self.seconds: float = fields.get("seconds", 0.0)
        self.metrics_bytes: int = fields.get("metrics_bytes", 0)
        self._since = time.monotonic()

    def add(self, step: Step) -> None:
        """Counts one step in."""
        inputs = step.inputs
        counts = [int(inputs.tossed.sum()), int(inputs.true.sum()), int(inputs.replaced.sum())]
        self.run = [a + b for a, b in zip(self.run, counts, strict=True)]
        self.window = [a + b for a, b in zip(self.window, counts, strict=True)]
        self.loss += step.loss
        self.steps += 1
        self.step = step.step + 1

    def elapsed(self) -> float:
        """Seconds of work on this run, in this process and before it."""
        return self.seconds + time.monotonic() - self._since

    def document(self) -> dict[str, Any]:
        """The totals, as a checkpoint keeps them."""
        return {
            "step": self.step,
            "run_counts": self.run,
            "window_counts": self.window,
            "loss": self.loss,
            "steps": self.steps,
            "seconds": self.elapsed(),
            "metrics_bytes": self.metrics_bytes,
        }


def shares(counts: list[int]) -> dict[str, float]:
    """`realised_epsilon` and `replaced`, of counts of coins, of coins that said true, and of replaced tokens."""
    tossed = max(counts[0], 1)
    return {"realised_epsilon": counts[1] / tossed, "replaced": counts[2] / tossed}


class Prepared(NamedTuple):
    """A run's parts, before its first step."""

    model: Seq2Seq
    vocabularies: Vocabularies
    batches: Batches


def prepare(config: RunConfig) -> Prepared:
    """Builds the run's parts; the weights depend on the seed, the task and the sizes alone.

    Raises:
        UsageError: The task is not what it was when the run was configured: a corpus has changed.
    """
    use_one_thread()
    task = config.task.prepared()
    vocabularies = Vocabularies.of(task)
    sizes = (len(vocabularies.source), len(vocabularies.target))
    model = Seq2Seq(config.model, *sizes, streams.generator(config.seed, "init"))
    batches = Batches(task, vocabularies, config.training.batch_size, config.seed)
    return Prepared(model, vocabularies, batches)


def execute(cell: Cell, folder: RunFolder, checkpoint_every: int | None = None) -> Iterator[Event]:
    """Runs a cell to its end, from its last checkpoint where there is one, and tells how it goes.

    A complete run is left as it is.

    Args:
        cell: What to run.
        folder: Where it lies. The caller holds its lock.
        checkpoint_every: Steps between checkpoints; None for a few a run, 0 for none.

    Raises:
        Interrupted: A signal came; a checkpoint of the last whole step is written.
    """
    if folder.complete:
        folder.sweep()
        yield Event("end", folder.result())
        return
    config = cell.config
    folder.start(cell)
    parts = prepare(config)
    optimiser = adam(parts.model, config)
    totals, faults = resume(folder, config, parts.model, optimiser)
    for fault in faults:
        yield Event("warning", {"text": f"{fault}: going on from an older checkpoint"})
    steps = config.training.steps
    every = checkpoint_every if checkpoint_every is not None else max(1, steps // (CHECKPOINTS + 1))
    validation = list(config.task.held_out("validation"))

    def keep() -> None:
        checkpoints.save_checkpoint(folder.path, config.id, parts.model, optimiser, totals.document())

    def due() -> bool:
        """Whether the last step is to be evaluated, and is not yet."""
        return totals.steps > 0 and (totals.step % config.training.evaluate_every == 0 or totals.step == steps)

    def evaluate() -> Event:
        scores = score(parts.model, config.task, validation, parts.vocabularies, config.scoring)
        must_be_finite(scores, totals)
        line = evaluation(config.strategy.schedule(totals.step - 1, steps), totals, scores)
        append(folder.path / "metrics.jsonl", line, totals)
        return Event("evaluation", line)

    told = 0.0
    try:
        interruption.check()
        if due():  # interrupted in that evaluation
            yield evaluate()
        for step in train(parts.model, optimiser, parts.batches, config, totals.step):
            totals.add(step)
            if due():
                yield evaluate()
            if every and totals.step % every == 0 and totals.step < steps:
                keep()
            if time.monotonic() - told > PACE or totals.step == steps:
                told = time.monotonic()
                yield Event("step", {"step": totals.step, "steps": steps, "epsilon": step.epsilon, "loss": step.loss})
            if totals.step < steps:
                interruption.check()
        result = finish(cell, folder, parts, totals)
    except Interrupted:
        if totals.step > 0:
            keep()
        raise
    except Diverged as diverged:
        result = {**head(cell, totals), "status": "diverged", "reason": str(diverged), "steps": diverged.step}
        folder.finish(result)
    yield Event("end", result)


def resume(
    folder: RunFolder, config: RunConfig, model: Seq2Seq, optimiser: torch.optim.Adam
) -> tuple[Totals, list[str]]:
    """Puts everything back to the last good checkpoint; returns its totals, and what was wrong with newer ones."""
    saved, tensors, faults = checkpoints.last_checkpoint(folder.path, config.id, model, config.training.steps)
    totals = Totals(saved)
    if saved is not None:
        checkpoints.restore(model, optimiser, tensors)
    cut_metrics(folder.path / "metrics.jsonl", totals.metrics_bytes)
    return totals, faults


def must_be_finite(scores: Scores, totals: Totals) -> None:
    """Raises Diverged where the evaluation of the last step finds a loss that is no number."""
    for value in scores.values.values():
        if not math.isfinite(value):
            raise Diverged(totals.step, value)


def evaluation(epsilon: float, totals: Totals, scores: Scores) -> dict[str, Any]:
    """One line of the metrics, and a new window for the next."""
    line = {
        "step": totals.step,
        "epsilon": epsilon,
        **shares(totals.window),
        "training_loss": totals.loss / totals.steps,
        **scores.values,
        "seconds": round(totals.elapsed(), 3),
    }
    totals.window, totals.loss, totals.steps = [0, 0, 0], 0.0, 0
    return line


def append(path: Path, line: dict[str, Any], totals: Totals) -> None:
    """Adds a line to the metrics; a torn one is cut off on resuming."""
    with writing(path), opened(path) as file:
        file.write(canonical(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())
        totals.metrics_bytes = file.tell()


def cut_metrics(path: Path, size: int) -> None:
    """Cuts the metrics back to what the checkpoint knows of."""
    with writing(path), opened(path) as file:
        file.truncate(size)


def opened(path: Path) -> IO[bytes]:
    """A file to append to, and no link to another, nor a pipe that nobody reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666), "ab")


def head(cell: Cell, totals: Totals) -> dict[str, Any]:
    """What every result begins with."""
    config = cell.config
    return {
        "run": config.id,
        "task": cell.task,
        "strategy": cell.strategy,
        "seed": cell.seed,
        "steps": config.training.steps,
        "schedule": config.strategy.schedule.resolved(config.training.steps),
        "mean_epsilon": config.strategy.schedule.mean(config.training.steps),
        **shares(totals.run),
        "seconds": round(totals.elapsed(), 3),
    }


def reference_line(example: Example, most: int) -> str:
    """An example's references with tabs between, filled up to `most` by its first: `sacrebleu --num-refs` wants so.

    A reference that is there twice changes no BLEU.
    """
    lines = [" ".join(reference) for reference in example.references]
    return "\t".join([*lines, *[lines[0]] * (most - len(lines))])


def finish(cell: Cell, folder: RunFolder, parts: Prepared, totals: Totals) -> dict[str, Any]:
    """Scores the trained model on the test set and writes everything, the result last."""
    config = cell.config
    test = list(config.task.held_out("test"))
    scores = score(parts.model, config.task, test, parts.vocabularies, config.scoring)
    must_be_finite(scores, totals)
    folder.write_lines("sources.txt", [" ".join(example.source) for example in test])
    folder.write_lines("hypotheses.txt", [" ".join(output) for output in scores.outputs])
    folder.write_lines("next_step.txt", [" ".join(tokens) for tokens in scores.teacher_forced])
    folder.write_lines("decoding.txt", [" ".join(tokens) for tokens in scores.free_running])
    most = max(len(example.references) for example in test)
    folder.write_lines("references.txt", [reference_line(example, most) for example in test])
    tokens = {side: words.tokens[len(SPECIALS) :] for side, words in parts.vocabularies._asdict().items()}
    write(folder.path / "vocabulary.json", canonical(tokens))
    write(folder.path / "model.safetensors", save(dict(parts.model.state_dict())))
    result = {
        **head(cell, totals),
        "status": "complete",
        **scores.values,
        "bleu_signature": scores.signature,
        "references": most,
        "test_pairs": len(test),
        "curves": scores.curves,
        "facts": config.task.facts(),
    }
    folder.finish(result)
    return result
