"""One run of a comparison: its labels and its configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ssrun.config.run import RunConfig, validated
from ssrun.errors import StoreError, UsageError

VERSION = 1  # of what a run's folder, and the files beside it, hold
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RunName(NamedTuple):
    """What a run is called: the names that a comparison gives to its task and strategy, its seed, its id.

    Attributes:
        task: Label of the task.
        strategy: Label of the strategy.
        seed: From 0.
        id: The first ten hexadecimal digits of its configuration's sha256.
    """

    task: str
    strategy: str
    seed: int
    id: str

    @property
    def path(self) -> str:
        """The run's folder within the results: `reverse/inverse-sigmoid/seed-0-1a2b3c4d5e`."""
        return f"{self.task}/{self.strategy}/seed-{self.seed}-{self.id}"

    @property
    def title(self) -> str:
        """For a heading: `reverse / inverse-sigmoid / seed 0`."""
        return f"{self.task} / {self.strategy} / seed {self.seed}"


class RunSpec(NamedTuple):
    """One run to be done: what it is called, and everything that decides its numbers."""

    name: RunName
    config: RunConfig

    @classmethod
    def of(cls, task: str, strategy: str, config: RunConfig) -> RunSpec:
        """The run of a configuration, under these labels."""
        return cls(RunName(task, strategy, config.seed, config.id[:10]), config)


class Named(Protocol):
    """What has a folder within a folder of results."""

    @property
    def name(self) -> str:
        """The folder's path there."""


class Cell(NamedTuple):
    """One run of a comparison: a configuration, and the names that the comparison gives to its parts."""

    task: str
    strategy: str
    config: RunConfig

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.config.seed

    @property
    def name(self) -> str:
        """The run's folder within the results: `reverse/inverse-sigmoid/seed-0-1a2b3c4d5e`."""
        return f"{self.task}/{self.strategy}/seed-{self.seed}-{self.config.id[:10]}"

    def document(self) -> dict[str, Any]:
        """The cell as strict JSON."""
        return {
            "store": VERSION,
            "run": self.config.id,
            "task": self.task,
            "strategy": self.strategy,
            "seed": self.seed,
            "config": self.config.model_dump(mode="json"),
        }

    @classmethod
    def read(cls, document: Mapping[str, Any], where: Path | str) -> Cell:
        """The cell of a document; StoreError where it is none."""
        try:
            if document["store"] > VERSION:
                raise StoreError(f"{where}: written by a newer ssrun (store {document['store']}): update ssrun")
            config = validated(RunConfig, document["config"])
            cell = cls(label(document["task"]), label(document["strategy"]), config)
        except (KeyError, TypeError, UsageError) as error:
            raise StoreError(f"{where}: not a run's configuration ({error}): remove the run's folder") from None
        if config.id != document["run"]:
            raise StoreError(f"{where}: the configuration does not match its id: remove the run's folder")
        return cell


def label(name: object) -> str:
    """A name that is safe as a folder's.

    Raises:
        UsageError: It is not.
    """
    if not isinstance(name, str) or not LABEL.fullmatch(name):
        raise UsageError(
            f"{ascii(name)[:70]} cannot name a folder: use 1 to 64 letters, digits, '.', '_', '-', the first no sign"
        )
    return name
