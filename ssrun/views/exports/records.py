"""What is exported of a run: all that its files say of it, the same for every tracker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ssrun.analysis.document import Comparison, RunValues
from ssrun.config.overrides import by_path
from ssrun.config.run import PLACES, RunConfig
from ssrun.config.spec import LABEL, RunName
from ssrun.errors import StoreError
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import FILE, read_manifest
from ssrun.runs.result import CompleteResult, Evaluation
from ssrun.runs.results_folder import TABLE, store_of
from ssrun.system.documents import canonical
from ssrun.system.files import digest
from ssrun.system.text import visible

TRAINING = ("epsilon", "realised_epsilon", "replaced", "training_loss", "seconds")  # of an evaluation, by training
Value = bool | int | float | str | None


@dataclass(frozen=True)
class Record:
    """A run of a comparison.

    Attributes:
        values: What the comparison says of it.
        id: What tells it from other runs of these labels and this seed: the short ids of its weights and scoring.
        weights: The sha256 of what decides its weights; empty where only tables are kept.
        reason: Why it is not complete.
        about: What the comparison says of itself: `experiment`, `question`, `command`.
        parameters: Its configuration by path, such as `model.hidden`; nothing that says where something lies.
        evaluations: On the validation set, as far as it came.
        step: Optimiser steps behind the weights that the test metrics are of.
        seconds: Of work on it.
        began: When its folder was made, or else its table, in seconds since 1970.
        folder: Where its files lie, if they do.
    """

    values: RunValues
    id: str
    about: dict[str, str]
    weights: str = ""
    reason: str = ""
    parameters: dict[str, Value] = field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()
    step: int = 0
    seconds: float = 0.0
    began: float = 0.0
    folder: RunFolder | None = None

    @property
    def title(self) -> str:
        return f"{self.values.task} / {self.values.strategy} / seed {self.values.seed}"

    @property
    def name(self) -> str:
        """What it is called everywhere: a path of three folders, which leads nowhere else, whatever the labels are."""
        task, strategy = map(folder_name, (self.values.task, self.values.strategy))
        return f"{task}/{strategy}/seed-{self.values.seed}-{self.id}"

    @property
    def metrics(self) -> dict[str, float]:
        """On the test set, by name: the numbers of `runs.csv`."""
        return {name: self.values.metrics[name] for name in METRICS if name in self.values.metrics}

    @property
    def labels(self) -> dict[str, str]:
        """What it is, where it comes from and how it ended, as text that steers nothing; none of it empty."""
        values = self.values
        found = {"run": self.name, "weights": self.weights, **self.about, "task": values.task}
        found |= {"strategy": values.strategy, "seed": str(values.seed), "status": values.status, "reason": self.reason}
        found |= {name: str(flag).lower() for name in FLAGS if (flag := getattr(values, name)) is not None}
        return {name: visible(text) for name, text in found.items() if text}

    def curves(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Of every evaluation its step and its numbers by `training/<name>` and `<set>/<name>`, as `set_of` says."""
        for evaluation in self.evaluations:
            fields: dict[str, Any] = dict(evaluation)
            found = {f"training/{name}": float(fields[name]) for name in TRAINING}
            measured = [name for name in METRICS if name in fields and name not in TRAINING]
            yield evaluation.step, found | {f"{set_of(evaluation)}/{name}": float(fields[name]) for name in measured}

    @property
    def tested(self) -> dict[str, float]:
        """The test metrics by `test/<name>`."""
        return {f"test/{name}": value for name, value in self.metrics.items()}

    @cached_property
    def digest(self) -> str:
        """Of everything that is exported: what is there with another one is of an earlier state of the run."""
        return digest(canonical([self.labels, self.parameters, self.metrics, self.step, list(self.curves())]))


FLAGS = ("converged", "reached")


def set_of(evaluation: Evaluation) -> str:
    """The pairs that were scored: `validation`, or `validation-first-50` where it was a part, for the curve alone."""
    return "validation" if evaluation.pairs is None else f"validation-first-{evaluation.pairs}"


def folder_name(label: str) -> str:
    """A label as a folder's name: itself, or where it might lead elsewhere, what is harmless of it and its digest."""
    if re.fullmatch(LABEL, label):
        return label
    harmless = re.sub(r"[^A-Za-z0-9_-]+", "-", label).strip("-")[:40]
    return f"{harmless or 'label'}-{digest(label.encode(errors='surrogatepass'))[:10]}"


def are_kept(results: Path) -> bool:
    """Whether only the tables of a comparison are here, as `comparison_in` sees it, and not its runs."""
    return not (results / FILE).is_file() and (results / TABLE).is_file()


def records(results: Path, comparison: Comparison) -> Iterator[Record]:
    """The runs of the comparison that lies in this folder, in its order.

    Raises:
        StoreError: A run is damaged, or two are the same.
    """
    about = {name: getattr(comparison, name) for name in ("experiment", "question", "command")}
    seen: set[str] = set()
    found = kept(results, comparison, about) if are_kept(results) else stored(results, comparison, about)
    for record in found:
        if record.name in seen:
            raise StoreError(f"{results}: holds {record.title} twice: run its command again")
        seen.add(record.name)
        yield record


def kept(results: Path, comparison: Comparison, about: dict[str, str]) -> Iterator[Record]:
    """Runs of which only the table tells."""
    began = (results / TABLE).stat().st_mtime
    for values in comparison.runs:
        labels = [comparison.plan or comparison.experiment, values.task, values.strategy, values.seed]
        parameters = {**values.settings, "seed": values.seed}
        yield Record(values, digest(canonical(labels))[:10], about, parameters=parameters, began=began)


def stored(results: Path, comparison: Comparison, about: dict[str, str]) -> Iterator[Record]:
    """Runs whose folders are there, or at least could be."""
    store = store_of(results)
    reasons = {(fault.task, fault.strategy, fault.seed): fault.reason for fault in comparison.faults}
    for name, values in zip(read_manifest(results).runs, comparison.runs, strict=True):
        yield from_folder(RunFolder.of(store, name), name, values, about, reasons.get(name[:3], ""))


def from_folder(folder: RunFolder, name: RunName, values: RunValues, about: dict[str, str], reason: str) -> Record:
    run_id = f"{name.place.rpartition('-')[2]}-{name.scoring}"
    if not (folder.path / "run.json").is_file():
        return Record(values, run_id, about, reason=reason, folder=folder)
    config = folder.config() if folder.complete else folder.weights_config()
    evaluations = folder.evaluations() if (folder.path / "metrics.jsonl").is_file() else []
    result = folder.result() if folder.trained else None
    last = (evaluations[-1].step, evaluations[-1].seconds) if evaluations else (0, 0.0)
    step, seconds = (result.steps, result.seconds) if result else last
    if isinstance(result, CompleteResult) and result.selected_step is not None:
        step = result.selected_step
    return Record(
        values,
        run_id,
        about,
        config.weights_id,
        reason,
        parameters_of(config),
        tuple(evaluations),
        step,
        seconds,
        (folder.path / "run.json").stat().st_mtime,
        folder,
    )


def parameters_of(config: RunConfig) -> dict[str, Value]:
    """Every field by path, but for those that say where something lies on this machine."""
    hidden = {section: set(fields) for section, fields in PLACES.items()}
    found = by_path(config.model_dump(mode="json", exclude=hidden))
    return {name: visible(value) if isinstance(value, str) else value for name, value in found.items()}
