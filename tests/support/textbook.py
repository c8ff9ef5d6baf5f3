"""Scheduled sampling as textbooks write it: one decoder step at a time, each token chosen inside the loop.

Bengio et al. 2015, Figure 1, with autograd on throughout. `decoder_inputs` and `training` choose all inputs first and
learn from them in one pass; the tests hold them to the loss and the gradients of this loop, and the benchmark to
its speed. It shares the model's weights and encoder with them, and nothing else.
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
    for layer, lstm in enumerate(model.decoder):
        state[layer] = torch.lstm_cell(hidden, state[layer], *lstm.all_weights[0])
        hidden = state[layer][0]
        if masks:
            hidden = hidden * masks.decoder[layer]
    return model.output(read(model, batch, memory, hidden, t))


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
