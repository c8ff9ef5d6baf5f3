"""What somebody says of an experiment's outcome, and what was published of it. Verdicts are in `statistics`."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from ssrun.config.run import Section
from ssrun.errors import unknown
from ssrun.metrics import METRICS
from ssrun.system.text import shown_value


class Operand(NamedTuple):
    """One side of a comparison: a strategy of the grid on a task of the grid."""

    strategy: str
    task: str


class Claim(Section):
    """What somebody says of the outcome.

    Attributes:
        source: Who says so, or why it should be.
        task: A task of the grid, where `order` names none itself.
        order: Strategies with the direction between them: `always-sampling < teacher-forcing`; also a chain
            `a < b < c`, and `strategy @ task` for a comparison across tasks.
        by: The least difference, in the metric's unit: "by at least".
    """

    text: str = Field(min_length=1, max_length=500)
    source: str = Field("", max_length=500)
    metric: str
    task: str | None = None
    order: str
    by: float = Field(0.0, ge=0)

    def comparisons(self) -> list[tuple[Operand, Operand, Literal["lower", "higher"]]]:
        """Each (left, right, direction of left), adjacent pairs of the chain."""
        order = f"order = {shown_value(self.order)}"
        parts = re.split(r"\s*([<>])\s*", self.order.strip())
        if len(parts) < 3 or not all(parts):
            raise ValueError(f"{order} has no direction: write it like 'linear < teacher-forcing'")
        operands = []
        for part in parts[::2]:
            strategy, at, task = (piece.strip() for piece in part.partition("@"))
            if not task and self.task is None:
                raise ValueError(f"{order} names no task: give task = '...'")
            operands.append(Operand(strategy, task if at else str(self.task)))
        signs: list[Literal["lower", "higher"]] = ["lower" if sign == "<" else "higher" for sign in parts[1::2]]
        return [(left, right, sign) for (left, right), sign in zip(pairwise(operands), signs, strict=True)]

    def operands(self) -> list[Operand]:
        return [operand for left, right, _ in self.comparisons() for operand in (left, right)]

    @model_validator(mode="after")
    def _has_direction(self) -> Self:
        if self.metric not in METRICS:
            raise ValueError(unknown("metric", self.metric, METRICS))
        self.comparisons()
        return self


class Reach(Section):
    """The loss whose first reaching `steps_to_reach` and `seconds_to_reach` tell."""

    metric: Literal["free_running_loss", "teacher_forced_loss"] = "free_running_loss"
    value: float = Field(gt=0)


class Published(Section):
    """Numbers of a publication, shown beside ours and never mixed with them.

    Attributes:
        source: Which table of which paper.
        metrics: Its columns, in its words.
        rows: Its numbers, by a strategy of the grid.
    """

    source: str
    metrics: list[str]
    rows: dict[str, list[float | str]]
