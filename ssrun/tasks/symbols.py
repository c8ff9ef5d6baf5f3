"""Copy and reverse: the smallest tasks on which a sequence model can go wrong.

Reverse says the last symbol first, so the first one is remembered longest.
"""

from __future__ import annotations

from abc import abstractmethod
from random import Random
from string import ascii_lowercase
from typing import Literal

from pydantic import Field

from ssrun.tasks.task import Drawn, Example, Lengths, Range, Split, Tokens


class SymbolTask(Drawn):
    """Fresh pairs: the source is random symbols, the target a function of it."""

    symbols: int = Field(26, ge=2, le=26, description="how many symbols, the first letters of the alphabet")
    length: Lengths = Field(Range(4, 15), description="source lengths in training and validation, uniformly drawn")
    test_length: Lengths | None = Field(None, description="source lengths in the test set, where they should differ")

    @abstractmethod
    def answer(self, source: Tokens) -> Tokens:
        """The right target of a source."""

    def draw(self, random: Random, split: Split = "training") -> Example:
        lengths = self.test_length if split == "test" and self.test_length else self.length
        source = tuple(random.choices(ascii_lowercase[: self.symbols], k=random.randint(*lengths)))
        return Example(source, self.answer(source))

    def source_tokens(self) -> str:
        return ascii_lowercase[: self.symbols]


class Copy(SymbolTask):
    """The target is the source."""

    name: Literal["copy"] = "copy"

    def answer(self, source: Tokens) -> Tokens:
        return source


class Reverse(SymbolTask):
    """The target is the source from back to front."""

    name: Literal["reverse"] = "reverse"

    def answer(self, source: Tokens) -> Tokens:
        return source[::-1]
