"""One of each kind that a package of one's own can add to ssrun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ssrun.config.spec import RunSpec
from ssrun.engines import NoOptions, Options
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


class Smoothstep(Schedule):
    """epsilon(i) = 1 - (1 - end) (3 x^2 - 2 x^3), x = i / N: level at first and at last, steep between."""

    formula: ClassVar[str] = "ε(i) = 1 - (1 - end) · (3x² - 2x³), x = i / N"

    name: Literal["smoothstep"] = "smoothstep"
    end: float = Field(0.0, ge=0, le=1, allow_inf_nan=False, description="epsilon at the end of the run")

    def __call__(self, step: float, steps: int) -> float:
        x = step / steps
        return 1 - (1 - self.end) * (3 * x**2 - 2 * x**3)


SMOOTHSTEP_SEQUENCE = Entry(
    Strategy(schedule=Smoothstep(), coin="sequence"), "a smooth change, one coin a sequence", "an example"
)


def length_ratio(examples: Sequence[Example], outputs: Sequence[Tokens]) -> float:
    """Tokens of the outputs to those of the targets."""
    return sum(map(len, outputs)) / sum(len(example.target) for example in examples)


LENGTH_RATIO = OutputMetric(Metric(length_ratio.__doc__ or "", "1", "neither", "length ratio"), length_ratio)


class OneByOne:
    """An engine: the runs in this process, in their order."""

    def check(self, options: Options) -> None:
        options.of_engine(NoOptions)

    def at_once(self, options: Options) -> str:
        return "one"

    def run(self, runs: Sequence[RunSpec], store: Path, options: Options) -> Iterator[Update]:
        from ssrun.runs.execution import execute
        from ssrun.runs.folder import RunFolder

        for run in runs:
            for event in execute(run.config, RunFolder.of(store, run.name), options.checkpoint_every, options.device):
                yield Update(run.name, event)


ONE_BY_ONE = OneByOne()
