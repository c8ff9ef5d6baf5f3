"""Tuning: what is tried of each strategy before strategies are compared, as many trials for each.

The settings that are best on the validation set, over the tuning seeds, are the strategy's own; the comparison is
judged on the test set, on other seeds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product
from random import Random
from typing import Any

from pydantic import Field, model_validator

from ssrun.config.grid import Seeds, Sweep
from ssrun.config.overrides import given
from ssrun.config.run import Section
from ssrun.errors import UsageError, unknown
from ssrun.metrics import METRICS
from ssrun.system.text import plural

Setting = dict[str, Any]  # values of fields, by path


class Tune(Section):
    """`[tune]`: a grid of settings, and how the best of them is found."""

    grid: Sweep = Field(description='values to try, by path: "training.learning_rate" = [4e-3, 8e-3]', min_length=1)
    metric: str = Field("bleu", description="the metric of the validation set by which the best is chosen")
    seeds: Seeds = Field(description="those of the trials: none that the comparison is judged on")
    trials: int | None = Field(
        None, ge=1, description="settings tried of each strategy, drawn from its grid; as many as the smallest grid has"
    )

    @model_validator(mode="after")
    def _is_known(self) -> Tune:
        if self.metric not in METRICS:
            raise ValueError(f"metric: {unknown('metric', self.metric, METRICS)}")
        if METRICS[self.metric].better == "neither":
            raise ValueError(f"metric = {self.metric}: neither more nor less of it is better: choose another")
        return self

    def without(self, paths: Collection[str]) -> Tune | None:
        """The same without fields that are set already; None where nothing is left to try."""
        grid = {path: values for path, values in self.grid.items() if path not in paths}
        return self.model_copy(update={"grid": grid}) if grid else None

    def settings(self, known: Mapping[tuple[str, str], Collection[str]]) -> dict[tuple[str, str], list[Setting]]:
        """What is tried of each task and strategy: as many settings each, of the fields of the grid that it has.

        Where its grid has more they are drawn from it, without replacement (random search: Bergstra and Bengio 2012).

        Args:
            known: The paths of the fields that each task and strategy has.

        Raises:
            UsageError: One has fewer settings than are asked for, or a field is none of anybody's.
        """
        for path in self.grid:
            if not any(path in has for has in known.values()):
                raise UsageError(f"tune.grid: {path}: no run here has such a field: see `ssrun list fields`")
        grids = {pair: settings_of(self.grid, has) for pair, has in known.items()}
        fewest = min(grids, key=lambda pair: len(grids[pair]))
        wanted = self.trials or len(grids[fewest])
        if wanted > len(grids[fewest]):
            task, strategy = fewest
            told = f"{strategy} on {task} has {plural(len(grids[fewest]), 'setting')}"
            raise UsageError(f"tune.trials = {wanted}: {told}: try fewer, or widen the grid by a field that it has")
        return {pair: drawn(grid, wanted, "/".join(pair)) for pair, grid in grids.items()}


def settings_of(grid: Mapping[str, list[Any]], known: Collection[str]) -> list[Setting]:
    """Every setting of the fields of a grid that are known."""
    own = {path: values for path, values in grid.items() if path in known}
    return [dict(zip(own, values, strict=True)) for values in product(*own.values())]


def drawn(settings: list[Setting], count: int, key: str) -> list[Setting]:
    """So many of them, in their order; the same for the same key."""
    chosen = sorted(Random(f"tune/{key}").sample(range(len(settings)), count))
    return [settings[index] for index in chosen]


def words_of(setting: Mapping[str, Any]) -> str:
    """A setting in words: `learning_rate 0.008, end 0.5`."""
    return ", ".join(f"{path.rpartition('.')[2]} {given(value)}" for path, value in setting.items()) or "as it is"
