"""RunConfig: everything that decides a run's numbers, every default and every check.

What cannot change a number (where runs go, how many at once, checkpoints) is no part of it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator

from ssrun.errors import UsageError, unknown
from ssrun.strategies import Strategy, variant
from ssrun.tasks import TASKS, Task

Attention = Literal["none", "dot", "aligned"]


class Section(BaseModel):
    """A part of the configuration: frozen, and without room for a field that nothing reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelConfig(Section):
    """The encoder-decoder. Sizes in units."""

    embedding: int = Field(64, ge=1, le=8192, description="size of a token's vector")
    hidden: int = Field(64, ge=1, le=8192, description="LSTM units a layer, in encoder and decoder")
    layers: int = Field(1, ge=1, le=8, description="LSTM layers, in encoder and decoder")
    attention: Attention = Field("dot", description="what the readout sees of the encoder's states")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of units dropped, one mask a sequence")


class TrainingConfig(Section):
    """The loop."""

    steps: int = Field(1000, ge=1, le=1_000_000_000, description="optimiser steps")
    batch_size: int = Field(32, ge=1, le=65_536, description="pairs a step")
    learning_rate: float = Field(8e-3, gt=0, description="Adam's")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    evaluate_every: int = Field(200, ge=1, le=1_000_000_000, description="steps between evaluations")


class ScoringConfig(Section):
    """How outputs are decoded for the quality metrics."""

    beam: int = Field(1, ge=1, le=256, description="hypotheses kept; 1 is greedy")
    length_penalty: float = Field(1.0, ge=0, le=10, description="a beam's score is log p / length^this")


class RunConfig(Section):
    """One run, whole. Two runs with equal configurations end with equal numbers on one machine."""

    task: SerializeAsAny[Task]
    strategy: Strategy
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    scoring: ScoringConfig = ScoringConfig()
    seed: int = Field(0, ge=0, le=2**31 - 1)

    @field_validator("task", mode="before")
    @classmethod
    def _task_by_name(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields
        name = fields.get("name")
        if not isinstance(name, str) or name not in TASKS:
            raise ValueError(unknown("task", name, TASKS))
        return TASKS[name](**fields)

    @property
    def id(self) -> str:
        """Sha256 of the canonical JSON, without the place where a corpus lies (its digest is there)."""
        return hashlib.sha256(canonical(self.model_dump(mode="json", exclude={"task": {"path"}}))).hexdigest()


TOMLDecodeError = tomllib.TOMLDecodeError
MOST_DOTS = 200  # in a line of TOML
SECTIONS = ("task", "strategy", "model", "training", "scoring")
ATTENTIONS = get_args(Attention)
Overrides = Mapping[str, Mapping[str, Any]]
Document = TypeVar("Document", bound=BaseModel)


def canonical(document: Any) -> bytes:
    """The one way to write a JSON document as bytes: sorted keys, UTF-8, null and never NaN."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def resolve(task: str, strategy: str, seed: int = 0, layers: Sequence[Overrides] = ()) -> RunConfig:
    """The configuration of one run: defaults < the task's own defaults < `layers`, the later the stronger.

    Args:
        task: A name in TASKS.
        strategy: A name in STRATEGIES.
        seed: From 0.
        layers: Fields by section, such as `{"model": {"hidden": 128}}`.

    Raises:
        UsageError: What is wrong, with its path, its value and the remedy.
    """
    if task not in TASKS:
        raise UsageError(unknown("task", task, TASKS))
    merged: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for path, value in TASKS[task].defaults.items():
        section, field = path.split(".")
        merged[section][field] = value
    for layer in layers:
        for section, fields in layer.items():
            if section not in merged:
                raise UsageError(unknown("section", section, SECTIONS))
            if not isinstance(fields, Mapping):
                raise UsageError(f"{section} = {short(fields)}: a section holds fields, such as {section}.<field>")
            merged[section].update(fields)
    if merged["task"].get("name", task) != task:
        raise UsageError("task.name: name the task itself: --task NAME")
    document = {
        **merged,
        "task": {**merged["task"], "name": task},
        "strategy": variant(strategy, merged["strategy"]),
        "seed": seed,
    }
    config = validated(RunConfig, document)
    return config.model_copy(update={"task": config.task.prepared()})


def validated(kind: type[Document], document: Any, where: str = "") -> Document:
    """The document as `kind`, or its first fault as a UsageError of one line: path, value, remedy."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
    except RecursionError:
        raise UsageError(f"{where}nested too deeply") from None
    steps = [str(step) for step in fault["loc"]]
    if "schedule" in steps:  # and the schedule's name after it: a user knows both as the strategy
        at = steps.index("schedule")
        del steps[at : at + 2]
    path = ".".join(steps)
    reason = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        reason = unknown("field", steps[-1], known_fields(kind, document, steps[:-1]))
        raise UsageError(f"{where}{path}: {reason}")
    value = "" if fault["type"] in ("missing", "value_error") else f" = {short(fault['input'])}"
    colon = ": " if path else ""
    raise UsageError(f"{where}{path}{value}{colon}{reason[0].lower()}{reason[1:]}")


def known_fields(kind: type[BaseModel], document: Any, path: Sequence[str]) -> list[str]:
    """The fields that a document of this kind has at a path, for an error message."""
    fields: Any = kind
    for step in path:
        if fields is RunConfig and step == "task":
            fields = TASKS[document["task"]["name"]]
        elif not step.isdecimal():  # the place within a list
            annotation = fields.model_fields[step].annotation
            fields = next(part for part in (annotation, *get_args(annotation)) if hasattr(part, "model_fields"))
    return [name for name in fields.model_fields if name != "name"]


def short(value: object, limit: int = 60) -> str:
    """A value as an error message shows it: one line, printable, never long."""
    try:
        text = ascii(value) if not isinstance(value, str) else repr(value)
    except ValueError:  # an integer of too many digits
        return "a number of thousands of digits"
    except RecursionError:
        return "something nested too deeply"
    return text if len(text) <= limit else f"{text[:limit]}..."


def toml(text: str) -> dict[str, Any]:
    """A TOML document; ValueError where it is none, or has keys of so many parts that reading it takes minutes."""
    if any(line.count(".") > MOST_DOTS for line in text.split("\n")):
        raise ValueError(f"a line of more than {MOST_DOTS} dots")
    return tomllib.loads(text)


def parse_settings(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`["model.hidden=128", ...]` as fields by section; values are TOML, or else text.

    Raises:
        UsageError: Not of the form `section.field=value`.
    """
    layer: dict[str, dict[str, Any]] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        section, dot, field = path.strip().partition(".")
        if not equals or not dot or not field:
            raise UsageError(f"--set {short(setting)}: write it like --set model.hidden=128")
        if section not in SECTIONS:
            raise UsageError(f"--set {path}: {unknown('section', section, SECTIONS)}")
        try:
            document = toml(f"value = {text}")
        except (tomllib.TOMLDecodeError, RecursionError, ValueError):
            document = {"value": text.strip()}
        if document.keys() != {"value"}:
            raise UsageError(f"--set {short(setting)}: one field, please: repeat --set for another")
        value = document["value"]
        layer.setdefault(section, {})[field] = value
    return layer
