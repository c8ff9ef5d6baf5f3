"""What was fed, the logits after it and what to learn there: all that a training step takes of a strategy.

In one fused pass; where gradient flows through what is fed in a walk; or over whole outputs of the model's own. A model
whose output learns by a loss of its own is asked for features in the place of logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from torch import Tensor

from ssrun.config.run import RunConfig
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batch
from ssrun.seq2seq.decoder_inputs import DecoderInputs, draw, scheduled_inputs
from ssrun.seq2seq.labels import Labels, OutputLabels, TokenLabels, labelling
from ssrun.seq2seq.learning_walk import learning_walk
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.outputs.output import CountedOutput
from ssrun.seq2seq.sequence_objectives import SEQUENCE_OBJECTIVES
from ssrun.seq2seq.vocabulary import Vocabularies
from ssrun.strategies.parts import Gradient
from ssrun.tasks import Task

Epsilon = float | Sequence[float]


class Learned(NamedTuple):
    """Of a batch: its inputs, what was predicted after them, and its labels.

    All have a row a pair [B, T]; of a sequence objective the rows of a pair follow one another. What is predicted are
    logits [B, T, V], or what the output's own loss takes.
    """

    inputs: DecoderInputs
    predicted: Tensor
    labels: Labels


Learner = Callable[[Seq2Seq, Memory, Batch, Epsilon, int, Masks | None], Learned]  # of a batch at an optimiser step


def learner(config: RunConfig, task: Task, vocabularies: Vocabularies, teacher: Seq2Seq | None = None) -> Learner:
    """How a run learns from a batch; ValueError where its label is a teacher's, and there is none."""
    strategy = config.strategy
    if strategy.objective != "likelihood":
        sampled = SEQUENCE_OBJECTIVES[strategy.objective]

        def of_outputs(
            model: Seq2Seq, memory: Memory, batch: Batch, _: Epsilon, step: int, masks: Masks | None
        ) -> Learned:
            return Learned(*sampled(model, memory, batch, config, step, masks, vocabularies.target))

        return of_outputs
    labels_of, learn = labelling(strategy, task, vocabularies, teacher), LEARNING[strategy.gradient]

    def of_labels(
        model: Seq2Seq, memory: Memory, batch: Batch, epsilon: Epsilon, step: int, masks: Masks | None
    ) -> Learned:
        inputs, predicted = learn(model, memory, batch.target, epsilon, config, step, masks)
        labels = labels_of(batch, inputs.tokens)
        if config.learns_by_output:
            generator = streams.generator(config.seed, "noise", step)
            labels = OutputLabels.of(cast("TokenLabels", labels), cast("CountedOutput[Any]", model.output), generator)
        return Learned(inputs, predicted, labels)

    return of_labels


def fused(
    model: Seq2Seq,
    memory: Memory,
    target: Tensor,
    epsilon: Epsilon,
    config: RunConfig,
    step: int,
    masks: Masks | None,
) -> tuple[DecoderInputs, Tensor]:
    """Of a target [B, T] at an optimiser step: inputs chosen without gradient, then one pass over whole sequences."""
    draws = draw(target, config.strategy.coin, config.seed, step)
    inputs = scheduled_inputs(model, memory, target, epsilon, config.strategy, draws, masks)
    predict = model.features if config.learns_by_output else model.decode
    return inputs, predict(memory, inputs.tokens, masks)


LEARNING: dict[Gradient, Callable[..., tuple[DecoderInputs, Tensor]]] = {
    "none": fused,
    "soft": learning_walk,
    "straight-through": learning_walk,
}
