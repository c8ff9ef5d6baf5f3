"""Pairs -> padded tensors, bucketed by length. A batch is a function of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ssrun.seq2seq import streams
from ssrun.seq2seq.vocabulary import PAD, Vocabulary
from ssrun.tasks import HELD_OUT, Example, Task

POOL = 100  # batches that are sorted by length together


class Batch(NamedTuple):
    """Ids; both sides end with EOS and are filled up with PAD.

    Attributes:
        source: [B, S].
        lengths: [B], of the sources with their EOS; None where no source is padded.
        target: [B, T], the labels y_1 ... y_T.
    """

    source: Tensor
    lengths: Tensor | None
    target: Tensor


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of ids as one tensor [B, longest], filled up with PAD on the right."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])


def collate(pairs: Sequence[tuple[list[int], list[int]]]) -> Batch:
    """Encoded (source, target) pairs as one batch."""
    lengths = [len(source) for source, _ in pairs]
    return Batch(
        source=pad([source for source, _ in pairs]),
        lengths=None if min(lengths) == max(lengths) else torch.tensor(lengths),
        target=pad([target for _, target in pairs]),
    )


class Batches:
    """The training batches of one run, by step.

    A pool of POOL batches is drawn fresh (or taken from the epoch's shuffled pairs), sorted by length and
    cut into batches, whose order is shuffled; so batches hold sources of one length, mostly, and the encoder
    seldom sees padding. A pair whose source is held out never trains.
    """

    def __init__(self, task: Task, source: Vocabulary, target: Vocabulary, batch_size: int, seed: int) -> None:
        self.task, self.source, self.target = task, source, target
        self.batch_size, self.seed = batch_size, seed
        self._pairs = task.training()
        self._held_out = (
            set() if self._pairs else {example.source for split in HELD_OUT for example in task.held_out(split)}
        )
        self._pool: tuple[int, list[Batch]] = (-1, [])

    def at(self, step: int) -> Batch:
        """The batch of this optimiser step, from 0."""
        number, place = divmod(step, self._batches_a_pool())
        if self._pool[0] != number:
            self._pool = (number, self._cut(number))
        return self._pool[1][place]

    def _batches_a_pool(self) -> int:
        """POOL, or where the whole training set has fewer batches, as many as it has."""
        if self._pairs is None:
            return POOL
        return min(POOL, -(-len(self._pairs) // self.batch_size))

    def _cut(self, number: int) -> list[Batch]:
        """The batches of a pool, in their order."""
        size = self.batch_size
        encoded = [
            (self.source.encode(example.source), self.target.encode(example.target))
            for example in self._examples(number)
        ]
        encoded.sort(key=lambda pair: (len(pair[0]), len(pair[1])))
        batches = [collate(encoded[start : start + size]) for start in range(0, len(encoded), size)]
        streams.random(self.seed, "order", 2 * number + 1).shuffle(batches)
        return batches

    def _examples(self, number: int) -> list[Example]:
        """The examples of a pool: fresh ones, or a stretch of the epochs' shuffled pairs laid end to end."""
        wanted = self._batches_a_pool() * self.batch_size
        if self._pairs is None:
            random = streams.random(self.seed, "data", number)
            fresh = (self.task.draw(random) for _ in range(1_000 * wanted))
            pool = []
            for example in fresh:
                if example.source not in self._held_out:
                    pool.append(example)
                if len(pool) == wanted:
                    return pool
            raise ValueError(f"task {self.task.name}: almost every source is held out: hold out fewer pairs")
        size = len(self._pairs)
        chosen: list[Example] = []
        for epoch in range(number * wanted // size, ((number + 1) * wanted - 1) // size + 1):
            order = list(range(size))
            streams.random(self.seed, "order", 2 * epoch).shuffle(order)
            first = max(0, number * wanted - epoch * size)
            last = min(size, (number + 1) * wanted - epoch * size)
            chosen += [self._pairs[place] for place in order[first:last]]
        return chosen
