"""Decoder inputs under a strategy: which tokens the decoder is fed in one training step.

No gradient flows through a fed token, so the inputs are chosen first, without gradient, and learned from
after, in one ordinary pass over whole sequences. This is the textbook loop exactly: the tests hold both to
the same loss and the same gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ssrun.seq2seq import streams
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.vocabulary import BOS, PAD, SPECIALS
from ssrun.strategies.strategy import Coin, Feed


class Draws(NamedTuple):
    """The random numbers of one training step, uniform in [0, 1), [B, T]: the same for every strategy.

    Attributes:
        coin: The true token is fed where it is below epsilon.
        sample: Where in the cumulated distribution a replacement is taken.
    """

    coin: Tensor
    sample: Tensor


class Fed(NamedTuple):
    """What the decoder is fed.

    Attributes:
        inputs: [B, T] ids; inputs[:, 0] is BOS and inputs[:, t] stands for the true token target[:, t - 1].
        true: [B, T], the coins that said true.
        tossed: [B, T], the positions that have a coin: all but the first and those whose label is padding.
        replaced: [B, T], the inputs that really differ from the true tokens.
    """

    inputs: Tensor
    true: Tensor
    tossed: Tensor
    replaced: Tensor


def draws(target: Tensor, coin: Coin, seed: int, step: int) -> Draws:
    """The draws of one training step: a coin a token, a sequence or a batch, and a sample a token."""
    rows, columns = target.shape
    size = {"token": (rows, columns), "sequence": (rows, 1), "batch": (1, 1)}[coin]
    return Draws(
        torch.rand(size, generator=streams.generator(seed, "coin", step)).expand(rows, columns),
        torch.rand(rows, columns, generator=streams.generator(seed, "sample", step)),
    )


def shift(target: Tensor) -> Tensor:
    """Teacher forcing's inputs: BOS, y_1 ... y_{T-1}."""
    return torch.cat((torch.full_like(target[:, :1], BOS), target[:, :-1]), 1)


@torch.no_grad()
def feed(
    model: Seq2Seq,
    memory: Memory,
    target: Tensor,
    epsilon: float,
    feed: Feed,
    draws: Draws | None,
    masks: Masks | None = None,
) -> Fed:
    """Chooses the decoder's inputs: each true token with probability epsilon, else what `feed` says.

    Walks the decoder once, no further than the last replaced position, and asks for a distribution only where
    a token is replaced. Where epsilon is 1 it is a shift of the target.

    Args:
        model: The network that learns from these inputs.
        memory: Of the sources.
        target: [B, T] ids, EOS and PAD included.
        epsilon: Probability of the true token, in [0, 1].
        feed: What replaces it.
        draws: Coins and samples; None with epsilon 0 and feed `argmax`, which draws nothing.
        masks: The dropout masks that the learning pass uses.

    Raises:
        ValueError: Draws are missing.
    """
    if draws is None and (epsilon, feed) != (0, "argmax"):
        raise ValueError(f"epsilon {epsilon} with feed {feed!r} needs draws")
    inputs = shift(target)
    tossed = target != PAD
    tossed[:, 0] = False
    true = draws.coin < epsilon if draws else torch.zeros_like(tossed)
    replace = tossed & ~true
    if feed == "uniform-token" and draws:
        real = len(model.output.bias) - len(SPECIALS)
        tokens = len(SPECIALS) + (draws.sample * real).long().clamp_(max=real - 1)
        inputs = torch.where(replace, tokens, inputs)
    elif epsilon < 1:
        walk(
            model,
            memory.detach(),
            inputs,
            replace,
            draws.sample if draws and feed == "sample" else None,
            masks,
        )
    return Fed(inputs, true & tossed, tossed, (inputs != shift(target)) & tossed)


def walk(
    model: Seq2Seq,
    memory: Memory,
    inputs: Tensor,
    replace: Tensor,
    sample: Tensor | None,
    masks: Masks | None,
) -> None:
    """Replaces tokens of `inputs` [B, T] in place, left to right, by the model's own.

    Args:
        model: The network.
        memory: Of the sources, without gradient.
        inputs: [B, T] ids, the true ones at first.
        replace: [B, T], the inputs to replace.
        sample: [B, T] uniform draws; None for the argmax.
        masks: Dropout masks.
    """
    counts = replace.sum(0).tolist()
    rows = torch.split(replace.T.nonzero()[:, 1], counts)  # by column
    uniform = None if sample is None else torch.split(sample.T[replace.T], counts)
    last = max((column for column, count in enumerate(counts) if count), default=0)
    table = None if masks else model.table(len(inputs) * last)
    state = memory.initial
    for column in range(1, last + 1):
        hidden, state = model.step(inputs[:, column - 1], state, masks, table)
        if not counts[column]:
            continue
        features = model.attend(memory, hidden.unsqueeze(1), column - 1).squeeze(1)
        logits = model.vocabulary(features[rows[column]])
        inputs[rows[column], column] = logits.argmax(-1) if uniform is None else pick(logits, uniform[column])


def pick(logits: Tensor, uniform: Tensor) -> Tensor:
    """Tokens [B] drawn from softmax(logits [B, V]): the inverse of the distribution function at uniform [B]."""
    cumulated = logits.softmax(-1).cumsum(-1)
    place = uniform.unsqueeze(-1) * cumulated[:, -1:]
    return torch.searchsorted(cumulated, place, right=True).squeeze(-1).clamp_(max=logits.shape[-1] - 1)
