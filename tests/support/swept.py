"""Planted comparisons over a sweep: every run's value is said by a function of its settings."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from ssrun.analysis.comparison import summarise
from ssrun.analysis.document import Comparison
from tests.support.outcomes import COMMAND, experiment, outcomes

STRATEGIES = ("teacher-forcing", "always-sampling", "uniform", "linear", "exponential", "inverse-sigmoid")
Value = Callable[[Mapping[str, Any], str, int], float]  # of settings by path, strategy and seed


def swept(
    sweep: Mapping[str, Sequence[Any]],
    value: Value,
    strategies: Sequence[str] = STRATEGIES,
    seeds: int = 6,
    metric: str = "bleu",
    tasks: Sequence[str] = ("reverse",),
    walk_share: float = 0.0,
) -> Comparison:
    """The comparison of runs with these values of one metric; the walk share is of all but the first strategy."""
    asked = experiment(
        strategies, seeds, sweep=dict(sweep), metrics=[metric], tasks={task: {"base": "reverse"} for task in tasks}
    )
    frames = []
    for task, cell in asked.grid.items():
        values = {name: {metric: [value(cell.settings, name, seed) for seed in range(seeds)]} for name in strategies}
        losses = {"free_running_loss": [1.0] * seeds, "teacher_forced_loss": [1.0] * seeds}
        losses["exposure_gap"] = [0.0] * seeds
        frames.append(outcomes({name: {**losses, **of} for name, of in values.items()}, task))
    found = pd.concat(frames, ignore_index=True)
    found["walk_share"] = [0.0 if name == strategies[0] else walk_share for name in found["strategy"]]
    return summarise(asked, found, COMMAND, [])


def crossing_curves(settings: Mapping[str, Any], strategy: str, seed: int) -> float:
    """BLEU whose difference from teacher forcing grows with the budget, of some strategies beyond zero."""
    noise = random.Random(f"{settings} {strategy} {seed}").gauss(0, 1.2)
    budget = settings["training.steps"] / 1000
    rank = STRATEGIES.index(strategy)
    return 90 - 8 / budget + noise if not rank else 90 - 8 / budget - (30 - 5 * rank) / (1 + 2 * budget) + rank + noise


def islands(settings: Mapping[str, Any], strategy: str, seed: int) -> float:
    """BLEU whose difference from teacher forcing is large in a corner of the map, and turns in the other."""
    noise = random.Random(f"{settings} {strategy} {seed}").gauss(0, 1.5)
    first, second = (float(value) for value in settings.values())
    return 70 + noise + (STRATEGIES.index(strategy) * (0.3 - second) * 8000 / (first + 800))
