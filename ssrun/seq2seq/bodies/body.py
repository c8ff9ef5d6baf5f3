"""What a body is: what reads the source's vectors, and what goes over the target's, whole sequences or step by step.

Embeddings, output and the readout of a body that has none of its own are the model's. What a decoder carries from one
position to the next is its own affair, as long as it is made of tensors whose first dimension is the batch.

Shapes: B batch, S source length, T target length, E embedding, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from ssrun.config.run import ModelConfig

State = list[tuple[Tensor, ...]]  # what a decoder carries, of each layer: tensors [B, ...]


def select(state: State, rows: Tensor) -> State:
    """The state of some sequences, by index."""
    return [tuple(part[rows] for part in layer) for layer in state]


class Memory(NamedTuple):
    """What the encoder hands to the decoder, whose first state is `initial`.

    States [B, S, H] mean nothing where the source is padding; the bias [B, 1, S], added to attention's scores, is -inf
    there and else 0. Keys are what scores multiply: at the readout [B, S, H], or of each layer that reads the source
    itself what it reads.
    """

    states: Tensor
    keys: Tensor | State
    bias: Tensor
    initial: State

    def select(self, rows: Tensor) -> Memory:
        states = self.states[rows]
        if isinstance(self.keys, Tensor):
            keys: Tensor | State = states if self.keys is self.states else self.keys[rows]
        else:
            keys = select(self.keys, rows)
        return Memory(states, keys, self.bias[rows], select(self.initial, rows))


class Step(NamedTuple):
    """A step of a decoder: its output [B, H], the state after it, and where it looked, [B, S], if it did."""

    hidden: Tensor
    state: State
    attention: Tensor | None = None


class Steps(Protocol):
    """A decoder one position at a time, as the weights are now."""

    def prepared(self, vectors: Tensor) -> Tensor:
        """What a step takes of input vectors [N, E], [N, ...]: no position or state has a part in it."""

    def __call__(self, prepared: Tensor, state: State) -> Step:
        """The step for what is prepared of B inputs, which it may spend."""


class Encoder(Protocol):
    """A module that reads sources."""

    def __call__(
        self, vectors: Tensor, lengths: Tensor | None, bias: Tensor, masks: Sequence[Tensor] | None
    ) -> tuple[Tensor, State]:
        """States [B, S, H] of vectors [B, S, E], and those at the end of each layer.

        Lengths [B] on the processor, None where nothing is padded; the bias [B, 1, S] is -inf at padding, else 0; a
        layer's dropout mask [B, H].
        """


class Decoder(Protocol):
    """A module that goes over targets."""

    def begin(self, states: Tensor, last: State) -> tuple[Tensor | State, State]:
        """The memory's keys and the first state, from what the encoder gave."""

    def __call__(
        self, vectors: Tensor, memory: Memory, before: State, masks: Sequence[Tensor] | None
    ) -> tuple[Tensor, State]:
        """Outputs [B, T, H] for vectors [B, T, E] after a state, and the state after them."""

    def steps(self, memory: Memory, masks: Sequence[Tensor] | None) -> Steps:
        """The same one position at a time. Masks are those of training: without them it is a test."""


class Body(NamedTuple):
    """What makes the two halves, and whether the decoder reads the source itself, so that no readout need."""

    encoder: Callable[[ModelConfig], torch.nn.Module]
    decoder: Callable[[ModelConfig], torch.nn.Module]
    reads_source: bool = False


@runtime_checkable
class DrawsItsWeights(Protocol):
    """A module whose initial weights are its own affair."""

    def draw_weights(self, generator: torch.Generator | None) -> None:
        """Without gradient; None is torch's own generator."""
