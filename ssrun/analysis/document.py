"""Comparison: the one document of a comparison. `compare` computes it, `table.json` keeps it, every view reads it.

It holds no times, unless a metric of the experiment is one, so that the same runs give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from ssrun.config.claims import Published, Reach, Relation
from ssrun.errors import unknown
from ssrun.metrics import METRICS
from ssrun.runs.tuning import Tuned
from ssrun.system.documents import Count, Document, Number, Sparse, canonical, read_as, read_sealed
from ssrun.system.environment import Environment
from ssrun.system.files import TABLE_LIMIT, digest, read_bytes
from ssrun.system.text import CONTROL, visible
from ssrun.tasks.output_metrics import Described

REMEDY = "make it again with its command"
STEERS = re.compile(
    rb"\\[bfrtu]|[\x80-\xff]"
)  # in JSON: where there is none of these, no text holds a control character


def _known(name: str) -> str:
    if name not in METRICS:
        raise ValueError(unknown("metric", name, METRICS))
    return name


MetricName = Annotated[str, AfterValidator(_known)]


class BootstrapPair(Document):
    """sacreBLEU's paired bootstrap over the test set, of one seed's run against its baseline."""

    seed: Count
    difference: Number
    p: Annotated[float, Field(ge=0, le=1)]


class Robust(Sparse):
    """What one odd seed does not move, of n >= 2 runs; of intervals (95 %, of the bootstrap) the ends.

    Attributes:
        iqm: Interquartile mean.
        better: The probability that a run is better than one of the baseline, of any seeds.
        collapsed: Runs that are worse than half the baseline's median, where higher is better.
        two_humps: Whether the values, or their differences from the baseline, fall into two groups.
    """

    n: Count
    iqm: Number
    iqm_low: Number
    iqm_high: Number
    better: Number | None = None
    better_low: Number | None = None
    better_high: Number | None = None
    collapsed: Count | None = None
    two_humps: bool = False


class Estimate(Sparse):
    """A metric of one strategy on one task, over its complete runs; of intervals (95 %, of t) the ends, where n >= 2.

    Attributes:
        difference: Mean paired difference from the baseline; None where there is none.
        p: Sign-flip p of the difference.
        p_holm: The same, Holm-corrected over the strategies of the task.
        pairs: Seeds of which both runs are complete.
        bootstrap: Of `bleu` alone: a pair a seed.
        robust: Of the first metric and the free-running loss, where n >= 2.
    """

    mean: Number
    low: Number | None
    high: Number | None
    difference: Number | None = None
    difference_low: Number | None = None
    difference_high: Number | None = None
    p: Number | None = None
    p_holm: Number | None = None
    pairs: Count | None = None
    bootstrap: list[BootstrapPair] | None = None
    robust: Robust | None = None


class Arrival(Document):
    """When the runs of a row reach the score asked for, with those censored that never did.

    Attributes:
        reached: Runs that did.
        of: Complete runs.
        median: When half have (Kaplan-Meier); None where fewer do.
        longest: Until when any run was watched.
        p: Of the log-rank test against the baseline.
        p_holm: The same, Holm-corrected over the strategies of the task.
    """

    reached: Count
    of: Count
    median: Number | None
    longest: Number
    p: Number | None = Field(None, exclude_if=lambda p: p is None)
    p_holm: Number | None = Field(None, exclude_if=lambda p: p is None)


class Row(Document):
    """One strategy on one task: how many runs ended how; its estimates stand beside the counts, by metric.

    Attributes:
        not_converged: Complete runs whose training loss still fell at their end.
        steps: The distinct numbers of optimiser steps of the complete runs.
        arrivals: Of `steps_to_reach` and `seconds_to_reach`, whose estimates are of times restricted to the run's.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Estimate] = Field(init=False)

    task: str
    strategy: str
    n: Count
    of: Count
    diverged: Count
    failed: Count
    missing: Count
    not_converged: Count = Field(0, exclude_if=lambda count: count == 0)
    steps: list[Count] = Field(default_factory=list, exclude_if=lambda steps: not steps)

    arrivals: dict[MetricName, Arrival] = Field(default_factory=dict, exclude_if=lambda found: not found)

    @property
    def estimates(self) -> dict[str, Estimate]:
        return self.__pydantic_extra__

    @model_validator(mode="after")
    def _metrics_are_known(self) -> Row:
        for name in self.estimates:
            _known(name)
        return self


class Evidence(Document):
    """A paired difference over n seeds, and its Holm's interval at `level`: `verdicts.HolmInterval`."""

    difference: Number | None
    low: Number | None
    high: Number | None
    level: Number
    p: Number | None
    n: Count


class PairEvidence(Evidence):
    """One link of a claim: how left differs from right; p is of Student's t, of this link alone, not corrected."""

    left: str
    right: str
    direction: Relation


class ClaimEvidence(Evidence):
    """A claim with its verdict; of a chain, the difference is that of its weakest link.

    Attributes:
        within: How far apart what is = may be.
        p: Of Student's t, corrected over the claims of the experiment: it decides the verdict. In tables that were
            kept before there was an `exact_p`, the exact one, not corrected.
        exact_p: Of sign flips, for the same claim in the same family, corrected likewise.
        t_only: Whether a verdict was reached that no exact p could confirm with so few seeds for so many claims.
        seeds_needed: For 80 % power, where there is no verdict; 1,001 for more than 1,000.
        comparisons: Its links.
        steps: The distinct numbers of optimiser steps of the runs that judge it.
        seal: Sha256 of what is claimed, of which runs.
        standing: Confirmatory where it was written down before all the runs that judge it, exploratory otherwise.
    """

    text: str
    source: str
    metric: MetricName
    order: str
    by: Number
    within: Number | None = Field(None, exclude_if=lambda within: within is None)
    verdict: Literal["agree", "disagree", "inconclusive"]
    exact_p: Number | None = Field(None, exclude_if=lambda p: p is None)
    t_only: bool = Field(False, exclude_if=lambda t_only: not t_only)
    seeds_needed: Count | None = Field(None, exclude_if=lambda seeds: seeds is None)
    comparisons: list[PairEvidence]
    steps: list[Count] = Field(default_factory=list, exclude_if=lambda steps: not steps)
    seal: str = Field("", exclude_if=lambda seal: not seal)
    standing: Literal["confirmatory", "exploratory"] | None = Field(None, exclude_if=lambda standing: standing is None)


class Fault(Document):
    """A run that is not in the means, and why."""

    task: str
    strategy: str
    seed: Count
    status: Literal["diverged", "failed", "missing"]
    reason: str


class GridCell(Document):
    """A task of the grid that is one setting of fields that were swept.

    Attributes:
        task: What it is a setting of, by name.
        settings: The values of those fields, by path, such as `training.steps` or `model.dropout`.
    """

    task: str
    settings: dict[str, bool | int | float | str | list[Any]]


class Tuning(Document):
    """What was tried of each strategy before: the means are over these seeds, of the validation set."""

    metric: MetricName
    seeds: list[Count]
    cells: list[Tuned]


class RunValues(Document):
    """One run: how it ended, and its metrics on the test set where it is complete, by name.

    Attributes:
        settings: The fields of its configuration, such as `model.hidden`, in which the comparison's runs differ.
        converged: Whether its training loss had stopped falling; None where nobody can tell.
        reached: Whether it reached the score asked for: else its times to reach are those of its end, and censored.
        walk_share: The share of its steps that need a walk, `Strategy.walk_share`.
    """

    task: str
    strategy: str
    seed: Count
    status: Literal["complete", "diverged", "failed", "missing"]
    settings: dict[str, bool | int | float | str | None]
    metrics: dict[MetricName, Number]
    converged: bool | None = Field(None, exclude_if=lambda converged: converged is None)
    reached: bool | None = Field(None, exclude_if=lambda reached: reached is None)
    walk_share: float = Field(0.0, ge=0, le=1, exclude_if=lambda share: not share)


class Comparison(Document):
    """A comparison, whole.

    Attributes:
        plan: The id of what was asked for.
        command: What makes it again.
        metrics: Columns of the table.
        steps: The distinct numbers of optimiser steps of the complete runs.
        reach: The score whose first reaching is timed.
        smallest_p: Below which no corrected p can lie with so many seeds and strategies.
        rows: Task by task.
        cells: Of each task that is a setting of fields that were swept, which; by its name.
        tuning: What was tried of each strategy first; the rows are of what won.
        runs: Those that the rows are of, in the manifest's order.
        looks: The numbers of seeds at which the claims are judged, where seeds are added until they are decided.
        looked_before: Those of other comparisons that judged the same claims on some of these seeds.
        reading: What to make of it.
        signatures: sacreBLEU's, by task.
        text_signatures: sacreBLEU's of the other metrics of text that are shown, by metric.
        facts: Counts of the data, by task.
        data_seeds: What drew the pairs of a task of files: each run's own `seed`, a seed of data, or nothing: `fixed`.
        faults: Runs that are counted and not averaged.
        environments: The distinct ones that the runs were made in.
        described: The metrics of plugins that are shown.
    """

    described: Described = Field(default_factory=dict, exclude_if=lambda found: not found)
    experiment: str
    plan: str = ""
    question: str
    command: str
    baseline: str
    metrics: list[MetricName]
    seeds: list[Count]
    steps: list[Count] = Field(default_factory=list)
    reach: Reach | None = Field(None, exclude_if=lambda reach: reach is None)
    smallest_p: Number | None
    rows: list[Row]
    cells: dict[str, GridCell] = Field(default_factory=dict, exclude_if=lambda found: not found)
    tuning: Tuning | None = Field(None, exclude_if=lambda found: found is None)
    runs: list[RunValues] = Field(default_factory=list)
    claims: list[ClaimEvidence]
    looks: list[Count] = Field(default_factory=list, exclude_if=lambda found: not found)
    looked_before: list[Count] = Field(default_factory=list, exclude_if=lambda found: not found)
    published: Published | None
    reading: str
    signatures: dict[str, list[str]]
    text_signatures: dict[MetricName, list[str]] = Field(default_factory=dict, exclude_if=lambda found: not found)
    facts: dict[str, dict[str, Count]]
    data_seeds: dict[str, Count | Literal["seed", "fixed"]] = Field(
        default_factory=dict, exclude_if=lambda found: not found
    )
    faults: list[Fault]
    environments: list[Environment]

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(row.task for row in self.rows))

    @property
    def strategies(self) -> list[str]:
        return list(dict.fromkeys(row.strategy for row in self.rows))

    @property
    def columns(self) -> list[str]:
        """The metrics that are shown and that some row has."""
        return [metric for metric in self.metrics if any(metric in row.estimates for row in self.rows)]

    def by_task(self) -> Iterator[tuple[str, list[Row]]]:
        rows: dict[str, list[Row]] = {}
        for row in self.rows:
            rows.setdefault(row.task, []).append(row)
        return iter(rows.items())


def best(rows: Sequence[Row], metric: str) -> float | None:
    """The best mean of these rows; None where no way is better, or all are equal."""
    means = [row.estimates[metric].mean for row in rows if metric in row.estimates]
    if METRICS[metric].better == "neither" or len(set(means)) < 2:
        return None
    return max(means) if METRICS[metric].better == "higher" else min(means)


def text_of(comparison: Comparison) -> str:
    """The document as `table.json` keeps it, with what could steer a terminal as its escape."""
    fields = comparison.model_dump(mode="json")
    text = canonical({**fields, "digest": digest(canonical(fields))}).decode()
    return CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n"


def read_comparison(path: Path) -> Comparison:
    """A document as `table.json` keeps it; where it came from elsewhere, nothing in it steers a terminal or a page.

    Raises:
        StoreError: It is damaged, or none of ours.
    """
    comparison = read_sealed(path, Comparison, REMEDY, limit=TABLE_LIMIT)
    if not STEERS.search(read_bytes(path, TABLE_LIMIT)):
        return comparison
    return read_as(path, _harmless(comparison.model_dump(mode="json")), Comparison, REMEDY)


def _harmless(value: Any) -> Any:
    """A document with every control character of its texts, but for line ends, shown as its escape."""
    if isinstance(value, str):
        return "\n".join(map(visible, value.split("\n")))
    if isinstance(value, list):
        return [_harmless(part) for part in value]
    return {_harmless(key): _harmless(part) for key, part in value.items()} if isinstance(value, dict) else value
