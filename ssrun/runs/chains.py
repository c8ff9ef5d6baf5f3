"""Which runs are the beginnings of longer ones, so that one training gives them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ssrun.config.run import RunConfig
from ssrun.config.spec import RunSpec
from ssrun.seq2seq.learning_rate import DECAYS

Chain = tuple[RunSpec, ...]  # the shortest first


def chains(runs: Sequence[RunSpec]) -> list[Chain]:
    """The runs; those together that differ in their number of steps alone and go the same way whatever it is.

    The weights of a shorter one are then those that the longer ones have on their way, bit for bit. When it is
    evaluated, which of its weights are kept and when its patience ends is each run's own affair. Every other run is a
    chain of itself, and so is one that is asked for again. In the order of the first of each.
    """
    asked: Counter[tuple[str, ...]] = Counter()
    together: dict[tuple[object, int], list[RunSpec]] = {}
    for run in runs:
        own = run.name[3:]  # its place and its scoring: whatever it is called
        way: object = with_one_step(run.config).model_dump_json() if goes_one_way(run.config) else own
        together.setdefault((way, asked[own]), []).append(run)
        asked[own] += 1
    return [tuple(sorted(chain, key=lambda run: run.config.training.steps)) for chain in together.values()]


def goes_one_way(config: RunConfig) -> bool:
    """Whether nothing in its training before its end depends on its number of steps."""
    return not (config.strategy.stretched or DECAYS[config.training.decay].stretched)


def with_one_step(config: RunConfig) -> RunConfig:
    return config.model_copy(update={"training": config.training.model_copy(update={"steps": 1})})
