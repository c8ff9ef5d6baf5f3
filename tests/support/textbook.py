"""Scheduled sampling as textbooks write it: one decoder step at a time, each token chosen inside the loop.

Bengio et al. 2015, Figure 1, with autograd on throughout. `decoder_inputs` and `training` choose all inputs first and
learn from them in one pass; the tests hold them to the loss and the gradients of this loop, and the benchmark to
its speed. It shares the model's weights and encoder with them, and nothing else. A transformer here goes over the whole
prefix again at each step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssrun.seq2seq.batches import Batch
from ssrun.seq2seq.decoder_inputs import Draws
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.vocabulary import BOS, PAD, SPECIALS


def loss(model: Seq2Seq, batch: Batch, epsilon: float, feed: str, draws: Draws, masks: Masks | None = None) -> Tensor:
    """Mean of -log p(y_t) over the real positions, the true token y_t fed next with probability epsilon."""
    memory = model.encode(batch.source, batch.lengths, masks)
    state = list(memory.initial)
    token = torch.full_like(batch.target[:, 0], BOS)
    all_logits = []
    for t in range(batch.target.shape[1]):
        logits = said(model, batch, memory, state, model.target_embedding(token), t, masks)
        all_logits.append(logits)

        token = batch.target[:, t]
        if epsilon < 1 and t + 1 < batch.target.shape[1]:
            heads = draws.coin[:, t + 1] < epsilon
            token = torch.where(heads, token, replacement(logits.detach(), feed, draws.sample[:, t + 1]))
    return nn.functional.cross_entropy(torch.stack(all_logits, -1), batch.target, ignore_index=PAD)


def said(
    model: Seq2Seq, batch: Batch, memory: Memory, state: list, embedded: Tensor, t: int, masks: Masks | None
) -> Tensor:
    """Logits [B, V] after a token's vector [B, E] at position t; the state becomes the one after it."""
    hidden = embedded * masks.target if masks else embedded
    if model.config.body == "transformer":
        state[:] = [*(state if t else []), hidden]  # all vectors so far
        return model.output(
            transformed(model.decoder, torch.stack(state, 1), masks and masks.decoder, memory, batch)[:, t]
        )
    for layer, recurrence in enumerate(model.decoder):
        state[layer] = CELLS[model.config.body](hidden, state[layer], recurrence.all_weights[0])
        hidden = state[layer][0]
        if model.config.norm == "layer":
            hidden = normed(hidden, recurrence.norm)
        if masks:
            hidden = hidden * masks.decoder[layer]
    return model.output(read(model, batch, memory, hidden, t))


CELLS = {
    "lstm": lambda x, state, weights: torch.lstm_cell(x, state, *weights),
    "gru": lambda x, state, weights: (torch.gru_cell(x, *state, *weights),),
    "rnn": lambda x, state, weights: (torch.rnn_tanh_cell(x, *state, *weights),),
}


def normed(hidden: Tensor, norm: nn.LayerNorm) -> Tensor:
    deviations = hidden - hidden.mean(-1, keepdim=True)
    return deviations / (deviations.square().mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias


def transformed(
    half: nn.Module, vectors: Tensor, masks: list[Tensor] | None, memory: Memory | None, batch: Batch
) -> Tensor:
    """Outputs [B, T, H] for all vectors [B, T, E]: of a decoder where there is a memory, else of an encoder."""
    columns = vectors.shape[1]
    hidden = half.widen(vectors * vectors.shape[-1] ** 0.5) + half.positions.weight[:columns]
    real = (batch.source != PAD).unsqueeze(1)
    may_read = real if memory is None else torch.ones(columns, columns).tril().bool().unsqueeze(0)
    for number, layer in enumerate(half.layers):
        mask = masks[number].unsqueeze(1) if masks else 1
        x = normed(hidden, layer.attention_norm)
        hidden = hidden + mask * attended(layer.attention, x, x, may_read)
        if memory is not None and half.attends:
            hidden = hidden + mask * attended(layer.source, normed(hidden, layer.source_norm), memory.states, real)
        elif memory is not None:
            lasts = torch.stack([states[n - 1] for states, n in zip(memory.states, real.sum((1, 2)), strict=True)])
            hidden = hidden + mask * layer.of_last(lasts).unsqueeze(1)
        first, _, second = layer.feed
        hidden = hidden + mask * second(first(normed(hidden, layer.feed_norm)).clamp(min=0))
    return normed(hidden, half.norm)


def attended(attention: nn.Module, hidden: Tensor, states: Tensor, may_read: Tensor) -> Tensor:
    """What [B, T, H] reads of states [B, S, H], head by head, where it may: [B or 1, T or 1, S]."""
    found = []
    matrices = (part.weight.chunk(attention.heads) for part in (attention.query, attention.key, attention.value))
    for of_query, of_key, of_value in zip(*matrices, strict=True):
        scores = (hidden @ of_query.T) @ (states @ of_key.T).transpose(1, 2) / len(of_query) ** 0.5
        found.append(scores.masked_fill(~may_read, -torch.inf).softmax(-1) @ (states @ of_value.T))
    return attention.out(torch.cat(found, -1))


def read(model: Seq2Seq, batch: Batch, memory: Memory, hidden: Tensor, t: int) -> Tensor:
    """Joins the decoder's hidden state [B, H] at position t with what the encoder holds for it."""
    if model.config.attention == "none":
        return hidden
    if model.config.attention in ("dot", "general"):
        scored = memory.states if model.config.attention == "dot" else memory.states @ model.score.weight.T
        scores = (hidden.unsqueeze(1) @ scored.transpose(1, 2)).squeeze(1)
        weights = torch.softmax(scores.masked_fill(batch.source == PAD, -torch.inf), 1)
        context = (weights.unsqueeze(1) @ memory.states).squeeze(1)
    else:  # aligned
        context = memory.states[:, t] if t < memory.states.shape[1] else torch.zeros_like(hidden)
    return torch.tanh(model.combine(torch.cat((hidden, context), 1)))


def replacement(logits: Tensor, feed: str, uniform: Tensor) -> Tensor:
    """Tokens [B] in place of the true ones, from logits [B, V] and uniform draws [B]."""
    if feed == "argmax":
        return logits.argmax(1)
    if feed == "uniform-token":
        return len(SPECIALS) + torch.floor(uniform * (logits.shape[1] - len(SPECIALS))).long()
    below = logits.softmax(1).cumsum(1) <= uniform.unsqueeze(1)  # the inverse of the distribution function
    return below.sum(1).clamp(max=logits.shape[1] - 1)
