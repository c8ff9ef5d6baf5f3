"""One of each kind that a package of one's own can add to ssrun."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ssrun.config.spec import RunSpec
from ssrun.engines import Options
from ssrun.metrics import Metric
from ssrun.runs.events import Update
from ssrun.strategies import Entry, Strategy
from ssrun.strategies.schedules import Schedule
from ssrun.tasks import Example, OutputMetric, Tokens
from ssrun.tasks.symbols import SymbolTask


class Rotate(SymbolTask):
    """The target is the source, its first symbols moved to its end: what is said first stands in the middle."""

    name: Literal["rotate"] = "rotate"
    by: int = Field(2, ge=0, le=10_000, description="how many symbols move")

    def answer(self, source: Tokens) -> Tokens:
        start = self.by % len(source)
        return (*source[start:], *source[:start])


class Cosine(Schedule):
    """epsilon(i) = end + (1 - end) (1 + cos(pi i / N)) / 2: level at first and at last, steep between."""

    formula: ClassVar[str] = "ε(i) = end + (1 - end) · (1 + cos(π · i / N)) / 2"

    name: Literal["cosine"] = "cosine"
    end: float = Field(0.0, ge=0, le=1, allow_inf_nan=False, description="epsilon at the end of the run")

    def __call__(self, step: int, steps: int) -> float:
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * step / steps)) / 2


COSINE_SEQUENCE = Entry(
    Strategy(schedule=Cosine(), coin="sequence"), "a smooth change, one coin a sequence", "an example"
)


def length_ratio(examples: Sequence[Example], outputs: Sequence[Tokens]) -> float:
    """Tokens of the outputs to those of the targets."""
    return sum(map(len, outputs)) / sum(len(example.target) for example in examples)


LENGTH_RATIO = OutputMetric(Metric(length_ratio.__doc__ or "", "1", "neither", "length ratio"), length_ratio)


def one_by_one(runs: Sequence[RunSpec], store: Path, options: Options) -> Iterator[Update]:
    """An engine: the runs in this process, in their order."""
    from ssrun.runs.execution import execute
    from ssrun.runs.folder import RunFolder

    for run in runs:
        for event in execute(run.config, RunFolder.of(store, run.name), options.checkpoint_every):
            yield Update(run.name, event)
