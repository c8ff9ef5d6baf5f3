"""RunConfig: everything that decides a run's numbers, every default and every check.

What cannot change a number (where runs go, how many at once, checkpoints) is no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from ssrun.errors import UsageError, unknown
from ssrun.metrics import NOT_ALWAYS, OF_EVERY_TASK
from ssrun.strategies import SCHEDULES, STRATEGIES, KeptSchedule, Strategy
from ssrun.strategies.strategy import told_needs
from ssrun.system.documents import canonical
from ssrun.system.fields import Fields, deciding_fields, later
from ssrun.system.files import digest
from ssrun.system.plugins import NAME, Plugin, Registry
from ssrun.system.text import shown_value
from ssrun.tasks import TASKS, KeptTask, Task

BodyName = Literal["lstm", "gru", "rnn", "transformer"]
NormName = Literal["none", "layer", "batch"]
OutputName = Literal["softmax", "negative-sampling", "hierarchical"]
Attention = Literal["none", "dot", "general", "aligned"]
RateDecay = Literal["none", "linear", "cosine", "inverse-sqrt"]
PLACES = {"task": {"path"}, "strategy": {"teacher"}}  # fields that say where something lies on this machine
MOST_FAULTS = 10  # of a document that are told
# What differs from the defaults, and from the task's own, where this body is trained, by dotted path.
BODY_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "transformer": {
        "model.attention": "dot",
        "training.learning_rate": 4e-3,
        "training.warmup": 100,
        "training.decay": "linear",
    }
}
# Fields of the model that only some values of others give an effect: what they need. Set in vain they are refused.
NEEDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    **{name: {"body": ("transformer",)} for name in ("heads", "positions")},
    "norm": {"body": ("lstm", "gru", "rnn")},
    "noise_words": {"output": ("negative-sampling",)},
}


class Section(Fields):
    """A part of the configuration: frozen, and without room for a field that nothing reads."""

    model_config = ConfigDict(allow_inf_nan=False)


class ModelConfig(Section):
    """The encoder-decoder. Sizes in units."""

    embedding: int = Field(64, ge=1, le=8192, description="size of a token's vector")
    hidden: int = Field(64, ge=1, le=8192, description="units a layer, in encoder and decoder")
    layers: int = Field(1, ge=1, le=8, description="layers, in encoder and decoder")
    attention: Attention = Field(
        "dot",
        description="what the readout sees of the encoder's states s: a mean weighted by h s (dot) or h W s, W learned "
        "(general); the state at its own position (aligned); nothing (none)",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="share of units dropped, one mask a sequence")
    embedding_scale: float = later(
        1.0,
        gt=0,
        le=1000,
        description="standard deviation of the initial embeddings times sqrt(embedding): 1 is N(0, 1/embedding)",
    )
    body: BodyName = later(
        "lstm",
        description="what reads the source and goes over the target: an lstm, a gru, an rnn (tanh), or a transformer "
        "(pre-norm, learned positions), whose layers read the source themselves: by attention (dot), or its last "
        "state alone (none)",
    )
    heads: int = later(4, ge=1, le=256, description="heads of a transformer's attention, which share its units")
    positions: int = later(
        512,
        ge=1,
        le=65_536,
        description="longest sequence that a transformer has positions for, EOS included: a longer pair is refused "
        "before training, and what is decoded beyond has the last position",
    )
    norm: NormName = later(
        "none",
        description="norm of each decoder layer's output: a layer's of each vector, or a batch's of each unit over all "
        "positions and sequences, padding too; a walk's statistics are then those of its one position, and a test's "
        "the running ones: a known trap",
    )
    output: OutputName = later(
        "softmax",
        description="how a token is learned: among all V (softmax); from noise words alone, drawn from the unigram of "
        "the first 10,000 training pairs to the power 3/4 (negative-sampling); down a Huffman tree over their counts "
        "(hierarchical); what is said and scored is always the exact distribution",
    )
    noise_words: int = later(20, ge=1, le=10_000, description="noise words a position, K, of negative sampling")
    embeddings: Literal["learned", "skip-gram"] = later(
        "learned",
        description="what the embeddings begin as: drawn; or vectors that skip-gram has learned of the first 10,000 "
        "training pairs, each side by itself (Mikolov et al. 2013); training goes on with either",
    )

    @property
    def weighs_positions(self) -> bool:
        """Whether attention gives each source position a weight, which can be looked at."""
        return self.attention in ("dot", "general")

    @property
    def longest(self) -> int | None:
        """Tokens of the longest sequence that it has positions for, EOS included; None where there is no such limit."""
        return self.positions if self.body == "transformer" else None

    @model_validator(mode="after")
    def _nothing_is_set_in_vain(self) -> Self:
        for name, needs in NEEDS.items():
            value = getattr(self, name)
            met = any(getattr(self, field) in values for field, values in needs.items())
            if value != type(self).model_fields[name].default and not met:
                raise ValueError(f"{name} = {shown_value(value)}: it needs {told_needs(needs)}: leave it out")
        return self

    @model_validator(mode="after")
    def _transformer_fits(self) -> Self:
        if self.body != "transformer":
            return self
        if self.attention not in ("none", "dot"):
            told = f"attention = {self.attention}: a transformer's layers read the source themselves"
            raise ValueError(f"{told}: give dot, or none")
        if self.hidden % self.heads:
            told = f"hidden = {self.hidden}: {self.heads} heads share it alike"
            raise ValueError(f"{told}: give a multiple of {self.heads}, or other heads")
        return self


class TrainingConfig(Section):
    """The loop."""

    steps: int = Field(1000, ge=1, le=1_000_000_000, description="optimiser steps")
    batch_size: int = Field(32, ge=1, le=65_536, description="pairs a step")
    learning_rate: float = Field(8e-3, gt=0, description="Adam's")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    evaluate_every: int = Field(200, ge=1, le=1_000_000_000, description="steps between evaluations")
    warmup: int = later(0, ge=0, le=1_000_000_000, description="steps over which the learning rate rises, in a line")
    decay: RateDecay = later("none", description="how the learning rate falls after the warm-up")
    label_smoothing: float = later(0.0, ge=0, lt=1, description="share of each target spread over all tokens")
    select: Literal["last", "best"] = later("last", description="the weights that are kept: of which evaluation")
    select_by: str = later("bleu", description="the validation metric that says which evaluation is best")
    patience: int = later(
        0, ge=0, le=1_000_000_000, description="evaluations without a better one, then stop; 0: never"
    )

    @property
    def watches(self) -> bool:
        """Whether the validation set decides which weights are kept, or when training ends."""
        return self.select == "best" or self.patience > 0

    @model_validator(mode="after")
    def _select_by_is_used(self) -> Self:
        if not self.watches and self.select_by != type(self).model_fields["select_by"].default:
            raise ValueError(f"select_by = {self.select_by}: it needs select = 'best' or a patience")
        return self


class ScoringConfig(Section):
    """How outputs are decoded for the quality metrics."""

    beam: int = Field(1, ge=1, le=256, description="hypotheses kept; 1 is greedy")
    length_penalty: float = Field(1.0, ge=0, le=10, description="a beam's score is log p / length^this")
    metrics: tuple[str, ...] = later(
        (), exclude_if=lambda names: not names, description="metrics of plugins by which outputs are scored"
    )

    @field_validator("metrics", mode="before")
    @classmethod
    def _a_set_of_names(cls, names: Any) -> Any:
        names = [names] if isinstance(names, str) else names
        strings = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
        return tuple(sorted({*names})) if strings else names

    @property
    def id(self) -> str:
        """Sha256 of the canonical JSON of what decides the outputs."""
        return digest(canonical(deciding_fields(self)))


class RunConfig(Section):
    """One run, whole. Two runs with equal configurations end with equal numbers on one machine.

    Attributes:
        base: The plugin's strategy that it is, or is a variant of; it decides nothing.
    """

    base: str = later("", pattern=f"^({NAME})?$", exclude_if=lambda name: not name)
    task: SerializeAsAny[Task]
    strategy: Strategy
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    scoring: ScoringConfig = ScoringConfig()
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of all random streams")

    @field_validator("task", mode="before")
    @classmethod
    def _task_by_name(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields
        name = fields.get("name")
        if not isinstance(name, str) or name not in TASKS:
            raise ValueError(unknown("task", name, TASKS))
        return (TASKS.built_in.get(name) or TASKS[name])(**fields)

    @model_validator(mode="after")
    def _select_by_is_a_metric_of_the_task(self) -> Self:
        if isinstance(self.task, KeptTask):
            return self
        has = (*OF_EVERY_TASK, *self.task.metrics, *self.task.text_metrics)
        known = [name for name in has if name not in NOT_ALWAYS]
        if self.training.select_by not in known:
            raise ValueError(f"training.select_by: {unknown('validation metric', self.training.select_by, known)}")
        return self

    @model_validator(mode="after")
    def _a_batch_has_statistics(self) -> Self:
        if self.model.norm == "batch" and self.training.batch_size == 1:
            raise ValueError("model.norm = batch: one sequence has no statistics: give training.batch_size = 2 or more")
        return self

    @model_validator(mode="after")
    def _teacher_is_named(self) -> Self:
        if self.strategy.needs_teacher and not self.strategy.teacher:
            remedy = "--set strategy.teacher=RUN, its folder; in an experiment teacher = NAME, another strategy of it"
            asks = "label" if self.strategy.label == "teacher" else "initial"
            raise ValueError(f"strategy.teacher: {asks} teacher needs a trained run: {remedy}")
        return self

    @model_validator(mode="after")
    def _noise_tells_one_token(self) -> Self:
        if self.model.output != "negative-sampling":
            return self
        strategy = self.strategy
        wholes = {
            f"strategy.label = {strategy.label}": strategy.label not in ("gold", "fed"),
            f"strategy.gradient = {strategy.gradient}": strategy.gradient != "none",
            f"strategy.objective = {strategy.objective}": strategy.objective != "likelihood",
            "strategy.gold_weight": strategy.gold_weight > 0,
            "strategy.professor_weight": strategy.professor_weight > 0,
            "training.label_smoothing": self.training.label_smoothing > 0,
        }
        if asks := [told for told, does in wholes.items() if does]:
            told = f"model.output = negative-sampling: it learns one token a position, and {asks[0]} asks for them all"
            raise ValueError(f"{told}: give hierarchical, or leave it out")
        return self

    @property
    def learns_by_output(self) -> bool:
        """Whether the output has a loss of its own for what is learned: one token a position, in the fused pass."""
        strategy = self.strategy
        one_token = strategy.label in ("gold", "fed") and not self.training.label_smoothing
        fused = strategy.objective == "likelihood" and strategy.gradient == "none"
        return self.model.output != "softmax" and one_token and fused

    @model_validator(mode="after")
    def _whole_outputs_are_not_smoothed(self) -> Self:
        if self.strategy.objective != "likelihood" and self.training.label_smoothing:
            told = f"objective {self.strategy.objective} has no labels to smooth: leave it out"
            raise ValueError(f"training.label_smoothing = {self.training.label_smoothing:g}: {told}")
        return self

    def of_seed(self, seed: int) -> Self:
        """The same run of another seed; and where its data are drawn by the run's own seed, of other data."""
        return self.model_copy(update={"seed": seed, "task": self.task.of_seed(seed)})

    @property
    def plugins(self) -> list[Plugin]:
        """Where the parts of its training come from that plugins have made."""
        named: list[tuple[Registry[Any], str]] = [
            (TASKS, self.task.name),
            (SCHEDULES, self.strategy.schedule.name),
            (STRATEGIES, self.base),
        ]
        found = (registry.origin(name) for registry, name in named if name)
        return [plugin for plugin in found if plugin]

    @property
    def kept(self) -> Self:
        """The same run as it is stored: what plugins have made as data, and nothing else changed."""
        task, strategy = self.task, self.strategy
        if task.name not in TASKS.built_in:
            task = KeptTask.model_validate(deciding_fields(task))
        if strategy.schedule.name not in SCHEDULES.built_in:
            schedule = KeptSchedule.model_validate(deciding_fields(strategy.schedule))
            strategy = strategy.model_copy(update={"schedule": schedule})
        return self.model_copy(update={"task": task, "strategy": strategy})

    @property
    def is_looked_at_first(self) -> bool:
        """Whether something is to be checked of its data before training.

        That is a teacher, what a task says of its own expert, or how long the pairs are.
        """
        kind = type(self.task)
        has_expert = (kind.expert, kind.answers) != (Task.expert, Task.answers)
        return self.strategy.needs_teacher or has_expert or self.model.longest is not None

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """Its fields by section, as `resolve` takes a layer of them and `--set` a line each; None is left out."""
        sections = self.model_dump(mode="json", exclude={"seed", "base"}, exclude_none=True)
        schedule = sections["strategy"].pop("schedule")
        sections["strategy"] = {"schedule": schedule.pop("name"), **schedule, **sections["strategy"]}
        return sections

    @property
    def id(self) -> str:
        """Sha256 of the canonical JSON of what decides the numbers."""
        return digest(canonical(deciding(self)))

    @property
    def weights_id(self) -> str:
        """The id of the same run scored greedily: what decides the weights, however they are scored in the end."""
        return self.model_copy(update={"scoring": ScoringConfig()}).id


def deciding(config: RunConfig) -> dict[str, Any]:
    """What decides a run's numbers, by section, as an id is made of it.

    The folders of a corpus and of a teacher are left out, since their digests are there, and so is a field that came
    later where it is not set: adding one changes no id.
    """
    document = deciding_fields(config)
    document.pop("base", None)
    document["task"].pop("path", None)
    if config.strategy.teacher_id:
        document["strategy"].pop("teacher", None)
    return document


Kind = TypeVar("Kind", bound=BaseModel)


def validated(kind: type[Kind], document: Any, where: str = "") -> Kind:
    """The document as `kind`, or its faults as a UsageError, a line each: path, value, remedy."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    except RecursionError:
        raise UsageError(f"{where}nested too deeply") from None
    raise UsageError(*(f"{where}{told(kind, document, fault)}" for fault in faults[:MOST_FAULTS]))


def told(kind: type[BaseModel], document: Any, fault: ErrorDetails) -> str:
    """A fault of a document in one line."""
    steps = [str(step) for step in fault["loc"]]
    if "schedule" in steps:  # and the schedule's name after it: a user knows both as the strategy
        at = steps.index("schedule")
        del steps[at : at + 2]
    path = ".".join(steps)
    reason = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"{path}: {unknown('field', steps[-1], known_fields(kind, document, steps[:-1]))}"
    value = "" if fault["type"] in ("missing", "value_error") else f" = {shown_value(fault['input'])}"
    return f"{path}{value}{': ' if path else ''}{reason[0].lower()}{reason[1:]}"


def known_fields(kind: type[BaseModel], document: Any, path: Sequence[str]) -> list[str]:
    """The fields that a document of this kind has at a path, for an error message."""
    fields: Any = kind
    for step in path:
        if fields is RunConfig and step == "task":
            fields = TASKS[document["task"]["name"]]
        elif not step.isdecimal():  # the index within a list
            annotation = fields.model_fields[step].annotation
            fields = next(part for part in (annotation, *get_args(annotation)) if hasattr(part, "model_fields"))
    return [name for name in fields.model_fields if name != "name"]
