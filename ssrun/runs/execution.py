"""Runs from end to end: task -> vocabulary -> batches -> training -> result -> scores.

Runs that begin as a longer one does (see `chains`) are trained with it in one go; each keeps a recording of its own.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor

from ssrun.config.run import RunConfig, ScoringConfig
from ssrun.errors import Interrupted
from ssrun.runs import checkpoints
from ssrun.runs.checkpoints import Counts
from ssrun.runs.events import Evaluated, Event, Finished, Postponed, Stepped, Warned
from ssrun.runs.folder import Busy, RunFolder
from ssrun.runs.recording import Recording, must_be_finite
from ssrun.runs.result import CompleteResult, OutputScores
from ssrun.runs.teachers import teacher_of
from ssrun.runs.trained import load_trained
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.run_model import look_at_training_pairs, model_of
from ssrun.seq2seq.scoring import Scores, score, training_loss
from ssrun.seq2seq.training import Diverged, adam, train
from ssrun.seq2seq.vocabulary import Vocabularies
from ssrun.system import signals
from ssrun.system.devices import CPU, device_named
from ssrun.system.documents import canonical
from ssrun.system.files import write
from ssrun.tasks import OUTPUT_METRICS, Example

CHECKPOINTS = 4  # of one training, unless told
GREEDY = ScoringConfig()
SKETCHED = 50  # validation pairs of an evaluation between two whole ones
PACE = 0.25  # seconds between two events of a step


class Prepared(NamedTuple):
    """A run's parts, before its first step; a teacher only where its strategy needs one."""

    model: Seq2Seq
    vocabularies: Vocabularies
    batches: Batches
    teacher: Seq2Seq | None = None


def prepare(config: RunConfig, store: Path | None = None, device: str = CPU) -> Prepared:
    """Builds the run's parts on a device; the weights depend on the seed, the task and the sizes, or are the teacher's.

    UsageError where the task is not what it was when the run was configured: a corpus has changed; or where there is no
    such device. Of a teacher, which lies in the run's store or elsewhere, errors as `teacher_of`.
    """
    task = config.task.prepared()
    vocabularies = Vocabularies.of(task)
    model = model_of(config, vocabularies).to(device_named(device))
    batches = Batches(task, vocabularies, config.training.batch_size, config.seed)
    teacher = teacher_of(config, vocabularies, store)
    look_at_training_pairs(model, batches)
    if teacher and config.strategy.initial == "teacher":
        model.load_state_dict(teacher.state_dict(), strict=False)  # a discriminator is each run's own
    return Prepared(model, vocabularies, batches, teacher and teacher.to(model.device))


class Member(NamedTuple):
    """A run of a chain, and where it is kept."""

    config: RunConfig
    folder: RunFolder


Told = tuple[RunFolder, Event]  # what happens, and to whose run


def execute(
    config: RunConfig, folder: RunFolder, checkpoint_every: int | None = None, device: str = CPU
) -> Iterator[Event]:
    """Brings a run to its end, from its last checkpoint where there is one, and tells how it goes.

    The folder is locked as long as this goes on. What is trained is not trained again: where the scores that are meant
    are missing, outputs are decoded and scored; a complete run is left as it is. `checkpoint_every` is steps between
    checkpoints; None for a few a run, 0 for none. Busy where another process has the run; Interrupted where a signal
    came, with a checkpoint of the last whole step written.
    """
    with folder.locked():
        for _, event in brought_to_end([Member(config, folder)], checkpoint_every, device):
            yield event


def execute_chain(chain: Sequence[Member], checkpoint_every: int | None = None, device: str = CPU) -> Iterator[Told]:
    """Brings the runs of a chain to their ends, the shortest first, as `execute` does one, in one training.

    Each ends with the files that it would have alone. One that another process has is Postponed, and left out. Steps
    are told of the run that ends next.
    """
    with ExitStack() as locks:
        free = []
        for member in chain:
            try:
                locks.enter_context(member.folder.locked())
                free.append(member)
            except Busy:
                yield member.folder, Postponed()
        yield from brought_to_end(free, checkpoint_every, device)


def brought_to_end(chain: Sequence[Member], checkpoint_every: int | None, device: str) -> Iterator[Told]:
    """Brings the runs of a chain, whose folders are locked, to their ends."""
    untrained = []
    for member in chain:
        if member.folder.trained:
            yield member.folder, finished(*member, device)
        else:
            untrained.append(member)
    while untrained:
        untrained = yield from trained(untrained, checkpoint_every, device)


def finished(config: RunConfig, folder: RunFolder, device: str) -> Finished:
    """How a trained run ended; it is scored first, on this device, where the scores that are meant are missing."""
    folder.sweep()
    result = folder.result()
    if not isinstance(result, CompleteResult):
        return Finished(result=result)
    return Finished(result=result, scores=folder.scores() if folder.complete else score_again(config, folder, device))


def trained(chain: Sequence[Member], checkpoint_every: int | None, device: str) -> Generator[Told, None, list[Member]]:
    """Trains the longest of these runs, which have no result, and with it those that are just as far.

    Returns the others: runs whose last checkpoints do not hold what the longest one's does, bit for bit.
    """
    for config, folder in chain:
        folder.start(config)
    longest = chain[-1].config
    parts = prepare(longest, chain[-1].folder.store, device)
    optimiser = adam(parts.model, longest)
    going: list[Recording] = []
    others: list[Member] = []
    state: dict[str, Tensor] | None = None
    for member in reversed(chain):
        config, folder = member
        totals, tensors, faults = checkpoints.last_checkpoint(
            folder, config.weights_id, parts.model, config.training.steps, keeps_best=config.training.select == "best"
        )
        if state is None:
            state = tensors
        elif not checkpoints.are_equal(state, tensors):
            others.insert(0, member)
            continue
        recording = Recording(config, folder, totals, checkpoints.best_of(tensors))
        for fault in faults:
            yield folder, Warned(text=f"{fault}: going on from an older checkpoint")
        for text in recording.begin(parts.model.device):
            yield folder, Warned(text=text)
        going.insert(0, recording)
    if state:
        checkpoints.restore(parts.model, optimiser, state)
    every = checkpoint_every if checkpoint_every is not None else max(1, longest.training.steps // (CHECKPOINTS + 1))
    yield from trained_together(going, parts, optimiser, every)
    return others


def trained_together(
    going: list[Recording], parts: Prepared, optimiser: torch.optim.Adam, checkpoint_every: int
) -> Iterator[Told]:
    """Trains runs that are equally far, the shortest first, each to its result and the scores that are meant.

    Those that have their result leave `going`.
    """
    longest, first, device = going[-1].config, going[-1].totals.step, parts.model.device.type
    validation = list(longest.task.held_out("validation"))
    told = 0.0
    try:
        signals.check()
        yield from evaluate(going, parts, validation)  # interrupted in that evaluation,
        yield from finish_ended(going, parts)  # or after it
        training = train(parts.model, optimiser, parts.batches, longest, first, parts.teacher)
        for step in training if going else ():
            counts = Counts.of(step)
            for run in going:
                run.count(step, counts)
            yield from evaluate(going, parts, validation)
            ending = any(run.has_ended for run in going)
            if going and (ending or time.monotonic() - told > PACE):
                told = 0.0 if ending else time.monotonic()
                steps = going[0].config.training.steps
                yield going[0].folder, Stepped(step=step.step + 1, steps=steps, epsilon=step.epsilon, loss=step.loss)
            yield from finish_ended(going, parts)
            if not going:
                break
            if checkpoint_every and (step.step + 1) % checkpoint_every == 0:
                for run in going:
                    run.save_checkpoint(parts.model, optimiser)
            signals.check()
    except Interrupted:
        for run in going:
            if run.totals.step > 0:
                run.save_checkpoint(parts.model, optimiser)
        raise
    except Diverged as diverged:
        for run in going:
            run.diverge(diverged)
            yield run.folder, finished(run.config, run.folder, device)


def evaluate(going: list[Recording], parts: Prepared, validation: Sequence[Example]) -> Iterator[Told]:
    """Scores the validation set for the runs that are due, once for all of them.

    Between whole evaluations there are cheap ones, of the first SKETCHED pairs, for the curve alone; they choose
    nothing, and no table rests on them. Outputs are decoded greedily: how a run is scored in the end is no part of its
    training. A run whose loss is no number leaves `going`.
    """
    for whole, pairs in ((False, validation[:SKETCHED]), (True, validation)):
        due = [run for run in going if run.is_due and run.is_whole == whole]
        if not due:
            continue
        training, task = due[0].config.training, due[0].config.task
        with work_on(due, going):
            scores = score(parts.model, task, pairs, parts.vocabularies, GREEDY, [training.select_by])
        for run in due:
            try:
                evaluation = run.evaluate(scores, None if whole else len(pairs), parts.model)
            except Diverged as diverged:
                run.diverge(diverged)
                going.remove(run)
                yield run.folder, finished(run.config, run.folder, parts.model.device.type)
            else:
                yield run.folder, Evaluated(evaluation=evaluation)


def finish_ended(going: list[Recording], parts: Prepared) -> Iterator[Told]:
    """Brings the runs that have ended to their results; they leave `going`."""
    for run in [run for run in going if run.has_ended]:
        try:
            with work_on([run], going):
                finish(run, with_weights(parts, run.config, run.best))
        except Diverged as diverged:
            run.diverge(diverged)
        going.remove(run)
        yield run.folder, finished(run.config, run.folder, parts.model.device.type)


@contextmanager
def work_on(some: Collection[Recording], going: Sequence[Recording]) -> Iterator[None]:
    """The time that this takes is work on some of the runs, and none on the others."""
    start = time.monotonic()
    try:
        yield
    finally:
        for run in going:
            if run not in some:
                run.start += time.monotonic() - start


def with_weights(parts: Prepared, config: RunConfig, weights: Mapping[str, Tensor]) -> Prepared:
    """The run's parts with a model of these weights beside the trained one; as they are where there are none."""
    if not weights:
        return parts
    model = model_of(config, parts.vocabularies, drawn=False)
    model.load_state_dict(weights)
    return parts._replace(model=model.to(parts.model.device))


def finish(run: Recording, parts: Prepared) -> None:
    """Scores the trained model on the test set and writes everything, the result last; Diverged as `evaluate`."""
    config, folder = run.config, run.folder
    test = list(config.task.held_out("test"))
    asked = (config.scoring, config.task.text_metrics)
    scores = score(parts.model, config.task, test, parts.vocabularies, *asked, whole=True)
    best = run.totals.selection if config.training.select == "best" else None
    must_be_finite(scores, run.totals.step)
    trained_on = training_loss(parts.model, parts.batches, run.totals.step, len(test))
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
            **run.outcome(),
            **scores.values,
            "generalisation_gap": scores.values["teacher_forced_loss"] - trained_on,
            "selected_step": best.step if best else None,
            "references": most,
            "test_pairs": len(test),
            "curves": scores.curves,
            "facts": config.task.facts(),
        }
    )
    run.finish(result)


def score_again(config: RunConfig, folder: RunFolder, device: str) -> OutputScores:
    """Decodes and scores the outputs of a run that is trained, as its configuration now asks."""
    _, model, vocabularies = load_trained(folder)
    model.to(device_named(device))
    test = list(config.task.prepared().held_out("test"))
    scores = score(model, config.task, test, vocabularies, config.scoring, config.task.text_metrics)
    return write_scores(config, folder, scores)


def write_scores(config: RunConfig, folder: RunFolder, scores: Scores) -> OutputScores:
    signatures = {"bleu_signature": scores.signature, "text_signatures": scores.text_signatures}
    plugins = [plugin for name in config.scoring.metrics if (plugin := OUTPUT_METRICS.origin(name))]
    fields = {"run": config.weights_id, "scoring": config.scoring, **signatures, "files": {}, "plugins": plugins}
    document = OutputScores.model_validate({**fields, **scores.quality})
    return folder.write_scores(document, [" ".join(output) for output in scores.outputs])
