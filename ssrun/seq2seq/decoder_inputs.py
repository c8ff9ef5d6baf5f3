"""Decoder inputs under a strategy: which tokens the decoder is fed in one training step.

No gradient flows through a fed token, so the inputs are chosen first, without gradient, and learned from
after, in one ordinary pass over whole sequences. This is the textbook loop exactly: the tests hold both to
the same loss and the same gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from ssrun.seq2seq import streams
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.oracle_sentences import oracle_sentences
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, SPECIALS, UNKNOWN
from ssrun.strategies import Strategy
from ssrun.strategies.parts import FEEDS, Coin, Feed


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
        noise: Those that are random whatever the feed is; None where the coin knows no noise.
    """

    tokens: Tensor
    true: Tensor
    tossed: Tensor
    replaced: Tensor
    noise: Tensor | None = None


class Toss(NamedTuple):
    """What a coin says of each input, [B, T]: it is true; it is noise."""

    true: Tensor
    noise: Tensor | None = None


@dataclass(frozen=True)
class Turn:
    """A batch whose inputs are to be chosen: all that a coin or a feed may ask; shapes as `DecoderInputs`."""

    model: Seq2Seq
    memory: Memory
    target: Tensor
    epsilon: float | Sequence[float]
    strategy: Strategy
    draws: Draws
    masks: Masks | None

    @cached_property
    def true_tokens(self) -> Tensor:
        return teacher_forced_inputs(self.target)

    @cached_property
    def tossed(self) -> Tensor:
        return replaceable(self.target)

    @cached_property
    def forced_logits(self) -> Tensor:
        """Logits [B, T, V] of the pass over the true tokens."""
        return self.logits(self.true_tokens)

    @property
    def share(self) -> float:
        """Epsilon, where it is one for all; else ValueError."""
        if isinstance(self.epsilon, float | int):
            return self.epsilon
        raise ValueError(f"coin {self.strategy.coin}: it counts by one epsilon for all tokens")

    @torch.no_grad()
    def logits(self, tokens: Tensor) -> Tensor:
        return self.model.decode(self.memory, tokens, self.masks)


def draw(target: Tensor, coin: Coin, seed: int, step: int) -> Draws:
    """The draws of one training step: a coin a token, a sequence or a batch, and a sample a token."""
    rows, columns = target.shape
    size = {"sequence": (rows, 1), "batch": (1, 1)}.get(coin, (rows, columns))
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


def scheduled_inputs(
    model: Seq2Seq,
    memory: Memory,
    target: Tensor,
    epsilon: float | Sequence[float],
    strategy: Strategy,
    draws: Draws,
    masks: Masks | None = None,
) -> DecoderInputs:
    """Chooses each input for a target [B, T], by the strategy's coin and feed: the true token, or its replacement.

    Epsilon is one for all, or one for each of the first T - 1 positions of the target, whose tokens the inputs from
    the second on stand for. The dropout masks are those that the learning pass uses.
    """
    turn = Turn(model, memory, target, epsilon, strategy, draws, masks)
    true, noise = COINS[strategy.coin](turn)
    base, replace = turn.true_tokens, turn.tossed & ~true
    if noise is not None:
        noise = noise & replace
        base, replace = torch.where(noise, same_sequence(turn, base, replace), base), replace & ~noise
    tokens = base if epsilon == 1 else REPLACEMENTS[strategy.feed](turn, base, replace)
    return DecoderInputs(tokens, true & turn.tossed, turn.tossed, (tokens != turn.true_tokens) & turn.tossed, noise)


# Coins: which inputs are true. Where there is nothing to toss, what they say means nothing.


def by_chance(turn: Turn) -> Toss:
    return Toss(turn.draws.coin < of_inputs(turn.epsilon, turn.target.device))


def first_ones(turn: Turn) -> Toss:
    """Those of the first round(epsilon n) of a target's n tokens; halves to even."""
    device, columns = turn.target.device, turn.target.shape[1]
    counts = torch.tensor([[round(turn.share * length)] for length in turn.tossed.sum(1).tolist()]).to(device)
    return Toss(torch.arange(columns, device=device) <= counts)  # the input at t stands for token t - 1


def exactly_so_many(turn: Turn) -> Toss:
    """round(epsilon n) of all n tokens of the batch, those whose draws are smallest; halves to even."""
    draws = turn.draws.coin.masked_fill(~turn.tossed, 2).flatten()  # what has no coin comes last
    smallest = draws.argsort(stable=True)[: round(turn.share * int(turn.tossed.sum()))]
    return Toss(torch.zeros_like(turn.tossed).flatten().index_fill_(0, smallest, value=True).view_as(turn.tossed))


def by_confidence(turn: Turn) -> Toss:
    """By p(y_t) of the pass over the true tokens: it decides on the input at t, which stands for y_{t-1}."""
    p = turn.forced_logits.softmax(-1)
    of_gold = turn.strategy.confidence_of == "gold"
    confidence = p.gather(-1, turn.target.unsqueeze(-1)).squeeze(-1) if of_gold else p.max(-1).values
    true = by_chance(turn).true | (confidence <= turn.strategy.threshold)
    return Toss(true, confidence > turn.strategy.noise_threshold)


COINS: dict[Coin, Callable[[Turn], Toss]] = {
    "token": by_chance,
    "sequence": by_chance,
    "batch": by_chance,
    "prefix": first_ones,
    "count": exactly_so_many,
    "confidence": by_confidence,
}


# Feeds: the inputs `base` with those that are to be replaced.


def own_tokens(turn: Turn, base: Tensor, replace: Tensor) -> Tensor:
    """The model's own, by a walk from left to right, or by passes over whole sequences."""
    if turn.strategy.passes:
        return by_passes(turn, base, replace)
    sample = turn.draws.sample if turn.strategy.feed == "sample" else None
    return walk(turn.model, turn.memory, base, replace, sample, turn.masks, sharpening(turn.strategy))


def by_passes(turn: Turn, base: Tensor, replace: Tensor) -> Tensor:
    """The model's own after so many passes, each of the tokens that the one before chose (Duckworth et al. 2019).

    The first pass is of the true tokens. With one draw a token for all passes the first k tokens are the walk's after
    k passes; where a pass changes nothing no later one would.
    """
    tokens, logits, sharpen = turn.true_tokens, turn.forced_logits, sharpening(turn.strategy)
    for number in range(turn.strategy.passes):
        if number:
            logits = turn.logits(tokens)
        before, said = tokens, logits[:, :-1]  # what is said at t is fed at t + 1
        if turn.strategy.feed == "argmax":
            own = said.argmax(-1)
        else:
            own = pick(sharpen(said) if sharpen else said, turn.draws.sample[:, 1:])
        tokens = torch.where(replace, torch.cat((base[:, :1], own), 1), base)
        if torch.equal(tokens, before):
            break
    return tokens


def sharpening(strategy: Strategy) -> Callable[[Tensor], Tensor] | None:
    """What is done to logits [..., V] before a token is drawn: over the temperature, and the top_k alone."""
    temperature, top_k = strategy.temperature, strategy.top_k
    if temperature == 1 and not top_k:
        return None

    def sharpen(logits: Tensor) -> Tensor:
        logits = logits / temperature
        if not 0 < top_k < logits.shape[-1]:
            return logits
        return logits.masked_fill(logits < logits.topk(top_k).values[..., -1:], -torch.inf)

    return sharpen


def uniform(turn: Turn, base: Tensor, replace: Tensor) -> Tensor:
    return torch.where(replace, uniform_tokens(turn.draws.sample, turn.model.target_size), base)


def unigram(turn: Turn, base: Tensor, replace: Tensor) -> Tensor:
    """Tokens of the batch's targets, each place alike: their frequency there is that of training, on average."""
    said = turn.target[turn.target > EOS]
    if not len(said):  # nor a token to replace
        return base
    return torch.where(replace, said[index_of(turn.draws.sample, len(said))], base)


def same_sequence(turn: Turn, base: Tensor, replace: Tensor) -> Tensor:
    """Tokens of the same target, each place alike."""
    lengths = (turn.target > EOS).sum(1, keepdim=True)
    return torch.where(replace, turn.target.gather(1, index_of(turn.draws.sample, lengths).clamp_(min=0)), base)


def masked(_: Turn, base: Tensor, replace: Tensor) -> Tensor:
    return base.masked_fill(replace, UNKNOWN)


def of_oracle(turn: Turn, base: Tensor, replace: Tensor) -> Tensor:
    """The output of a beam that is most like the target, token by token."""
    if not replace.any():
        return base
    said = oracle_sentences(turn.model, turn.memory, turn.target, turn.strategy.oracle_beam, turn.masks)
    return torch.where(replace, teacher_forced_inputs(said), base)


REPLACEMENTS: dict[Feed, Callable[[Turn, Tensor, Tensor], Tensor]] = {
    "sample": own_tokens,
    "argmax": own_tokens,
    "uniform-token": uniform,
    "unigram": unigram,
    "same-sequence": same_sequence,
    "mask": masked,
    "beam-oracle": of_oracle,
}


def index_of(uniform: Tensor, count: int | Tensor) -> Tensor:
    """Indices below a count, all alike, from uniform draws."""
    return (uniform * count).long().clamp(max=count - 1)


def called(inputs: DecoderInputs, row: int, feed: Feed) -> list[str]:
    """What each fed token of a sequence is: `-` where there is no coin, `true`, or what the feed's are called."""
    none = torch.zeros_like(inputs.true)
    masks = (inputs.tossed, inputs.true, none if inputs.noise is None else inputs.noise)

    def word(tossed: bool, true: bool, noise: bool) -> str:
        return "-" if not tossed else "true" if true else "random" if noise else FEEDS[feed].called

    return [word(*says) for says in zip(*(mask[row].tolist() for mask in masks), strict=True)]


def of_inputs(epsilon: float | Sequence[float], device: torch.device) -> float | Tensor:
    """Epsilon of each input [T]: that of the token that it stands for, and 1 for BOS; a number stays one."""
    return epsilon if isinstance(epsilon, float | int) else torch.tensor([1.0, *epsilon]).to(device)


def replaceable(target: Tensor) -> Tensor:
    """The inputs that may be replaced, [B, T]: all but BOS and those whose label is padding."""
    real = target != PAD
    real[:, 0] = False
    return real


def uniform_tokens(uniform: Tensor, size: int) -> Tensor:
    """Real tokens of a vocabulary of `size`, all alike, from uniform draws of any shape."""
    return len(SPECIALS) + index_of(uniform, size - len(SPECIALS))


def walk(
    model: Seq2Seq,
    memory: Memory,
    inputs: Tensor,
    replace: Tensor,
    sample: Tensor | None = None,
    masks: Masks | None = None,
    sharpen: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The true inputs [B, T] with those of `replace` [B, T] replaced, left to right, by the model's own.

    They are drawn by `sample` [B, T], uniform, from what `sharpen` makes of the logits; None for the argmax. Runs the
    decoder once, no further than the last replaced position, and asks for logits only where a token is replaced.
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
                if uniform is None:
                    own = logits.argmax(-1)
                else:
                    own = pick(sharpen(logits) if sharpen else logits, uniform[column])
                columns[column].index_copy_(0, rows[column], own)
    return torch.stack(columns, 1)  # out here, since what inference mode makes cannot be learned from


def pick(logits: Tensor, uniform: Tensor) -> Tensor:
    """Tokens [...] drawn from softmax(logits [..., V]): the inverse of the distribution function at uniform [...]."""
    cumulated = logits.softmax(-1).cumsum(-1)
    threshold = uniform.unsqueeze(-1) * cumulated[..., -1:]
    return torch.searchsorted(cumulated, threshold, right=True).squeeze(-1).clamp_(max=logits.shape[-1] - 1)
