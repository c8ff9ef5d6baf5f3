"""The loop, written out: Bengio et al. 2015, section 2, as feed, then learn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn

from ssrun.config.run import RunConfig
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.decoder_inputs import DecoderInputs
from ssrun.seq2seq.learning_pass import learner
from ssrun.seq2seq.learning_rate import learning_rate
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.objective import objective_of, with_second_losses


class Step(NamedTuple):
    """One optimiser step, from 0, as it was; its loss in nats per position that counts, never smoothed.

    Of a sequence objective it is what that says.
    """

    step: int
    epsilon: float
    loss: float
    inputs: DecoderInputs


class Diverged(Exception):
    """The loss is no longer a number."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"diverged at step {step}: the loss is {loss}")
        self.step = step


def adam(model: Seq2Seq, config: RunConfig) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=config.training.learning_rate, fused=True)


def train(
    model: Seq2Seq,
    optimiser: torch.optim.Adam,
    batches: Batches,
    config: RunConfig,
    first: int = 0,
    teacher: Seq2Seq | None = None,
) -> Iterator[Step]:
    """Trains from step `first` to the end, and hands each step over when it is done.

    The teacher is that of a strategy that needs one.

    Diverged where the loss is not finite; the weights are those before that step.
    """
    strategy, training = config.strategy, config.training
    steps = training.steps
    learn = learner(config, batches.task, batches.vocabularies, teacher)
    for step in range(first, steps):
        batch = batches.at(step).to(model.device)
        masks = model.masks(len(batch.target), streams.generator(config.seed, "dropout", step))
        memory = model.encode(batch.source, batch.lengths, masks)

        # Feed, without gradient, then learn, in one pass over what was fed; or both in one walk, with it.
        epsilon = strategy.epsilons(step, steps, batch.target.shape[1] - 1)
        inputs, predicted, labels = learn(model, memory, batch, epsilon, step, masks)
        loss = labels.loss(predicted)
        if not math.isfinite(value := loss.item()):
            raise Diverged(step, value)
        optimiser.zero_grad()
        objective = objective_of(loss, predicted, labels.counted, training.label_smoothing)
        objective = with_second_losses(objective, config, model, memory, batch.target, step, masks)
        objective.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), training.clip)
        for weights in optimiser.param_groups:
            weights["lr"] = learning_rate(step, training)
        optimiser.step()
        yield Step(step, strategy.epsilon(step, steps), value, inputs)
