"""What was fed, and the logits to learn from: in one fused pass, or where gradient flows through it in a walk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ssrun.config.run import RunConfig
from ssrun.seq2seq.decoder_inputs import DecoderInputs, draw, scheduled_inputs
from ssrun.seq2seq.learning_walk import learning_walk
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.strategies.parts import Gradient

Learned = tuple[DecoderInputs, Tensor]  # the inputs, and the logits [B, T, V] after them


def fused(
    model: Seq2Seq,
    memory: Memory,
    target: Tensor,
    epsilon: float | Sequence[float],
    config: RunConfig,
    step: int,
    masks: Masks | None,
) -> Learned:
    """Of a target [B, T] at an optimiser step: inputs chosen without gradient, then one pass over whole sequences."""
    draws = draw(target, config.strategy.coin, config.seed, step)
    inputs = scheduled_inputs(model, memory, target, epsilon, config.strategy, draws, masks)
    return inputs, model.decode(memory, inputs.tokens, masks)


LEARNING: dict[Gradient, Callable[..., Learned]] = {
    "none": fused,
    "soft": learning_walk,
    "straight-through": learning_walk,
}
