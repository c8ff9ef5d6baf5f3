"""A complete run's model, read back and ready to decode."""

from __future__ import annotations

from typing import NamedTuple

from ssrun.config.spec import RunSpec
from ssrun.errors import StoreError
from ssrun.runs import checkpoints
from ssrun.runs.folder import RunFolder
from ssrun.runs.result import CompleteResult
from ssrun.seq2seq.batches import collate
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.search import decode
from ssrun.seq2seq.vocabulary import Vocabulary
from ssrun.system.files import read_json
from ssrun.tasks import Tokens


class Trained(NamedTuple):
    """A complete run's model, ready to decode."""

    run: RunSpec
    model: Seq2Seq
    source: Vocabulary
    target: Vocabulary


def load_trained(folder: RunFolder) -> Trained:
    """A complete run's model.

    Raises:
        StoreError: The run is not complete, or a file is damaged.
    """
    if not folder.complete:
        raise StoreError(f"{folder.path}: the run is not complete: run the command that made it again")
    result = folder.result()
    if not isinstance(result, CompleteResult):
        raise StoreError(f"{folder.path}: the run {result.status} ({result.reason}): no model was kept")
    for fault in folder.damage(result, ("run.json", "vocabulary.json")):
        raise StoreError(fault)
    run, words = folder.spec(), folder.path / "vocabulary.json"
    try:
        tokens = read_json(words)
        source, target = Vocabulary(tokens["source"]), Vocabulary(tokens["target"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{words}: not a vocabulary ({error}): remove the run's folder and run again") from None
    path = folder.path / "model.safetensors"
    size = checkpoints.weight_bytes(run.config.model, len(source), len(target))
    if not path.is_file() or not size <= path.stat().st_size <= size + checkpoints.HEADER_LIMIT:  # before it is built
        raise StoreError(f"{path}: damaged: not the size of this model's weights; remove the run's folder")
    model = Seq2Seq(run.config.model, len(source), len(target))
    model.load_state_dict(checkpoints.read_tensors(path, model.state_dict(), result.files.get(path.name)))
    return Trained(run, model, source, target)


def translate(trained: Trained, source: Tokens, beam: int | None = None) -> Tokens:
    """The model's output for one source."""
    config = trained.run.config.scoring
    batch = collate([(trained.source.encode(source), [])])
    memory = trained.model.encode(batch.source)
    limit = 4 * len(source) + 10
    (ids,) = decode(trained.model, memory, limit, beam or config.beam, config.length_penalty)
    return trained.target.decode(ids)
