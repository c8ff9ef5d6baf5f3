"""ROUGE-L and CIDEr-D: the values of the evaluation of COCO captions, and their definitions written once more."""

from __future__ import annotations

import math
from itertools import combinations
from random import Random

import pytest

from ssrun.seq2seq.overlap import cider_d, longest_common, rouge_l
from ssrun.tasks import Tokens

OUTPUTS = ["a cat sat on the mat", "the dog ran", "two birds sing in a tree"]
REFERENCES = [
    ["the cat sat on the mat", "a cat is on a mat"],
    ["a dog ran fast"],
    ["birds sing in the tree", "two birds sing"],
]


def words(texts: list[str]) -> list[Tokens]:
    return [tuple(text.split()) for text in texts]


def test_both_are_what_pycocoevalcap_1_2_gives() -> None:
    references = [words(item) for item in REFERENCES]
    assert rouge_l(words(OUTPUTS), references)[0] == pytest.approx(74.01143105644084)
    assert cider_d(words(OUTPUTS), references)[0] == pytest.approx(4.047336437284517)


def some(seed: int) -> tuple[list[Tokens], list[list[Tokens]]]:
    random = Random(seed)
    letters = "abcdef"[: random.randint(2, 6)]

    def text(least: int) -> Tokens:
        return tuple(random.choices(letters, k=random.randint(least, 7)))

    references = [[text(1) for _ in range(random.randint(1, 4))] for _ in range(random.randint(1, 8))]
    return [random.choice((text(0), item[0])) for item in references], references


def subsequences(text: Tokens) -> set[Tokens]:
    return {found for size in range(len(text) + 1) for found in combinations(text, size)}


def times(text: Tokens, gram: Tokens) -> int:
    return sum(text[at : at + len(gram)] == gram for at in range(len(text)))


def by_definition(output: Tokens, reference: Tokens, all_references: list[list[Tokens]]) -> float:
    """CIDEr-D of one output with one reference, 0 to 10: every n-gram of either looked up in every text."""
    total = 0.0
    for order in range(1, 5):
        grams = {text[at : at + order] for text in (output, reference) for at in range(len(text) - order + 1)}

        def weight(text: Tokens, gram: Tokens) -> float:
            having = sum(any(times(other, gram) for other in item) for item in all_references)
            return times(text, gram) * math.log(len(all_references) / max(1, having))

        own, theirs = ({gram: weight(text, gram) for gram in grams} for text in (output, reference))
        norms = math.prod(math.sqrt(sum(value**2 for value in side.values())) for side in (own, theirs))
        total += sum(min(own[gram], theirs[gram]) * theirs[gram] for gram in grams) / norms if norms else 0.0
    pairs = [max(0, len(text) - 1) for text in (output, reference)]
    return 10 * total / 4 * math.exp(-((pairs[0] - pairs[1]) ** 2) / (2 * 6**2))


@pytest.mark.parametrize("seed", range(25))
def test_both_are_their_definitions(seed: int) -> None:
    outputs, references = some(seed)
    of_rouge, of_cider = [], []
    for output, item in zip(outputs, references, strict=True):
        common = [max(map(len, subsequences(output) & subsequences(reference))) for reference in item]
        assert [longest_common(output, reference) for reference in item] == common
        recall = max(length / len(reference) for length, reference in zip(common, item, strict=True))
        precision = max(common) / len(output) if output else 0.0
        of_rouge.append((1 + 1.44) * precision * recall / (recall + 1.44 * precision) if precision else 0.0)
        of_cider.append(sum(by_definition(output, reference, references) for reference in item) / len(item))
    assert rouge_l(outputs, references)[0] == pytest.approx(100 * sum(of_rouge) / len(of_rouge))
    assert cider_d(outputs, references)[0] == pytest.approx(sum(of_cider) / len(of_cider))


def test_an_output_that_is_its_one_reference_has_all_and_one_that_shares_nothing_has_none() -> None:
    texts = words(["a b c d e", "f g h i j"])
    assert (rouge_l(texts, [[text] for text in texts])[0], cider_d(texts, [[text] for text in texts])[0]) == (
        pytest.approx(100),
        pytest.approx(10),
    )
    assert (rouge_l(texts, [[text] for text in texts[::-1]])[0], cider_d(texts, [[t] for t in texts[::-1]])[0]) == (
        0,
        0,
    )
