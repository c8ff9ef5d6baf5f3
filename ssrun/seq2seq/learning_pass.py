"""What was fed, and the logits to learn from: in one fused pass, or where gradient flows through it in a walk."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ssrun.config.run import RunConfig
from ssrun.seq2seq.decoder_inputs import DecoderInputs, inputs_at
from ssrun.seq2seq.learning_walk import learning_walk
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.strategies.parts import Gradient

Learned = tuple[DecoderInputs, Tensor]  # the inputs, and the logits [B, T, V] after them


def fused(model: Seq2Seq, memory: Memory, target: Tensor, config: RunConfig, step: int, masks: Masks | None) -> Learned:
    """Of a target [B, T] at an optimiser step: inputs chosen without gradient, then one pass over whole sequences."""
    inputs = inputs_at(model, memory, target, config, step, masks)
    return inputs, model.decode(memory, inputs.tokens, masks)


LEARNING: dict[Gradient, Callable[[Seq2Seq, Memory, Tensor, RunConfig, int, Masks | None], Learned]] = {
    "none": fused,
    "soft": learning_walk,
    "straight-through": learning_walk,
}
