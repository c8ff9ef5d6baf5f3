"""A strategy is data: schedule x coin x feed x label."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from ssrun.strategies.schedules import EXACT_STEPS, AnySchedule, spread
from ssrun.system.fields import Fields, later
from ssrun.system.text import shown_value

Coin = Literal["token", "sequence", "batch"]
Feed = Literal["sample", "argmax", "uniform-token"]
Label = Literal["gold", "expert", "teacher", "fed"]
LOSSES: dict[Label, str] = {  # of a position, in nats: what each label asks for; p is the model's distribution there
    "gold": "-log p(y_t)",
    "expert": "-Σ_v e(v) log p(v), e: what an expert may say after the prefix that was fed",
    "teacher": "β KL(P, M) + (1 - β) KL(p, M), M = β P + (1 - β) p, P: the teacher's",
    "fed": "-log p(x_t+1), x: what is fed",
}
OF_TEACHER = ("teacher", "teacher_id", "beta", "teacher_temperature")


class Strategy(Fields):
    """How decoder inputs are chosen in training, and what is learned from them. The first, BOS, is never replaced."""

    schedule: AnySchedule = Field(
        description="epsilon over training, the probability of feeding the true previous token"
    )
    coin: Coin = Field(
        "token",
        description="one coin a token of each sequence (the paper's), a sequence (its footnote 2), or the whole batch",
    )
    feed: Feed = Field(
        "sample",
        description="what replaces a true token: a sample of the model's distribution, its argmax, "
        "or a uniform-token, drawn uniformly from the vocabulary's real tokens",
    )
    label: Label = later(
        "gold",
        description="what is learned at a position: gold, the true token there (the paper's); what an expert may say "
        "after the prefix that was fed; a teacher's distribution there; or the fed token itself",
    )
    teacher: str = later(
        "", max_length=4096, description="the trained run that label = teacher learns from: its folder"
    )
    teacher_id: str = later(
        "", pattern="^([0-9a-f]{64})?$", description="what decides the teacher's weights; filled in"
    )
    beta: float = later(
        0.5,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="divergence from the teacher: 0 is KL(teacher, model), 1 KL(model, teacher), between them the "
        "generalised Jensen-Shannon divergence",
    )
    teacher_temperature: float = later(
        1.0, ge=0.01, le=20, allow_inf_nan=False, description="what the logits of model and teacher are divided by"
    )

    @model_validator(mode="after")
    def _teacher_is_used(self) -> Self:
        for name in OF_TEACHER:
            value = getattr(self, name)
            if self.label != "teacher" and value != type(self).model_fields[name].default:
                raise ValueError(f"{name} = {shown_value(value)}: it needs label = 'teacher'")
        return self

    def walk_share(self, steps: int) -> float:
        """The share of a run's steps in which the decoder walks through its own output to choose what it is fed.

        Those with epsilon below 1; with one coin a batch, those whose coin is expected to say so; none for random
        tokens. Exact up to EXACT_STEPS steps; of a longer run, over so many steps spread over it.
        """
        if self.feed == "uniform-token":
            return 0.0
        epsilons = (self.schedule(step, steps) for step in spread(0, steps, EXACT_STEPS))
        walks = (1 - epsilon if self.coin == "batch" else float(epsilon < 1) for epsilon in epsilons)
        return math.fsum(walks) / min(steps, EXACT_STEPS)


def parameters(strategy: Strategy) -> list[str]:
    """The fields of this strategy that `--set strategy.<field>=` reaches."""
    idle = ("schedule", *(OF_TEACHER if strategy.label != "teacher" else ()))
    own = [name for name in Strategy.model_fields if name not in idle]
    return [*own, *(name for name in type(strategy.schedule).model_fields if name != "name")]
