"""Exact resume: everything that the next step depends on, as safetensors with a digest beside it.

Random draws depend on the seed and the step alone (see `streams`), and so do the batches: weights, the
optimiser's moments, the step, the running totals and the length of the metrics file are the whole state.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ssrun.config import canonical
from ssrun.errors import StoreError
from ssrun.model import Seq2Seq
from ssrun.store import digest, read_bytes, read_json, write

KEPT = 2
HEADER_LIMIT = 2**20  # bytes of a safetensors header: ours are a few thousand
SIZE_LIMIT = 2**33


def state(model: Seq2Seq, optimiser: torch.optim.Adam) -> dict[str, Tensor]:
    """Weights, and Adam's moments and step count for each."""
    tensors = {f"model.{name}": weight.detach().contiguous() for name, weight in model.state_dict().items()}
    for name, weight in model.named_parameters():
        for moment, value in optimiser.state[weight].items():
            tensors[f"adam.{moment}.{name}"] = value
    return tensors


def restore(model: Seq2Seq, optimiser: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Puts back what `state` took."""
    fill(model, {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")})
    for name, weight in model.named_parameters():
        optimiser.state[weight] = {
            moment: tensors[f"adam.{moment}.{name}"] for moment in ("step", "exp_avg", "exp_avg_sq")
        }


def fill(model: Seq2Seq, tensors: dict[str, Tensor]) -> None:
    """Gives a model these weights; StoreError where names or shapes are not the model's."""
    own = model.state_dict()
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise StoreError("the weights are not this model's: remove the run's folder and run again")
    model.load_state_dict(tensors)


def parse(content: bytes, where: Path) -> dict[str, Tensor]:
    """Tensors from safetensors bytes.

    Raises:
        StoreError: It is no such file, or its header is larger than any of ours.
    """
    try:
        if len(content) < 8 or struct.unpack("<Q", content[:8])[0] > HEADER_LIMIT:
            raise StoreError(f"{where}: not weights of ssrun: its header is missing or huge")
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise StoreError(f"{where}: damaged: {str(error)[:80]}") from None


def save_checkpoint(
    folder: Path, run: str, model: Seq2Seq, optimiser: torch.optim.Adam, totals: dict[str, Any]
) -> None:
    """Writes a checkpoint, payload first, and removes all but the last KEPT.

    Args:
        folder: The run's.
        run: The run's id.
        model: The weights.
        optimiser: The moments.
        totals: What else goes on, with `step`, the next step.
    """
    payload = save(state(model, optimiser))
    path = folder / f"checkpoint-{totals['step']:010d}.safetensors"
    write(path, payload)
    document = {**totals, "run": run, "payload": digest(payload)}
    write(path.with_suffix(".json"), canonical({**document, "digest": digest(canonical(document))}))
    for old in sorted(folder.glob("checkpoint-*.safetensors"))[:-KEPT]:
        old.with_suffix(".json").unlink(missing_ok=True)
        old.unlink()


def last_checkpoint(folder: Path, run: str) -> tuple[dict[str, Any] | None, dict[str, Tensor], list[str]]:
    """The newest good checkpoint of this run.

    Returns:
        Its totals (None where there is none), its tensors, and what is wrong with each newer one.
    """
    faults: list[str] = []
    for path in sorted(folder.glob("checkpoint-*.json"), reverse=True):
        try:
            document = read_json(path)
            own = document.pop("digest", None)
            if own != digest(canonical(document)):
                raise StoreError(f"{path}: damaged: its digest does not match")
            payload = read_bytes(path.with_suffix(".safetensors"), SIZE_LIMIT)
            if document["run"] != run or document["payload"] != digest(payload):
                raise StoreError(f"{path.with_suffix('.safetensors')}: damaged: its digest does not match")
            return document, parse(payload, path), faults
        except StoreError as error:
            faults.append(str(error))
    return None, {}, faults
