"""What a run says of itself: its evaluations, its result, why it failed. Models of what its folder keeps."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter

from ssrun.config.run import ScoringConfig
from ssrun.metrics import METRICS
from ssrun.system.documents import VERSION, Count, Document, Number
from ssrun.system.plugins import Plugin


class Evaluation(Document):
    """One line of the metrics: where training stood, and the metrics on the validation set by name.

    Attributes:
        step: Optimiser steps done.
        pairs: How many validation pairs, from the first, where it is a cheap one for the curve; None for all.
        epsilon: Of the last of them.
        realised_epsilon: Share of coins that said true since the evaluation before.
        replaced: Share of fed tokens unlike the true ones, since then.
        training_loss: Mean over the steps since then, nats per position.
        seconds: Of work on this run.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    step: Count
    pairs: Count | None = Field(None, exclude_if=lambda pairs: pairs is None)
    epsilon: Number
    realised_epsilon: Number
    replaced: Number
    training_loss: Number
    seconds: Number
    bleu: Number
    free_running_loss: Number
    teacher_forced_loss: Number

    def value(self, name: str) -> float:
        """A field or a metric by its name; KeyError where this evaluation has none."""
        fields: dict[str, float] = dict(self)
        return fields[name]

    def has(self, name: str) -> bool:
        return name in dict(self)


class Curves(Document):
    """Errors in % by target position, from the first, under either feed; and the pairs that reach so far.

    `excess_error` is that of every length, from 1; `distractor_margin`, in nats, that of every position. Of numbers, in
    deviations: `one_step_rmse` fed the true ones, `forecast_rmse` fed its own.
    """

    next_step: list[Number]
    decoding: list[Number]
    positions: list[Number]
    excess_error: list[Number] = Field(default_factory=list, exclude_if=lambda found: not found)
    distractor_margin: list[Number] = Field(default_factory=list, exclude_if=lambda found: not found)
    one_step_rmse: list[Number] = Field(default_factory=list, exclude_if=lambda found: not found)
    forecast_rmse: list[Number] = Field(default_factory=list, exclude_if=lambda found: not found)


class OfPlugins(Document):
    """What a result keeps of a run that plugins have made, for readers that do not load them.

    Attributes:
        walk_share: `Strategy.walk_share`.
        by_position: `Task.by_position`.
    """

    walk_share: Annotated[float, Field(ge=0, le=1)]
    by_position: bool


class Outcome(Document):
    """What every result begins with.

    Attributes:
        run: The sha256 of what decides the run's weights.
        steps: Optimiser steps done.
        schedule: `k` and `half_step`, as `Schedule.resolved` gives them.
        realised_epsilon: Share of coins that said true.
        replaced: Share of fed tokens unlike the true ones.
        seconds: Of work on the run.
        files: sha256 of every file of the run, by name.
        of_plugins: Where plugins have made a part of it.
    """

    store: Literal[1] = VERSION
    run: str
    steps: Count
    schedule: dict[str, float]
    mean_epsilon: Number
    realised_epsilon: Number
    replaced: Number
    seconds: Number
    files: dict[str, str] = Field(default_factory=dict)
    of_plugins: OfPlugins | None = Field(None, exclude_if=lambda found: found is None)


class DivergedResult(Outcome):
    """Of a run whose loss was no longer a number."""

    status: Literal["diverged"] = "diverged"
    reason: str


class CompleteResult(Outcome):
    """Of a run that came to its end; its losses and errors on the test set stand beside the fields, by name.

    Attributes:
        references: Most references that a test pair has.
        selected_step: Optimiser steps done when the weights that are kept were the best; None for the last.
        facts: The task's counts.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    status: Literal["complete"] = "complete"
    free_running_loss: Number
    teacher_forced_loss: Number
    selected_step: Count | None = Field(None, exclude_if=lambda step: step is None)
    references: Count
    test_pairs: Count
    curves: Curves
    facts: dict[str, Count]


Result = CompleteResult | DivergedResult
RESULT: TypeAdapter[Result] = TypeAdapter(Annotated[Result, Field(discriminator="status")])


class OutputScores(Document):
    """`scores.json`: how good a complete run's decoded outputs are on the test set; metrics by name beside the fields.

    Attributes:
        run: As in the result.
        scoring: How the outputs were decoded.
        bleu_signature: sacreBLEU's.
        text_signatures: Those of the metrics beside BLEU, by name.
        files: sha256 of the outputs, and of the weights that gave them, by name.
        plugins: Where the metrics come from that plugins have computed.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    store: Literal[1] = VERSION
    run: str
    scoring: ScoringConfig
    bleu: Number
    bleu_signature: str
    text_signatures: dict[str, str] = Field(default_factory=dict, exclude_if=lambda found: not found)
    files: dict[str, str]
    plugins: list[Plugin] = Field(default_factory=list, exclude_if=lambda found: not found)


class Scored(NamedTuple):
    """A complete run with the scores of its outputs."""

    result: CompleteResult
    scores: OutputScores

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics that the run has, in the order of METRICS."""
        fields = {**dict(self.result), **dict(self.scores)}
        return {name: fields[name] for name in METRICS if name in fields}


class Failure(Document):
    """Why a run's last attempt failed, and how many attempts did."""

    reason: str
    attempts: Count
