"""Pairs on disk: the same pairs, words, digest and batches as in memory, whatever the blocks; and few bytes of each."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import torch

from ssrun.errors import UsageError
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import POOL, Batch, Batches, collate
from ssrun.seq2seq.vocabulary import Vocabularies
from ssrun.tasks import HELD_OUT, Example, corpus, pairs
from ssrun.tasks.corpus import Corpus, digest_of_files, read_split, words_of
from ssrun.tasks.pairs import Chosen, Joined, Pairs
from tests.tasks.test_corpus import corpus as corpus_of
from tests.tasks.test_corpus import write

SIDES = ("de", "en")
WORDS = ["".join(Random(number).choices("aeioubdgé", k=6)) for number in range(40)]


def forget() -> None:
    for known in (read_split, digest_of_files, words_of):
        known.cache_clear()


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    forget()
    yield
    forget()


def sentence(random: Random) -> str:
    """Words, of which some are rare, with spaces where a person might leave them."""
    words = random.choices(WORDS, k=random.choice([1, 2, 5, 9, 70]))
    return f"{random.choice(['', ' '])}{random.choice([' ', ' ', '  ']).join(words)}{random.choice(['', '', '  '])}"


@pytest.fixture(scope="module", params=[("sides", False), ("sides", True), ("tsv", False)], ids=["two", "gz", "tsv"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    form, zipped = request.param
    random = Random(1)
    lines = {
        split: [(sentence(random), sentence(random)) for _ in range(size)]
        for split, size in (("train", 700), ("valid", 30), ("test", 50))
    }
    return write(tmp_path_factory.mktemp("corpora") / form, lines, form, zipped)


def task_of(folder: Path, **fields: object) -> Corpus:
    return corpus_of(folder, "tsv" if (folder / "train.tsv").exists() else "sides", **fields)


def everything_of(task: Corpus) -> object:
    """What a run takes from a task."""
    held_out = [list(task.held_out(split)) for split in HELD_OUT]
    return task.digest, task.facts(), task.source_tokens(), task.target_tokens(), list(task.training()), held_out


FIELDS = [{}, {"maximum_length": 9, "minimum_frequency": 1}, {"data_seed": 3, "test_pairs": 20}, {"subwords": 90}]


@pytest.mark.parametrize("fields", FIELDS, ids=["plain", "short", "redrawn", "pieces"])
@pytest.mark.parametrize(
    ("in_memory", "at_once", "block"), [(2**25, 4096, 2**20), (1, 3, 50), (1, 1, 7), (99, 64, 999)]
)
def test_neither_where_a_text_lies_nor_its_blocks_change_anything(
    folder: Path, fields: dict[str, int], in_memory: int, at_once: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = everything_of(task_of(folder, **fields))
    forget()
    for module, name, value in (
        (pairs, "IN_MEMORY", in_memory),
        (pairs, "AT_ONCE", at_once),
        (corpus, "AT_ONCE", at_once),
        (corpus, "BLOCK", block),
    ):
        monkeypatch.setattr(module, name, value)
    assert everything_of(task_of(folder, **fields)) == expected


class InMemory:
    """Batches as they were cut when all pairs were in memory: encoded first, and an order drawn anew for each pool."""

    def __init__(self, training: list[Example], vocabularies: Vocabularies, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self.pairs = [(vocabularies.encode(pair), pair) for pair in training]
        self.pool = min(POOL, -(-len(training) // size))

    def at(self, step: int) -> Batch:
        pool, index = divmod(step, self.pool)
        wanted, size, chosen = self.pool * self.size, len(self.pairs), []
        for epoch in range(pool * wanted // size, ((pool + 1) * wanted - 1) // size + 1):
            order = list(range(size))
            streams.random(self.seed, "order", 2 * epoch).shuffle(order)
            first, last = max(0, pool * wanted - epoch * size), min(size, (pool + 1) * wanted - epoch * size)
            chosen += [self.pairs[place] for place in order[first:last]]
        chosen.sort(key=lambda pair: tuple(map(len, pair[0])))
        parts = [chosen[start : start + self.size] for start in range(0, len(chosen), self.size)]
        batches = [collate(*zip(*part, strict=True)) for part in parts]
        streams.random(self.seed, "order", 2 * pool + 1).shuffle(batches)
        return batches[index]


@pytest.mark.parametrize("fields", FIELDS, ids=["plain", "short", "redrawn", "pieces"])
@pytest.mark.parametrize("size", [1, 16, 800])
def test_batches_are_those_of_a_training_set_in_memory(
    folder: Path, fields: dict[str, int], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "IN_MEMORY", 1)
    task = task_of(folder, **fields)
    vocabularies = Vocabularies.of(task)
    streamed, in_memory = Batches(task, vocabularies, size, 5), InMemory(list(task.training()), vocabularies, size, 5)
    for step in (0, 1, 43, 44, 99, 100, 101, 250, 2):
        one, other = streamed.at(step), in_memory.at(step)
        assert torch.equal(one.source, other.source)
        assert torch.equal(one.target, other.target)
        assert one.examples == other.examples


@pytest.mark.parametrize("fault", [b"a\rb", b"H\xfcnd", b" \t", b"a <eos>", b"a\0b", b"x" * 1_000_001, b"a\tb"])
@pytest.mark.parametrize("line", [2, 5_000, 9_999])
def test_a_fault_is_told_with_its_line_in_whatever_block_it_lies(tmp_path: Path, fault: bytes, line: int) -> None:
    folder = write(tmp_path / "corpus")
    lines = [b"ein Haus"] * 10_000
    for side in SIDES:
        (folder / f"train.{side}").write_bytes(b"\n".join(lines))
    lines[line - 1] = fault
    (folder / "train.en").write_bytes(b"\n".join(lines))
    with pytest.raises(UsageError, match=rf"train\.en:{line}: "):
        corpus_of(folder)


def test_sides_of_unequal_counts_are_counted_to_their_ends(tmp_path: Path) -> None:
    folder = write(tmp_path / "corpus")
    for side, count in zip(SIDES, (9_000, 20_001), strict=True):
        (folder / f"train.{side}").write_text("a b\n" * count)
    with pytest.raises(UsageError, match=r"train\.de has 9000 lines and .*train\.en has 20001: line k of one"):
        corpus_of(folder)


def test_no_training_set_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "read_split", lambda *_: range(20_000_000))
    assert Corpus(path="anywhere").sizes() == {"training": 20_000_000, "validation": 200, "test": 100_000}


def test_files_that_change_later_change_nothing_that_was_read(folder: Path, tmp_path: Path) -> None:
    copy = write(tmp_path / "corpus", {split: [("a b", "c d")] * 9 for split in ("train", "valid", "test")})
    task = corpus_of(copy)
    (copy / "train.de").write_text("x\n")
    assert list(task.training()) == [Example(("a", "b"), ("c", "d"))] * 9


def test_a_pair_on_disk_takes_few_bytes_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "IN_MEMORY", 1)
    blocks = ([f"{'a ' * 30}b\tc d"] * 1000 for _ in range(60))
    tracemalloc.start()
    try:
        found = Pairs((lines, [31] * len(lines)) for lines in blocks)
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 60_000
    assert held < 60_000 * 14
    assert most < 60_000 * 14 + 2_000_000, "a block, whatever the number of pairs"


def test_chosen_and_joined_pairs_are_sequences_as_any_other() -> None:
    lines = [f"s{n}\tt{n}" for n in range(10)]
    found, known = Pairs([(lines, [1] * 10)]), [Example((f"s{n}",), (f"t{n}",)) for n in range(10)]
    both = Joined([found, found[:3]])
    for sequence, expected in (
        (found, known),
        (found[2:8], known[2:8]),
        (found[::-1], known[::-1]),
        (Chosen(found, [7, 1, 4]), [known[7], known[1], known[4]]),
        (Chosen(found, [1, 4, 7], in_order=True)[1:], [known[4], known[7]]),
        (both, known + known[:3]),
        (both[9:11], [known[9], known[0]]),
    ):
        assert list(sequence) == [sequence[place] for place in range(len(sequence))] == expected
        assert sequence[-1] == expected[-1]
        with pytest.raises(IndexError):
            sequence[len(expected)]
    assert found[:2] == known[:2] != found[:3]
    assert found[:2] != 7
