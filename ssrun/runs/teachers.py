"""The trained run that another one learns from, where its label is a teacher's."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ssrun.config.run import RunConfig
from ssrun.errors import StoreError, UsageError
from ssrun.runs.folder import RunFolder
from ssrun.runs.trained import load_trained
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.vocabulary import Vocabularies
from ssrun.system.text import visible


def teacher_of(config: RunConfig, vocabularies: Vocabularies, store: Path | None = None) -> Seq2Seq | None:
    """The teacher's model, None where there is no teacher; its folder lies in the run's own store, or anywhere.

    Raises:
        UsageError: It has another vocabulary.
        StoreError: It is not trained, damaged, or another run by now.
    """
    strategy = config.strategy
    if strategy.label != "teacher":
        return None
    within = store / strategy.teacher if store else None
    folder = RunFolder.at(within if within and within.is_dir() else Path(strategy.teacher))
    trained = load_trained(folder)
    if trained.config.weights_id != strategy.teacher_id:
        raise StoreError(f"{visible(folder.path)}: the teacher is another run by now: put it back")
    if trained.vocabularies.kept() != vocabularies.kept():
        raise UsageError(
            f"strategy.teacher: {visible(folder.path)}: its vocabulary is not this task's: give a run of the same data"
        )
    return trained.model


def check(configs: Collection[RunConfig], store: Path) -> None:
    """Looks at every teacher that is trained already, before anything is; errors as `teacher_of`."""
    ids = {config.weights_id for config in configs}
    checked = set()
    for config in configs:
        strategy = config.strategy
        key = (strategy.teacher, config.task)
        if strategy.label == "teacher" and strategy.teacher_id not in ids and key not in checked:
            checked.add(key)
            teacher_of(config, Vocabularies.of(config.task.prepared()), store)
