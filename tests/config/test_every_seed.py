"""Runs of every seed at once: the names, ids and configurations that each has by itself."""

from __future__ import annotations

from typing import Any

import pytest

from ssrun.config.resolution import of_every_seed
from ssrun.config.spec import EverySeed, RunSpec

SEEDS = (0, 3, 2**31 - 1)


@pytest.mark.parametrize(
    ("task", "layer"),
    [
        ("copy", {}),
        ("reverse", {"scoring": {"beam": 4}, "model": {"dropout": 0.2}}),
        ("translation", {"task": {"data_seed": "seed"}}),
        ("translation", {"task": {"data_seed": 5}}),
    ],
)
def test_the_runs_of_a_configuration_are_those_of_each_seed_by_itself(task: str, layer: dict[str, Any]) -> None:
    config = of_every_seed(task, "linear", 7, [layer])
    assert RunSpec.of_seeds("t", "s", config, SEEDS) == [RunSpec.of("t", "s", config.of_seed(seed)) for seed in SEEDS]
    every = EverySeed(config)
    assert [every.weights_id(seed) for seed in SEEDS] == [config.of_seed(seed).weights_id for seed in SEEDS]
