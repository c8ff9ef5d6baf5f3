"""Any parallel corpus of the user's: two files a split (`train.de`, `train.en` ...) or one TSV a split.

Files may be gzipped. One sentence a line, tokens between spaces; lines end with a line feed alone, so a
U+2028 or U+0085 inside a line is text, and counts equal `wc -l`.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ssrun.errors import UsageError
from ssrun.system.fields import later
from ssrun.system.text import is_unicode, visible
from ssrun.tasks.redrawn import BY_SEED, Redrawn
from ssrun.tasks.subwords import learn
from ssrun.tasks.task import TEST_PAIRS, Example, Split

STEMS: dict[Split, tuple[str, ...]] = {
    "training": ("train", "training"),
    "validation": ("valid", "validation", "val", "dev"),
    "test": ("test",),
}
RESERVED = frozenset({"<pad>", "<bos>", "<eos>"})
LINE_LIMIT = 1_000_000  # bytes: a longer line is no sentence


class Corpus(Redrawn):
    """Real text, as it lies on the user's disk.

    A split is `<split>.<source_language>` beside `<split>.<target_language>`, or `<split>.tsv` (source, tab,
    target), each also with `.gz`; split is train, valid (or dev, val) or test.
    """

    text_metrics: ClassVar[tuple[str, ...]] = ("chrf", "ter")

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
        digest = hashlib.sha256()
        for split in STEMS:
            for pair in self.file(split):
                digest.update(f"{' '.join(pair.source)}\t{' '.join(pair.target)}\n".encode())
            digest.update(b"\0")
        of_text = digest.hexdigest()
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

    def training(self) -> list[Example]:
        """The training pairs whose sides are within `maximum_length`."""
        limit = self.maximum_length
        return [pair for pair in super().training() if max(len(pair.source), len(pair.target)) <= limit]

    def file(self, split: Split) -> tuple[Example, ...]:
        return read_split(self.path, split, self.source_language, self.target_language)

    def sizes(self) -> dict[Split, int]:
        """As many as are asked for, or as their file has."""
        asked = {"validation": self.validation_pairs, "test": self.test_pairs}
        return {split: min(asked.get(split, LINE_LIMIT), len(self.file(split))) for split in STEMS}

    def source_tokens(self) -> list[str]:
        return frequent((pair.source for pair in self.training()), self.minimum_frequency)

    def target_tokens(self) -> list[str]:
        return frequent((pair.target for pair in self.training()), self.minimum_frequency)

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
    source = learn([pair.source for pair in training], corpus.subwords, "source")
    return source, learn([pair.target for pair in training], corpus.subwords, "target")


def frequent(sentences: Any, minimum: int) -> list[str]:
    """The words that occur at least `minimum` times, most frequent first, ties in alphabetical order."""
    counts = Counter(word for sentence in sentences for word in sentence)
    return sorted((word for word in counts if counts[word] >= minimum), key=lambda word: (-counts[word], word))


@lru_cache(maxsize=8)
def read_split(folder: str, split: Split, source_language: str, target_language: str) -> tuple[Example, ...]:
    """The pairs of one split; UsageError as `Corpus.prepared` says."""
    endings = (source_language, target_language) if source_language else ("tsv",)
    paths = [find(Path(folder), split, ending) for ending in endings]
    sides = [read_lines(path) for path in paths]
    if len(sides) == 2 and len(sides[0]) != len(sides[1]):
        raise UsageError(
            f"{paths[0]} has {len(sides[0])} lines and {paths[1]} has {len(sides[1])}: "
            "line k of one must translate line k of the other"
        )
    pairs = []
    for line_number, line in enumerate(zip(*sides, strict=True), start=1):
        texts = line if len(line) == 2 else tuple(line[0].split("\t"))
        if len(texts) != 2:
            raise UsageError(f"{paths[0]}:{line_number}: {len(texts)} columns, not 2: source, tab, target")
        source, target = (tuple(filter(None, text.split(" "))) for text in texts)
        for path, side in zip((paths[0], paths[-1]), (source, target), strict=True):
            if not side:
                raise UsageError(f"{path}:{line_number}: an empty side: remove the pair from both sides")
            if not RESERVED.isdisjoint(side):
                raise UsageError(f"{path}:{line_number}: {', '.join(sorted(RESERVED))} are reserved: rename the word")
            if any("\t" in word for word in side):
                raise UsageError(f"{path}:{line_number}: a tab within a line: put spaces between tokens")
        pairs.append(Example(source, target))
    return tuple(pairs)


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


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, plain or gzipped, split on line feeds alone; UsageError where it is none."""
    if not path.is_file():
        raise UsageError(f"{path}:1: not a regular file: give a text file")
    lines: list[str] = []
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line_number, line in enumerate(iter(lambda: file.readline(LINE_LIMIT + 2), b""), start=1):
                try:
                    lines.append(sentence(line, first=line_number == 1))
                except ValueError as error:
                    raise UsageError(f"{path}:{line_number}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(
            f"{path}:{len(lines) + 1}: cannot be read ({error}): check the file and its permissions"
        ) from None
    if not lines:
        raise UsageError(f"{path}:1: no lines: give at least one sentence a file")
    return lines


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
