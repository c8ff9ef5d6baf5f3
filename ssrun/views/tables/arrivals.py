"""When a score is first reached, as short texts: medians, and how many runs arrived."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ssrun.analysis.document import Arrival, Row
from ssrun.config.claims import Reach
from ssrun.metrics import METRICS


def arrival(row: Row, metric: str) -> str:
    """The median time and how many runs arrived: `400 (6 of 8)`; `> 1,000 (3 of 8)` where fewer than half did."""
    found = row.arrivals.get(metric)
    if found is None:
        return "-"
    time = found.longest if found.median is None else found.median
    late = "> " if found.median is None else ""
    return f"{late}{time:,.{METRICS[metric].decimals}f} ({found.reached} of {found.of})"


def earliest(rows: Sequence[Row], metric: str) -> float | None:
    """The earliest median of these rows; None where all are equal, or there is none."""
    medians = [median_of(row.arrivals[metric]) for row in rows if metric in row.arrivals]
    return min(medians) if len(set(medians)) > 1 else None


def median_of(found: Arrival) -> float:
    return math.inf if found.median is None else found.median


def is_timed(rows: Sequence[Row], metric: str) -> bool:
    return any(metric in row.arrivals for row in rows)


def score(reach: Reach) -> str:
    """The score to reach: `free loss <= 0.5`."""
    return f"{METRICS[reach.metric].short} {'>=' if reach.rising else '<='} {reach.value:g}"
