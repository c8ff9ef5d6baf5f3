"""A complete run's model, read back and ready to decode."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ssrun.config.run import RunConfig
from ssrun.errors import StoreError
from ssrun.runs import checkpoints
from ssrun.runs.folder import REMEDY, RunFolder
from ssrun.runs.result import CompleteResult
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.run_model import model_of
from ssrun.seq2seq.search import hypotheses, length_limit
from ssrun.seq2seq.vocabulary import SPECIALS, Vocabularies
from ssrun.tasks import Tokens


class Trained(NamedTuple):
    """A complete run's model, ready to decode."""

    config: RunConfig
    model: Seq2Seq
    vocabularies: Vocabularies

    @property
    def has_source(self) -> bool:
        """Whether there is something to say about a source: a language model has none."""
        return len(self.vocabularies.source) > len(SPECIALS)


def load_trained(folder: RunFolder) -> Trained:
    """A run's model; StoreError where the run is not trained, or a file is damaged."""
    if not folder.trained:
        raise StoreError(f"{folder.path}: the run is not complete: run the command that made it again")
    result = folder.result()
    if not isinstance(result, CompleteResult):
        raise StoreError(f"{folder.path}: the run {result.status} ({result.reason}): no model was kept")
    for fault in folder.damage(result, ("run.json", "vocabulary.json")):
        raise StoreError(fault)
    config = folder.config()
    tokens = folder.vocabularies()
    try:
        vocabularies = Vocabularies.read(tokens)
    except (KeyError, ValueError) as error:
        raise StoreError(f"{folder.path / 'vocabulary.json'}: not a vocabulary ({error}): {REMEDY}") from None
    path = folder.path / "model.safetensors"
    with torch.device("meta"):  # without memory for the weights
        shapes = model_of(config, vocabularies, drawn=False).state_dict()
    size = checkpoints.bytes_of(shapes)
    if not path.is_file() or not size <= path.stat().st_size <= size + checkpoints.HEADER_LIMIT:  # before it is built
        raise StoreError(f"{path}: damaged: not the size of this model's weights; remove the run's folder")
    model = model_of(config, vocabularies, drawn=False)
    model.load_state_dict(checkpoints.read_tensors(path, shapes, result.files.get(path.name)))
    return Trained(config, model, vocabularies)


class Translation(NamedTuple):
    """One output for a source, in the target's words, and its log p in nats, EOS included."""

    output: Tokens
    log_p: float


def translations(trained: Trained, source: Tokens, beam: int | None = None) -> list[Translation]:
    """What the search ends with, the best first: as many as the beam keeps, `beam` or the run's."""
    config = trained.config.scoring
    source_ids = trained.vocabularies.source.encode(source)
    memory = trained.model.encode(torch.tensor([source_ids]))
    limit = length_limit(len(source_ids) - 1)
    found = hypotheses(trained.model, memory, limit, beam or config.beam, config.length_penalty)
    return [Translation(trained.vocabularies.target.decode(ids), log_p) for ids, log_p in found]


def translate(trained: Trained, source: Tokens, beam: int | None = None) -> Tokens:
    return translations(trained, source, beam)[0].output
