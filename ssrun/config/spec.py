"""One run that is asked for: what it is called, what decides its numbers, and `run.json`, which says both."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, model_validator

from ssrun.config.run import RunConfig
from ssrun.errors import UsageError
from ssrun.system.documents import VERSION, Document, read_as

LABEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
Label = Annotated[str, Field(pattern=f"^{LABEL}$")]  # leads nowhere but into its own folder
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
ShortId = Annotated[str, Field(pattern="^[0-9a-f]{10}$")]


class RunName(NamedTuple):
    """What a run is called: the names that a comparison gives to its task and strategy, its seed, its id."""

    task: Label
    strategy: Label
    seed: Seed
    id: ShortId  # the first ten hexadecimal digits of its configuration's sha256

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


class RunDocument(Document):
    """`run.json`: a run, as it is kept in its folder and handed to a worker.

    Attributes:
        run: The configuration's id, whole.
        seed: The configuration's, for readers.
    """

    store: int = VERSION
    run: str
    task: Label
    strategy: Label
    seed: Seed
    config: RunConfig

    @model_validator(mode="after")
    def _is_its_own(self) -> Self:
        if (self.run, self.seed) != (self.config.id, self.config.seed):
            raise ValueError("the configuration does not match its id")
        return self

    @classmethod
    def of(cls, spec: RunSpec) -> RunDocument:
        name, config = spec
        return cls(run=config.id, task=name.task, strategy=name.strategy, seed=name.seed, config=config)

    @property
    def spec(self) -> RunSpec:
        return RunSpec.of(self.task, self.strategy, self.config)


def read_run(fields: dict[str, Any], where: Path) -> RunSpec:
    """The run of a `run.json`'s fields, or a StoreError as `read_as`."""
    return read_as(where, fields, RunDocument, "remove the run's folder").spec


def label(name: object) -> str:
    """The name, if it is safe as a folder's, or a UsageError."""
    if not isinstance(name, str) or not re.fullmatch(LABEL, name):
        raise UsageError(
            f"{ascii(name)[:70]} cannot name a folder: use 1 to 64 letters, digits, '.', '_', '-', the first no sign"
        )
    return name
