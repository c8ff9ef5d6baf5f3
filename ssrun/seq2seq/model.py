"""Seq2Seq: an LSTM encoder-decoder. It knows nothing of strategies, losses or tasks.

A decoder pass comes in two forms with the same numbers: `decode` runs whole sequences through the fused
LSTM; `step`, `attend` and `vocabulary` go one token at a time, for choosing inputs and for decoding.
Attention reads the encoder only at the readout (Luong et al. 2015, without input feeding), so that the
recurrence depends on the inputs alone and the whole-sequence pass stays possible.

Shapes: B batch, S source length, T target length, E embedding, H hidden, V target vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ssrun.config.run import ModelConfig
from ssrun.seq2seq.vocabulary import BOS, PAD

State = list[tuple[Tensor, Tensor]]  # for each layer h and c, [B, H]
NEVER = -1e4  # the bias of a token that is never said: its probability, and so its gradient, is exactly 0


class Memory(NamedTuple):
    """What the encoder hands to the decoder.

    Attributes:
        states: [B, S, H], zero where the source is padding.
        bias: [B, 1, S], added to attention's scores: 0, and -inf where the source is padding.
        initial: The decoder's first state.
    """

    states: Tensor
    bias: Tensor
    initial: State

    def detach(self) -> Memory:
        """The same without gradient."""
        initial = [(hidden.detach(), cell.detach()) for hidden, cell in self.initial]
        return Memory(self.states.detach(), self.bias, initial)

    def of(self, rows: Tensor) -> Memory:
        """Some sequences of the batch, by number."""
        return Memory(self.states[rows], self.bias[rows], [(h[rows], c[rows]) for h, c in self.initial])


class Masks(NamedTuple):
    """Dropout masks, drawn once a batch and shared by every pass over it (Gal and Ghahramani 2016).

    One mask a sequence, the same at every position, already divided by the share that is kept.

    Attributes:
        source: [B, E], on the source's embeddings.
        target: [B, E], on the decoder inputs' embeddings.
        encoder: For each layer [B, H], on its output.
        decoder: For each layer [B, H], on its output.
    """

    source: Tensor
    target: Tensor
    encoder: list[Tensor]
    decoder: list[Tensor]


class Seq2Seq(nn.Module):
    """Embedding, LSTM encoder, LSTM decoder, readout.

    Args:
        config: Sizes and attention.
        source_size: Size of the source vocabulary.
        target_size: Size of the target vocabulary, V.
        generator: Draws the initial weights.
    """

    def __init__(
        self,
        config: ModelConfig,
        source_size: int,
        target_size: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        embedding, hidden = config.embedding, config.hidden
        self.source_embedding = nn.Embedding(source_size, embedding)
        self.target_embedding = nn.Embedding(target_size, embedding)
        sizes = [embedding] + [hidden] * (config.layers - 1)
        self.encoder = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.decoder = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.combine = None if config.attention == "none" else nn.Linear(2 * hidden, hidden)
        self.output = nn.Linear(hidden, target_size)
        self._initialise(generator)

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator | None) -> None:
        """Uniform in +-1/sqrt(fan) as torch's own LSTM, forget gates open, embeddings normal / sqrt(E)."""
        for name, weight in self.named_parameters():
            if "embedding" in name:
                weight.normal_(0, self.config.embedding**-0.5, generator=generator)
            else:
                bound = (2 * self.config.hidden if "combine" in name else self.config.hidden) ** -0.5
                weight.uniform_(-bound, bound, generator=generator)
            if "bias_hh" in name:  # gates lie in the order input, forget, cell, output
                weight[self.config.hidden : 2 * self.config.hidden] += 1
        self.output.bias[[PAD, BOS]] = NEVER

    def masks(self, size: int, generator: torch.Generator) -> Masks | None:
        """Dropout masks for a batch of `size` sequences; None where nothing is dropped."""
        keep = 1 - self.config.dropout
        if keep == 1:
            return None

        def draw(width: int) -> Tensor:
            return torch.empty(size, width).bernoulli_(keep, generator=generator).div_(keep)

        embedding, hidden, layers = self.config.embedding, self.config.hidden, range(self.config.layers)
        return Masks(draw(embedding), draw(embedding), [draw(hidden) for _ in layers], [draw(hidden) for _ in layers])

    def encode(self, source: Tensor, lengths: Tensor | None = None, masks: Masks | None = None) -> Memory:
        """Reads the sources.

        Args:
            source: [B, S] ids with EOS.
            lengths: [B], or None where no source is padded.
            masks: Dropout masks, None for none.
        """
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
        return Memory(states, bias, initial)

    def decode(self, memory: Memory, inputs: Tensor, masks: Masks | None = None) -> Tensor:
        """Logits [B, T, V] for decoder inputs [B, T], in one pass over whole sequences."""
        hidden = self.target_embedding(inputs)
        if masks:
            hidden = hidden * masks.target.unsqueeze(1)
        for layer, lstm in enumerate(self.decoder):
            state = memory.initial[layer]
            hidden, _ = lstm(hidden, (state[0].unsqueeze(0), state[1].unsqueeze(0)))
            if masks:
                hidden = hidden * masks.decoder[layer].unsqueeze(1)
        return self.vocabulary(self.attend(memory, hidden, 0))

    def step(
        self, token: Tensor, state: State, masks: Masks | None = None, table: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """One decoder step: tokens [B] and the state before to the hidden output [B, H] and the state after.

        Args:
            token: [B] ids.
            state: Before the step.
            masks: Dropout masks, None for none.
            table: The first layer's input gates by token, from `table`; only where nothing is dropped.
        """
        if table is not None:
            gates = table[token]
        else:
            embedded = self.target_embedding(token)
            gates = self.input_gates(0, embedded * masks.target if masks else embedded)
        after: State = []
        for layer, (before, cell) in enumerate(state):
            w_hh = weights_of(self.decoder[layer])[1]
            hidden, cell_after = cell_of(torch.addmm(gates, before, w_hh.T), cell)
            after.append((hidden, cell_after))
            if masks:
                hidden = hidden * masks.decoder[layer]
            if layer + 1 < len(state):
                gates = self.input_gates(layer + 1, hidden)
        return hidden, after

    def input_gates(self, layer: int, inputs: Tensor) -> Tensor:
        """What a decoder layer's inputs [N, E or H] add to its gates, biases included: [N, 4H]."""
        w_ih, _, b_ih, b_hh = weights_of(self.decoder[layer])
        return torch.addmm(b_ih + b_hh, inputs, w_ih.T)

    def table(self, asked: int) -> Tensor | None:
        """The first layer's input gates of every token, [V, 4H]; None where fewer than V tokens will be asked for."""
        tokens = self.target_embedding.weight
        return self.input_gates(0, tokens) if asked >= len(tokens) else None

    def attention(self, memory: Memory, hidden: Tensor) -> Tensor:
        """Dot attention's weights [B, T, S] for hidden [B, T, H]: softmax over the real source positions."""
        return torch.baddbmm(memory.bias, hidden, memory.states.transpose(1, 2)).softmax(-1)

    def attend(self, memory: Memory, hidden: Tensor, position: int) -> Tensor:
        """Joins hidden [B, T, H], of target positions from `position` on, with what the encoder holds for them."""
        if self.combine is None:
            return hidden
        if self.config.attention == "dot":
            context = self.attention(memory, hidden) @ memory.states
        else:
            context = memory.states[:, position : position + hidden.shape[1]]
            missing = hidden.shape[1] - context.shape[1]
            context = nn.functional.pad(context, (0, 0, 0, missing))
        return torch.tanh(self.combine(torch.cat((hidden, context), -1)))

    def vocabulary(self, features: Tensor) -> Tensor:
        """Logits [..., V] of features [..., H]."""
        logits: Tensor = self.output(features)
        return logits


def weights_of(lstm: nn.Module) -> list[Tensor]:
    """The weights of a one-layer LSTM: w_ih [4H, E], w_hh [4H, H], b_ih and b_hh [4H]."""
    weights: list[Tensor] = lstm.all_weights[0]  # type: ignore[assignment, index]
    return weights


def cell_of(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The LSTM's hidden output and cell [B, H], of its gates [B, 4H] before their nonlinearity and the cell before."""
    write, keep, content, read = gates.chunk(4, 1)
    cell = keep.sigmoid() * cell + write.sigmoid() * content.tanh()
    return read.sigmoid() * cell.tanh(), cell
