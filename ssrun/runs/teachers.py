"""The trained run that another one learns from, and whether what is to be learned can be had, before training."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ssrun.config.run import RunConfig
from ssrun.errors import StoreError, UsageError
from ssrun.runs.folder import RunFolder
from ssrun.runs.trained import load_trained
from ssrun.seq2seq.labels import check_expert
from ssrun.seq2seq.lengths import check_lengths
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.vocabulary import Vocabularies
from ssrun.system.text import shown_value, visible


def teacher_of(config: RunConfig, vocabularies: Vocabularies, store: Path | None = None) -> Seq2Seq | None:
    """The teacher's model, None where there is no teacher; its folder lies in the run's own store, or anywhere.

    Raises:
        UsageError: It has another vocabulary; or another model, where the run begins with its weights.
        StoreError: It is gone, not trained, damaged, or another run by now.
    """
    strategy = config.strategy
    if not strategy.needs_teacher:
        return None
    folder = RunFolder.at(teacher_path(strategy.teacher, store))
    if not folder.begun:
        raise StoreError(f"strategy.teacher = {shown_value(strategy.teacher)}: no run is there: put it back")
    trained = load_trained(folder)
    if trained.config.weights_id != strategy.teacher_id:
        raise StoreError(f"{visible(folder.path)}: the teacher is another run by now: put it back")
    if trained.vocabularies.kept() != vocabularies.kept():
        told = "its vocabulary is not this task's: give a run of the same data"
        raise UsageError(f"strategy.teacher: {visible(folder.path)}: {told}")
    if strategy.initial == "teacher" and trained.config.model != config.model:
        told = "its model is another one, and initial = teacher takes its weights: give the same [model]"
        raise UsageError(f"strategy.teacher: {visible(folder.path)}: {told}")
    return trained.model


def teacher_path(named: str, store: Path | None) -> Path:
    """Where a teacher lies: in the store, by its place there or that of the folder that was named; or where it was."""
    path = Path(named)
    within = [store / path, store / path.parent.name / path.name] if store else []
    return next((folder for folder in within if folder.is_dir()), path)


def check(configs: Collection[RunConfig], store: Path) -> None:
    """Looks, before anything is trained, at every task's expert and lengths, and at teachers that are trained already.

    Raises:
        UsageError: An expert says what is no answer, or a pair is too long for a body; errors as `teacher_of`.
    """
    ids = {config.weights_id for config in configs}
    for task in dict.fromkeys(config.task for config in configs):
        check_expert(task)
    for task, longest in dict.fromkeys((config.task, config.model.longest) for config in configs):
        if longest is not None:
            check_lengths(task, longest)
    taught = {(config.strategy.teacher_id, config.task): config for config in configs if config.strategy.teacher_id}
    for (teacher_id, task), config in taught.items():
        if teacher_id not in ids or RunFolder(teacher_path(config.strategy.teacher, store)).trained:
            teacher_of(config, Vocabularies.of(task.prepared()), store)
