"""One run from end to end: task -> vocabulary -> batches -> training -> result -> scores."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor

from ssrun.config.run import RunConfig, ScoringConfig
from ssrun.errors import Interrupted
from ssrun.runs import checkpoints
from ssrun.runs.checkpoints import Totals
from ssrun.runs.events import Evaluated, Event, Finished, Stepped, Warned
from ssrun.runs.folder import RunFolder
from ssrun.runs.model_selection import has_waited_enough, selected
from ssrun.runs.result import CompleteResult, DivergedResult, Evaluation, OutputScores
from ssrun.runs.trained import load_trained
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.scoring import Scores, score
from ssrun.seq2seq.training import Diverged, adam, train
from ssrun.seq2seq.vocabulary import Vocabularies
from ssrun.system import signals
from ssrun.system.documents import canonical
from ssrun.system.environment import environment
from ssrun.system.files import write
from ssrun.tasks import Example

CHECKPOINTS = 4  # a run, unless told
GREEDY = ScoringConfig()
CURVE = 20  # points of a run that is long enough: that has SHORTEST steps between them
SHORTEST = 10
SKETCHED = 50  # validation pairs of an evaluation between two whole ones
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


def execute(config: RunConfig, folder: RunFolder, checkpoint_every: int | None = None) -> Iterator[Event]:
    """Brings a run to its end, from its last checkpoint where there is one, and tells how it goes.

    The folder is locked as long as this goes on. What is trained is not trained again: where the scores that are meant
    are missing, outputs are decoded and scored; a complete run is left as it is. `checkpoint_every` is steps between
    checkpoints; None for a few a run, 0 for none. Busy where another process has the run; Interrupted where a signal
    came, with a checkpoint of the last whole step written.
    """
    with folder.locked():
        if not folder.trained:
            yield from trained(config, folder, checkpoint_every)
        folder.sweep()
        result = folder.result()
        if not isinstance(result, CompleteResult):
            yield Finished(result=result)
        elif folder.complete:
            yield Finished(result=result, scores=folder.scores())
        else:
            yield Finished(result=result, scores=score_again(config, folder))


def trained(config: RunConfig, folder: RunFolder, checkpoint_every: int | None) -> Iterator[Event]:
    """Trains a run that has no result, to its result and the scores that are meant."""
    training, steps = config.training, config.training.steps
    every = checkpoint_every if checkpoint_every is not None else max(1, steps // (CHECKPOINTS + 1))
    folder.start(config)
    parts = prepare(config)
    optimiser = adam(parts.model, config)
    totals, tensors, faults = checkpoints.last_checkpoint(
        folder, config.weights_id, parts.model, steps, keeps_best=training.select == "best"
    )
    best = checkpoints.restore(parts.model, optimiser, tensors) if tensors else {}
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
            best = best_weights(parts.model, totals, config, best)
            yield Evaluated(evaluation=evaluation)
        stopped = has_waited_enough(totals.selection, training)
        for step in () if stopped else train(parts.model, optimiser, parts.batches, config, totals.step):
            totals = totals.after(step)
            if is_due(totals, config):
                evaluation, totals = evaluate(config, folder, parts, validation, totals, start)
                best = best_weights(parts.model, totals, config, best)
                yield Evaluated(evaluation=evaluation)
            ended = totals.step == steps or has_waited_enough(totals.selection, training)
            if every and totals.step % every == 0 and not ended:
                totals = totals.model_copy(update={"seconds": time.monotonic() - start})
                checkpoints.save_checkpoint(folder, config.weights_id, parts.model, optimiser, totals, best)
            if time.monotonic() - told > PACE or ended:
                told = time.monotonic()
                yield Stepped(step=totals.step, steps=steps, epsilon=step.epsilon, loss=step.loss)
            if ended:
                break
            signals.check()
        finish(config, folder, with_weights(parts, best), totals, start)
    except Interrupted:
        if totals.step > 0:
            totals = totals.model_copy(update={"seconds": time.monotonic() - start})
            checkpoints.save_checkpoint(folder, config.weights_id, parts.model, optimiser, totals, best)
        raise
    except Diverged as diverged:
        fields = {**outcome(config, totals, start), "steps": diverged.step, "reason": str(diverged)}
        folder.finish(DivergedResult.model_validate(fields), totals.metrics)


def is_due(totals: Totals, config: RunConfig) -> bool:
    """Whether the last step is to be evaluated, and is not yet."""
    steps = config.training.steps
    sketched = steps >= CURVE * SHORTEST and totals.step % (steps // CURVE) == 0
    return totals.window_steps > 0 and (sketched or is_whole(totals, config))


def is_whole(totals: Totals, config: RunConfig) -> bool:
    """Whether the last step is evaluated on the whole validation set, and not for the curve alone."""
    return totals.step % config.training.evaluate_every == 0 or totals.step == config.training.steps


def evaluate(
    config: RunConfig, folder: RunFolder, parts: Prepared, validation: Sequence[Example], totals: Totals, start: float
) -> tuple[Evaluation, Totals]:
    """Scores the validation set and adds a line to the evaluations; a torn one is cut off on resuming.

    Between whole evaluations there are cheap ones, of the first SKETCHED pairs, so that a curve has CURVE points; they
    choose nothing, and no table rests on them. Outputs are decoded greedily: how the run is scored in the end is no
    part of its training. Work on the run began at `start` on the monotonic clock, had it gone on without a break.
    Returns the totals with a new window as well; Diverged where a loss is no number.
    """
    training, whole = config.training, is_whole(totals, config)
    examples = validation if whole else validation[:SKETCHED]
    scores = score(parts.model, config.task, examples, parts.vocabularies, GREEDY, [training.select_by])
    must_be_finite(scores, totals)
    evaluation = Evaluation(
        step=totals.step,
        pairs=None if whole else len(examples),
        epsilon=config.strategy.schedule(totals.step - 1, config.training.steps),
        training_loss=totals.window_loss / totals.window_steps,
        seconds=round(time.monotonic() - start, 3),
        **totals.window_counts.shares(),
        **scores.values,
        **scores.quality,
    )
    totals = totals.with_new_window(*folder.append(evaluation, totals.metrics))
    if training.watches and whole:
        totals = totals.model_copy(update={"selection": selected(totals.selection, evaluation, training)})
    return evaluation, totals


def best_weights(model: Seq2Seq, totals: Totals, config: RunConfig, before: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of the best evaluation so far, right after one, from those before it; none where the last are kept."""
    is_best = totals.selection is not None and totals.selection.step == totals.step
    return checkpoints.weights_of(model) if config.training.select == "best" and is_best else before


def with_weights(parts: Prepared, weights: dict[str, Tensor]) -> Prepared:
    """The run's parts with a model of these weights beside the trained one; as they are where there are none."""
    if not weights:
        return parts
    model = Seq2Seq(parts.model.config, len(parts.vocabularies.source), len(parts.vocabularies.target))
    model.load_state_dict(weights)
    return parts._replace(model=model)


def must_be_finite(scores: Scores, totals: Totals) -> None:
    for value in scores.values.values():
        if not math.isfinite(value):
            raise Diverged(totals.step, value)


def outcome(config: RunConfig, totals: Totals, start: float) -> dict[str, Any]:
    """The fields of an `Outcome`."""
    steps, schedule = config.training.steps, config.strategy.schedule
    return {
        "run": config.weights_id,
        "steps": totals.step,
        "schedule": schedule.resolved(steps),
        "mean_epsilon": schedule.mean(steps),
        **totals.run_counts.shares(),
        "seconds": round(time.monotonic() - start, 3),
    }


def finish(config: RunConfig, folder: RunFolder, parts: Prepared, totals: Totals, start: float) -> None:
    """Scores the trained model on the test set and writes everything, the result last."""
    test = list(config.task.held_out("test"))
    scores = score(parts.model, config.task, test, parts.vocabularies, config.scoring, config.task.text_metrics)
    best = totals.selection if config.training.select == "best" else None
    must_be_finite(scores, totals)
    folder.write_lines("sources.txt", [" ".join(example.source) for example in test])
    folder.write_lines("next_step.txt", [" ".join(tokens) for tokens in scores.teacher_forced])
    folder.write_lines("decoding.txt", [" ".join(tokens) for tokens in scores.free_running])
    accepted = [[" ".join(reference) for reference in example.references] for example in test]
    most = max(map(len, accepted))
    # `sacrebleu --num-refs` wants as many in every line: filled up by its first, since one there twice changes no BLEU.
    folder.write_lines("references.txt", ["\t".join([*texts, *texts[:1] * (most - len(texts))]) for texts in accepted])
    write(folder.path / "vocabulary.json", canonical(parts.vocabularies.kept()))
    write(folder.path / "model.safetensors", save(dict(parts.model.state_dict())))
    write_scores(config, folder, scores)
    result = CompleteResult.model_validate(
        {
            **outcome(config, totals, start),
            **scores.values,
            "selected_step": best.step if best else None,
            "references": most,
            "test_pairs": len(test),
            "curves": scores.curves,
            "facts": config.task.facts(),
        }
    )
    folder.finish(result, totals.metrics)


def score_again(config: RunConfig, folder: RunFolder) -> OutputScores:
    """Decodes and scores the outputs of a run that is trained, as its configuration now asks."""
    model = load_trained(folder)
    test = list(config.task.prepared().held_out("test"))
    scores = score(model.model, config.task, test, model.vocabularies, config.scoring, config.task.text_metrics)
    return write_scores(config, folder, scores)


def write_scores(config: RunConfig, folder: RunFolder, scores: Scores) -> OutputScores:
    signatures = {"bleu_signature": scores.signature, "text_signatures": scores.text_signatures}
    fields = {"run": config.weights_id, "scoring": config.scoring, **signatures, "files": {}}
    document = OutputScores.model_validate({**fields, **scores.quality})
    return folder.write_scores(document, [" ".join(output) for output in scores.outputs])
