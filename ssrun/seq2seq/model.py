"""Seq2Seq: an encoder-decoder, with an LSTM for its body or another. It knows nothing of strategies, losses or tasks.

What the others ask of a model is four methods: `masks` draws a batch's dropout; `encode` reads sources; `decode` runs
whole sequences; `predictor` gives a function that takes one token in and gives logits out. The last two are one decoder
with the same numbers: `decode` is for learning, `predictor` for choosing inputs and for search. There is no `forward`,
since no one of them is the model, and no difference between `train()` and `eval()`: dropout is in the masks alone, and
that there are masks says that this is training, which a batch norm asks. Every tensor is made on the device of the
weights; what is drawn is drawn by the processor first, so that it is the same on every device.

What is here is what stands between a body (see `bodies`) and an output (see `outputs`): embeddings, the readout.

Shapes: B batch, S source length, T target length, E embedding, H hidden, V target vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ssrun.config.run import ModelConfig
from ssrun.seq2seq.bodies import BODIES
from ssrun.seq2seq.bodies.body import Decoder, DrawsItsWeights, Encoder, Memory, State, Step, select
from ssrun.seq2seq.outputs import OUTPUTS
from ssrun.seq2seq.outputs.output import MASKED, draw_linear
from ssrun.seq2seq.vocabulary import BOS, PAD, UNKNOWN

__all__ = ["MASKED", "Masks", "Memory", "Prediction", "Predictor", "Seq2Seq", "State", "select"]


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


class Seq2Seq(nn.Module):
    """Embeddings, a body's encoder and decoder, readout and output, for vocabularies of these sizes.

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
        body = BODIES[config.body]
        self.encoder, self.decoder = body.encoder(config), body.decoder(config)
        reads_out = config.attention != "none" and not body.reads_source
        self.combine = nn.Linear(2 * hidden, hidden) if reads_out else None
        self.output = OUTPUTS[config.output](config, target_size)
        # last, so that its draw changes no other weight
        self.score = nn.Linear(hidden, hidden, bias=False) if config.attention == "general" else None
        self.discriminator: nn.Module | None = None  # trained beside it, and kept with it: see `professor`
        self._initialise(generator)

    @property
    def device(self) -> torch.device:
        return self.target_embedding.weight.device

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator | None) -> None:
        """Embeddings are normal, linear maps uniform; layers and outputs draw their own."""
        for module in self.modules():  # in the order of their making, which is that of the draws
            if isinstance(module, DrawsItsWeights):
                module.draw_weights(generator)
            elif isinstance(module, nn.Embedding):
                deviation = self.config.embedding_scale * module.embedding_dim**-0.5
                module.weight.normal_(0, deviation, generator=generator)
            elif isinstance(module, nn.Linear):
                draw_linear(module, generator)

    def masks(self, size: int, generator: torch.Generator) -> Masks | None:
        """Dropout masks for a batch of `size` sequences; None where training and test are the same.

        Where nothing is dropped, but a batch norm differs, they keep everything.
        """
        keep = 1 - self.config.dropout
        if keep == 1 and self.config.norm != "batch":
            return None

        def draw(width: int) -> Tensor:
            return torch.empty(size, width).bernoulli_(keep, generator=generator).div_(keep).to(self.device)

        embedding, hidden, layers = self.config.embedding, self.config.hidden, range(self.config.layers)
        return Masks(draw(embedding), draw(embedding), [draw(hidden) for _ in layers], [draw(hidden) for _ in layers])

    def encode(self, source: Tensor, lengths: Tensor | None = None, masks: Masks | None = None) -> Memory:
        """Reads sources [B, S] with EOS, of these lengths [B]; None where no source is padded."""
        vectors = self.source_embedding(source)
        if masks:
            vectors = vectors * masks.source.unsqueeze(1)
        bias = torch.zeros_like(vectors[:, :, 0]).masked_fill_(source == PAD, -torch.inf).unsqueeze(1)
        states, last = cast("Encoder", self.encoder)(vectors, lengths, bias, masks and masks.encoder)
        keys, initial = cast("Decoder", self.decoder).begin(states, last)
        return Memory(states, keys if self.score is None else self.score(states), bias, initial)

    def decode(self, memory: Memory, inputs: Tensor, masks: Masks | None = None) -> Tensor:
        """Logits [B, T, V] for decoder inputs [B, T], in one pass over whole sequences."""
        return self.logits(self.features(memory, inputs, masks))

    def features(self, memory: Memory, inputs: Tensor, masks: Masks | None = None) -> Tensor:
        """What the output makes logits of, [B, T, H]."""
        hidden, _ = self.hidden(memory, self.embedded(inputs), memory.initial, masks)
        return self.readout(memory, hidden)

    def continued(
        self, memory: Memory, vectors: Tensor, before: State, position: int, masks: Masks | None = None
    ) -> tuple[Tensor, State]:
        """Logits [B, T, V] for vectors [B, T, E] of inputs from a position on, after a state; and the state after."""
        hidden, after = self.hidden(memory, vectors, before, masks)
        return self.logits(self.readout(memory, hidden, position)), after

    def behaviour(self, memory: Memory, inputs: Tensor, masks: Masks | None = None) -> Tensor:
        """What the decoder does with inputs [B, T]: its output and the distribution that it predicts, [B, T, H + V]."""
        hidden, _ = self.hidden(memory, self.embedded(inputs), memory.initial, masks)
        return torch.cat((hidden, self.logits(self.readout(memory, hidden)).softmax(-1)), -1)

    def hidden(
        self, memory: Memory, vectors: Tensor, before: State, masks: Masks | None = None
    ) -> tuple[Tensor, State]:
        """The decoder's output [B, T, H] for vectors [B, T, E] of inputs, after a state; and the state after them."""
        if masks:
            vectors = vectors * masks.target.unsqueeze(1)
        return cast("Decoder", self.decoder)(vectors, memory, before, masks and masks.decoder)

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

        Or h, where there is no attention, or the body has it within.
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
            keys = cast("Tensor", memory.keys)
            weights = torch.baddbmm(memory.bias, hidden, keys.transpose(1, 2)).softmax(-1)
            return weights @ values, weights
        context = values[:, position : position + hidden.shape[1]]
        return nn.functional.pad(context, (0, 0, 0, hidden.shape[1] - context.shape[1])), None

    def logits(self, features: Tensor) -> Tensor:
        """Logits [..., V] of features [..., H]."""
        return cast("Tensor", self.output(features))


class Predictor:
    """The decoder one token in, logits out, with as few operations a position as there can be.

    What does not change from one position to the next is made ready: the body's steps; the values W_c state, so that
    the context need not be projected again and again (W [h; context] = W_h h + W_c context); and, where at least V
    tokens will be put in and nothing is dropped, what the body makes of every token's vector, a table: an LSTM's is of
    its first layer's input gates, [V, 4H].
    """

    def __init__(self, model: Seq2Seq, memory: Memory, masks: Masks | None, queries: int) -> None:
        self.model, self.memory, self.masks = model, memory, masks
        self.steps = cast("Decoder", model.decoder).steps(memory, masks and masks.decoder)
        tokens = model.target_embedding.weight
        looks_up = masks is None and queries >= len(tokens)
        self.table = self.steps.prepared(tokens) if looks_up else None
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
        if self.table is not None:
            prepared = self.table.index_select(0, self.model.seen(token))
        else:
            embedded = self.model.embedded(token)
            prepared = self.steps.prepared(embedded * self.masks.target if self.masks else embedded)
        step = self.steps(prepared, state)
        if rows is not None and not len(rows):
            return Prediction(step.hidden.new_empty(0, self.model.target_size), step.state, None)
        features, attention = self.readout(step, position)
        if rows is not None and len(rows) < len(features):
            features = features.index_select(0, rows)
        return Prediction(self.model.logits(features), step.state, attention)

    def readout(self, step: Step, position: int) -> tuple[Tensor, Tensor | None]:
        """Features [B, H] of the decoder's output at one position; attention's weights [B, S], or None."""
        if self.model.combine is None:
            return step.hidden, step.attention
        hidden = step.hidden
        context, weights = self.model.attend(self.memory, self.values, hidden.unsqueeze(1), position)
        features = torch.addmm(self.bias, hidden, self.of_hidden).add_(context.squeeze(1)).tanh_()
        return features, None if weights is None else weights.squeeze(1)
