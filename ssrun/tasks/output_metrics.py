"""Metrics of outputs that plugins add: computed on the test set, where a comparison or a run asks for one by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from ssrun import metrics
from ssrun.errors import UsageError, unknown
from ssrun.metrics import METRICS, Metric
from ssrun.system.documents import Document, Number
from ssrun.system.plugins import Registry
from ssrun.tasks.task import Example, Tokens

NAME = r"[a-z][a-z0-9_]{0,39}"
SHORT = r"[A-Za-z][\w .()/%-]{0,29}"  # a heading, in whatever is made of a table
UNIT = r"[\w.()/%-]{1,12}"


class OutputMetric(NamedTuple):
    """A metric with what computes it.

    Attributes:
        metric: What it is, and which way is better.
        compute: From the test pairs and the decoded outputs, in one order, its value: a finite number.
    """

    metric: Metric
    compute: Callable[[Sequence[Example], Sequence[Tokens]], float]


class Description(Document):
    """What a document keeps of a plugin's metric, so that it is read without the plugin; infinity is left out."""

    unit: Annotated[str, Field(pattern=f"^{UNIT}$")]
    better: Literal["higher", "lower", "neither"]
    short: Annotated[str, Field(pattern=f"^{SHORT}$")]
    decimals: Annotated[int, Field(ge=0, le=9)]
    least: Number | None = Field(None, exclude_if=lambda end: end is None)
    most: Number | None = Field(None, exclude_if=lambda end: end is None)
    of_outputs: bool = Field(False, exclude_if=lambda said: not said)

    @classmethod
    def of(cls, metric: Metric) -> Description:
        ends = {name: getattr(metric, name) for name in ("least", "most") if math.isfinite(getattr(metric, name))}
        shared = {name: getattr(metric, name) for name in ("unit", "better", "short", "decimals", "of_outputs")}
        return cls(**shared, **ends)

    @property
    def metric(self) -> Metric:
        fields = {"least": -math.inf, **self.model_dump()}
        return Metric(about="a plugin's metric", on_request=True, **fields)


def metric_names() -> list[str]:
    """Of all metrics, those of plugins among them."""
    return [*METRICS, *OUTPUT_METRICS]


def unfit(name: str, thing: OutputMetric) -> str:
    """What is wrong with a plugin's metric under this name."""
    if not re.fullmatch(NAME, name):
        return "a metric is called in small letters, digits and '_', the first a letter"
    if name in metrics.BUILT_IN or name in metrics.TAKEN:
        return "this name is taken by ssrun's own: give it another"
    if not isinstance(thing.metric, Metric) or not callable(thing.compute):
        return "an OutputMetric is a Metric, and what computes it"
    try:
        Description.of(thing.metric)
    except (TypeError, ValueError):
        return f"its unit and heading are short and plain, like '%' and 'exact %' ({UNIT} and {SHORT})"
    return ""


OUTPUT_METRICS: Registry[OutputMetric] = Registry("metric", {}, lambda thing: isinstance(thing, OutputMetric), unfit)


def name_metrics(names: Iterable[str]) -> None:
    """Loads those of these metrics that are plugins', so that METRICS has them; the others it leaves alone."""
    for name in names:
        if name not in metrics.BUILT_IN and name in OUTPUT_METRICS:
            metrics.describe(name, OUTPUT_METRICS[name].metric._replace(on_request=True))


def computed(names: Sequence[str], examples: Sequence[Example], outputs: Sequence[Tokens]) -> dict[str, float]:
    """The values of these metrics of plugins; UsageError where one is not there, or gives no finite number."""
    name_metrics(names)
    found = {}
    for name in names:
        if name not in OUTPUT_METRICS:
            raise UsageError(unknown("metric", name, OUTPUT_METRICS))
        value = float(OUTPUT_METRICS[name].compute(examples, outputs))
        if not math.isfinite(value):
            raise UsageError(f"metric {name}: its plugin gives {value}: mend it, or ask for other metrics")
        found[name] = value
    return found


def descriptions(names: Iterable[str]) -> dict[str, Description]:
    """What a document keeps of those of these metrics that are plugins'."""
    kept = sorted({name for name in names if name in METRICS} - metrics.BUILT_IN)
    return {name: Description.of(METRICS[name]) for name in kept}


def learnt(kept: dict[str, Description]) -> dict[str, Description]:
    """Adds to METRICS what a document keeps of plugins' metrics; ValueError where a name is ssrun's own."""
    for name, description in kept.items():
        if name in metrics.BUILT_IN or name in metrics.TAKEN:
            raise ValueError(f"{name} is no plugin's metric")
        if name not in OUTPUT_METRICS.loaded:
            metrics.describe(name, description.metric)
    return kept


Described = Annotated[  # of a document, its first field: what comes after it may name these metrics
    dict[Annotated[str, Field(pattern=f"^{NAME}$")], Description], AfterValidator(learnt)
]
