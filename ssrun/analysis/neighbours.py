"""Which words a trained model's embeddings hold alike."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch.nn.functional import normalize

from ssrun.errors import UsageError, unknown
from ssrun.runs.trained import Trained
from ssrun.seq2seq.vocabulary import SPECIALS

Side = Literal["source", "target"]


class Neighbour(NamedTuple):
    """A word, and the cosine of its vector and the one that was asked for, -1 to 1."""

    word: str
    cosine: float


def neighbours(trained: Trained, word: str, side: Side = "target", count: int = 10) -> list[Neighbour]:
    """The words or pieces whose vectors are most like a word's, the most alike first; UsageError for an unknown one."""
    vocabulary = getattr(trained.vocabularies, side)
    table = getattr(trained.model, f"{side}_embedding").weight.detach()
    tokens = vocabulary.tokens
    if word not in tokens[len(SPECIALS) :]:
        raise UsageError(f"{side}: {unknown('word', word, tokens[len(SPECIALS) :])}")
    unit = normalize(table, dim=-1)
    cosines = (unit @ unit[tokens.index(word)])[len(SPECIALS) :]
    order = cosines.argsort(descending=True, stable=True).tolist()
    found = (Neighbour(tokens[len(SPECIALS) + index], float(cosines[index])) for index in order)
    return [neighbour for neighbour in found if neighbour.word != word][:count]
