"""Pairs -> padded tensors, bucketed by length. A batch is a function of the seed and the step alone."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from ssrun.seq2seq import streams
from ssrun.seq2seq.vocabulary import PAD, Vocabularies
from ssrun.system import signals
from ssrun.tasks import HELD_OUT, Example, Task

Item = TypeVar("Item")
Pair = tuple[list[int], list[int]]  # the ids of a source and of its target, each with its EOS
AT_ONCE = 256  # pairs evaluated together
POOL = 100  # batches that are sorted by length together


class Batch(NamedTuple):
    """Ids of sources [B, S] and of targets y_1 ... y_T [B, T]; both end with EOS and are filled up with PAD.

    Lengths [B] are those of the sources with their EOS; None where no source is padded. The examples are those that
    the rows are the ids of, where they are known.
    """

    source: Tensor
    lengths: Tensor | None
    target: Tensor
    examples: Sequence[Example] = ()

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; the lengths stay with the processor, which packs by them."""
        return self._replace(source=self.source.to(device), target=self.target.to(device))


def heard(items: Iterable[Item]) -> Iterator[Item]:
    """These items, and between them an ear for signals: Interrupted where one comes."""
    for item in items:
        signals.check()
        yield item


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of ids as one tensor [B, longest], filled up with PAD on the right."""
    width, ids = max(map(len, rows)), array("q")
    for row in rows:
        ids.extend([*row, *[PAD] * (width - len(row))])
    if not width:  # of which there is no buffer
        return torch.empty(len(rows), 0, dtype=torch.long)
    return torch.frombuffer(ids, dtype=torch.long).view(len(rows), width)  # of nested lists it takes thrice as long


def collate(pairs: Sequence[Pair], examples: Sequence[Example] = ()) -> Batch:
    lengths = [len(source) for source, _ in pairs]
    of_sources = None if min(lengths) == max(lengths) else torch.tensor(lengths)
    return Batch(pad([source for source, _ in pairs]), of_sources, pad([target for _, target in pairs]), examples)


def batches_of(
    examples: Sequence[Example], vocabularies: Vocabularies, device: torch.device
) -> Iterator[tuple[list[int], Batch]]:
    """The examples in batches of like lengths, on a device, each with the examples' indices."""
    encoded = [vocabularies.encode(example) for example in examples]
    order = sorted(range(len(examples)), key=lambda n: (len(encoded[n][0]), len(encoded[n][1])))
    for start in range(0, len(order), AT_ONCE):
        indices = order[start : start + AT_ONCE]
        batch = collate([encoded[index] for index in indices], [examples[index] for index in indices])
        yield indices, batch.to(device)


class Batches:
    """The training batches of one run, by step.

    A pool of POOL batches is drawn fresh (or taken from the epoch's shuffled pairs), sorted by length and
    cut into batches, whose order is shuffled; so batches hold sources of one length, mostly, and the encoder
    seldom sees padding. A pair whose source is held out never trains.
    """

    def __init__(self, task: Task, vocabularies: Vocabularies, batch_size: int, seed: int) -> None:
        self.task = task
        self.vocabularies = vocabularies
        self.batch_size = batch_size
        self.seed = seed
        self._training = task.training()
        self._held_out = {pair.source for split in HELD_OUT if self._training is None for pair in task.held_out(split)}
        self._pool: tuple[int, list[Batch]] = (-1, [])
        self._order: tuple[int, array[int]] = (-1, array("I"))

    def at(self, step: int) -> Batch:
        """The batch of this optimiser step, from 0."""
        pool, index = divmod(step, self._batches_a_pool())
        if self._pool[0] != pool:
            self._pool = (pool, self._cut(pool))
        return self._pool[1][index]

    def first(self, pairs: int) -> list[Batch]:
        """The first batches, of so many pairs in all, whatever of them a run comes to; Interrupted on a signal."""
        return [self.at(step) for step in range(-(-pairs // self.batch_size))]

    def _batches_a_pool(self) -> int:
        """POOL, or where the whole training set has fewer batches, as many as it has."""
        return POOL if self._training is None else min(POOL, -(-len(self._training) // self.batch_size))

    def _cut(self, pool: int) -> list[Batch]:
        size = self.batch_size
        pairs = sorted(self._drawn(pool), key=lambda pair: tuple(map(len, pair[0])))
        cut = [pairs[start : start + size] for start in range(0, len(pairs), size)]
        batches = [collate(*zip(*part, strict=True)) for part in heard(cut)]
        # The stream `order` serves two purposes: odd indices shuffle a pool's batches, even ones an epoch's pairs.
        # Two names would be plainer, and would change every number.
        streams.random(self.seed, "order", 2 * pool + 1).shuffle(batches)
        return batches

    def _drawn(self, pool: int) -> list[tuple[Pair, Example]]:
        """The pairs of a pool: fresh ones, or a stretch of the epochs' shuffled pairs laid end to end."""
        wanted = self._batches_a_pool() * self.batch_size
        if self._training is None:
            random = streams.random(self.seed, "data", pool)
            drawn = (self.task.draw(random) for _ in heard(range(1_000 * wanted)))
            fresh = list(islice((example for example in drawn if example.source not in self._held_out), wanted))
            if len(fresh) < wanted:
                raise ValueError(f"task {self.task.name}: almost every source is held out: hold out fewer pairs")
        else:
            fresh = [self._training[place] for place in heard(self._places(pool * wanted, wanted))]
        return [(self.vocabularies.encode(example), example) for example in heard(fresh)]

    def _places(self, first: int, count: int) -> Iterator[int]:
        """The places of so many training pairs, from the first, in the epochs' orders laid end to end."""
        size = len(self._training or ())
        for number in range(first, first + count):
            epoch, index = divmod(number, size)
            if self._order[0] != epoch:
                order = array("I", range(size))
                streams.random(self.seed, "order", 2 * epoch).shuffle(order)
                self._order = epoch, order
            yield self._order[1][index]
