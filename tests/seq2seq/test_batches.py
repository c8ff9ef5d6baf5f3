"""Batches: a function of the seed and the step; epochs whole; held-out sources never trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import ClassVar, Literal

import pytest
import torch

from ssrun.errors import Interrupted
from ssrun.seq2seq.batches import POOL, Batch, Batches, collate, pad
from ssrun.seq2seq.vocabulary import EOS, PAD, SPECIALS, Vocabularies, Vocabulary
from ssrun.system import signals
from ssrun.tasks import HELD_OUT, Example, Split, Task
from ssrun.tasks.symbols import Copy


class Counted(Task):
    """A finite training set: pair n has the source n, written in unary letters of its own."""

    name: Literal["counted"] = "counted"
    pairs: int = 60

    def training(self) -> Sequence[Example]:
        return [Example((f"s{n}",) * (1 + n % 5), (f"t{n}",)) for n in range(self.pairs)]

    def draw(self, random: Random, split: Split = "training") -> Example:
        raise AssertionError("a finite training set is not drawn from")

    def source_tokens(self) -> list[str]:
        return [f"s{n}" for n in range(self.pairs)]

    def target_tokens(self) -> list[str]:
        return [f"t{n}" for n in range(self.pairs)]


SMALL = Copy(symbols=3, length="2..5", validation_pairs=20, test_pairs=40)


def batches_of(task: Task, size: int = 8, seed: int = 0) -> Batches:
    return Batches(task, Vocabularies.of(task), size, seed)


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.source, other.source) and torch.equal(one.target, other.target)


def rows(tensor: torch.Tensor) -> list[tuple[int, ...]]:
    return [tuple(row[row != PAD].tolist()) for row in tensor]


# Seed and step


@pytest.mark.parametrize("task", [SMALL, Counted(), Counted(pairs=50)], ids=["fresh", "finite", "finite-uneven"])
def test_a_batch_depends_on_the_seed_and_the_step_only(task: Task) -> None:
    steps = [0, 1, 2, 99, 100, 101, 350]
    sequential = batches_of(task)
    in_turn = {step: batch for step in range(351) if (batch := sequential.at(step)) and step in steps}
    anywhere = batches_of(task)
    for step in reversed(steps):
        assert same(anywhere.at(step), in_turn[step])
        assert same(batches_of(task).at(step), in_turn[step])
    assert not any(same(batches_of(task, seed=1).at(step), in_turn[step]) for step in steps)


def test_no_two_steps_have_the_same_batch() -> None:
    batches = batches_of(Copy(), 4)
    assert len({tuple(rows(batches.at(step).source)) for step in range(2 * POOL)}) == 2 * POOL


# Epochs and held-out sets


@pytest.mark.parametrize(("pairs", "size"), [(50, 16), (7, 20), (1000, 3), (60, 60), (60, 20)])
def test_epochs_are_laid_end_to_end_where_batches_do_not_divide_them(pairs: int, size: int) -> None:
    batches, seen = batches_of(Counted(pairs=pairs), size), Counter[tuple[int, ...]]()
    pool = min(POOL, -(-pairs // size))
    for number in range(12):
        for step in range(number * pool, (number + 1) * pool):
            assert len(batches.at(step).target) == size
            seen.update(rows(batches.at(step).target))
        counts = [seen[len(SPECIALS) + n, EOS] for n in range(pairs)]
        assert max(counts) - min(counts) <= 1


def test_epochs_differ_in_their_order() -> None:
    batches = batches_of(Counted(pairs=60), 20)
    orders = {tuple(row for step in range(3) for row in rows(batches.at(3 * n + step).target)) for n in range(5)}
    assert len(orders) == 5


def test_a_source_stays_with_its_target() -> None:
    batches = batches_of(Counted(pairs=60), 20)
    for step in range(6):
        for source, target in zip(rows(batches.at(step).source), rows(batches.at(step).target), strict=True):
            assert source[0] == target[0]


def test_held_out_sources_never_train() -> None:
    held_out = {example.source for split in HELD_OUT for example in SMALL.held_out(split)}
    assert len(held_out) == 60
    batches, vocabulary = batches_of(SMALL, 16), Vocabulary(SMALL.source_tokens())
    trained = {vocabulary.decode(row) for step in range(200) for row in rows(batches.at(step).source)}
    assert len(trained) > 200
    assert not trained & held_out


def test_too_many_held_out_pairs_are_an_error_and_no_endless_loop() -> None:
    task = Copy(symbols=2, length="1..2", validation_pairs=3, test_pairs=3)
    with pytest.raises(ValueError, match="hold out fewer pairs"):
        batches_of(task, 1).at(0)


# Signals


class Interrupting(Copy):
    """At its 50th draw a signal comes, after which there must be none."""

    drawn: ClassVar[list[Split]] = []

    def draw(self, random: Random, split: Split = "training") -> Example:
        self.drawn.append(split)
        assert len(self.drawn) <= 50, "not heard"
        if len(self.drawn) == 50:
            signals.request()
        return super().draw(random, split)


@pytest.mark.parametrize(("split", "pairs"), [("training", 1), ("test", 100)])
def test_a_signal_is_heard_while_examples_are_drawn(monkeypatch: pytest.MonkeyPatch, split: Split, pairs: int) -> None:
    monkeypatch.setattr(signals, "_received", [])
    monkeypatch.setattr(Interrupting, "drawn", [])
    with pytest.raises(Interrupted):
        batches_of(Interrupting(validation_pairs=1, test_pairs=pairs)).at(0)
    assert Interrupting.drawn[-1] == split


def test_a_signal_is_heard_while_a_finite_set_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = batches_of(Counted())
    monkeypatch.setattr(signals, "_received", [15])
    with pytest.raises(Interrupted):
        batches.at(0)


# Padding


def test_sorted_buckets_are_seldom_padded() -> None:
    batches = batches_of(Copy(), 64)
    drawn = [batches.at(step) for step in range(POOL)]
    assert sum(batch.lengths is None for batch in drawn) >= 0.85 * POOL
    padding = sum(int((batch.source == PAD).sum()) for batch in drawn)
    assert padding < 0.01 * sum(batch.source.numel() for batch in drawn)


def test_buckets_do_not_come_in_the_order_of_their_lengths() -> None:
    batches = batches_of(Copy(), 16)
    widths = [batches.at(step).source.shape[1] for step in range(POOL)]
    assert widths != sorted(widths)
    assert set(widths[:50]) == set(widths[50:]) == set(range(5, 17))


def test_pairs_are_padded_on_the_right_and_end_with_eos() -> None:
    batch = collate([([5, 6, EOS], [7, EOS]), ([8, EOS], [5, 6, 7, EOS])])
    assert batch.source.tolist() == [[5, 6, EOS], [8, EOS, PAD]]
    assert batch.target.tolist() == [[7, EOS, PAD, PAD], [5, 6, 7, EOS]]
    assert batch.lengths.tolist() == [3, 2]
    assert collate([([5, EOS], [EOS]), ([6, EOS], [7, EOS])]).lengths is None
    assert pad([[1], [2, 3]]).tolist() == [[1, PAD], [2, 3]]


def test_rows_without_a_token_are_a_tensor_without_a_column() -> None:
    assert pad([[], []]).shape == (2, 0)
