"""Edit rate and distinct outputs, against the table of distances that a textbook fills in."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrun.seq2seq.edits import distance, distinct, edit_rate, nearest_reference, places_of
from ssrun.tasks import Tokens

tokens = st.lists(st.sampled_from("abcd"), max_size=12).map(tuple)
references = st.lists(tokens.filter(bool), min_size=1, max_size=4)


def by_table(one: Tokens, other: Tokens) -> int:
    """Wagner and Fischer 1974, cell by cell."""
    table = [[i + j for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i, left in enumerate(one, start=1):
        for j, right in enumerate(other, start=1):
            changed = table[i - 1][j - 1] + (left != right)
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, changed)
    return table[-1][-1]


def by_bits(one: Tokens, other: Tokens) -> int:
    return distance(places_of(one), len(one), other)


@settings(max_examples=500, deadline=None)
@given(tokens, tokens)
def test_the_distance_is_that_of_the_table(one: Tokens, other: Tokens) -> None:
    assert by_bits(one, other) == by_bits(other, one) == by_table(one, other)


def test_it_is_so_for_sequences_longer_than_a_machine_word() -> None:
    random = Random(0)
    for length in (63, 64, 65, 150):
        one = tuple(random.choices("abcdef", k=length))
        other = tuple(random.choices("abcdef", k=length + random.randint(-5, 5)))
        assert by_bits(one, other) == by_table(one, other)


@pytest.mark.parametrize(
    ("output", "reference", "edits"),
    [("the cat sat", "the cat sat", 0), ("cat sat", "the cat sat", 1), ("", "the cat", 2), ("a b", "b a", 2)],
)
def test_a_forgotten_word_is_one_edit_wherever_it_stood(output: str, reference: str, edits: int) -> None:
    said, right = tuple(output.split()), tuple(reference.split())
    assert edit_rate([said], [[right]]) == pytest.approx(100 * edits / len(right))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(tokens, references), min_size=1, max_size=5))
def test_the_edit_rate_is_over_the_nearest_references(pairs: list[tuple[Tokens, list[Tokens]]]) -> None:
    edits = lengths = 0
    for output, accepted in pairs:
        distances = [by_table(output, reference) for reference in accepted]
        edits += min(distances)
        lengths += len(accepted[distances.index(min(distances))])
        assert nearest_reference(output, accepted)[0] == min(distances)
    outputs, given_references = zip(*pairs, strict=True)
    assert edit_rate(outputs, given_references) == pytest.approx(100 * edits / lengths)


def test_distinct_outputs_are_counted_over_distinct_sources() -> None:
    sources = [("a",), ("b",), ("c",), ("d",), ("a",)]
    assert distinct(sources, [("x",), ("x",), ("y",), ("z",), ("x",)]) == 75
    assert distinct(sources, [("x",)] * 5) == 25
    assert distinct(sources, [*sources[:4], ("a",)]) == 100
