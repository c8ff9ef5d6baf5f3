"""Exact resume: everything that the next step depends on, as safetensors with a digest beside it.

Random draws depend on the seed and the step alone (see `streams`), and so do the batches: weights, the
optimiser's moments, the step, the running totals and the length of the metrics file are the whole state;
and where a run keeps its best weights, those of the best evaluation so far.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

import torch
from pydantic import ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder
from ssrun.runs.model_selection import Selection
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.training import Step
from ssrun.system.documents import Count, Document, Number, read_sealed, write_sealed
from ssrun.system.environment import Environment
from ssrun.system.files import digest, read_bytes, write

KEPT = 2
NOTHING: Mapping[str, Tensor] = MappingProxyType({})
HEADER_LIMIT = 2**20  # bytes of a safetensors header: ours are a few thousand
MOMENTS = ("exp_avg", "exp_avg_sq")
BEST = "best."  # before the name of a weight of the best evaluation


class Counts(NamedTuple):
    """Of decoder inputs: coins, those that said true, and inputs unlike the true tokens."""

    tossed: Count
    true: Count
    replaced: Count

    @classmethod
    def of(cls, step: Step) -> Self:
        return cls(*(int(mask.sum()) for mask in (step.inputs.tossed, step.inputs.true, step.inputs.replaced)))

    def and_those(self, more: Counts) -> Counts:
        return Counts(*map(operator.add, self, more))

    def shares(self) -> dict[str, float]:
        """Of the coins, as metrics: 0 to 1."""
        coins = max(self.tossed, 1)
        return {"realised_epsilon": self.true / coins, "replaced": self.replaced / coins}


NO_COUNTS = Counts(0, 0, 0)


class Totals(Document):
    """What a run counts as it goes. Its window is the steps since the last evaluation.

    `step` is that of the next, from 0; the loss is a sum over the window's steps, nats per position; `metrics_bytes`
    and `metrics` are the length and the digest of the file of evaluations as it was written; the selection is the best
    of them, where the run asks which that is; `environments` are those that the steps were made in, in order.
    """

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    step: Count
    run_counts: Counts
    window_counts: Counts
    window_loss: Number = Field(alias="loss")
    window_steps: Count = Field(alias="steps")
    seconds: Number
    metrics_bytes: Count
    selection: Selection | None = Field(None, exclude_if=lambda selection: selection is None)
    metrics: str = digest(b"")
    environments: tuple[Environment, ...] = ()

    def after(self, step: Step, counts: Counts) -> Self:
        """After a step that has these counts."""
        return self.model_copy(
            update={
                "step": step.step + 1,
                "run_counts": self.run_counts.and_those(counts),
                "window_counts": self.window_counts.and_those(counts),
                "window_loss": self.window_loss + step.loss,
                "window_steps": self.window_steps + 1,
            }
        )

    def going_on_in(self, environment: Environment) -> Self:
        """With this environment as the last of those that the steps are made in."""
        same = self.environments[-1:] == (environment,)
        return self if same else self.model_copy(update={"environments": (*self.environments, environment)})

    def with_new_window(self, metrics_bytes: int, metrics: str) -> Self:
        """After an evaluation, which gave the file of evaluations this length and digest."""
        new_window = {"window_counts": NO_COUNTS, "window_loss": 0.0, "window_steps": 0}
        return self.model_copy(update={**new_window, "metrics_bytes": metrics_bytes, "metrics": metrics})


AT_THE_START = Totals(
    step=0, run_counts=NO_COUNTS, window_counts=NO_COUNTS, window_loss=0.0, window_steps=0, seconds=0.0, metrics_bytes=0
)


class Sidecar(Totals):
    """What lies beside a checkpoint's tensors: the totals, the run's id and the digest of the tensors."""

    run: str
    payload: str


def weights_of(model: Seq2Seq) -> dict[str, Tensor]:
    """A copy of the weights, which training leaves as it is."""
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}


def state(model: Seq2Seq, optimiser: torch.optim.Adam, best: Mapping[str, Tensor] = NOTHING) -> dict[str, Tensor]:
    """Weights, and Adam's moments and step count for each; and the best weights, where they are kept."""
    tensors = {f"model.{name}": weight.detach().contiguous() for name, weight in model.state_dict().items()}
    tensors |= {f"{BEST}{name}": weight for name, weight in best.items()}
    for name, weight in model.named_parameters():
        for moment, value in optimiser.state[weight].items():
            tensors[f"adam.{moment}.{name}"] = value
    return tensors


def restore(model: Seq2Seq, optimiser: torch.optim.Adam, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `state` took, but for the best weights."""
    model.load_state_dict({name: tensors[f"model.{name}"] for name in model.state_dict()})
    for name, weight in model.named_parameters():
        moments = {moment: tensors[f"adam.{moment}.{name}"] for moment in ("step", *MOMENTS)}
        optimiser.state[weight] = {moment: value.to(weight.device) for moment, value in moments.items()}


def best_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The best weights that `state` took, where they are kept."""
    return {name.removeprefix(BEST): weight for name, weight in tensors.items() if name.startswith(BEST)}


def are_equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two states are the same bit for bit, so that training goes on from both alike."""
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def kept_tensors(model: Seq2Seq, with_best: bool) -> dict[str, Tensor]:
    """What a checkpoint of this model holds, by name: tensors of the right shapes."""
    tensors = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    if with_best:
        tensors |= {f"{BEST}{name}": weight for name, weight in model.state_dict().items()}
    for name, weight in model.named_parameters():
        tensors |= {f"adam.{moment}.{name}": weight for moment in MOMENTS}
        tensors[f"adam.step.{name}"] = torch.empty(())
    return tensors


def bytes_of(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def read_tensors(path: Path, expected: Mapping[str, Tensor], known: object) -> dict[str, Tensor]:
    """The tensors of a safetensors file of this `known` digest, StoreError where it is damaged or holds anything else.

    They must have the names, shapes and types of those that are expected, which also bound the file's size.
    """
    content = read_bytes(path, bytes_of(expected) + HEADER_LIMIT)
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
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def save_checkpoint(
    folder: RunFolder,
    run: str,
    model: Seq2Seq,
    optimiser: torch.optim.Adam,
    totals: Totals,
    best: Mapping[str, Tensor] = NOTHING,
) -> None:
    """Writes a checkpoint, payload first, and removes all but the last KEPT up to it; later ones were refused."""
    payload = save(state(model, optimiser, best))
    path = folder.path / f"checkpoint-{totals.step:010d}.safetensors"
    write(path, payload)
    fields = {**dict(totals), "run": run, "payload": digest(payload)}
    write_sealed(path.with_suffix(".json"), Sidecar.model_validate(fields))
    kept = sorted(left.stem for left in folder.path.glob("checkpoint-*.json") if left.stem <= path.stem)[-KEPT:]
    for left in folder.path.glob("checkpoint-*"):
        if left.stem not in kept:
            with suppress(OSError):  # gone already, or something else of that name
                left.unlink()


def last_checkpoint(
    folder: RunFolder, run: str, model: Seq2Seq, steps: int, keeps_best: bool = False
) -> tuple[Totals, dict[str, Tensor], list[str]]:
    """The newest good checkpoint of a run: its own files are whole, and the evaluations up to it.

    Returns:
        Its totals (those of the start where there is none), its tensors, and what is wrong with each newer one.
    """
    faults: list[str] = []
    for path in sorted(folder.path.glob("checkpoint-*.json"), reverse=True):
        try:
            sidecar = read_sealed(path, Sidecar, "not used")
            if sidecar.step > steps:
                raise StoreError(f"{path}: not the totals of this run")
            if sidecar.run != run or sidecar.metrics != folder.digest_of_evaluations(sidecar.metrics_bytes):
                raise StoreError(f"{folder.path / 'metrics.jsonl'}: damaged: not the metrics of {path.name}")
            expected = kept_tensors(model, keeps_best and sidecar.selection is not None)
            return sidecar, read_tensors(path.with_suffix(".safetensors"), expected, sidecar.payload), faults
        except StoreError as error:
            faults.append(str(error))
    return AT_THE_START, {}, faults
