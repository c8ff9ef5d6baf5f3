"""A small English-French corpus that ships with the package: grammar a model can learn in minutes.

`data/translation/README.md` says what it holds and how it was made. This file only reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ssrun.errors import UsageError
from ssrun.tasks.corpus import frequent, read_split
from ssrun.tasks.task import TEST_PAIRS, VALIDATION_PAIRS, Example, Split, Task

FOLDERS = (
    Path(__file__).parents[2] / "data" / "translation",  # a checkout
    Path(__file__).parents[1] / "data" / "translation",  # an installed wheel
)


class Translation(Task):
    """English to French, from a synchronous grammar: one right translation a sentence."""

    text_metrics: ClassVar[tuple[str, ...]] = ("chrf", "ter")

    name: Literal["translation"] = "translation"
    pairs: int = Field(
        8000, ge=1, le=8000, description="for training, the first of the file; the vocabulary is that of all"
    )
    validation_pairs: int = Field(200, ge=1, le=500, description=VALIDATION_PAIRS)
    test_pairs: int = Field(1000, ge=1, le=1000, description=TEST_PAIRS)

    def training(self) -> list[Example]:
        return list(read("training")[: self.pairs])

    def held_out(self, split: Split) -> list[Example]:
        """The first `validation_pairs` or `test_pairs` of the split; no source of theirs is in training."""
        return list(read(split)[: self.test_pairs if split == "test" else self.validation_pairs])

    def source_tokens(self) -> list[str]:
        """The words of all training pairs, most frequent first; held-out sets have no others."""
        return frequent((pair.source for pair in read("training")), 1)

    def target_tokens(self) -> list[str]:
        return frequent((pair.target for pair in read("training")), 1)


def read(split: Split) -> tuple[Example, ...]:
    """All pairs of a split, from the files with this code, kept in memory; UsageError where they are missing."""
    for folder in FOLDERS:
        if (folder / "train.en").exists():
            return read_split(str(folder), split, "en", "fr")
    raise UsageError(f"{FOLDERS[0]}: the corpus is missing: run python data/translation/make.py")
