"""One run from end to end: task -> vocabulary -> batches -> training -> scoring -> result."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from safetensors.torch import save

from ssrun.config.run import RunConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import Interrupted
from ssrun.runs import checkpoints
from ssrun.runs.checkpoints import Totals
from ssrun.runs.events import Evaluated, Event, Finished, Stepped, Warned
from ssrun.runs.folder import RunFolder
from ssrun.runs.result import CompleteResult, DivergedResult, Evaluation, Result
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.scoring import Scores, score
from ssrun.seq2seq.training import Diverged, adam, train
from ssrun.seq2seq.vocabulary import SPECIALS, Vocabularies
from ssrun.system import signals
from ssrun.system.documents import canonical
from ssrun.system.environment import environment
from ssrun.system.files import write
from ssrun.tasks import Example

CHECKPOINTS = 4  # a run, unless told
PACE = 0.25  # seconds between two events of a step


class Prepared(NamedTuple):
    """A run's parts, before its first step."""

    model: Seq2Seq
    vocabularies: Vocabularies
    batches: Batches


def prepare(config: RunConfig) -> Prepared:
    """Builds the run's parts; the weights depend on the seed, the task and the sizes alone.

    UsageError where the task is not what it was when the run was configured: a corpus has changed.
    """
    task = config.task.prepared()
    vocabularies = Vocabularies.of(task)
    sizes = (len(vocabularies.source), len(vocabularies.target))
    model = Seq2Seq(config.model, *sizes, streams.generator(config.seed, "init"))
    return Prepared(model, vocabularies, Batches(task, vocabularies, config.training.batch_size, config.seed))


def execute(run: RunSpec, folder: RunFolder, checkpoint_every: int | None = None) -> Iterator[Event]:
    """Brings a run to its end, from its last checkpoint where there is one, and tells how it goes.

    The folder is locked as long as this goes on; a complete run is left as it is. `checkpoint_every` is steps between
    checkpoints; None for a few a run, 0 for none. Busy where another process has the run; Interrupted where a signal
    came, with a checkpoint of the last whole step written.
    """
    with folder.locked():
        if folder.complete:
            folder.sweep()
            yield Finished(result=folder.result())
        else:
            yield from complete(run, folder, checkpoint_every)


def complete(run: RunSpec, folder: RunFolder, checkpoint_every: int | None) -> Iterator[Event]:
    """What `execute` does with a run that has no result."""
    config, steps = run.config, run.config.training.steps
    every = checkpoint_every if checkpoint_every is not None else max(1, steps // (CHECKPOINTS + 1))
    folder.start(run)
    parts = prepare(config)
    optimiser = adam(parts.model, config)
    totals, tensors, faults = checkpoints.last_checkpoint(folder, config.id, parts.model, steps)
    if tensors:
        checkpoints.restore(parts.model, optimiser, tensors)
    folder.cut_evaluations(totals.metrics_bytes)
    for fault in faults:
        yield Warned(text=f"{fault}: going on from an older checkpoint")
    here = environment(torch.get_num_threads())
    if totals.environments and (unlike := ", ".join(totals.environments[-1].unlike(here))):
        yield Warned(text=f"begun in another environment ({unlike}): an uninterrupted run's numbers may differ")
    totals = totals.going_on_in(here)
    folder.write_environments(totals.environments)
    validation = list(config.task.held_out("validation"))
    start, told = time.monotonic() - totals.seconds, 0.0
    try:
        signals.check()
        if is_due(totals, config):  # interrupted in that evaluation
            evaluation, totals = evaluate(config, folder, parts, validation, totals, start)
            yield Evaluated(evaluation=evaluation)
        for step in train(parts.model, optimiser, parts.batches, config, totals.step):
            totals = totals.after(step)
            if is_due(totals, config):
                evaluation, totals = evaluate(config, folder, parts, validation, totals, start)
                yield Evaluated(evaluation=evaluation)
            if every and totals.step % every == 0 and totals.step < steps:
                totals = totals.model_copy(update={"seconds": time.monotonic() - start})
                checkpoints.save_checkpoint(folder, config.id, parts.model, optimiser, totals)
            if time.monotonic() - told > PACE or totals.step == steps:
                told = time.monotonic()
                yield Stepped(step=totals.step, steps=steps, epsilon=step.epsilon, loss=step.loss)
            if totals.step < steps:
                signals.check()
        result = finish(run, folder, parts, totals, start)
    except Interrupted:
        if totals.step > 0:
            totals = totals.model_copy(update={"seconds": time.monotonic() - start})
            checkpoints.save_checkpoint(folder, config.id, parts.model, optimiser, totals)
        raise
    except Diverged as diverged:
        fields = {**outcome(run, totals, start), "steps": diverged.step, "reason": str(diverged)}
        result = folder.finish(DivergedResult.model_validate(fields), totals.metrics)
    yield Finished(result=result)


def is_due(totals: Totals, config: RunConfig) -> bool:
    """Whether the last step is to be evaluated, and is not yet."""
    at_an_end = totals.step % config.training.evaluate_every == 0 or totals.step == config.training.steps
    return totals.window_steps > 0 and at_an_end


def evaluate(
    config: RunConfig, folder: RunFolder, parts: Prepared, validation: Sequence[Example], totals: Totals, start: float
) -> tuple[Evaluation, Totals]:
    """Scores the validation set and adds a line to the evaluations; a torn one is cut off on resuming.

    Work on the run began at `start` on the monotonic clock, had it gone on without a break. Returns the totals with a
    new window as well; Diverged where a loss is no number.
    """
    scores = score(parts.model, config.task, validation, parts.vocabularies, config.scoring)
    must_be_finite(scores, totals)
    evaluation = Evaluation(
        step=totals.step,
        epsilon=config.strategy.schedule(totals.step - 1, config.training.steps),
        training_loss=totals.window_loss / totals.window_steps,
        seconds=round(time.monotonic() - start, 3),
        **totals.window_counts.shares(),
        **scores.values,
    )
    return evaluation, totals.with_new_window(*folder.append(evaluation, totals.metrics))


def must_be_finite(scores: Scores, totals: Totals) -> None:
    for value in scores.values.values():
        if not math.isfinite(value):
            raise Diverged(totals.step, value)


def outcome(run: RunSpec, totals: Totals, start: float) -> dict[str, Any]:
    """The fields of an `Outcome`."""
    steps, schedule = run.config.training.steps, run.config.strategy.schedule
    return {
        "run": run.config.id,
        "task": run.name.task,
        "strategy": run.name.strategy,
        "seed": run.name.seed,
        "steps": steps,
        "schedule": schedule.resolved(steps),
        "mean_epsilon": schedule.mean(steps),
        **totals.run_counts.shares(),
        "seconds": round(time.monotonic() - start, 3),
    }


def finish(run: RunSpec, folder: RunFolder, parts: Prepared, totals: Totals, start: float) -> Result:
    """Scores the trained model on the test set and writes everything, the result last."""
    config = run.config
    test = list(config.task.held_out("test"))
    scores = score(parts.model, config.task, test, parts.vocabularies, config.scoring)
    must_be_finite(scores, totals)
    folder.write_lines("sources.txt", [" ".join(example.source) for example in test])
    folder.write_lines("hypotheses.txt", [" ".join(output) for output in scores.outputs])
    folder.write_lines("next_step.txt", [" ".join(tokens) for tokens in scores.teacher_forced])
    folder.write_lines("decoding.txt", [" ".join(tokens) for tokens in scores.free_running])
    accepted = [[" ".join(reference) for reference in example.references] for example in test]
    most = max(map(len, accepted))
    # `sacrebleu --num-refs` wants as many in every line: filled up by its first, since one there twice changes no BLEU.
    folder.write_lines("references.txt", ["\t".join([*texts, *texts[:1] * (most - len(texts))]) for texts in accepted])
    tokens = {side: words.tokens[len(SPECIALS) :] for side, words in parts.vocabularies._asdict().items()}
    write(folder.path / "vocabulary.json", canonical(tokens))
    write(folder.path / "model.safetensors", save(dict(parts.model.state_dict())))
    result = CompleteResult.model_validate(
        {
            **outcome(run, totals, start),
            **scores.values,
            "bleu_signature": scores.signature,
            "references": most,
            "test_pairs": len(test),
            "curves": scores.curves,
            "facts": config.task.facts(),
        }
    )
    return folder.finish(result, totals.metrics)
