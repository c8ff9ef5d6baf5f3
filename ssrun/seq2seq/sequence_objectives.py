"""Sequence objectives: whole outputs of the model's own, learned from by their reward, which is sentence BLEU.

Minimum risk training (Shen et al. 2016, arXiv 1512.02433) and self-critical REINFORCE (Rennie et al. 2017, arXiv
1612.00563). Neither asks for a token at a position, so they are yardsticks for what does; both begin with a trained
run. An output may be half as long again as the batch's longest target. In forward passes over whole sequences a step
of minimum risk costs `samples` walks, and as many passes with gradient; self-critical two walks and one such pass.

Shapes: B batch, S samples of each source, N = B S outputs, L most tokens of an output with its EOS, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ssrun.config.run import RunConfig
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batch
from ssrun.seq2seq.decoder_inputs import DecoderInputs, teacher_forced_inputs, walk
from ssrun.seq2seq.labels import Labels
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.oracle_sentences import sentence_bleu
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, Vocabulary
from ssrun.strategies.parts import Objective

Sampled = tuple[DecoderInputs, Tensor, Labels]  # what was fed, [N, L] each; logits [N, L, V]; what to learn there


class _Outputs(NamedTuple):
    """Outputs that were said, ids [N, L] up to their EOS and PAD after it; `shares` as of `labels.Labels`."""

    tokens: Tensor

    @property
    def counted(self) -> Tensor:
        return self.tokens != PAD

    def log_p(self, logits: Tensor) -> Tensor:
        """Log p of each output, [N], EOS included; nats."""
        of_tokens = logits.log_softmax(-1).gather(-1, self.tokens.unsqueeze(-1)).squeeze(-1)
        return (of_tokens * self.counted).sum(1)

    def shares(self, row: int) -> list[dict[int, float]]:
        return [{token: 1.0} if token != PAD else {} for token in self.tokens[row].tolist()]


class Risk(NamedTuple):
    """Of each source the expected cost over its outputs, Q(y) proportional to p(y | x)^sharpness; a set, so each once.

    Attributes:
        outputs: Row b S + s is output s of source b.
        costs: 1 - BLEU, 0 to 1, [B, S]; infinite where the output has been said before.
        sharpness: Above 0.
    """

    outputs: _Outputs
    costs: Tensor
    sharpness: float

    @property
    def counted(self) -> Tensor:
        return self.outputs.counted

    def loss(self, logits: Tensor) -> Tensor:
        """The mean risk of a source, 0 to 1."""
        again = self.costs.isinf()
        scores = self.sharpness * self.outputs.log_p(logits).view_as(self.costs)
        q = scores.masked_fill(again, -torch.inf).softmax(1)
        return (q * self.costs.masked_fill(again, 0)).sum(1).mean()

    def shares(self, row: int) -> list[dict[int, float]]:
        return self.outputs.shares(row)


class Advantage(NamedTuple):
    """-(BLEU of an output - that of the argmax's) log p(output): its gradient is REINFORCE's with that baseline.

    `gains` [B] are the differences, -1 to 1.
    """

    outputs: _Outputs
    gains: Tensor

    @property
    def counted(self) -> Tensor:
        return self.outputs.counted

    def loss(self, logits: Tensor) -> Tensor:
        """The mean over outputs; it is no likelihood, and 0 where both outputs are as good."""
        return -(self.gains * self.outputs.log_p(logits)).mean()

    def shares(self, row: int) -> list[dict[int, float]]:
        return self.outputs.shares(row)


def minimum_risk(
    model: Seq2Seq, memory: Memory, batch: Batch, config: RunConfig, step: int, masks: Masks | None, words: Vocabulary
) -> Sampled:
    """Samples of each source, and their risk."""
    rows, samples = len(batch.target), config.strategy.samples
    sources = torch.arange(rows, device=model.device).repeat_interleave(samples)
    wide, wide_masks = memory.select(sources), masks and masks.select(sources)
    outputs = said(model, wide, most(batch), wide_masks, (config.seed, step))
    costs, references = [], references_of(batch, words)
    for row, ids in enumerate(outputs.tokens.tolist()):
        if row % samples == 0:
            known: set[tuple[int, ...]] = set()
        output = without_end(ids)
        costs.append(torch.inf if output in known else 1 - reward(output, references[row // samples]))
        known.add(output)
    labels = Risk(outputs, torch.tensor(costs).view(rows, samples).to(model.device), config.strategy.sharpness)
    return learned(model, wide, batch.target.index_select(0, sources), outputs, wide_masks, labels)


def self_critical(
    model: Seq2Seq, memory: Memory, batch: Batch, config: RunConfig, step: int, masks: Masks | None, words: Vocabulary
) -> Sampled:
    """One sample of each source, against what the argmax says."""
    outputs = said(model, memory, most(batch), masks, (config.seed, step))
    greedy = said(model, memory, most(batch), masks)
    gains = [
        reward(without_end(sampled), accepted) - reward(without_end(best), accepted)
        for sampled, best, accepted in zip(
            outputs.tokens.tolist(), greedy.tokens.tolist(), references_of(batch, words), strict=True
        )
    ]
    labels = Advantage(outputs, torch.tensor(gains).to(model.device))
    return learned(model, memory, batch.target, outputs, masks, labels)


SEQUENCE_OBJECTIVES: dict[Objective, Callable[..., Sampled]] = {
    "minimum-risk": minimum_risk,
    "self-critical": self_critical,
}


def most(batch: Batch) -> int:
    """Tokens that an output may have, EOS included."""
    return batch.target.shape[1] * 3 // 2


def said(
    model: Seq2Seq, memory: Memory, most: int, masks: Masks | None, drawn_by: tuple[int, int] | None = None
) -> _Outputs:
    """An output of each source, at most so long: drawn by the run's stream of a (seed, step), or else the argmax."""
    inputs = torch.full((len(memory.states), most + 1), BOS, device=model.device)
    own = torch.ones_like(inputs, dtype=torch.bool)
    own[:, 0] = False
    sample = None
    if drawn_by is not None:
        seed, step = drawn_by
        sample = torch.rand(inputs.shape, generator=streams.generator(seed, "sample", step)).to(model.device)
    tokens = walk(model, memory, inputs, own, sample, masks)[:, 1:]
    ended = (tokens == EOS).cumsum(1) - (tokens == EOS).long() > 0  # before this position
    return _Outputs(tokens.masked_fill(ended, PAD))


def learned(
    model: Seq2Seq, memory: Memory, target: Tensor, outputs: _Outputs, masks: Masks | None, labels: Labels
) -> Sampled:
    """One pass, with gradient, over outputs that were said in the place of a target [N, T]."""
    tokens = teacher_forced_inputs(outputs.tokens)
    room = tokens.shape[1] - target.shape[1]
    truth = teacher_forced_inputs(torch.nn.functional.pad(target, (0, room), value=PAD))
    tossed = outputs.counted.clone()
    tossed[:, 0] = False
    inputs = DecoderInputs(tokens, torch.zeros_like(tossed), tossed, (tokens != truth) & tossed)
    return inputs, model.decode(memory, tokens, masks), labels


def references_of(batch: Batch, words: Vocabulary) -> list[tuple[tuple[int, ...], ...]]:
    """The right answers of each pair, as ids without EOS."""
    if not any(example.others for example in batch.examples):
        return [(without_end(ids),) for ids in batch.target.tolist()]
    return [tuple(tuple(words.encode(tokens)[:-1]) for tokens in example.references) for example in batch.examples]


def without_end(ids: Sequence[int]) -> tuple[int, ...]:
    """Ids before EOS and PAD."""
    return tuple(token for token in ids if token not in (EOS, PAD))


@lru_cache(maxsize=100_000)
def reward(output: tuple[int, ...], references: tuple[tuple[int, ...], ...]) -> float:
    """Sentence BLEU, 0 to 1."""
    return sentence_bleu(output, *references) / 100
