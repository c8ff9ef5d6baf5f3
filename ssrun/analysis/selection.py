"""A part of a comparison, as a comparison: some of its metrics, tasks and strategies, and nothing of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from ssrun.analysis.document import ClaimEvidence, Comparison, Row
from ssrun.config.claims import Published
from ssrun.config.loading import names_in
from ssrun.errors import UsageError, unknown

Value = TypeVar("Value")


def selected(
    comparison: Comparison, metrics: str | None = None, tasks: str | None = None, strategies: str | None = None
) -> Comparison:
    """The comparison of these alone, in their order; each a list of names with commas, None for all that there are.

    Claims and published numbers stay where all that they speak of does. A number stays what it was: differences are
    from the same baseline, and p is corrected over the strategies of the whole. What is made of the whole is left out.

    Raises:
        UsageError: A name is not in the comparison, or is given twice.
    """
    if metrics is tasks is strategies is None:
        return comparison
    measured = dict.fromkeys([*comparison.metrics, *(metric for row in comparison.rows for metric in row.estimates)])
    kept_metrics = chosen(metrics, measured, "--metrics", "metric")
    kept_tasks = chosen(tasks, comparison.tasks, "--tasks", "task")
    kept_strategies = chosen(strategies, comparison.strategies, "--strategies", "strategy")
    rows = [row for row in comparison.rows if row.task in kept_tasks and row.strategy in kept_strategies]
    rows.sort(key=lambda row: (kept_tasks.index(row.task), kept_strategies.index(row.strategy)))
    runs = [run for run in comparison.runs if run.task in kept_tasks and run.strategy in kept_strategies]
    return comparison.model_copy(
        update={
            "metrics": comparison.metrics if metrics is None else kept_metrics,
            "rows": [narrowed(row, kept_metrics) for row in rows],
            "cells": part(comparison.cells, kept_tasks),
            "runs": [run.model_copy(update={"metrics": part(run.metrics, kept_metrics)}) for run in runs],
            "claims": [claim for claim in comparison.claims if speaks_of(claim, kept_metrics, rows)],
            "published": published_of(comparison.published, kept_strategies),
            "reading": "",
            "signatures": part(comparison.signatures, kept_tasks) if "bleu" in kept_metrics else {},
            "facts": part(comparison.facts, kept_tasks),
            "data_seeds": part(comparison.data_seeds, kept_tasks),
            "faults": [
                fault for fault in comparison.faults if fault.task in kept_tasks and fault.strategy in kept_strategies
            ],
        }
    )


def chosen(text: str | None, known: Iterable[str], option: str, kind: str) -> list[str]:
    """The names of a list with commas, each of them known; all that are known for None."""
    names = list(known)
    if text is None:
        return names
    found = names_in(text)
    for name in found:
        if name not in names:
            raise UsageError(f"{option}: {unknown(kind, name, names)}")
        if found.count(name) > 1:
            raise UsageError(f"{option}: {kind} {name!r} is given twice: give it once")
    return found


def part(values: Mapping[str, Value], names: Iterable[str]) -> dict[str, Value]:
    """The values of these names, in the names' order."""
    return {name: values[name] for name in names if name in values}


def narrowed(row: Row, metrics: Iterable[str]) -> Row:
    """A row with the estimates of these metrics alone."""
    counts = {name: getattr(row, name) for name in Row.model_fields}
    return Row.model_validate({**counts, **part(row.estimates, metrics)})


def speaks_of(claim: ClaimEvidence, metrics: Iterable[str], rows: Iterable[Row]) -> bool:
    """Whether a claim is on one of these metrics, and on these rows alone."""
    operands = {side for pair in claim.comparisons for side in (pair.left, pair.right)}
    return claim.metric in metrics and operands <= {f"{row.strategy} @ {row.task}" for row in rows}


def published_of(published: Published | None, strategies: Iterable[str]) -> Published | None:
    """What was published of these strategies; None where there is nothing."""
    rows = part(published.rows, [name for name in published.rows if name in strategies]) if published else {}
    return published.model_copy(update={"rows": rows}) if published and rows else None
