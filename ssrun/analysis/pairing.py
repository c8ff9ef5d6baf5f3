"""The values of a comparison's runs by seed, and their differences from the baseline's, from its document alone."""

from __future__ import annotations

from ssrun.analysis.document import Comparison


def values_of(comparison: Comparison, task: str, strategy: str, metric: str) -> dict[int, float]:
    """A metric of the complete runs by seed; none in a document that was made before it held its runs."""
    return {
        run.seed: run.metrics[metric]
        for run in comparison.runs
        if (run.task, run.strategy) == (task, strategy) and metric in run.metrics
    }


def differences_of(comparison: Comparison, task: str, strategy: str, metric: str) -> dict[int, float]:
    """What a strategy's values differ by from the baseline's, by seed, of the seeds that both completed."""
    own = values_of(comparison, task, strategy, metric)
    baseline = values_of(comparison, task, comparison.baseline, metric)
    return {seed: own[seed] - baseline[seed] for seed in sorted(own.keys() & baseline.keys())}


def others_than_baseline(comparison: Comparison) -> list[str]:
    return [strategy for strategy in comparison.strategies if strategy != comparison.baseline]
