"""One wrong token in the true prefix, and how long the model takes to recover."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import torch

from ssrun.errors import UsageError
from ssrun.runs.trained import Trained
from ssrun.seq2seq.decoder_inputs import shift, walk
from ssrun.seq2seq.scoring import batches_of
from ssrun.seq2seq.vocabulary import SPECIALS
from ssrun.system import signals as interruption


class Offset(NamedTuple):
    """What happens a number of positions after a wrong token; shares of the pairs, in %.

    Attributes:
        offset: 0 is the position whose true token is swapped, still predicted from true tokens alone; 1 is the
            first to be predicted from the wrong token.
        pairs: How many targets reach so far.
        without: Errors when the true prefix was fed.
        injected: Errors when the prefix with the wrong token was fed.
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
        pairs: Pairs measured.
        left_out: Pairs too short: the wrong token must have a position after it.
        recovered: Pairs that recover before the target ends.
        untouched: Those of them that never differ.
        mean_steps: Outputs up to the last that differs, on average over the pairs that recover; None if none do.
        references: Most right answers that a pair has; where it is not 1, an error counts against the first of them.
        offsets: By offset, from 0.
    """

    position: int | None
    pairs: int
    left_out: int
    recovered: int
    untouched: int
    mean_steps: float | None
    references: int
    offsets: list[Offset]


@torch.no_grad()
def recovery(trained: Trained, position: int | None = None, pairs: int | None = None) -> Recovery:
    """Puts one wrong token into the true prefix of each test target, and measures what comes after.

    The wrong token is a real one other than the true one, uniformly drawn from a stream of (position, number of
    the pair in the test set) alone: every run of a task gets the same ones, so that runs can be compared in pairs.

    Args:
        trained: A complete run's model.
        position: Of the token that is swapped; None for the middle one of each target.
        pairs: How many test pairs to take, from the first; None for all.

    Raises:
        UsageError: No target is long enough, or the vocabulary has one real token.
        Interrupted: A signal came.
    """
    model, real = trained.model, len(trained.target) - len(SPECIALS)
    if real < 2:
        raise UsageError("the target vocabulary has one real token: there is no wrong one to put in")
    examples = list(trained.cell.config.task.held_out("test"))[:pairs]
    places = [(len(example.target) - 1) // 2 if position is None else position for example in examples]
    kept = [number for number, example in enumerate(examples) if 0 <= places[number] < len(example.target)]
    if not kept:
        longest = max(len(example.target) for example in examples)
        raise UsageError(f"--position {position}: the longest target has {longest} tokens: give 0 to {longest - 1}")

    counts: list[list[int]] = []  # by offset: pairs, errors without, errors injected, recovered
    lags: list[tuple[int, int]] = []  # of each pair: its last offset that differs, its last offset
    for numbers, batch in batches_of([examples[number] for number in kept], trained.source, trained.target):
        interruption.check()
        target, rows = batch.target, torch.arange(len(numbers))
        at = torch.tensor([places[kept[number]] for number in numbers])
        true = target[rows, at].tolist()
        inputs = shift(target)
        swapped = inputs.clone()
        swapped[rows, at + 1] = torch.tensor(
            [wrong_token(t, real, place, kept[n]) for t, place, n in zip(true, at.tolist(), numbers, strict=True)]
        )
        own = torch.arange(target.shape[1]) > (at + 1).unsqueeze(1)
        memory = model.encode(batch.source, batch.lengths)
        outputs = []
        for fed in (inputs, swapped):
            walk(model, memory, fed, own, None, None)
            outputs.append(model.decode(memory, fed).argmax(-1))
        errors = [(output != target).tolist() for output in outputs]
        apart = (outputs[0] != outputs[1]).tolist()
        for row, number in enumerate(numbers):
            first, length = places[kept[number]], len(examples[kept[number]].target) + 1
            lag = max((t - first for t in range(first, length) if apart[row][t]), default=0)
            lags.append((lag, length - 1 - first))
            for offset, t in enumerate(range(first, length)):
                if offset == len(counts):
                    counts.append([0, 0, 0, 0])
                one = (1, errors[0][row][t], errors[1][row][t], lag == 0 or offset > lag)
                counts[offset] = [count + value for count, value in zip(counts[offset], one, strict=True)]
    finished = [lag for lag, last in lags if lag < last]
    return Recovery(
        position=position,
        pairs=len(kept),
        left_out=len(examples) - len(kept),
        recovered=len(finished),
        untouched=finished.count(0),
        mean_steps=sum(finished) / len(finished) if finished else None,
        references=max(len(example.references) for example in examples),
        offsets=[
            Offset(offset, n, 100 * a / n, 100 * b / n, 100 * (b - a) / n, 100 * recovered / n)
            for offset, (n, a, b, recovered) in enumerate(counts)
        ],
    )


def wrong_token(true: int, real: int, position: int, number: int) -> int:
    """The id of one of the `real` tokens, but not `true`, drawn from the stream of (position, number of the pair)."""
    random = Random(f"inject/{position}/{number}")
    chosen = true
    while chosen == true:
        chosen = len(SPECIALS) + random.randrange(real)
    return chosen
