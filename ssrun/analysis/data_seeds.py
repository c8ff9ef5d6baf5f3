"""What drew the data of a comparison's runs: each run's own seed, one seed of data, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssrun.config.spec import RunName
from ssrun.tasks.redrawn import drawn_by

FIELD = "task.data_seed"


def data_seeds(runs: Sequence[RunName], settings: Sequence[Mapping[str, Any]]) -> dict[str, int | str]:
    """By task, of those whose pairs lie in files: `seed`, a seed of data, or `fixed` where the pairs are the files'.

    The settings are the runs' fields by path; none of a run that is not complete.
    """
    found: dict[str, dict[int, int | None]] = {}
    for run, fields in zip(runs, settings, strict=True):
        if FIELD in fields:
            found.setdefault(run.task, {})[run.seed] = fields[FIELD]
    drawn = {task: drawn_by(of_seeds) for task, of_seeds in found.items()}
    return {task: "fixed" if by is None else by for task, by in drawn.items()}
