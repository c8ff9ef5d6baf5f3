"""Learning through what is fed: one position at a time, with gradient; two to three times as slow as the fused pass.

In the place of a token stands a mixture of the vectors E_v of all tokens (Goyal et al. 2017, arXiv 1704.06970):

    sum_v E_v softmax((s + g) / temperature)_v

s are the logits of the position before; g is Gumbel noise where the feed is a sample, and 0 for the argmax. The sharper
the softmax, the nearer it comes to the token of the largest s + g, which is a draw from softmax(s). Straight through,
that token is fed, and the gradient is the mixture's (Jang et al. 2017, arXiv 1611.01144).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ssrun.config.run import RunConfig
from ssrun.seq2seq import streams
from ssrun.seq2seq.decoder_inputs import COINS, DecoderInputs, Turn, draw
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.strategies.parts import Gradient


def learning_walk(
    model: Seq2Seq,
    memory: Memory,
    target: Tensor,
    epsilon: float | Sequence[float],
    config: RunConfig,
    step: int,
    masks: Masks | None,
) -> tuple[DecoderInputs, Tensor]:
    """A target's [B, T] inputs at an optimiser step and the logits [B, T, V] after them, the gradient in both.

    Where a mixture was fed, the token that is told is the one of the largest s + g.
    """
    strategy, columns = config.strategy, target.shape[1]
    turn = Turn(model, memory, target, epsilon, strategy, draw(target, strategy.coin, config.seed, step), masks)
    true = COINS[strategy.coin](turn).true & turn.tossed
    replace = turn.tossed & ~true
    noise = gumbel_noise((*target.shape, model.target_size), config, step).to(target.device)
    weights_of = MIXTURES[strategy.gradient]
    vectors, state = model.embedded(turn.true_tokens), memory.initial
    tokens = [turn.true_tokens[:, 0]]
    found: list[Tensor] = []
    for position in range(columns):
        vector = vectors[:, position]
        if position:
            scores = found[-1] + noise[:, position] if strategy.feed == "sample" else found[-1]
            mixture = weights_of(scores, strategy.temperature) @ model.target_embedding.weight
            vector = torch.where(replace[:, position, None], mixture, vector)
            tokens.append(torch.where(replace[:, position], scores.argmax(-1), turn.true_tokens[:, position]))
        logits, state = model.continued(memory, vector.unsqueeze(1), state, position, masks)
        found.append(logits.squeeze(1))
    fed = torch.stack(tokens, 1)
    inputs = DecoderInputs(fed, true, turn.tossed, (fed != turn.true_tokens) & turn.tossed)
    return inputs, torch.stack(found, 1)


def gumbel_noise(size: tuple[int, ...], config: RunConfig, step: int) -> Tensor:
    """-log(-log u): the largest of s + g is a draw from softmax(s)."""
    uniform = torch.rand(size, generator=streams.generator(config.seed, "gumbel", step))
    return -(-uniform.clamp_min_(torch.finfo(uniform.dtype).tiny).log()).log()


def soft(scores: Tensor, temperature: float) -> Tensor:
    return (scores / temperature).softmax(-1)


def straight_through(scores: Tensor, temperature: float) -> Tensor:
    """One token's weights, with the gradient of the mixture's."""
    weights = soft(scores, temperature)
    return nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]) + weights - weights.detach()


MIXTURES: dict[Gradient, Callable[[Tensor, float], Tensor]] = {"soft": soft, "straight-through": straight_through}
