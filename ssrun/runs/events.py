"""What happens to a run while it goes on: the words in which engines tell it and views take it in."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, TypeAdapter

from ssrun.config.spec import RunName
from ssrun.runs.result import CompleteResult, Evaluation, OutputScores, Result, Scored
from ssrun.system.documents import Count, Document, Number


class Started(Document):
    """A worker has it now."""

    kind: Literal["started"] = "started"


class Stepped(Document):
    """A step of so many is done; told now and then, with its loss in nats per position."""

    kind: Literal["stepped"] = "stepped"
    step: Count
    steps: Count
    epsilon: Number
    loss: Number


class Evaluated(Document):
    """The validation set was scored."""

    kind: Literal["evaluated"] = "evaluated"
    evaluation: Evaluation


class Warned(Document):
    """Something that a person should know; the run goes on."""

    kind: Literal["warned"] = "warned"
    text: str


class Postponed(Document):
    """Another process has this run: it is asked for again later."""

    kind: Literal["postponed"] = "postponed"


class Retried(Document):
    """Its worker died, or runs that it was trained with failed: it is tried again, from its checkpoint."""

    kind: Literal["retried"] = "retried"
    reason: str


class Finished(Document):
    """It has its result, and where it is complete, its scores."""

    kind: Literal["finished"] = "finished"
    result: Annotated[Result, Field(discriminator="status")]
    scores: OutputScores | None = None

    @property
    def scored(self) -> Scored | None:
        """The complete run; None where it diverged."""
        if isinstance(self.result, CompleteResult) and self.scores:
            return Scored(self.result, self.scores)
        return None


class Failed(Document):
    """It is given up."""

    kind: Literal["failed"] = "failed"
    reason: str


Event = Annotated[
    Started | Stepped | Evaluated | Warned | Postponed | Retried | Finished | Failed, Field(discriminator="kind")
]


class Update(NamedTuple):
    """An event, and whose it is."""

    run: RunName
    event: Event


UPDATE: TypeAdapter[Update] = TypeAdapter(Update)
