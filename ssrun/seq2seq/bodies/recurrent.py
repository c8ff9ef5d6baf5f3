"""Recurrent bodies: torch's fused kernels over whole sequences, and the same layers one step at a time.

They read the source through their first state alone; attention is at the model's readout (Luong et al. 2015, without
input feeding), so that the recurrence depends on the inputs alone and the whole-sequence pass stays possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ssrun.config.run import ModelConfig
from ssrun.seq2seq.bodies.body import Body, Memory, State, Step
from ssrun.seq2seq.bodies.norms import NORMS, Norm

OfLayer = tuple[Tensor, ...]  # a layer's state, its output first, [B, H] each


class Cell(Protocol):
    """One layer one step at a time: a copy of its weights.

    By hand because torch's cells multiply the input by w_ih at every step: here that product is apart, so that it can
    be looked up by token where the inputs are embeddings.
    """

    def input_gates(self, inputs: Tensor) -> Tensor:
        """What inputs [N, E or H] add to the gates: [N, gates H]."""

    def step(self, input_gates: Tensor, before: OfLayer) -> OfLayer:
        """The layer's state from its input gates [B, gates H], which it spends, and the state before."""


class Layer(nn.RNNBase):
    """One recurrent layer."""

    weight_ih_l0: Tensor  # [gates H, E or H]
    weight_hh_l0: Tensor  # [gates H, H]
    bias_ih_l0: Tensor  # [gates H]
    bias_hh_l0: Tensor  # [gates H]
    norm: Norm | None  # of its output; in a decoder alone

    @torch.no_grad()
    def draw_weights(self, generator: torch.Generator | None) -> None:
        """Uniform in +-1/sqrt(H), as torch's own."""
        for weight in (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0):
            weight.uniform_(-(self.hidden_size**-0.5), self.hidden_size**-0.5, generator=generator)

    def over(self, inputs: Tensor | PackedSequence, before: OfLayer | None = None) -> tuple[Tensor, OfLayer]:
        """Outputs [B, T, H] (packed where the inputs are) over whole sequences, and the state [B, H] after them."""
        outputs, last = self(inputs, None if before is None else before[0].unsqueeze(0))
        return outputs, (last.squeeze(0),)

    def cell(self) -> Cell:
        raise NotImplementedError


class LSTM(nn.LSTM, Layer):
    """Hochreiter and Schmidhuber 1997; its gates lie in the order i, f, g, o, and its state is h and c."""

    @torch.no_grad()
    def draw_weights(self, generator: torch.Generator | None) -> None:
        """As any layer's, the forget gates open."""
        super().draw_weights(generator)
        self.bias_hh_l0[self.hidden_size : 2 * self.hidden_size] += 1  # f

    def over(self, inputs: Tensor | PackedSequence, before: OfLayer | None = None) -> tuple[Tensor, OfLayer]:
        outputs, (h, c) = self(inputs, None if before is None else (before[0].unsqueeze(0), before[1].unsqueeze(0)))
        return outputs, (h.squeeze(0), c.squeeze(0))

    def cell(self) -> Cell:
        return LSTMCell(self)


class LSTMCell:
    """The gates in the order i, f, o, g, so that one sigmoid serves three."""

    def __init__(self, lstm: LSTM) -> None:
        def rearranged(of_gates: Tensor) -> Tensor:
            i, f, g, o = of_gates.chunk(4)
            return torch.cat((i, f, o, g))

        self.of_input = rearranged(lstm.weight_ih_l0).T
        self.of_hidden = rearranged(lstm.weight_hh_l0).T
        self.bias = rearranged(lstm.bias_ih_l0 + lstm.bias_hh_l0)
        self.sigmoids = slice(3 * lstm.hidden_size)

    def input_gates(self, inputs: Tensor) -> Tensor:
        """Biases included."""
        return torch.addmm(self.bias, inputs, self.of_input)

    def step(self, input_gates: Tensor, before: OfLayer) -> OfLayer:
        hidden, cell = before
        gates = input_gates.addmm_(hidden, self.of_hidden)
        gates[:, self.sigmoids].sigmoid_()
        i, f, o, g = gates.chunk(4, 1)
        cell = f * cell + i * g.tanh()
        return o * cell.tanh(), cell


class GRU(nn.GRU, Layer):
    """Cho et al. 2014, as cuDNN has it: the reset gate is on the product; its gates lie in the order r, z, n."""

    def cell(self) -> Cell:
        return GRUCell(self)


class GRUCell:
    """h' = (1 - z) n + z h, n = tanh(W x + b + r (U h + c)): because of n the products of x and h stay apart."""

    def __init__(self, gru: GRU) -> None:
        self.of_input, self.of_hidden = gru.weight_ih_l0.T, gru.weight_hh_l0.T
        self.bias, self.bias_of_hidden = gru.bias_ih_l0, gru.bias_hh_l0
        self.sigmoids, self.new = slice(2 * gru.hidden_size), slice(2 * gru.hidden_size, None)

    def input_gates(self, inputs: Tensor) -> Tensor:
        return torch.addmm(self.bias, inputs, self.of_input)

    def step(self, input_gates: Tensor, before: OfLayer) -> OfLayer:
        (hidden,) = before
        of_hidden = torch.addmm(self.bias_of_hidden, hidden, self.of_hidden)
        r, z = input_gates[:, self.sigmoids].add_(of_hidden[:, self.sigmoids]).sigmoid_().chunk(2, 1)
        n = torch.addcmul(input_gates[:, self.new], r, of_hidden[:, self.new]).tanh_()
        return (torch.lerp(n, hidden, z),)


class RNN(nn.RNN, Layer):
    """Elman 1990: h' = tanh(W x + U h + b)."""

    def cell(self) -> Cell:
        return RNNCell(self)


class RNNCell:
    """See `RNN`."""

    def __init__(self, rnn: RNN) -> None:
        self.of_input, self.of_hidden = rnn.weight_ih_l0.T, rnn.weight_hh_l0.T
        self.bias = rnn.bias_ih_l0 + rnn.bias_hh_l0

    def input_gates(self, inputs: Tensor) -> Tensor:
        """Biases included."""
        return torch.addmm(self.bias, inputs, self.of_input)

    def step(self, input_gates: Tensor, before: OfLayer) -> OfLayer:
        return (input_gates.addmm_(before[0], self.of_hidden).tanh_(),)


Kind = Callable[..., Layer]  # of a layer; takes its sizes, and `batch_first`


class RecurrentLayers(nn.ModuleList):
    """One-layer modules in a list: between layers stands a mask that is the same at every position.

    Torch's own `num_layers` and `dropout` cannot do that.
    """

    def __init__(self, kind: Kind, config: ModelConfig) -> None:
        sizes = [config.embedding] + [config.hidden] * (config.layers - 1)
        super().__init__(kind(size, config.hidden, batch_first=True) for size in sizes)

    @property
    def layers(self) -> Iterator[Layer]:
        return cast("Iterator[Layer]", iter(self))


class RecurrentEncoder(RecurrentLayers):
    """From left to right; states are zero where the source is padding."""

    def forward(
        self, vectors: Tensor, lengths: Tensor | None, bias: Tensor, masks: Sequence[Tensor] | None
    ) -> tuple[Tensor, State]:
        states, last = vectors, []
        for number, layer in enumerate(self.layers):
            if lengths is None:
                states, at_end = layer.over(states)
            else:
                packed = pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False)
                of_packed, at_end = layer.over(packed)
                states, _ = pad_packed_sequence(cast("PackedSequence", of_packed), batch_first=True)
            if masks:
                states = states * masks[number].unsqueeze(1)
            last.append(at_end)
        return states, last


class RecurrentDecoder(RecurrentLayers):
    """It begins where the encoder's layers ended."""

    def __init__(self, kind: Kind, config: ModelConfig) -> None:
        super().__init__(kind, config)
        for layer in self.layers:
            layer.norm = NORMS[config.norm](config.hidden)

    def begin(self, states: Tensor, last: State) -> tuple[Tensor, State]:
        return states, last

    def forward(
        self, vectors: Tensor, memory: Memory, before: State, masks: Sequence[Tensor] | None
    ) -> tuple[Tensor, State]:
        hidden, after = vectors, []
        for number, layer in enumerate(self.layers):
            hidden, at_end = layer.over(hidden, before[number])
            if layer.norm is not None:
                hidden = layer.norm.of(hidden, training=masks is not None)
            if masks:
                hidden = hidden * masks[number].unsqueeze(1)
            after.append(at_end)
        return hidden, after

    def steps(self, memory: Memory, masks: Sequence[Tensor] | None) -> RecurrentSteps:
        return RecurrentSteps([*self.layers], masks)


class RecurrentSteps:
    """The cells of the layers."""

    def __init__(self, layers: Sequence[Layer], masks: Sequence[Tensor] | None) -> None:
        self.cells, self.norms, self.masks = [layer.cell() for layer in layers], [layer.norm for layer in layers], masks

    def prepared(self, vectors: Tensor) -> Tensor:
        """The first layer's input gates [N, gates H]."""
        return self.cells[0].input_gates(vectors)

    def __call__(self, prepared: Tensor, state: State) -> Step:
        gates, after = prepared, []
        for layer, cell in enumerate(self.cells):
            after.append(cell.step(gates, state[layer]))
            hidden = after[layer][0]
            if (norm := self.norms[layer]) is not None:
                hidden = norm.of(hidden, training=self.masks is not None)
            if self.masks:
                hidden = hidden * self.masks[layer]
            if layer + 1 < len(self.cells):
                gates = self.cells[layer + 1].input_gates(hidden)
        return Step(hidden, after)


def recurrent(kind: Kind) -> Body:
    """The body whose layers are of this kind."""
    return Body(lambda config: RecurrentEncoder(kind, config), lambda config: RecurrentDecoder(kind, config))
