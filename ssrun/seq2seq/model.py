"""Seq2Seq: an LSTM encoder-decoder. It knows nothing of strategies, losses or tasks.

What the others ask of a model is four methods, and another body than the LSTM would have to offer these:
`masks` draws a batch's dropout; `encode` reads sources; `decode` runs whole sequences; `predictor` gives a function
that takes one token in and gives logits out. The last two are one decoder with the same numbers: `decode` is for
learning, `predictor` for choosing inputs and for search. There is no `forward`, since no one of them is the model,
and no difference between `train()` and `eval()`, since dropout is in the masks alone. Every tensor is made on the
device of the weights; what is drawn is drawn by the processor first, so that it is the same on every device.

Attention reads the encoder only at the readout (Luong et al. 2015, without input feeding), so that the
recurrence depends on the inputs alone and the whole-sequence pass stays possible.

Shapes: B batch, S source length, T target length, E embedding, H hidden, V target vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ssrun.config.run import ModelConfig
from ssrun.seq2seq.vocabulary import BOS, PAD, UNKNOWN

State = list[tuple[Tensor, Tensor]]  # for each layer h and c, [B, H]
MASKED = -1e4  # the bias of a token that is never said: its probability, and so its gradient, is exactly 0


def select(state: State, rows: Tensor) -> State:
    """The state of some sequences, by index."""
    return [(hidden[rows], cell[rows]) for hidden, cell in state]


class Memory(NamedTuple):
    """What the encoder hands to the decoder, whose first state is `initial`.

    States [B, S, H] are zero where the source is padding; the bias [B, 1, S], added to attention's scores, is -inf
    there and else 0. Keys [B, S, H] are what a score multiplies the decoder's output by.
    """

    states: Tensor
    keys: Tensor
    bias: Tensor
    initial: State

    def select(self, rows: Tensor) -> Memory:
        states = self.states[rows]
        keys = states if self.keys is self.states else self.keys[rows]
        return Memory(states, keys, self.bias[rows], select(self.initial, rows))


class Masks(NamedTuple):
    """Dropout masks, drawn once a batch and shared by every pass over it (Gal and Ghahramani 2016).

    One mask a sequence, the same at every position, already divided by the share that is kept: on the embeddings
    [B, E], and for each layer on its output [B, H].
    """

    source: Tensor
    target: Tensor
    encoder: list[Tensor]
    decoder: list[Tensor]

    def select(self, rows: Tensor) -> Masks:
        encoder, decoder = ([mask[rows] for mask in masks] for masks in (self.encoder, self.decoder))
        return Masks(self.source[rows], self.target[rows], encoder, decoder)


class Prediction(NamedTuple):
    """One step of the decoder: logits [rows, V] of what comes after the token, and the state after it.

    Attention [B, S] is where the step looked; None where no position has a weight or nothing was read out.
    """

    logits: Tensor
    state: State
    attention: Tensor | None


class LSTM(nn.LSTM):
    """One LSTM layer: torch's fused kernel over whole sequences."""

    weight_ih_l0: Tensor  # [4H, E or H]; the four gates lie in the order i, f, g, o
    weight_hh_l0: Tensor  # [4H, H]
    bias_ih_l0: Tensor  # [4H]
    bias_hh_l0: Tensor  # [4H]


class Cell:
    """The same layer one step at a time: a copy of its weights, the gates in the order i, f, o, g.

    So one sigmoid serves three gates. By hand because `nn.LSTMCell` multiplies the input by w_ih at every step: here
    that product is apart, so that it can be looked up by token where the inputs are embeddings.
    """

    def __init__(self, lstm: LSTM) -> None:
        def rearranged(of_gates: Tensor) -> Tensor:
            i, f, g, o = of_gates.chunk(4)
            return torch.cat((i, f, o, g))

        self.of_input = rearranged(lstm.weight_ih_l0).T
        self.of_hidden = rearranged(lstm.weight_hh_l0).T
        self.bias = rearranged(lstm.bias_ih_l0 + lstm.bias_hh_l0)
        self.sigmoids = slice(3 * lstm.hidden_size)

    def input_gates(self, inputs: Tensor) -> Tensor:
        """What inputs [N, E or H] add to the gates, biases included: [N, 4H]."""
        return torch.addmm(self.bias, inputs, self.of_input)

    def step(self, input_gates: Tensor, before: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The layer's h and c, each [B, H], from its input gates [B, 4H], which it spends, and the h and c before."""
        hidden, cell = before
        gates = input_gates.addmm_(hidden, self.of_hidden)
        gates[:, self.sigmoids].sigmoid_()
        i, f, o, g = gates.chunk(4, 1)
        cell = f * cell + i * g.tanh()
        return o * cell.tanh(), cell


class Seq2Seq(nn.Module):
    """Embedding, LSTM encoder, LSTM decoder, readout, for vocabularies of these sizes.

    The generator draws the initial weights; None (torch's own) also where weights are only shapes, on device `meta`.
    One that does not see its prefix is fed UNKNOWN in the place of every token after BOS, whatever it is given.
    """

    def __init__(
        self,
        config: ModelConfig,
        source_size: int,
        target_size: int,
        generator: torch.Generator | None = None,
        *,
        sees_prefix: bool = True,
    ) -> None:
        super().__init__()
        self.sees_prefix = sees_prefix
        self.config = config
        self.target_size = target_size
        embedding, hidden = config.embedding, config.hidden
        self.source_embedding = nn.Embedding(source_size, embedding)
        self.target_embedding = nn.Embedding(target_size, embedding)
        # One-layer LSTMs in a list: between layers stands a mask that is the same at every position, which
        # nn.LSTM(num_layers=..., dropout=...) cannot do.
        sizes = [embedding] + [hidden] * (config.layers - 1)
        self.encoder = nn.ModuleList(LSTM(size, hidden, batch_first=True) for size in sizes)
        self.decoder = nn.ModuleList(LSTM(size, hidden, batch_first=True) for size in sizes)
        self.combine = None if config.attention == "none" else nn.Linear(2 * hidden, hidden)
        self.output = nn.Linear(hidden, target_size)
        # last, so that its draw changes no other weight
        self.score = nn.Linear(hidden, hidden, bias=False) if config.attention == "general" else None
        self.discriminator: nn.Module | None = None  # trained beside it, and kept with it: see `professor`
        self._initialise(generator)

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator | None) -> None:
        """Uniform in +-1/sqrt(fan) as torch's own LSTM, forget gates open, embeddings normal."""

        def uniform(module: nn.Module, fan: int) -> None:
            for weight in module.parameters():
                weight.uniform_(-(fan**-0.5), fan**-0.5, generator=generator)

        for module in self.modules():  # in the order of their making, which is that of the draws
            if isinstance(module, nn.Embedding):
                deviation = self.config.embedding_scale * module.embedding_dim**-0.5
                module.weight.normal_(0, deviation, generator=generator)
            elif isinstance(module, LSTM):
                uniform(module, module.hidden_size)
                module.bias_hh_l0[module.hidden_size : 2 * module.hidden_size] += 1  # f
            elif isinstance(module, nn.Linear):
                uniform(module, module.in_features)
        self.output.bias[[PAD, BOS]] = MASKED

    def masks(self, size: int, generator: torch.Generator) -> Masks | None:
        """Dropout masks for a batch of `size` sequences; None where nothing is dropped."""
        keep = 1 - self.config.dropout
        if keep == 1:
            return None

        def draw(width: int) -> Tensor:
            return torch.empty(size, width).bernoulli_(keep, generator=generator).div_(keep).to(self.device)

        embedding, hidden, layers = self.config.embedding, self.config.hidden, range(self.config.layers)
        return Masks(draw(embedding), draw(embedding), [draw(hidden) for _ in layers], [draw(hidden) for _ in layers])

    def encode(self, source: Tensor, lengths: Tensor | None = None, masks: Masks | None = None) -> Memory:
        """Reads sources [B, S] with EOS, of these lengths [B]; None where no source is padded."""
        states = self.source_embedding(source)
        if masks:
            states = states * masks.source.unsqueeze(1)
        initial: State = []
        for layer, lstm in enumerate(self.encoder):
            if lengths is None:
                states, last = lstm(states)
            else:
                packed, last = lstm(pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False))
                states, _ = pad_packed_sequence(packed, batch_first=True)
            if masks:
                states = states * masks.encoder[layer].unsqueeze(1)
            initial.append((last[0][0], last[1][0]))
        bias = torch.zeros_like(states[:, :, 0]).masked_fill_(source == PAD, -torch.inf).unsqueeze(1)
        return Memory(states, states if self.score is None else self.score(states), bias, initial)

    def decode(self, memory: Memory, inputs: Tensor, masks: Masks | None = None) -> Tensor:
        """Logits [B, T, V] for decoder inputs [B, T], in one pass over whole sequences."""
        return self.continued(memory, self.embedded(inputs), memory.initial, 0, masks)[0]

    def continued(
        self, memory: Memory, vectors: Tensor, before: State, position: int, masks: Masks | None = None
    ) -> tuple[Tensor, State]:
        """Logits [B, T, V] for vectors [B, T, E] of inputs from a position on, after a state; and the state after."""
        hidden, after = self.hidden(vectors, before, masks)
        return self.logits(self.readout(memory, hidden, position)), after

    def behaviour(self, memory: Memory, inputs: Tensor, masks: Masks | None = None) -> Tensor:
        """What the decoder does with inputs [B, T]: its output and the distribution that it predicts, [B, T, H + V]."""
        hidden, _ = self.hidden(self.embedded(inputs), memory.initial, masks)
        return torch.cat((hidden, self.logits(self.readout(memory, hidden)).softmax(-1)), -1)

    def hidden(self, vectors: Tensor, before: State, masks: Masks | None = None) -> tuple[Tensor, State]:
        """The decoder's output [B, T, H] for vectors [B, T, E] of inputs, after a state; and the state after them."""
        hidden, after = vectors, []
        if masks:
            hidden = hidden * masks.target.unsqueeze(1)
        for layer, lstm in enumerate(self.decoder):
            state = before[layer]
            hidden, last = lstm(hidden, (state[0].unsqueeze(0), state[1].unsqueeze(0)))
            if masks:
                hidden = hidden * masks.decoder[layer].unsqueeze(1)
            after.append((last[0].squeeze(0), last[1].squeeze(0)))
        return hidden, after

    def embedded(self, inputs: Tensor) -> Tensor:
        """The vectors [..., E] of decoder inputs [...], as far as the model sees them."""
        return cast("Tensor", self.target_embedding(self.seen(inputs)))

    def seen(self, inputs: Tensor) -> Tensor:
        return inputs if self.sees_prefix else torch.where(inputs == BOS, inputs, UNKNOWN)

    def predictor(self, memory: Memory, masks: Masks | None = None, queries: int = 0) -> Predictor:
        """The decoder one token at a time, as the weights are now; about so many tokens will be put in."""
        return Predictor(self, memory, masks, queries)

    def readout(self, memory: Memory, hidden: Tensor, position: int = 0) -> Tensor:
        """Features [B, T, H] of the decoder's output [B, T, H] from a position on: tanh(W [h; context] + b).

        Or h, where there is no attention.
        """
        if self.combine is None:
            return hidden
        context, _ = self.attend(memory, memory.states, hidden, position)
        return torch.tanh(self.combine(torch.cat((hidden, context), -1)))

    def attend(self, memory: Memory, values: Tensor, hidden: Tensor, position: int) -> tuple[Tensor, Tensor | None]:
        """What the decoder's output [B, T, H], from this target position on, reads of values [B, S, H] of the states.

        Returns:
            The context [B, T, H], and attention's weights [B, T, S], a softmax over the real source positions of h^T s
            (`dot`) or h^T W s (`general`; Luong et al. 2015); None where it is `aligned`.
        """
        if self.config.weighs_positions:
            weights = torch.baddbmm(memory.bias, hidden, memory.keys.transpose(1, 2)).softmax(-1)
            return weights @ values, weights
        context = values[:, position : position + hidden.shape[1]]
        return nn.functional.pad(context, (0, 0, 0, hidden.shape[1] - context.shape[1])), None

    def logits(self, features: Tensor) -> Tensor:
        """Logits [..., V] of features [..., H]."""
        return cast("Tensor", self.output(features))


class Predictor:
    """The decoder one token in, logits out, with as few operations a position as there can be.

    What does not change from one position to the next is made ready: the cells; the values W_c state, so that the
    context need not be projected again and again (W [h; context] = W_h h + W_c context); and, where at least V tokens
    will be put in and nothing is dropped, the first layer's input gates of every token, a table [V, 4H].
    """

    def __init__(self, model: Seq2Seq, memory: Memory, masks: Masks | None, queries: int) -> None:
        self.model, self.memory, self.masks = model, memory, masks
        self.cells = [Cell(lstm) for lstm in cast("list[LSTM]", model.decoder)]
        tokens = model.target_embedding.weight
        looks_up = masks is None and queries >= len(tokens)
        self.gate_table = self.cells[0].input_gates(tokens) if looks_up else None
        if model.combine is not None:
            of_hidden, of_context = model.combine.weight.chunk(2, 1)
            self.of_hidden, self.bias = of_hidden.T, model.combine.bias
            self.values = memory.states @ of_context.T

    def __call__(self, token: Tensor, state: State, position: int, rows: Tensor | None = None) -> Prediction:
        """The step for tokens [B] at one position, from 0.

        The state is `memory.initial` at position 0, then what the step before returned. `rows` are the indices, in
        their order, of the sequences whose logits are asked for, None for all; where it is empty the state goes on and
        nothing is read out.
        """
        if self.gate_table is not None:
            gates = self.gate_table.index_select(0, self.model.seen(token))
        else:
            embedded = self.model.embedded(token)
            gates = self.cells[0].input_gates(embedded * self.masks.target if self.masks else embedded)
        after: State = []
        for layer, cell in enumerate(self.cells):
            after.append(cell.step(gates, state[layer]))
            hidden, _ = after[layer]
            if self.masks:
                hidden = hidden * self.masks.decoder[layer]
            if layer + 1 < len(self.cells):
                gates = self.cells[layer + 1].input_gates(hidden)
        if rows is not None and not len(rows):
            return Prediction(hidden.new_empty(0, self.model.target_size), after, None)
        features, attention = self.readout(hidden, position)
        if rows is not None and len(rows) < len(features):
            features = features.index_select(0, rows)
        return Prediction(self.model.logits(features), after, attention)

    def readout(self, hidden: Tensor, position: int) -> tuple[Tensor, Tensor | None]:
        """Features [B, H] of the decoder's output [B, H] at one position; dot attention's weights [B, S], or None."""
        if self.model.combine is None:
            return hidden, None
        context, weights = self.model.attend(self.memory, self.values, hidden.unsqueeze(1), position)
        features = torch.addmm(self.bias, hidden, self.of_hidden).add_(context.squeeze(1)).tanh_()
        return features, None if weights is None else weights.squeeze(1)
