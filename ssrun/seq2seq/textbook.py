"""For a model of one's own: its decoder's inputs by the textbook's loop, one token in, logits out; and its labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from ssrun.errors import unknown
from ssrun.seq2seq import streams
from ssrun.seq2seq.decoder_inputs import DecoderInputs, pick
from ssrun.seq2seq.labels import EncodedAnswers, TokenSets, completion_labels, teachable
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, SPECIALS

State = TypeVar("State")
Coin = Literal["token", "sequence", "batch"]
Feed = Literal["sample", "argmax", "uniform-token"]


@torch.no_grad()
def decoder_inputs(
    step: Callable[[Tensor, State], tuple[Tensor, State]],
    state: State,
    target: Tensor,
    epsilon: float,
    *,
    coin: Coin = "token",
    feed: Feed = "sample",
    bos: int,
    pad: int,
    reserved: int = 0,
    seed: int = 0,
    index: int = 0,
) -> DecoderInputs:
    """Chooses what a decoder is fed in one training step, for any decoder that takes a token and a state.

    Learn from what comes back in one ordinary pass over whole sequences: no gradient flows through a fed token, so this
    is scheduled sampling exactly (Bengio et al. 2015, section 2.4), whatever the model. With epsilon = 1 it is teacher
    forcing, with epsilon = 0 and feed `argmax` free running.

    Args:
        step: Maps the tokens [B] fed at a position and the state before it to logits [B, V] and the state after it.
        state: Before the first position; whatever `step` takes.
        target: Ids [B, T], `pad` after each row's end.
        epsilon: Probability of the true token, 0 to 1.
        coin: One a `token`, a `sequence` or a `batch`.
        feed: What replaces the true token: a `sample` of the model's distribution, its `argmax`, or a `uniform-token`.
        bos: The id that begins a sequence.
        pad: The id of padding, which is never fed in the place of a true token.
        reserved: Ids below it are never a `uniform-token`.
        seed: Of the draws, which depend on (seed, index) and on nothing else: strategies with the same ones toss the
            same coins.
        index: Of the training step, from 0.

    Returns:
        The ids to feed [B, T], and which coins said true, which positions had one, which ids really differ.

    Raises:
        ValueError: epsilon is no probability, or there is no such coin or feed.
    """
    for name, value, known in (("coin", coin, get_args(Coin)), ("feed", feed, get_args(Feed))):
        if value not in known:
            raise ValueError(unknown(name, value, known))
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon = {epsilon}: give a probability, 0 to 1")
    rows, columns = target.shape
    size = {"token": (rows, columns), "sequence": (rows, 1), "batch": (1, 1)}[coin]
    coins = torch.rand(size, generator=streams.generator(seed, "coin", index)).expand(rows, columns).to(target.device)
    sample = torch.rand(rows, columns, generator=streams.generator(seed, "sample", index)).to(target.device)
    tokens = torch.full_like(target, bos)
    tossed = target != pad
    tossed[:, 0] = False
    true = coins < epsilon
    for t in range(1, columns):
        logits, state = step(tokens[:, t - 1], state)
        if feed == "uniform-token":
            real = logits.shape[-1] - reserved
            own = reserved + (sample[:, t] * real).long().clamp(max=real - 1)
        else:
            own = logits.argmax(-1) if feed == "argmax" else pick(logits, sample[:, t])
        tokens[:, t] = torch.where(tossed[:, t] & ~true[:, t], own, target[:, t - 1])
    shifted = torch.cat((torch.full_like(target[:, :1], bos), target[:, :-1]), 1)
    return DecoderInputs(tokens, true & tossed, tossed, (tokens != shifted) & tossed)


def expert_labels(target: Tensor, inputs: Tensor, *, eos: int, pad: int) -> TokenSets:
    """What may rightly be said after each prefix that a decoder was fed, for any decoder: optimal completion.

    The tokens that keep the edits to the target fewest (Sabour et al. 2019, arXiv 1810.01398), equally likely. Learn
    from them by `expert_labels(...).loss(logits)`, in the place of the cross-entropy with the target: that is DAgger
    (Ross et al. 2011) where `inputs` are the model's own. Positions after an `eos` that was fed do not count.

    Args:
        target: Ids [B, T], `eos` at each row's end and `pad` after it.
        inputs: What was fed, [B, T], as `decoder_inputs` chooses it: the first of each row begins the sequence.
        eos: The id that ends a sequence.
        pad: The id of padding, another than `eos`.

    Raises:
        ValueError: A row of the target has no `eos`.
    """
    if pad == eos or not (target == eos).any(1).all():
        raise ValueError("each row of the target needs an eos, and padding another id")

    def encoded(ids: Tensor) -> Tensor:
        return torch.where(ids == pad, PAD, torch.where(ids == eos, EOS, ids + len(SPECIALS))).cpu()

    answers, fed = encoded(target), encoded(inputs)
    fed[:, 0] = BOS  # which may be the same id as `eos`
    labels = completion_labels(EncodedAnswers.targets(answers.numpy()), fed, teachable(answers, fed))
    tokens = torch.where(labels.tokens == EOS, eos, labels.tokens - len(SPECIALS))
    return labels._replace(tokens=tokens).to(target.device)
