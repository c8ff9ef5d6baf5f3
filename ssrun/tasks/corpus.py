"""Any parallel corpus of the user's: two files a split (`train.de`, `train.en` ...) or one TSV a split.

Files may be gzipped. One sentence a line, tokens between spaces; lines end with a line feed alone, so a
U+2028 or U+0085 inside a line is text, and counts equal `wc -l`.
"""

from __future__ import annotations

import gzip
import os
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ssrun.errors import UsageError
from ssrun.system.fields import later
from ssrun.system.text import is_unicode, visible
from ssrun.tasks.pairs import AT_ONCE, Chosen, Pairs, Texts, digest_of, within
from ssrun.tasks.redrawn import BY_SEED, Redrawn
from ssrun.tasks.subwords import learn
from ssrun.tasks.task import TEST_PAIRS, Example, Split, Tokens

STEMS: dict[Split, tuple[str, ...]] = {
    "training": ("train", "training"),
    "validation": ("valid", "validation", "val", "dev"),
    "test": ("test",),
}
RESERVED = frozenset({"<pad>", "<bos>", "<eos>"})
LINE_LIMIT = 1_000_000  # bytes: a longer line is no sentence
BLOCK = 2**20  # bytes that are read at once


class Corpus(Redrawn):
    """Real text, as it lies on the user's disk.

    A split is `<split>.<source_language>` beside `<split>.<target_language>`, or `<split>.tsv` (source, tab,
    target), each also with `.gz`; split is train, valid (or dev, val) or test.
    """

    text_metrics: ClassVar[tuple[str, ...]] = ("chrf", "ter", "rouge_l", "cider_d")

    name: Literal["corpus"] = "corpus"
    path: str = Field("", description="the folder; --corpus")
    source_language: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]*$", max_length=32, description="ending of the source files; empty for TSV"
    )
    target_language: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]*$", max_length=32, description="ending of the target files; empty for TSV"
    )
    minimum_frequency: int = Field(
        2, ge=1, le=1_000_000, description="words rarer than this in training are unknown words"
    )
    subwords: int = later(
        0,
        ge=0,
        le=1_000_000,
        description="pieces a side that words are cut into, learned from the training pairs; 0 for whole words. Losses "
        "and errors are then per piece; outputs are words again, so BLEU stays what it is",
    )
    maximum_length: int = Field(
        50,
        ge=1,
        le=10_000,
        description="training pairs with a longer side (in words) are left out, and counted; held-out pairs never are",
    )
    test_pairs: int = Field(100_000, ge=1, le=1_000_000, description=TEST_PAIRS)
    digest: str = Field(
        "", max_length=64, description="sha256 over the text, filled in: a changed corpus is another configuration"
    )

    @model_validator(mode="before")
    @classmethod
    def _has_path(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and not fields.get("path"):
            raise ValueError("task corpus needs a folder: --corpus DIR (or task.path)")
        if isinstance(fields, dict) and isinstance(path := fields["path"], str) and not is_unicode(path):
            raise ValueError(f"{visible(path)}: the name is not UTF-8, and a run keeps it: give a link of another name")
        return fields

    @model_validator(mode="after")
    def _two_languages(self) -> Self:
        if bool(self.source_language) != bool(self.target_language):
            raise ValueError("give both --source-language and --target-language, or neither for train.tsv ...")
        if self.source_language and self.source_language == self.target_language:
            raise ValueError(f"source and target language are both {self.source_language!r}")
        return self

    @model_validator(mode="after")
    def _rare_words_or_pieces(self) -> Self:
        if self.subwords and self.minimum_frequency != type(self).model_fields["minimum_frequency"].default:
            raise ValueError("minimum_frequency is of whole words: leave it out, or subwords")
        return self

    def prepared(self) -> Self:
        """This task with the digest of its text; reads and checks the whole corpus.

        UsageError where a file is missing or no corpus (says file, line and remedy), or `digest` is of another text.
        """
        of_text = digest_of_files(*(self.file(split) for split in STEMS))
        if self.digest not in ("", of_text):
            raise UsageError(f"{self.path}: the corpus has changed since this run: put back the old text")
        task = self.model_copy(update={"digest": of_text})
        if self.data_seed == BY_SEED:
            return task
        self.check()
        if not self.training():
            raise UsageError(
                f"{self.path}: no training pair is within maximum_length = {self.maximum_length}: raise it"
            )
        task.subword_models()  # which may find that there are too few letters or words for so many pieces
        return task

    def training(self) -> Sequence[Example]:
        """The training pairs whose sides are within `maximum_length`."""
        limit = self.maximum_length
        if self.data_seed is None:
            return within(pairs := self.file("training"), len(pairs), limit)
        drawn = super().training()
        short = (place for place, pair in enumerate(drawn) if max(len(pair.source), len(pair.target)) <= limit)
        return Chosen(drawn, array("I", short))

    def file(self, split: Split) -> Pairs:
        return read_split(self.path, split, self.source_language, self.target_language)

    def sizes(self) -> dict[Split, int]:
        """As many as are asked for, or as their file has."""
        there = {split: len(self.file(split)) for split in STEMS}
        asked: dict[Split, int] = {"validation": self.validation_pairs, "test": self.test_pairs}
        return {split: min(asked.get(split, count), count) for split, count in there.items()}

    def source_tokens(self) -> list[str]:
        return list(words_of(self)[0])

    def target_tokens(self) -> list[str]:
        return list(words_of(self)[1])

    def subword_models(self) -> tuple[bytes, bytes] | None:
        """The models of both sides; learned once a process."""
        return models_of(self) if self.subwords else None

    def facts(self) -> dict[str, int]:
        """Sizes, pairs left out as too long, and words unknown to the vocabulary in each held-out side."""
        training = self.training()
        facts = {"training_pairs": len(training), "left_out_pairs": len(self.splits()["training"]) - len(training)}
        if self.subwords:
            return facts | {"source_pieces": self.subwords, "target_pieces": self.subwords}
        for side, tokens in (("source", self.source_tokens()), ("target", self.target_tokens())):
            known = set(tokens)
            facts[f"{side}_vocabulary"] = len(tokens)
            test = [word for pair in self.held_out("test") for word in getattr(pair, side)]
            facts[f"{side}_test_words"] = len(test)
            facts[f"{side}_unknown_words"] = sum(word not in known for word in test)
        return facts


@lru_cache(maxsize=8)
def models_of(corpus: Corpus) -> tuple[bytes, bytes]:
    """The subword models of a corpus' sides; its `digest` tells its text from another in the same place."""
    training = corpus.training()
    source = learn((pair.source for pair in training), corpus.subwords, "source")
    return source, learn((pair.target for pair in training), corpus.subwords, "target")


@lru_cache(maxsize=8)
def words_of(corpus: Corpus) -> tuple[list[str], list[str]]:
    """The words of a corpus' sides, as `frequent` orders them; by its `digest`, as `models_of`."""
    source: Counter[str] = Counter()
    target: Counter[str] = Counter()
    pairs = iter(corpus.training())
    while some := list(islice(pairs, AT_ONCE)):
        source.update(chain.from_iterable(pair.source for pair in some))
        target.update(chain.from_iterable(pair.target for pair in some))
    return frequent_of(source, corpus.minimum_frequency), frequent_of(target, corpus.minimum_frequency)


def frequent(sentences: Iterable[Tokens], minimum: int) -> list[str]:
    """The words that occur at least `minimum` times, most frequent first, ties in alphabetical order."""
    return frequent_of(Counter(chain.from_iterable(sentences)), minimum)


def frequent_of(counts: Mapping[str, int], minimum: int) -> list[str]:
    return sorted((word for word in counts if counts[word] >= minimum), key=lambda word: (-counts[word], word))


@lru_cache(maxsize=8)
def digest_of_files(*splits: Pairs) -> str:
    """What `Corpus.digest` is of these splits, which do not change; made once for each reading of them."""
    return digest_of(splits)


@lru_cache(maxsize=8)
def read_split(folder: str, split: Split, source_language: str, target_language: str) -> Pairs:
    """The pairs of one split, as they are now; UsageError as `Corpus.prepared` says."""
    endings = (source_language, target_language) if source_language else ("tsv",)
    paths = [find(Path(folder), split, ending) for ending in endings]
    return Pairs(blocks_of_pairs(paths))


def blocks_of_pairs(paths: Sequence[Path]) -> Iterator[Texts]:
    """The pairs of one TSV, or of two files, a block at a time: each a line of source, tab, target."""
    first = 1
    sides = [chain.from_iterable(checked_lines(path)) for path in paths]
    while True:
        lines = [list(islice(side, AT_ONCE)) for side in sides]
        if len(lines) == 2 and len(lines[0]) != len(lines[1]):
            counts = [first - 1 + len(found) + sum(1 for _ in side) for found, side in zip(lines, sides, strict=True)]
            raise UsageError(
                f"{paths[0]} has {counts[0]} lines and {paths[1]} has {counts[1]}: "
                "line k of one must translate line k of the other"
            )
        if not lines[0]:
            return
        pairs = [line.split("\t") for line in lines[0]] if len(lines) == 1 else list(zip(*lines, strict=True))
        yield plain(lines, pairs) or cleaned(paths, pairs, first)
        first += len(pairs)


def plain(lines: Sequence[Sequence[str]], pairs: Sequence[Sequence[str]]) -> Texts | None:
    """A block of pairs of which nothing need be said or changed; None where line by line must be looked at."""
    text = "\n".join(chain.from_iterable(("", *side, "") for side in lines))
    signs = ("  ", "\n ", " \n", " \t", "\t ", "\n\t", "\t\n", *(() if len(lines) == 1 else "\t"), *RESERVED)
    if any(sign in text for sign in signs) or any(len(pair) != 2 for pair in pairs):
        return None
    return ["\t".join(pair) for pair in pairs], [max(s.count(" "), t.count(" ")) + 1 for s, t in pairs]


def cleaned(paths: Sequence[Path], pairs: Sequence[Sequence[str]], first: int) -> Texts:
    """A block of pairs, with single spaces alone; UsageError where one is none, by its line, of which it is told."""
    texts, longest = [], []
    for line_number, pair in enumerate(pairs, start=first):
        if len(pair) != 2:
            raise UsageError(f"{paths[0]}:{line_number}: {len(pair)} columns, not 2: source, tab, target")
        source, target = (list(filter(None, text.split(" "))) for text in pair)
        for path, side in zip((paths[0], paths[-1]), (source, target), strict=True):
            if not side:
                raise UsageError(f"{path}:{line_number}: an empty side: remove the pair from both sides")
            if not RESERVED.isdisjoint(side):
                raise UsageError(f"{path}:{line_number}: {', '.join(sorted(RESERVED))} are reserved: rename the word")
            if any("\t" in word for word in side):
                raise UsageError(f"{path}:{line_number}: a tab within a line: put spaces between tokens")
        texts.append(f"{' '.join(source)}\t{' '.join(target)}")
        longest.append(max(len(source), len(target)))
    return texts, longest


def find(folder: Path, split: Split, ending: str) -> Path:
    """The one file of this split and ending; UsageError where there is none, or more than one."""
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where a name is too long
        raise UsageError(f"{folder}: no such corpus folder: give the folder that holds train.*, valid.* and test.*")
    names = [f"{stem}.{ending}{zipped}" for stem in STEMS[split] for zipped in ("", ".gz")]
    paths = [folder / name for name in names if (folder / name).exists()]
    if not paths:
        remedy = "" if ending != "tsv" else " (or give --source-language and --target-language)"
        raise UsageError(f"{folder / names[0]}: no such file: the {split} side of the corpus is missing{remedy}")
    if len(paths) > 1:
        raise UsageError(f"{paths[0]} and {paths[1]} are both there: remove one")
    return paths[0]


def checked_lines(path: Path) -> Iterator[list[str]]:
    """The lines of a UTF-8 text file, plain or gzipped, split on line feeds alone, a block at a time.

    UsageError where it is none.
    """
    if not path.is_file():
        raise UsageError(f"{path}:1: not a regular file: give a text file")
    read = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for block in whole_lines(file):
                lines = block.removesuffix(b"\n").split(b"\n")
                if read and is_clean(block, lines):
                    yield block.decode().removesuffix("\n").split("\n")
                else:
                    texts = []
                    for line_number, line in enumerate(lines, start=read + 1):
                        try:
                            texts.append(sentence(line, first=line_number == 1))
                        except ValueError as error:
                            raise UsageError(f"{path}:{line_number}: {error}") from None
                    yield texts
                read += len(lines)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path}:{read + 1}: cannot be read ({error}): check the file and its permissions") from None
    if not read:
        raise UsageError(f"{path}:1: no lines: give at least one sentence a file")


def whole_lines(file: gzip.GzipFile | BufferedReader) -> Iterator[bytes]:
    """A file's content in blocks that end where a line does; or in a line that is too long, which is no sentence."""
    rest = b""
    while data := file.read(BLOCK):
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        else:
            rest += data
            if len(rest) > LINE_LIMIT:
                break
    if rest:
        yield rest


def is_clean(block: bytes, lines: Sequence[bytes]) -> bool:
    """Whether nothing is wrong with these lines at a glance; a block that only looks odd is looked at line by line."""
    if any(sign in block for sign in (b"\r", b"\0", b"\n ", b"\n\t")) or block[:1] in (b" ", b"\t"):
        return False
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return all(lines) and max(map(len, lines)) <= LINE_LIMIT


def sentence(line: bytes, first: bool) -> str:
    """The text of a line, with its line feed where it has one, or the file's first; ValueError says what is wrong."""
    line = line.removesuffix(b"\n")
    if first and line.startswith(b"\xef\xbb\xbf"):
        raise ValueError("begins with a byte-order mark: save it as UTF-8 without one")
    if len(line) > LINE_LIMIT:
        raise ValueError(f"a line of more than {LINE_LIMIT:,} bytes: one sentence a line, please")
    if line.endswith(b"\r"):
        raise ValueError("CRLF line end: convert the file to LF, for example with dos2unix")
    if b"\0" in line:
        raise ValueError("a NUL byte: this is not plain text")
    if b"\r" in line:
        raise ValueError("a carriage return inside the line, where other tools would break it: remove it")
    if not line.strip(b" \t"):
        raise ValueError("an empty side: remove the pair from both sides")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"invalid UTF-8 at byte {error.start + 1}: convert the file to UTF-8") from None
