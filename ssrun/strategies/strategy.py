"""A strategy is data: schedule x coin x feed."""

from __future__ import annotations

from typing import Literal

from ssrun.strategies.schedules import AnySchedule
from ssrun.system.fields import Fields

Coin = Literal["token", "sequence", "batch"]
Feed = Literal["sample", "argmax", "uniform-token"]


class Strategy(Fields):
    """How decoder inputs are chosen in training.

    Attributes:
        schedule: epsilon over training, the probability of feeding the true previous token.
        coin: One coin per `token` of each sequence (the paper's), per `sequence` (its footnote 2),
            or one for the whole `batch`. The first input, BOS, is never replaced.
        feed: What replaces a true token: a `sample` of the model's distribution, its `argmax`,
            or a `uniform-token`, drawn uniformly from the vocabulary's real tokens.
    """

    schedule: AnySchedule
    coin: Coin = "token"
    feed: Feed = "sample"


def parameters(strategy: Strategy) -> list[str]:
    """The fields of this strategy that `--set strategy.<field>=` reaches."""
    return ["coin", "feed", *(name for name in type(strategy.schedule).model_fields if name != "name")]
