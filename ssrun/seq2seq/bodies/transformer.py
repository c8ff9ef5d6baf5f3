"""The Transformer: attention and feed-forward, pre-norm (Vaswani et al. 2017; Xiong et al. 2020), positions learned.

Its decoder's state is the keys and values of every position so far: a step computes its own and reads all, so that the
whole sequence and the steps are one function. A layer's dropout mask is on what each part of it adds.

Shapes: B batch, S source length, T target length, P positions before, N heads, D = H / N.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ssrun.config.run import ModelConfig
from ssrun.seq2seq.bodies.body import Memory, State, Step


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(D)) V in N heads; queries, keys and values without biases."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(hidden, hidden, bias=False) for _ in range(3))
        self.out = nn.Linear(hidden, hidden)

    def split(self, vectors: Tensor) -> Tensor:
        """[B, S, H] -> [B, N, S, D]."""
        return vectors.view(*vectors.shape[:2], self.heads, -1).transpose(1, 2)

    def keys_and_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Of states [B, S, H], [B, N, S, D] each."""
        return self.split(self.key(states)), self.split(self.value(states))

    def forward(self, hidden: Tensor, of: tuple[Tensor, ...], bias: Tensor | None) -> Tensor:
        """What [B, T, H] reads of keys and values [B, N, S, D]; the bias is added to scores, or says which count."""
        keys, values = of
        read = nn.functional.scaled_dot_product_attention(self.split(self.query(hidden)), keys, values, bias)
        return cast("Tensor", self.out(read.transpose(1, 2).flatten(2)))

    def looking(self, hidden: Tensor, of: tuple[Tensor, ...], bias: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and its weights [B, T, S], on average over the heads."""
        keys, values = of
        queries = self.split(self.query(hidden))
        weights = (queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5 + bias).softmax(-1)
        return self.out((weights @ values).transpose(1, 2).flatten(2)), weights.mean(1)


class FeedForward(nn.Sequential):
    """max(0, x W + b) W' + b', four times as wide within."""

    def __init__(self, hidden: int) -> None:
        super().__init__(nn.Linear(hidden, 4 * hidden), nn.ReLU(), nn.Linear(4 * hidden, hidden))


class Positions(nn.Embedding):
    """A vector a position, learned; beyond the longest sequence the last one stands for all."""

    def forward(self, vectors: Tensor, first: int = 0) -> Tensor:
        """Vectors [B, T, H] at positions from the first on, with those of the positions added."""
        places = torch.arange(first, first + vectors.shape[1], device=vectors.device)
        return vectors + super().forward(places.clamp_(max=self.num_embeddings - 1))

    @torch.no_grad()
    def draw_weights(self, generator: torch.Generator | None) -> None:
        """N(0, 1), as large as the embeddings are here."""
        self.weight.normal_(0, 1, generator=generator)


class Layer(nn.Module):
    """One layer, of an encoder; in a decoder it reads the source too."""

    def __init__(self, config: ModelConfig, *, source: bool = False) -> None:
        super().__init__()
        hidden = config.hidden
        self.attention_norm, self.attention = nn.LayerNorm(hidden), Attention(hidden, config.heads)
        if source and config.attention == "none":
            self.of_last = nn.Linear(hidden, hidden)
        elif source:
            self.source_norm, self.source = nn.LayerNorm(hidden), Attention(hidden, config.heads)
        self.feed_norm, self.feed = nn.LayerNorm(hidden), FeedForward(hidden)


class Half(nn.Module):
    """What encoder and decoder have alike: embeddings made H wide, positions, layers, a norm at the end.

    Embeddings are multiplied by sqrt(E) (Vaswani et al. 2017, section 3.4): smaller ones, of tokens or of positions,
    would be lost in what the first layer adds.
    """

    def __init__(self, config: ModelConfig, *, source: bool) -> None:
        super().__init__()
        same = config.embedding == config.hidden
        self.widen = nn.Identity() if same else nn.Linear(config.embedding, config.hidden)
        self.positions = Positions(config.positions, config.hidden)
        self.layers = nn.ModuleList(Layer(config, source=source) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden)

    def widened(self, vectors: Tensor) -> Tensor:
        """Embeddings [..., E] as the layers' units, [..., H]."""
        return cast("Tensor", self.widen(vectors * vectors.shape[-1] ** 0.5))

    @property
    def each(self) -> list[Layer]:
        return cast("list[Layer]", [*self.layers])


def masked(added: Tensor, masks: Sequence[Tensor] | None, layer: int) -> Tensor:
    """What a part of a layer adds, [B, T, H], under the layer's dropout mask."""
    return added * masks[layer].unsqueeze(1) if masks else added


class TransformerEncoder(Half):
    """In both directions; padding is read by nobody."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, source=False)

    def forward(
        self, vectors: Tensor, lengths: Tensor | None, bias: Tensor, masks: Sequence[Tensor] | None
    ) -> tuple[Tensor, State]:
        """The end is that of the last layer alone: the state of EOS."""
        hidden = self.positions(self.widened(vectors))
        of_heads = bias.unsqueeze(1)
        for number, layer in enumerate(self.each):
            normed = layer.attention_norm(hidden)
            read = layer.attention(normed, layer.attention.keys_and_values(normed), of_heads)
            hidden = hidden + masked(read, masks, number)
            hidden = hidden + masked(layer.feed(layer.feed_norm(hidden)), masks, number)
        states = self.norm(hidden)
        rows, end = torch.arange(len(states), device=states.device), (bias.squeeze(1) == 0).sum(1) - 1
        return states, [(states[rows, end],)]


class TransformerDecoder(Half):
    """Causal; each layer reads the encoder's states by attention, or without attention the last of them alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, source=True)
        self.attends = config.attention != "none"

    def begin(self, states: Tensor, last: State) -> tuple[State, State]:
        """Of each layer what it reads of the source; and no position so far."""
        keys: State = []
        for layer in self.each:
            keys.append(layer.source.keys_and_values(states) if self.attends else (layer.of_last(last[0][0])[:, None],))
        none_yet = self.each[0].attention.split(states)[:, :, :0]
        return keys, [(none_yet, none_yet) for _ in self.each]

    def forward(
        self, vectors: Tensor, memory: Memory, before: State, masks: Sequence[Tensor] | None
    ) -> tuple[Tensor, State]:
        hidden, after, _ = self.over(self.widened(vectors), memory, before, masks)
        return hidden, after

    def over(
        self,
        vectors: Tensor,
        memory: Memory,
        before: State,
        masks: Sequence[Tensor] | None,
        *,
        looks: bool = False,
    ) -> tuple[Tensor, State, Tensor | None]:
        """Outputs [B, T, H] for vectors [B, T, H] after P positions, the keys and values of all P + T of each layer.

        And where the last layer looked, [B, T, S], if that is asked for and it did.
        """
        so_far, count = before[0][0].shape[2], vectors.shape[1]
        may_read = None  # a single position reads all before it
        if count > 1:
            may_read = torch.ones(count, so_far + count, dtype=torch.bool, device=vectors.device).tril(so_far)
        hidden, weights = self.positions(vectors, so_far), None
        after: State = []
        of_heads = memory.bias.unsqueeze(1)
        for number, layer in enumerate(self.each):
            normed = layer.attention_norm(hidden)
            new = layer.attention.keys_and_values(normed)
            after.append(tuple(torch.cat(both, 2) for both in zip(before[number], new, strict=True)))
            hidden = hidden + masked(layer.attention(normed, after[number], may_read), masks, number)
            of_source = cast("State", memory.keys)[number]
            if not self.attends:
                (read,) = of_source
            elif looks and number + 1 == len(self.layers):
                read, weights = layer.source.looking(layer.source_norm(hidden), of_source, of_heads)
            else:
                read = layer.source(layer.source_norm(hidden), of_source, of_heads)
            hidden = hidden + masked(read, masks, number)
            hidden = hidden + masked(layer.feed(layer.feed_norm(hidden)), masks, number)
        return self.norm(hidden), after, weights

    def steps(self, memory: Memory, masks: Sequence[Tensor] | None) -> TransformerSteps:
        return TransformerSteps(self, memory, masks)


class TransformerSteps:
    """The decoder one position at a time, by the keys and values of those before."""

    def __init__(self, decoder: TransformerDecoder, memory: Memory, masks: Sequence[Tensor] | None) -> None:
        self.decoder, self.memory, self.masks = decoder, memory, masks

    def prepared(self, vectors: Tensor) -> Tensor:
        """Made H wide, [N, H]."""
        return self.decoder.widened(vectors)

    def __call__(self, prepared: Tensor, state: State) -> Step:
        hidden, after, weights = self.decoder.over(prepared.unsqueeze(1), self.memory, state, self.masks, looks=True)
        return Step(hidden.squeeze(1), after, None if weights is None else weights.squeeze(1))
