"""Whether a run had converged when it ended: whether its training loss had stopped falling."""

from __future__ import annotations

from collections.abc import Sequence

from ssrun.runs.result import Evaluation

PART = 0.2  # of a run's steps: its last fifth is held against the fifth before
FALL = 0.05  # relative to the earlier loss
FLOOR = 0.02  # nats per position: near a loss of 0 a fifth's mean goes up and down by as much
POINTS = 10  # evaluations, so that each fifth has two; fewer say too little


def has_converged(evaluations: Sequence[Evaluation], steps: int) -> bool | None:
    """Whether the training loss had stopped falling; None where the evaluations are too few to tell.

    It still falls where its mean over the last fifth of the steps lies below that over the fifth before by more than
    FALL of it and by more than FLOOR. Both were chosen on 189 runs of constant epsilon: of the 78 whose loss is flat
    none is flagged, and in none of 54 near a loss of 0 did noise raise it by as much.

    It tells that a run was cut off while its training objective still improved, and no more:

    - While epsilon falls, the objective grows harder as the model grows better, and the loss may hold or rise: a run
      whose epsilon reached its end in the last step had no step to settle there and is not flagged for it.
    - A learning rate that has decayed to 0 stops the loss without its being at its lowest.
    - A plateau that the model would leave later looks like an end.
    - A model that overfits is flagged as long as its training loss falls, though more steps would not help it.

    A run that its patience ended before all of its `steps` has converged by its own rule: it would take no more.

    Args:
        evaluations: Of one run, in order.
        steps: Optimiser steps that it might take.
    """
    if len(evaluations) < POINTS:
        return None
    taken = evaluations[-1].step
    if taken < steps:
        return True
    before = training_loss(evaluations, (1 - 2 * PART) * taken, (1 - PART) * taken)
    last = training_loss(evaluations, (1 - PART) * taken, taken)
    return before - last <= max(FLOOR, FALL * before)


def training_loss(evaluations: Sequence[Evaluation], start: float, end: float) -> float:
    """The mean training loss over the steps from start to end, nats per position.

    An evaluation tells the mean over the steps since the one before, and counts by those of them that lie within.
    """
    total = weight = 0.0
    since = 0
    for evaluation in evaluations:
        within = max(0.0, min(end, evaluation.step) - max(start, since))
        total += within * evaluation.training_loss
        weight += within
        since = evaluation.step
    return total / weight
