"""Which evaluation was best so far: whose weights a run keeps, and when it has waited long enough for a better one."""

from __future__ import annotations

from ssrun.config.run import TrainingConfig
from ssrun.metrics import METRICS
from ssrun.runs.result import Evaluation
from ssrun.system.documents import Count, Document, Number


class Selection(Document):
    """The best evaluation of a run so far.

    Attributes:
        step: Optimiser steps done when it was made.
        value: Of the metric `select_by`.
        since: Evaluations after it, none of them better.
    """

    step: Count
    value: Number
    since: Count = 0


def selected(before: Selection | None, evaluation: Evaluation, training: TrainingConfig) -> Selection:
    """The selection after one more evaluation; of two equal ones the earlier is the best."""
    value = evaluation.value(training.select_by)
    if before is not None:
        gain = value - before.value
        if not (gain > 0 if METRICS[training.select_by].better == "higher" else gain < 0):
            return before.model_copy(update={"since": before.since + 1})
    return Selection(step=evaluation.step, value=value)


def has_waited_enough(selection: Selection | None, training: TrainingConfig) -> bool:
    """Whether the run stops early: `patience` evaluations without a better one."""
    return selection is not None and 0 < training.patience <= selection.since
