"""Exact resume: everything that the next step depends on, as safetensors with a digest beside it.

Random draws depend on the seed and the step alone (see `streams`), and so do the batches: weights, the
optimiser's moments, the step, the running totals and the length of the metrics file are the whole state.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ssrun.config.run import ModelConfig
from ssrun.errors import StoreError
from ssrun.seq2seq.model import Seq2Seq
from ssrun.system.documents import canonical
from ssrun.system.files import digest, read_bytes, read_json, write

KEPT = 2
HEADER_LIMIT = 2**20  # bytes of a safetensors header: ours are a few thousand
MOMENTS = ("exp_avg", "exp_avg_sq")


def state(model: Seq2Seq, optimiser: torch.optim.Adam) -> dict[str, Tensor]:
    """Weights, and Adam's moments and step count for each."""
    tensors = {f"model.{name}": weight.detach().contiguous() for name, weight in model.state_dict().items()}
    for name, weight in model.named_parameters():
        for moment, value in optimiser.state[weight].items():
            tensors[f"adam.{moment}.{name}"] = value
    return tensors


def restore(model: Seq2Seq, optimiser: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Puts back what `state` took."""
    model.load_state_dict({name: tensors[f"model.{name}"] for name in model.state_dict()})
    for name, weight in model.named_parameters():
        optimiser.state[weight] = {moment: tensors[f"adam.{moment}.{name}"] for moment in ("step", *MOMENTS)}


def kept_tensors(model: Seq2Seq) -> dict[str, Tensor]:
    """What a checkpoint of this model holds, by name: tensors of the right shapes."""
    tensors = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    for name, weight in model.named_parameters():
        tensors |= {f"adam.{moment}.{name}": weight for moment in MOMENTS}
        tensors[f"adam.step.{name}"] = torch.empty(())
    return tensors


def weight_bytes(config: ModelConfig, source_size: int, target_size: int) -> int:
    """How large a model's weights are, without building it."""
    embedding, hidden = config.embedding, config.hidden
    lstm = sum(4 * hidden * (size + hidden + 2) for size in [embedding] + [hidden] * (config.layers - 1))
    combine = 0 if config.attention == "none" else hidden * (2 * hidden + 1)
    return 4 * (2 * lstm + combine + (source_size + target_size) * embedding + target_size * (hidden + 1))


def read_tensors(path: Path, expected: Mapping[str, Tensor], known: object) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Args:
        path: The file.
        expected: Tensors of the names, shapes and types that it must have; also bounds its size.
        known: The file's digest, as it was noted.

    Raises:
        StoreError: The file is damaged, or holds anything else than what is expected.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    content = read_bytes(path, size + HEADER_LIMIT)
    if digest(content) != known:
        raise StoreError(f"{path}: damaged: its digest does not match")
    try:
        if len(content) < 8 or struct.unpack("<Q", content[:8])[0] > HEADER_LIMIT:
            raise StoreError(f"{path}: not weights of ssrun: its header is missing or huge")
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise StoreError(f"{path}: damaged: {str(error)[:80]}") from None
    if form_of(tensors) != form_of(expected):
        raise StoreError(f"{path}: the weights are not this model's: remove the run's folder and run again")
    return tensors


def form_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Each tensor's shape and type."""
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def save_checkpoint(
    folder: Path, run: str, model: Seq2Seq, optimiser: torch.optim.Adam, totals: dict[str, Any]
) -> None:
    """Writes a checkpoint, payload first, and removes all but the last KEPT up to it; later ones were refused.

    Args:
        folder: The run's.
        run: The run's id.
        model: The weights.
        optimiser: The moments.
        totals: What else goes on, with `step`, the next step, and `metrics_bytes`, the metrics' length.
    """
    payload = save(state(model, optimiser))
    path = folder / f"checkpoint-{totals['step']:010d}.safetensors"
    write(path, payload)
    metrics = digest(read_metrics(folder, totals["metrics_bytes"]))
    document = {**totals, "run": run, "payload": digest(payload), "metrics": metrics}
    write(path.with_suffix(".json"), canonical({**document, "digest": digest(canonical(document))}))
    kept = sorted(each.stem for each in folder.glob("checkpoint-*.json") if each.stem <= path.stem)[-KEPT:]
    for left in folder.glob("checkpoint-*"):
        if left.stem not in kept:
            with suppress(OSError):  # gone already, or something else of that name
                left.unlink()


def must_be_totals(path: Path, document: Mapping[str, Any], steps: int) -> None:
    """Raises StoreError where a checkpoint's totals, though their digest is right, are none of a run of `steps`."""
    counts = [document[name] for name in ("step", "steps", "metrics_bytes")]
    for name in ("run_counts", "window_counts"):
        counts += document[name] if isinstance(document[name], list) and len(document[name]) == 3 else [None]
    whole = all(type(count) is int and count >= 0 for count in counts)
    numbers = all(isinstance(document[name], int | float) for name in ("loss", "seconds"))
    if not whole or not numbers or document["step"] > steps:
        raise StoreError(f"{path}: not the totals of this run")


def read_metrics(folder: Path, size: int) -> bytes:
    """The first `size` bytes of a run's metrics."""
    path = folder / "metrics.jsonl"
    return read_bytes(path, 2**33)[:size] if size else b""


def last_checkpoint(
    folder: Path, run: str, model: Seq2Seq, steps: int
) -> tuple[dict[str, Any] | None, dict[str, Tensor], list[str]]:
    """The newest good checkpoint of this run: its own files are whole, and the metrics up to it.

    Args:
        folder: The run's.
        run: The run's id.
        model: What the tensors must fit.
        steps: Of the whole run.

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
            must_be_totals(path, document, steps)
            metrics = digest(read_metrics(folder, document["metrics_bytes"]))
            if document["run"] != run or document["metrics"] != metrics:
                raise StoreError(f"{folder / 'metrics.jsonl'}: damaged: not the metrics of {path.name}")
            tensors = read_tensors(path.with_suffix(".safetensors"), kept_tensors(model), document["payload"])
            return document, tensors, faults
        except StoreError as error:
            faults.append(str(error))
        except (KeyError, TypeError) as error:
            faults.append(f"{path}: not a checkpoint of this ssrun ({error})")
    return None, {}, faults
