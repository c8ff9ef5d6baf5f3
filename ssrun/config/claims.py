"""What somebody says of an experiment's outcome, and what was published of it. Verdicts are in `analysis.verdicts`."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from ssrun.config.run import Section
from ssrun.errors import unknown
from ssrun.metrics import METRICS
from ssrun.system.text import shown_value

Relation = Literal["lower", "higher", "equal"]  # of the left to the right
RELATIONS: dict[str, Relation] = {"<": "lower", ">": "higher", "=": "equal"}


class Operand(NamedTuple):
    """One side of a comparison: a strategy of the grid on a task of the grid."""

    strategy: str
    task: str


def at_budget(task: str, steps: int | None) -> str:
    """What a task of the grid is called at one of several budgets; as it is where there is but one."""
    return task if steps is None else f"{task}-steps-{steps}"


class Claim(Section):
    """What somebody says of the outcome."""

    text: str = Field(min_length=1, max_length=500, description="the claim, in a sentence")
    source: str = Field("", max_length=500, description="who says so, or why it should be")
    metric: str = Field(description="what is compared; see `ssrun list metrics`")
    task: str | None = Field(None, description="a task of the grid, where `order` names none itself")
    budget: int | None = Field(
        None, ge=1, description="optimiser steps after which it is claimed, one of the experiment's budgets"
    )
    order: str = Field(
        description="strategies with the direction between them: always-sampling < teacher-forcing; also a chain "
        "a < b < c, a = b for no difference beyond `within`, and strategy @ task for a comparison across tasks"
    )
    by: float = Field(0.0, ge=0, description="the least difference, in the metric's unit: by at least")
    within: float | None = Field(None, gt=0, description="the largest difference of what is =, in the metric's unit")

    def comparisons(self) -> list[tuple[Operand, Operand, Relation]]:
        """Each (left, right, relation of left to right), adjacent pairs of the chain."""
        order = f"order = {shown_value(self.order)}"
        parts = re.split(r"\s*([<>=])\s*", self.order.strip())
        if len(parts) < 3 or not all(parts):
            raise ValueError(f"{order} has no direction: write it like 'linear < teacher-forcing'")
        operands = []
        for part in parts[::2]:
            strategy, at, task = (piece.strip() for piece in part.partition("@"))
            if not task and self.task is None:
                raise ValueError(f"{order} names no task: give task = '...'")
            operands.append(Operand(strategy, at_budget(task if at else str(self.task), self.budget)))
        relations = [RELATIONS[sign] for sign in parts[1::2]]
        return [(left, right, relation) for (left, right), relation in zip(pairwise(operands), relations, strict=True)]

    def operands(self) -> list[Operand]:
        return [operand for left, right, _ in self.comparisons() for operand in (left, right)]

    @model_validator(mode="after")
    def _says_what_can_be_judged(self) -> Self:
        if self.metric not in METRICS:
            raise ValueError(unknown("metric", self.metric, METRICS))
        relations = {relation for _, _, relation in self.comparisons()}
        if "equal" in relations and self.within is None:
            raise ValueError(f"order = {shown_value(self.order)} says =: say how far apart still counts: within = 1.0")
        if "equal" not in relations and self.within is not None:
            raise ValueError(f"within = {self.within:g}: nothing is = in the order: leave it out, or write a = b")
        if relations == {"equal"} and self.by:
            raise ValueError(f"by = {self.by:g}: nothing is < or > in the order: leave it out")
        return self


class Reach(Section):
    """The score whose first reaching `steps_to_reach` and `seconds_to_reach` tell: at most so much, or at least."""

    metric: str = Field("free_running_loss", description="which score on the validation set, where one way is better")
    value: float = Field(description="the score to reach, in the metric's unit: or a better one")

    @property
    def rising(self) -> bool:
        return METRICS[self.metric].better == "higher"

    def is_met(self, value: float) -> bool:
        return value >= self.value if self.rising else value <= self.value

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        directed = [name for name, metric in METRICS.items() if metric.better != "neither"]
        if self.metric not in directed:
            raise ValueError(unknown("metric", self.metric, directed))
        least, most = METRICS[self.metric].least, METRICS[self.metric].most
        if not least <= self.value <= most or self.value == (least if self.rising else most):
            raise ValueError(
                f"value = {self.value:g}: {self.metric} lies from {least:g} to {most:g}: give one to reach"
            )
        return self


class Published(Section):
    """Numbers of a publication, shown beside ours and never mixed with them."""

    source: str = Field(description="which table of which paper")
    metrics: list[str] = Field(description="its columns, in its words")
    rows: dict[str, list[float | str]] = Field(description="its numbers, by a strategy of the grid")
