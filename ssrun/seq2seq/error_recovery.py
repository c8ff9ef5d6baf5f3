"""One wrong token in the true prefix, and how long the model takes to recover."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from ssrun.errors import UsageError
from ssrun.seq2seq.batches import Batch, batches_of
from ssrun.seq2seq.decoder_inputs import teacher_forced_inputs, walk
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.vocabulary import PAD, SPECIALS, Vocabularies, Vocabulary
from ssrun.system import signals
from ssrun.tasks import Example

ENOUGH = 0.05  # share of the pairs


class Offset(NamedTuple):
    """What happens a number of positions after a wrong token; shares of the pairs, in %.

    Attributes:
        offset: 0 is the position whose true token is swapped, still predicted from true tokens alone; 1 is the
            first to be predicted from the wrong token.
        pairs: How many targets reach so far.
        without: Errors when the true prefix was fed; `injected` when the one with the wrong token was.
        excess: injected - without, in percentage points.
        recovered: Pairs whose outputs, from here to the end, are those of the continuation without the wrong token.
    """

    offset: int
    pairs: int
    without: float
    injected: float
    excess: float
    recovered: float


class Recovery(NamedTuple):
    """How a model takes one wrong token, averaged over test pairs.

    A pair has recovered at the first offset from which to the target's end all outputs equal those of the
    continuation without the wrong token, right or wrong. Both continuations are fed the model's own argmax.

    Attributes:
        position: Where the wrong token stood; None for the middle token of each target.
        left_out: Pairs too short: the wrong token must have a position after it.
        recovered: Pairs that recover before the target ends.
        untouched: Those of them that never differ.
        mean_steps: Outputs up to the last that differs, on average over the pairs that recover; None if none do.
        references: Most right answers that a pair has; where it is not 1, an error counts against the first of them.
    """

    position: int | None
    pairs: int
    left_out: int
    recovered: int
    untouched: int
    mean_steps: float | None
    references: int
    offsets: list[Offset]

    def reaches(self, offset: Offset) -> bool:
        """Whether enough of the pairs reach an offset for its shares to say something."""
        return offset.pairs >= ENOUGH * self.pairs


class Injection(NamedTuple):
    """A pair long enough for a wrong token: the position of the true token that is swapped, the id of the wrong one."""

    example: Example
    position: int
    token: int


class Continuations(NamedTuple):
    """One pair's two continuations from the swapped position on: whether the output is an error, an item an offset.

    `last_difference` is the last offset at which the two outputs differ; 0 where they never do.
    """

    without: list[bool]
    injected: list[bool]
    last_difference: int

    def has_recovered(self, offset: int) -> bool:
        return self.last_difference == 0 or offset > self.last_difference


def recovery(
    model: Seq2Seq, vocabularies: Vocabularies, examples: Sequence[Example], position: int | None = None
) -> Recovery:
    """Puts one wrong token into the true prefix of each test target, and measures what comes after.

    The wrong token is a real one other than the true one, uniformly drawn from a stream of (position, index of the
    pair in the test set) alone: every run of a task gets the same ones, so that runs can be compared in pairs.

    Args:
        model: A trained one.
        vocabularies: Its own.
        examples: Test pairs, from the first.
        position: Of the token that is swapped; None for the middle one of each target.

    Raises:
        UsageError: No target is long enough, or the vocabulary has one real token.
        Interrupted: A signal came.
    """
    injections = list(injections_of(vocabularies.target, examples, position))
    if not injections:
        longest = max(vocabularies.target.length(example.target) for example in examples)
        raise UsageError(f"--position {position}: the longest target has {longest} tokens: give 0 to {longest - 1}")
    pairs = [injection.example for injection in injections]
    followed: list[Continuations] = []
    for indices, batch in batches_of(pairs, vocabularies, model.device):
        signals.check()
        followed += follow(model, batch, [injections[index] for index in indices])
    finished = [pair.last_difference for pair in followed if pair.has_recovered(len(pair.without) - 1)]
    mean_steps = sum(finished) / len(finished) if finished else None
    references = max(len(example.references) for example in examples)
    offsets = [offset_of(offset, followed) for offset in range(max(len(pair.without) for pair in followed))]
    left_out = len(examples) - len(followed)
    return Recovery(
        position, len(followed), left_out, len(finished), finished.count(0), mean_steps, references, offsets
    )


def injections_of(vocabulary: Vocabulary, examples: Sequence[Example], position: int | None) -> Iterator[Injection]:
    real = len(vocabulary) - len(SPECIALS)
    if real < 2:
        raise UsageError("the target vocabulary has one real token: there is no wrong one to put in")
    for index, example in enumerate(examples):
        *target, _ = vocabulary.encode(example.target)
        swapped = (len(target) - 1) // 2 if position is None else position
        if 0 <= swapped < len(target):
            yield Injection(example, swapped, wrong_token(target[swapped], real, swapped, index))


@torch.no_grad()
def follow(model: Seq2Seq, batch: Batch, injections: Sequence[Injection]) -> Iterator[Continuations]:
    """Both continuations of each pair of a batch."""
    target = batch.target
    memory = model.encode(batch.source, batch.lengths)
    positions = torch.tensor([injection.position for injection in injections]).to(target.device)
    free_running = torch.arange(target.shape[1], device=target.device) > (positions + 1).unsqueeze(1)

    def outputs_of(inputs: Tensor) -> Tensor:
        return model.decode(memory, walk(model, memory, inputs, free_running)).argmax(-1)

    true_prefix = teacher_forced_inputs(target)
    wrong_prefix = true_prefix.clone()
    wrong_tokens = torch.tensor([injection.token for injection in injections]).to(target.device)
    wrong_prefix.scatter_(1, positions.unsqueeze(1) + 1, wrong_tokens.unsqueeze(1))
    without, injected = outputs_of(true_prefix), outputs_of(wrong_prefix)
    lengths = (target != PAD).sum(1).tolist()
    for row, (_, position, _) in enumerate(injections):
        after = slice(position, lengths[row])
        differences = (without != injected)[row, after].nonzero()
        yield Continuations(
            (without != target)[row, after].tolist(),
            (injected != target)[row, after].tolist(),
            int(differences.max()) if len(differences) else 0,
        )


def offset_of(offset: int, followed: Sequence[Continuations]) -> Offset:
    """What happened at an offset, over the pairs that reach so far."""
    reached = [pair for pair in followed if offset < len(pair.without)]
    without = sum(pair.without[offset] for pair in reached)
    injected = sum(pair.injected[offset] for pair in reached)
    recovered = sum(pair.has_recovered(offset) for pair in reached)
    counts = (without, injected, injected - without, recovered)
    return Offset(offset, len(reached), *(100 * count / len(reached) for count in counts))


def wrong_token(true: int, real: int, position: int, index: int) -> int:
    """The id of one of the `real` tokens, but not `true`, drawn from the stream of (position, index of the pair)."""
    random = Random(f"inject/{position}/{index}")
    chosen = true
    while chosen == true:
        chosen = len(SPECIALS) + random.randrange(real)
    return chosen
