"""Optimal completion: what may be said after any prefix, so that the edits to a right answer stay as few as can be.

Sabour et al. 2019 (arXiv 1810.01398). Row j of a prefix is the least number of edits (Levenshtein 1966: a token put in,
left out, or changed) between the prefix and the first j tokens of an answer. From the places where a row is least, and
only from there, the answer's next token loses nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

END = "<eos>"  # what says that the output ends


class Slot(NamedTuple):
    """A place in a right answer: the tokens that are right there, and whether it may be left out."""

    tokens: frozenset[str]
    optional: bool = False


Answer = Sequence[Slot]
Row = list[int]


def answer_of(tokens: Iterable[str]) -> Answer:
    """The one right answer that these tokens are."""
    return [Slot(frozenset({token})) for token in tokens]


class OptimalCompletion:
    """What may be said after any prefix, where these answers are right. It keeps the rows of prefixes it has seen."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.answers = list(answers)
        self.next = [[*(slot.tokens for slot in answer), frozenset({END})] for answer in self.answers]
        self._rows: dict[tuple[str, ...], list[Row]] = {(): [first_row(answer) for answer in self.answers]}

    def after(self, prefix: tuple[str, ...]) -> frozenset[str]:
        """The tokens, END among them, after which an answer is no more edits away than after the prefix."""
        rows = self.rows(prefix)
        least = min(map(min, rows))
        found: set[str] = set()
        for row, tokens in zip(rows, self.next, strict=True):
            if least in row:
                found.update(*(tokens[place] for place, edits in enumerate(row) if edits == least))
        return frozenset(found)

    def rows(self, prefix: tuple[str, ...]) -> list[Row]:
        """The rows of a prefix, one an answer: those of the prefix before it, and one token more."""
        if prefix not in self._rows:
            above, token = self.rows(prefix[:-1]), prefix[-1]
            self._rows[prefix] = [next_row(*pair, token) for pair in zip(above, self.answers, strict=True)]
        return self._rows[prefix]


def first_row(answer: Answer) -> Row:
    """The edits between nothing and the first 0, 1 ... places of an answer."""
    row = [0]
    for slot in answer:
        row.append(row[-1] + (not slot.optional))
    return row


def next_row(above: Row, answer: Answer, token: str) -> Row:
    """The edits between a prefix and the first places of an answer, from the row above: without the last token."""
    diagonal = above[0]
    edits = diagonal + 1
    row = [edits]
    for straight, (tokens, optional) in zip(above[1:], answer, strict=True):
        left_out = edits if optional else edits + 1
        edits = diagonal if token in tokens else diagonal + 1
        if straight < edits:
            edits = straight + 1
        edits = min(edits, left_out)
        row.append(edits)
        diagonal = straight
    return row
