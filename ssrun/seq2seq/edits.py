"""Whole outputs, position by position no longer: edit rate, how many differ at all, how they repeat themselves."""

from __future__ import annotations

from collections.abc import Sequence

from ssrun.tasks import Tokens


def edit_rate(outputs: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """Edits that turn each output into the reference nearest to it, in % of these references' tokens; from 0.

    100 sum d(output, nearest) / sum |nearest|, d the distance of Levenshtein 1966: tokens put in, left out, or changed.
    Of references equally near the first counts.
    """
    edits = tokens = 0
    for output, accepted in zip(outputs, references, strict=True):
        distance, nearest = nearest_reference(output, accepted)
        edits += distance
        tokens += len(nearest)
    return 100 * edits / tokens


def nearest_reference(output: Tokens, accepted: Sequence[Tokens]) -> tuple[int, Tokens]:
    """The least distance from an output to a reference, and the reference."""
    if output in accepted:
        return 0, output
    places = places_of(output)
    best, nearest = len(output) + max(map(len, accepted)) + 1, accepted[0]
    for reference in accepted:
        if abs(len(reference) - len(output)) < best and (found := distance(places, len(output), reference)) < best:
            best, nearest = found, reference
    return best, nearest


def places_of(tokens: Tokens) -> dict[str, int]:
    """Where each token stands, as bits: bit i for place i."""
    places: dict[str, int] = {}
    for place, token in enumerate(tokens):
        places[token] = places.get(token, 0) | 1 << place
    return places


def distance(places: dict[str, int], length: int, other: Tokens) -> int:
    """Levenshtein's distance between `other` and the tokens, of this length, with these places.

    A column of the table of distances at once, as bits: where it rises by 1 from a place to the next (`up`), and where
    it falls (`down`); Myers 1999 in the form of Hyyrö 2003.
    """
    whole = (1 << length) - 1
    last = 1 << length >> 1
    up, down, found = whole, 0, length
    for token in other:
        same = places.get(token, 0)
        level = (((same & up) + up) ^ up) | same | down
        rises, falls = down | ~(level | up) & whole, up & level
        found += bool(rises & last) - bool(falls & last)
        rises = rises << 1 | 1
        up, down = (falls << 1 | ~(level | rises)) & whole, rises & level & whole
    return found if length else len(other)


def distinct(sources: Sequence[Tokens], outputs: Sequence[Tokens]) -> float:
    """Different outputs, in % of the different sources that they are to: 0 to 100, near 0 where one does for all.

    The distinct-n of Li et al. 2016 (arXiv 1510.03055), of whole outputs. A source that comes twice counts once.
    """
    of_source = dict(zip(sources, outputs, strict=True))
    return 100 * len(set(of_source.values())) / len(of_source)


def repetition(outputs: Sequence[Tokens], order: int = 4) -> float | None:
    """N-grams of an output that it has said before, in %, a mean over outputs; None where all are too short.

    100 (1 - unique n-grams / n-grams), seq-rep-n of Welleck et al. 2020 (arXiv 1908.04319).
    """
    found = []
    for output in outputs:
        grams = [output[at : at + order] for at in range(len(output) - order + 1)]
        found += [1 - len(set(grams)) / len(grams)] if grams else []
    return 100 * sum(found) / len(found) if found else None
