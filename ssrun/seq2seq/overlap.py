"""How much of their references outputs say: ROUGE-L and CIDEr-D, as the evaluation of COCO captions computes them.

Tokens are taken as they are: that evaluation's tokenizer is of English, and what comes after it stems nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from ssrun.seq2seq.edits import places_of
from ssrun.system import signals
from ssrun.tasks import Tokens

BETA = 1.2  # of ROUGE-L: how much more recall counts than precision
ORDERS = 4  # of CIDEr-D: n-grams up to fours
SIGMA = 6.0  # words by which an output may be longer or shorter, about
Grams = Counter[Tokens]


def rouge_l(outputs: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, str]:
    """Mean F of the longest common subsequences, 0 to 100, and what it was computed with (Lin 2004).

    (1 + beta^2) P R / (R + beta^2 P), P = LCS / |output| and R = LCS / |reference| each the best over the references.
    Interrupted where a signal comes.
    """
    found = []
    for output, item in zip(outputs, references, strict=True):
        signals.check()
        common = [longest_common(output, reference) for reference in item]
        precision = max(common) / max(1, len(output))
        recall = max(length / len(reference) for length, reference in zip(common, item, strict=True))
        found.append((1 + BETA**2) * precision * recall / (recall + BETA**2 * precision) if precision else 0.0)
    return 100 * fmean(found), f"beta:{BETA}|refs:best|tok:none"


def longest_common(one: Tokens, other: Tokens) -> int:
    """Length of the longest common subsequence: a column of its table at once, as bits (Hyyrö 2004)."""
    places, ones = places_of(one), (1 << len(one)) - 1
    row = ones  # a 0 where the length rises
    for token in other:
        same = row & places.get(token, 0)
        row = (row + same | row - same) & ones
    return len(one) - row.bit_count()


def cider_d(outputs: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, str]:
    """Consensus with the references, 0 to 10, and what it was computed with (Vedantam et al. 2015, CIDEr-D).

    10 times the mean over n = 1 ... 4 and over references of exp(-d^2 / (2 sigma^2)) <min(o, r), r> / (|o| |r|), with o
    and r the n-gram counts of output and reference times log(outputs / outputs with a reference that has the n-gram),
    and d by how many words they differ in length. Of one output it is 0: no n-gram is rarer than another. Interrupted
    where a signal comes.
    """
    counted = [list(map(grams_of, item)) for item in references]
    having = Counter(gram for item in counted for gram in set().union(*item))
    rarity = {gram: math.log(len(outputs) / count) for gram, count in having.items()}
    unseen = math.log(len(outputs))
    found = []
    for output, item in zip(outputs, counted, strict=True):
        signals.check()
        of_output = Weighted(grams_of(output), rarity, unseen)
        found.append(fmean(consensus(of_output, Weighted(reference, rarity, unseen)) for reference in item))
    return 10 * fmean(found), f"n:{ORDERS}|sigma:{SIGMA:g}|idf:references|tok:none"


def grams_of(tokens: Tokens) -> Grams:
    """How often each n-gram is there, of all orders."""
    orders = range(1, ORDERS + 1)
    return Counter(tokens[at : at + order] for order in orders for at in range(len(tokens) - order + 1))


class Weighted:
    """The n-grams of a text times how rare each is, by order; the text's length is counted in pairs of words."""

    def __init__(self, grams: Grams, rarity: Mapping[Tokens, float], unseen: float) -> None:
        self.weights: list[dict[Tokens, float]] = [{} for _ in range(ORDERS)]
        self.length = 0
        for gram, count in grams.items():
            self.weights[len(gram) - 1][gram] = count * rarity.get(gram, unseen)
            self.length += count if len(gram) == 2 else 0
        self.norms = [math.sqrt(sum(weight * weight for weight in order.values())) for order in self.weights]


def consensus(output: Weighted, reference: Weighted) -> float:
    """Of one output with one reference, 0 to 1."""
    cosines = 0.0
    for own, theirs, norm, other in zip(output.weights, reference.weights, output.norms, reference.norms, strict=True):
        if norm and other:
            shared = own.keys() & theirs.keys()
            cosines += sum(min(own[gram], theirs[gram]) * theirs[gram] for gram in shared) / (norm * other)
    return cosines / ORDERS * math.exp(-((output.length - reference.length) ** 2) / (2 * SIGMA**2))
