"""What came of tuning: the trials of each strategy on each task, and which of them won on the validation set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean

from ssrun.config.plan import Trial, Winner
from ssrun.config.spec import RunSpec
from ssrun.config.tuning import Setting, Tune
from ssrun.errors import StoreError
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder
from ssrun.runs.result import CompleteResult
from ssrun.system.documents import Document, Number


class Tried(Document):
    """One setting that was tried, and the mean of the metric over the tuning seeds; None where a run had no end."""

    settings: Setting
    value: Number | None


class Tuned(Document):
    """The trials of one strategy on one task, in the order of the grid, and what won."""

    task: str
    strategy: str
    settings: Setting
    value: Number
    trials: tuple[Tried, ...]

    @property
    def winner(self) -> Winner:
        return Winner(task=self.task, strategy=self.strategy, settings=self.settings)


def unfinished(trials: Sequence[Trial], store: Path) -> list[RunSpec]:
    """The trials' runs that have come to no end, not even a failure's."""
    folders = [(run, RunFolder.of(store, run.name)) for trial in trials for run in trial.runs]
    return [run for run, folder in folders if not folder.trained and folder.failure() is None]


def tuned(trials: Sequence[Trial], store: Path, tune: Tune) -> Iterator[Tuned]:
    """What came of the trials, by task and strategy; of equal settings the first of the grid wins.

    Raises:
        StoreError: No trial of a strategy came to its end, or one is damaged.
    """
    sign = 1 if METRICS[tune.metric].better == "higher" else -1
    for (task, strategy), group in groupby(trials, key=lambda trial: (trial.task, trial.strategy)):
        tried = tuple(Tried(settings=trial.settings, value=value_of(trial, store, tune.metric)) for trial in group)
        scored = [(trial.value, trial.settings) for trial in tried if trial.value is not None]
        if not scored:
            raise StoreError(f"no trial of {strategy} on {task} came to its end: try other settings in tune.grid")
        value, settings = max(scored, key=lambda pair: sign * pair[0])
        yield Tuned(task=task, strategy=strategy, settings=settings, value=value, trials=tried)


def value_of(trial: Trial, store: Path, metric: str) -> float | None:
    """The mean of a metric of the validation set over a trial's runs; None where one was not trained to its end."""
    values = [validated(RunFolder.of(store, run.name), metric) for run in trial.runs]
    found = [value for value in values if value is not None]
    return fmean(found) if len(found) == len(values) else None


def validated(folder: RunFolder, metric: str) -> float | None:
    """A metric of the validation set under the weights that the run kept; StoreError where it is damaged."""
    if not folder.trained:
        return None
    result = folder.result()
    for fault in folder.damage(result, ("metrics.jsonl",)):
        raise StoreError(fault)
    if not isinstance(result, CompleteResult):
        return None
    step = result.selected_step or result.steps
    whole = [evaluation for evaluation in folder.evaluations() if evaluation.pairs is None and evaluation.step == step]
    return whole[-1].value(metric) if whole and whole[-1].has(metric) else None
