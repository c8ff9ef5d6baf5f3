"""Decoder inputs under a strategy: which tokens the decoder is fed in one training step.

No gradient flows through a fed token, so the inputs are chosen first, without gradient, and learned from
after, in one ordinary pass over whole sequences. This is the textbook loop exactly: the tests hold both to
the same loss and the same gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ssrun.config.run import RunConfig
from ssrun.seq2seq import streams
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.vocabulary import BOS, PAD, SPECIALS
from ssrun.strategies.strategy import Coin, Feed


class Draws(NamedTuple):
    """The random numbers of one training step, uniform in [0, 1), [B, T]: the same for every strategy.

    The true token is fed where `coin` is below epsilon; `sample` says where in the cumulated distribution a
    replacement is taken.
    """

    coin: Tensor
    sample: Tensor


class DecoderInputs(NamedTuple):
    """What the decoder is fed, and why; [B, T] each.

    Attributes:
        tokens: Ids; tokens[:, 0] is BOS and tokens[:, t] stands for the true token target[:, t - 1].
        true: The coins that said true.
        tossed: The positions that have a coin: all but the first and those whose label is padding.
        replaced: The tokens that really differ from the true ones.
    """

    tokens: Tensor
    true: Tensor
    tossed: Tensor
    replaced: Tensor


def draw(target: Tensor, coin: Coin, seed: int, step: int) -> Draws:
    """The draws of one training step: a coin a token, a sequence or a batch, and a sample a token."""
    rows, columns = target.shape
    size = {"token": (rows, columns), "sequence": (rows, 1), "batch": (1, 1)}[coin]
    return Draws(
        torch.rand(size, generator=streams.generator(seed, "coin", step)).to(target.device).expand(rows, columns),
        torch.rand(rows, columns, generator=streams.generator(seed, "sample", step)).to(target.device),
    )


def teacher_forced_inputs(target: Tensor) -> Tensor:
    """The true tokens as inputs: BOS, y_1 ... y_{T-1}."""
    return torch.cat((torch.full_like(target[:, :1], BOS), target[:, :-1]), 1)


def free_running_inputs(model: Seq2Seq, memory: Memory, target: Tensor) -> Tensor:
    """The model's own argmax as inputs [B, T], as far as the target [B, T] goes; no dropout, nothing drawn."""
    return walk(model, memory, teacher_forced_inputs(target), replaceable(target))


def inputs_at(
    model: Seq2Seq, memory: Memory, target: Tensor, config: RunConfig, step: int, masks: Masks | None = None
) -> DecoderInputs:
    """What a run feeds for a target [B, T] at an optimiser step, from 0."""
    strategy = config.strategy
    epsilon = strategy.epsilons(step, config.training.steps, target.shape[1] - 1)
    draws = draw(target, strategy.coin, config.seed, step)
    return scheduled_inputs(model, memory, target, epsilon, strategy.feed, draws, masks)


def scheduled_inputs(
    model: Seq2Seq,
    memory: Memory,
    target: Tensor,
    epsilon: float | Sequence[float],
    replacement: Feed,
    draws: Draws,
    masks: Masks | None = None,
) -> DecoderInputs:
    """Chooses each input for a target [B, T]: the true token with probability `epsilon`, else its replacement.

    Epsilon is one for all, or one for each of the first T - 1 positions of the target, whose tokens the inputs from
    the second on stand for. The dropout masks are those that the learning pass uses.
    """
    true_tokens = teacher_forced_inputs(target)
    tossed = replaceable(target)
    true = draws.coin < of_inputs(epsilon, target.device)
    replace = tossed & ~true
    if replacement == "uniform-token":
        tokens = torch.where(replace, uniform_tokens(draws.sample, model.target_size), true_tokens)
    elif epsilon != 1:
        sample = draws.sample if replacement == "sample" else None
        tokens = walk(model, memory, true_tokens, replace, sample, masks)
    else:
        tokens = true_tokens
    return DecoderInputs(tokens, true & tossed, tossed, (tokens != true_tokens) & tossed)


def of_inputs(epsilon: float | Sequence[float], device: torch.device) -> float | Tensor:
    """Epsilon of each input [T]: that of the token that it stands for, and 1 for BOS; a number stays one."""
    return epsilon if isinstance(epsilon, float | int) else torch.tensor([1.0, *epsilon], device=device)


def replaceable(target: Tensor) -> Tensor:
    """The inputs that may be replaced, [B, T]: all but BOS and those whose label is padding."""
    real = target != PAD
    real[:, 0] = False
    return real


def uniform_tokens(uniform: Tensor, size: int) -> Tensor:
    """Real tokens of a vocabulary of `size`, all alike, from uniform draws of any shape."""
    real = size - len(SPECIALS)
    return len(SPECIALS) + (uniform * real).long().clamp_(max=real - 1)


def walk(
    model: Seq2Seq,
    memory: Memory,
    inputs: Tensor,
    replace: Tensor,
    sample: Tensor | None = None,
    masks: Masks | None = None,
) -> Tensor:
    """The true inputs [B, T] with those of `replace` [B, T] replaced, left to right, by the model's own.

    They are drawn by `sample` [B, T], uniform; None for the argmax. Runs the decoder once, no further than the last
    replaced position, and asks for logits only where a token is replaced.
    """
    with torch.inference_mode():
        columns = list(inputs.T.clone())
        counts = replace.sum(0).tolist()
        rows = torch.split(replace.T.nonzero()[:, 1], counts)  # by column
        uniform = None if sample is None else torch.split(sample.T[replace.T], counts)
        last = max((column for column, count in enumerate(counts) if count), default=0)
        predict, state = model.predictor(memory, masks, queries=len(inputs) * last), memory.initial
        for column in range(1, last + 1):
            logits, state, _ = predict(columns[column - 1], state, column - 1, rows[column])
            if counts[column]:
                own = logits.argmax(-1) if uniform is None else pick(logits, uniform[column])
                columns[column].index_copy_(0, rows[column], own)
    return torch.stack(columns, 1)  # out here, since what inference mode makes cannot be learned from


def pick(logits: Tensor, uniform: Tensor) -> Tensor:
    """Tokens [B] drawn from softmax(logits [B, V]): the inverse of the distribution function at uniform [B]."""
    cumulated = logits.softmax(-1).cumsum(-1)
    threshold = uniform.unsqueeze(-1) * cumulated[:, -1:]
    return torch.searchsorted(cumulated, threshold, right=True).squeeze(-1).clamp_(max=logits.shape[-1] - 1)
