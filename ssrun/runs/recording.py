"""What a run keeps of its training, in its own folder, whether or not it has the training for itself."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ssrun.config.run import RunConfig
from ssrun.runs import checkpoints
from ssrun.runs.checkpoints import Counts, Totals
from ssrun.runs.folder import RunFolder
from ssrun.runs.model_selection import has_waited_enough, selected
from ssrun.runs.result import DivergedResult, Evaluation, OfPlugins, Result
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.scoring import Scores
from ssrun.seq2seq.training import Diverged, Step
from ssrun.system.environment import environment

CURVE = 20  # points of a run that is long enough: that has SHORTEST steps between them
SHORTEST = 10


class Recording:
    """A run in training: how far it is, and what it writes.

    Attributes:
        totals: What it counts, up to the last step.
        best: The weights of its best evaluation; none where the last are kept.
        start: When work on it began, on the monotonic clock, had it gone on without a break and with nothing else.
    """

    def __init__(self, config: RunConfig, folder: RunFolder, totals: Totals, best: Mapping[str, Tensor]) -> None:
        self.config, self.folder, self.totals, self.best = config, folder, totals, best
        self.start = time.monotonic() - totals.seconds

    def begin(self, device: torch.device) -> Iterator[str]:
        """Makes the folder agree with the totals, before steps on this device; tells what a person should know."""
        self.folder.cut_evaluations(self.totals.metrics_bytes)
        here = environment(torch.get_num_threads(), device, self.config.plugins)
        if self.totals.environments and (unlike := ", ".join(self.totals.environments[-1].unlike(here))):
            yield f"begun in another environment ({unlike}): an uninterrupted run's numbers may differ"
        self.totals = self.totals.going_on_in(here)
        self.folder.write_environments(self.totals.environments)

    @property
    def seconds(self) -> float:
        """Of work on it: of the training, also where others share it, and of its own scoring."""
        return time.monotonic() - self.start

    @property
    def is_due(self) -> bool:
        """Whether the last step is to be evaluated, and is not yet."""
        steps = self.config.training.steps
        sketched = steps >= CURVE * SHORTEST and self.totals.step % (steps // CURVE) == 0
        return self.totals.window_steps > 0 and (sketched or self.is_whole)

    @property
    def is_whole(self) -> bool:
        """Whether the last step is evaluated on the whole validation set, and not for the curve alone."""
        training = self.config.training
        return self.totals.step % training.evaluate_every == 0 or self.totals.step == training.steps

    @property
    def has_ended(self) -> bool:
        """Whether there is no step to come: the last is made, or it has waited enough for a better evaluation."""
        training = self.config.training
        return self.totals.step == training.steps or has_waited_enough(self.totals.selection, training)

    def count(self, step: Step, counts: Counts) -> None:
        self.totals = self.totals.after(step, counts)

    def evaluate(self, scores: Scores, pairs: int | None, model: Seq2Seq) -> Evaluation:
        """Adds a line to the evaluations, with the scores of the model as it is; a torn one is cut off on resuming.

        They are of all validation pairs, or of the first so many. Diverged where a loss is no number.
        """
        training, totals = self.config.training, self.totals
        must_be_finite(scores, totals.step)
        evaluation = Evaluation(
            step=totals.step,
            pairs=pairs,
            epsilon=self.config.strategy.epsilon(totals.step - 1, training.steps),
            training_loss=totals.window_loss / totals.window_steps,
            seconds=round(self.seconds, 3),
            **totals.window_counts.shares(),
            **scores.values,
            **scores.quality,
        )
        selection = totals.selection
        if training.watches and pairs is None:
            selection = selected(selection, evaluation, training)
            if training.select == "best" and selection.step == totals.step:
                self.best = checkpoints.weights_of(model)
        new_window = totals.with_new_window(*self.folder.append(evaluation, totals.metrics))
        self.totals = new_window.model_copy(update={"selection": selection})
        return evaluation

    def save_checkpoint(self, model: Seq2Seq, optimiser: torch.optim.Adam) -> None:
        self.totals = self.totals.model_copy(update={"seconds": self.seconds})
        checkpoints.save_checkpoint(self.folder, self.config.weights_id, model, optimiser, self.totals, self.best)

    def outcome(self) -> dict[str, Any]:
        """The fields of an `Outcome`."""
        steps, strategy = self.config.training.steps, self.config.strategy
        return {
            "run": self.config.weights_id,
            "steps": self.totals.step,
            "schedule": strategy.schedule.resolved(strategy.places(steps)),
            "mean_epsilon": strategy.mean(steps),
            **({"of_plugins": of_plugins} if (of_plugins := told_of_plugins(self.config)) else {}),
            **self.totals.run_counts.shares(),
            "seconds": round(self.seconds, 3),
        }

    def diverge(self, diverged: Diverged) -> None:
        fields = {**self.outcome(), "steps": diverged.step, "reason": str(diverged)}
        self.finish(DivergedResult.model_validate(fields))

    def finish(self, result: Result) -> None:
        """Writes the result; everything else of the run is there."""
        self.folder.finish(result, self.totals.metrics)


def told_of_plugins(config: RunConfig) -> OfPlugins | None:
    """What a reader without the plugins of a run cannot tell; None where it has none."""
    if config.kept == config:
        return None
    share = config.strategy.walk_share(config.training.steps)
    return OfPlugins(walk_share=share, by_position=config.task.by_position)


def must_be_finite(scores: Scores, step: int) -> None:
    for value in scores.values.values():
        if not math.isfinite(value):
            raise Diverged(step, value)
