"""Optimal completion: what may be said after any prefix, so that the edits to a right answer stay as few as can be.

Sabour et al. 2019 (arXiv 1810.01398). Row j of a prefix is the least number of edits (Levenshtein 1966: a token put in,
left out, or changed) between the prefix and the first j places of an answer. From the places where a row is least, and
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


def optimal_completions(prefix: Sequence[str], answers: Iterable[Answer]) -> frozenset[str]:
    """The tokens, END among them, after which an answer is no more edits away than after the prefix."""
    rows = [([*answer, Slot(frozenset({END}))], row_of(prefix, answer)) for answer in answers]
    least = min(min(row) for _, row in rows)
    found = [answer[place].tokens for answer, row in rows for place, edits in enumerate(row) if edits == least]
    return frozenset().union(*found)


def row_of(prefix: Sequence[str], answer: Answer) -> Row:
    """The edits between a prefix and the first 0, 1 ... places of an answer."""
    row = [0]
    for slot in answer:
        row.append(row[-1] + (not slot.optional))
    for token in prefix:
        above, row = row, [row[0] + 1]
        for place, (tokens, optional) in enumerate(answer):
            changed, put_in, left_out = above[place] + (token not in tokens), above[place + 1] + 1, row[place]
            row.append(min(changed, put_in, left_out + (not optional)))
    return row
