"""One run that is asked for: what it is called, what decides its numbers, and where that puts it in a store.

A run's folder is named by what decides its weights alone. The labels that a comparison gives it, and how its outputs
are scored, are no part of that: two comparisons that want the same weights find the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from ssrun.config.run import RunConfig, ScoringConfig, deciding
from ssrun.errors import UsageError
from ssrun.strategies import SCHEDULES, STRATEGIES, KeptSchedule
from ssrun.system.documents import VERSION, Document, canonical
from ssrun.system.files import digest
from ssrun.system.plugins import NAME, Registry
from ssrun.tasks import TASKS, KeptTask

LABEL = NAME
PLACE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
Label = Annotated[str, Field(pattern=f"^{LABEL}$")]  # leads nowhere but into its own folder
Place = Annotated[str, Field(pattern=f"^{PLACE}$")]  # within a store
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
ShortId = Annotated[str, Field(pattern="^[0-9a-f]{10}$")]
SHORT = 10  # hexadecimal digits of a sha256 in a folder's name


class RunName(NamedTuple):
    """What a run is called in a comparison, where its weights lie in a store, and which scores of them are meant."""

    task: Label
    strategy: Label
    seed: Seed
    place: Place
    scoring: ShortId

    @property
    def title(self) -> str:
        """For a heading: `reverse / inverse-sigmoid / seed 0`."""
        return f"{self.task} / {self.strategy} / seed {self.seed}"


class EverySeed:
    """A configuration that stands for all seeds, and the ids of its runs, of which the greater part is made once."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self._deciding = deciding(config.model_copy(update={"scoring": ScoringConfig()}))

    def of_seed(self, seed: int) -> RunConfig:
        return self.config.of_seed(seed)

    def weights_id(self, seed: int) -> str:
        """That of the run of this seed, `RunConfig.weights_id`."""
        if self.config.task.of_seed(seed) is not self.config.task:  # its data are the seed's
            return self.of_seed(seed).weights_id
        return digest(canonical({**self._deciding, "seed": seed}))


class RunSpec(NamedTuple):
    """One run to be done: what it is called, and everything that decides its numbers."""

    name: RunName
    config: RunConfig

    @classmethod
    def of(cls, task: str, strategy: str, config: RunConfig) -> RunSpec:
        """The run of a configuration, under these labels."""
        return cls(RunName(task, strategy, config.seed, place(config), config.scoring.id[:SHORT]), config)

    @classmethod
    def of_seeds(cls, task: str, strategy: str, config: RunConfig, seeds: Sequence[int]) -> list[RunSpec]:
        """The runs of a configuration with these seeds, under these labels."""
        every, scoring = EverySeed(config), config.scoring.id[:SHORT]
        return [
            cls(RunName(task, strategy, seed, place(own, every.weights_id(seed)), scoring), own)
            for seed in seeds
            for own in [every.of_seed(seed)]
        ]

    @classmethod
    def unlabelled(cls, config: RunConfig) -> RunSpec:
        """The run of a configuration, under the names of its task and of its strategy (or else its schedule)."""
        strategy = config.strategy.model_copy(update={"teacher": "", "teacher_id": ""})
        named = (name for name, entry in STRATEGIES.built_in.items() if entry.strategy == strategy)
        return cls.of(config.task.name, next(named, config.base or config.strategy.schedule.name), config)


def place(config: RunConfig, weights_id: str | None = None) -> str:
    """Where a run lies in a store: `reverse/inverse-sigmoid-0-1a2b3c4d5e`, at its end the seed and a digest."""
    weights_id = weights_id or config.weights_id
    return f"{config.task.name}/{config.strategy.schedule.name}-{config.seed}-{weights_id[:SHORT]}"


class RunDocument(Document):
    """`run.json`: a run, as it is kept in its folder: without `scoring`, which each of its scores names.

    Attributes:
        run: The sha256 of what decides the weights, whole.
        config: Without the code of plugins: what they have made of it is kept as data, and nothing is imported.
    """

    store: int = VERSION
    run: str
    config: RunConfig

    @field_validator("config", mode="before")
    @classmethod
    def _of_plugins_as_data(cls, config: Any) -> Any:
        return config.kept if isinstance(config, RunConfig) else as_data(config)

    @model_validator(mode="after")
    def _is_its_own(self) -> Self:
        if self.run != self.config.weights_id:
            raise ValueError("the configuration does not match its id")
        return self


def as_data(config: Any) -> Any:
    """The fields of a stored configuration, those of plugins' tasks and schedules as `Kept`."""
    if not isinstance(config, Mapping):
        return config
    task, strategy = config.get("task"), config.get("strategy")
    if is_of_plugin(task, TASKS):
        config = {**config, "task": KeptTask.model_validate(task)}
    if isinstance(strategy, Mapping) and is_of_plugin(schedule := strategy.get("schedule"), SCHEDULES):
        config = {**config, "strategy": {**strategy, "schedule": KeptSchedule.model_validate(schedule)}}
    return config


def is_of_plugin(fields: Any, registry: Registry[Any]) -> bool:
    return isinstance(fields, Mapping) and isinstance(name := fields.get("name"), str) and name not in registry.built_in


def label(name: object) -> str:
    """The name, if it is safe as a folder's, or a UsageError."""
    if not isinstance(name, str) or not re.fullmatch(LABEL, name):
        raise UsageError(
            f"{ascii(name)[:70]} cannot name a folder: use 1 to 64 letters, digits, '.', '_', '-', the first no sign"
        )
    return name
