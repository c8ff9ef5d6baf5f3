"""Copy and its mirror: the smallest tasks on which a sequence model can go wrong."""

from __future__ import annotations

from random import Random
from string import ascii_lowercase
from typing import Literal

from pydantic import Field

from ssrun.tasks.task import Example, Lengths, Range, Split, Task


class Copy(Task):
    """The target is the source. Fresh pairs of random symbols.

    Attributes:
        symbols: How many symbols, the first letters of the alphabet.
        length: Source lengths in training and validation, uniformly drawn.
        test_length: Source lengths in the test set, where they should differ.
    """

    name: Literal["copy"] = "copy"
    symbols: int = Field(26, ge=2, le=26)
    length: Lengths = Range(4, 15)
    test_length: Lengths | None = None

    def draw(self, random: Random, split: Split = "training") -> Example:
        """One pair of random symbols."""
        lengths = self.test_length if split == "test" and self.test_length else self.length
        source = tuple(random.choices(ascii_lowercase[: self.symbols], k=random.randint(*lengths)))
        return Example(source, self.answer(source))

    def answer(self, source: tuple[str, ...]) -> tuple[str, ...]:
        """The right target."""
        return source

    def source_tokens(self) -> str:
        """The symbols."""
        return ascii_lowercase[: self.symbols]

    def target_tokens(self) -> str:
        """The symbols."""
        return self.source_tokens()
