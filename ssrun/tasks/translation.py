"""A small English-French corpus that ships with the package: grammar a model can learn in minutes.

`data/translation/README.md` says what it holds and how it was made. This file only reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ssrun.errors import UsageError
from ssrun.tasks.corpus import frequent, read_split
from ssrun.tasks.pairs import Pairs
from ssrun.tasks.redrawn import Redrawn
from ssrun.tasks.task import TEST_PAIRS, VALIDATION_PAIRS, Split

FOLDERS = (
    Path(__file__).parents[2] / "data" / "translation",  # a checkout
    Path(__file__).parents[1] / "data" / "translation",  # an installed wheel
)


class Translation(Redrawn):
    """English to French, from a synchronous grammar: one right translation a sentence."""

    text_metrics: ClassVar[tuple[str, ...]] = ("chrf", "ter", "rouge_l", "cider_d")

    name: Literal["translation"] = "translation"
    pairs: int = Field(
        8000, ge=1, le=8000, description="for training, the first of the file; the vocabulary is that of all 8,000"
    )
    validation_pairs: int = Field(200, ge=1, le=500, description=VALIDATION_PAIRS)
    test_pairs: int = Field(1000, ge=1, le=1000, description=TEST_PAIRS)

    def file(self, split: Split) -> Pairs:
        return read(split)

    def sizes(self) -> dict[Split, int]:
        return {"training": self.pairs, "validation": self.validation_pairs, "test": self.test_pairs}

    def source_tokens(self) -> list[str]:
        """The words of the training file, most frequent first; the others have no others, so every draw has these."""
        return frequent((pair.source for pair in read("training")), 1)

    def target_tokens(self) -> list[str]:
        return frequent((pair.target for pair in read("training")), 1)


def read(split: Split) -> Pairs:
    """All pairs of a split, from the files with this code; UsageError where they are missing."""
    return read_split(folder(), split, "en", "fr")


def folder() -> str:
    """Where the corpus is; UsageError where it is missing."""
    for place in FOLDERS:
        if (place / "train.en").exists():
            return str(place)
    raise UsageError(f"{FOLDERS[0]}: the corpus is missing: run python data/translation/make.py")
