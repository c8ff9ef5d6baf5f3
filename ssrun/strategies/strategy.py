"""A strategy is data: schedule x coin x feed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ssrun.strategies.schedules import AnySchedule
from ssrun.system.fields import Fields

Coin = Literal["token", "sequence", "batch"]
Feed = Literal["sample", "argmax", "uniform-token"]


class Strategy(Fields):
    """How decoder inputs are chosen in training. The first input, BOS, is never replaced."""

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


def parameters(strategy: Strategy) -> list[str]:
    """The fields of this strategy that `--set strategy.<field>=` reaches."""
    return ["coin", "feed", *(name for name in type(strategy.schedule).model_fields if name != "name")]
