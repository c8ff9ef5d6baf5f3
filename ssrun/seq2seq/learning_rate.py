"""eta over training: the learning rate, a function of the step alone, as epsilon is.

i is the optimiser step, from 0; n the number of steps of the run; w those of the warm-up; eta the rate at its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ssrun.config.run import RateDecay, TrainingConfig

DECAYS: dict[RateDecay, Callable[[int, int, int], float]] = {  # of i >= w, w and n: the share of eta
    "none": lambda i, w, n: 1.0,
    "linear": lambda i, w, n: (n - i) / (n - w),
    "cosine": lambda i, w, n: (1 + math.cos(math.pi * (i - w) / (n - w))) / 2,  # Loshchilov and Hutter 2017, one cycle
    "inverse-sqrt": lambda i, w, n: math.sqrt(max(w, 1) / (i + 1)),  # Vaswani et al. 2017, section 5.3
}


def learning_rate(step: int, training: TrainingConfig) -> float:
    """eta(i): eta (i + 1) / w in the warm-up, then eta times its decay; positive at every step of the run."""
    if step < training.warmup:
        return training.learning_rate * (step + 1) / training.warmup
    return training.learning_rate * DECAYS[training.decay](step, training.warmup, training.steps)
