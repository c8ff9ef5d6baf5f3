"""eta over training: the learning rate, a function of the step alone, as epsilon is.

i is the optimiser step, from 0; n the number of steps of the run; w those of the warm-up; eta the rate at its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ssrun.config.run import RateDecay, TrainingConfig


class Decay(NamedTuple):
    """How eta falls after the warm-up.

    Attributes:
        share: Of eta, from i >= w, w and n.
        stretched: Whether n has a part in it.
    """

    share: Callable[[int, int, int], float]
    stretched: bool


DECAYS: dict[RateDecay, Decay] = {
    "none": Decay(lambda i, w, n: 1.0, stretched=False),
    "linear": Decay(lambda i, w, n: (n - i) / (n - w), stretched=True),
    # Loshchilov and Hutter 2017, one cycle
    "cosine": Decay(lambda i, w, n: (1 + math.cos(math.pi * (i - w) / (n - w))) / 2, stretched=True),
    # Vaswani et al. 2017, section 5.3
    "inverse-sqrt": Decay(lambda i, w, n: math.sqrt(max(w, 1) / (i + 1)), stretched=False),
}


def learning_rate(step: int, training: TrainingConfig) -> float:
    """eta(i): eta (i + 1) / w in the warm-up, then eta times its decay; positive at every step of the run."""
    if step < training.warmup:
        return training.learning_rate * (step + 1) / training.warmup
    return training.learning_rate * DECAYS[training.decay].share(step, training.warmup, training.steps)
