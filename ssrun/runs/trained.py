"""A complete run's model, read back and ready to decode."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ssrun.config.run import RunConfig
from ssrun.errors import StoreError
from ssrun.runs import checkpoints
from ssrun.runs.folder import REMEDY, RunFolder
from ssrun.runs.result import CompleteResult
from ssrun.seq2seq.batches import collate
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.search import decode, length_limit
from ssrun.seq2seq.vocabulary import Vocabularies, Vocabulary
from ssrun.tasks import Tokens


class Trained(NamedTuple):
    """A complete run's model, ready to decode."""

    config: RunConfig
    model: Seq2Seq
    vocabularies: Vocabularies


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
        vocabularies = Vocabularies(Vocabulary(tokens["source"]), Vocabulary(tokens["target"]))
    except (KeyError, ValueError) as error:
        raise StoreError(f"{folder.path / 'vocabulary.json'}: not a vocabulary ({error}): {REMEDY}") from None
    path = folder.path / "model.safetensors"
    sizes = (len(vocabularies.source), len(vocabularies.target))
    with torch.device("meta"):  # without memory for the weights
        shapes = Seq2Seq(config.model, *sizes).state_dict()
    size = checkpoints.bytes_of(shapes)
    if not path.is_file() or not size <= path.stat().st_size <= size + checkpoints.HEADER_LIMIT:  # before it is built
        raise StoreError(f"{path}: damaged: not the size of this model's weights; remove the run's folder")
    model = Seq2Seq(config.model, *sizes)
    model.load_state_dict(checkpoints.read_tensors(path, shapes, result.files.get(path.name)))
    return Trained(config, model, vocabularies)


def translate(trained: Trained, source: Tokens, beam: int | None = None) -> Tokens:
    config = trained.config.scoring
    batch = collate([(trained.vocabularies.source.encode(source), [])])
    memory = trained.model.encode(batch.source)
    (ids,) = decode(trained.model, memory, length_limit(source), beam or config.beam, config.length_penalty)
    return trained.vocabularies.target.decode(ids)
