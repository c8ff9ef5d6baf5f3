"""A strategy is data: schedule x coin x feed."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from ssrun.strategies.schedules import EXACT_STEPS, AnySchedule, spread
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
    return ["coin", "feed", *(name for name in type(strategy.schedule).model_fields if name != "name")]
