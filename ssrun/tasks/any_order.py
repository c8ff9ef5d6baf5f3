"""Any order: every order of the source's words is right, and the target is one of them at random.

After Huszár 2015, "How (not) to Train your Generative Model" (arXiv 1511.05101): scheduled sampling is
an improper objective. Where epsilon is 0 the fed token says nothing of the target, so the optimum ignores
what was said so far: the product of the marginals.

- Teacher forcing learns "a word that has not been said yet", so nearly every output is right (`validity`). Its
  `free_running_loss` is high all the same: its own order is seldom that of the reference.
- Sampling drifts to the marginals, "any of the words, at every position": the `free_running_loss`
  improves while outputs repeat and forget words, and `validity` collapses.
"""

from __future__ import annotations

from itertools import permutations
from math import factorial
from random import Random
from string import ascii_lowercase
from typing import Literal, Self

from pydantic import Field, model_validator

from ssrun.tasks.optimal_completion import END
from ssrun.tasks.task import Drawn, Example, Lengths, Range, Split, Tokens

MOST_REFERENCES = 120


class AnyOrder(Drawn):
    """The source is a few distinct symbols; the target is the same symbols in a random order.

    In the held-out sets the first reference is a random order too, and the losses and errors are measured on it alone.
    `others` are all the remaining orders where there are at most 120 orders (five symbols; sacrebleu then takes about a
    second to read the references of 1,000 pairs, and milliseconds to score), so `exact_match` equals `validity`. Longer
    sources have no others: there `validity` alone tells what is right.
    """

    metrics = ("validity",)

    name: Literal["any-order"] = "any-order"
    symbols: int = Field(12, ge=4, le=26, description="how many symbols, the first letters of the alphabet")
    length: Lengths = Field(Range(5, 5), description="symbols of a source, all distinct, uniformly drawn")

    @model_validator(mode="after")
    def _enough_symbols(self) -> Self:
        if not 4 <= self.length.low <= self.length.high <= self.symbols:  # targets below 4 are too short for BLEU
            raise ValueError(f"length must lie within 4..{self.symbols}, the number of symbols")
        return self

    def draw(self, random: Random, split: Split = "training") -> Example:
        source = tuple(random.sample(ascii_lowercase[: self.symbols], random.randint(*self.length)))
        target = tuple(random.sample(source, len(source)))
        if split == "training" or factorial(len(source)) > MOST_REFERENCES:
            return Example(source, target)
        return Example(source, target, tuple(order for order in permutations(source) if order != target))

    def source_tokens(self) -> str:
        return ascii_lowercase[: self.symbols]

    def is_right(self, source: Tokens, output: Tokens) -> bool:
        """Whether the output holds each of the source's symbols once."""
        return sorted(output) == sorted(source)

    def expert(self, example: Example, prefix: Tokens) -> Tokens:
        """The words that have not been said yet; the end when all have."""
        return tuple(token for token in example.source if token not in prefix) or (END,)
