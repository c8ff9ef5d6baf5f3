"""Time until a score is first reached, over runs of which some never reach it: those are censored, not counted as late.

A run that ends without the score tells only that it would have taken longer. The share that has not arrived yet is
Kaplan and Meier's (1958), two strategies are held against each other by the log-rank test (Mantel 1966), and a mean is
one of min(T, tau), tau the steps of the run: the restricted mean, which needs no guess about what comes after.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scipy.special import chdtrc, ndtri

from ssrun.analysis.document import Arrival
from ssrun.analysis.statistics import TOLERANCE, holm
from ssrun.config.claims import Reach
from ssrun.runs.result import Evaluation


class Time(NamedTuple):
    """Until a run reached the score, or where it did not, until its end."""

    value: float
    reached: bool


class Survival(NamedTuple):
    """The share that has not arrived, from each time on until the next, and its confidence band; from time 0."""

    times: list[float]
    share: list[float]
    low: list[float]
    high: list[float]


def first_reached(evaluations: Iterable[Evaluation], reach: Reach) -> Evaluation | None:
    """The first evaluation of the whole validation set that has the score; None where none has."""
    whole = (evaluation for evaluation in evaluations if evaluation.pairs is None)
    return next((found for found in whole if reach.is_met(found.value(reach.metric))), None)


def kaplan_meier(times: Sequence[Time], level: float = 0.95) -> Survival:
    """S(t) = product over t_i <= t of (1 - d_i / n_i): at t_i arrive d_i of n_i still under way (Kaplan, Meier 1958).

    The band is S^exp(+-z sqrt(V) / log S), V = sum of d_i / (n_i (n_i - d_i)): Greenwood's variance on the scale of
    log(-log S), where the band stays within [0, 1] (Kalbfleisch and Prentice 1980). Where S is 1 or 0 the data tell
    no variance, and it has no width. A run that ends at t_i without the score is still under way then.
    """
    z = float(ndtri((1 + level) / 2))
    curve = Survival([0.0], [1.0], [1.0], [1.0])
    share, variance = 1.0, 0.0
    for time, arrived, waiting in arrivals(times):
        share *= 1 - arrived / waiting
        low = high = share
        if arrived < waiting:
            variance += arrived / (waiting * (waiting - arrived))
            width = z * math.sqrt(variance) / math.log(share)  # below 0
            low, high = share ** math.exp(-width), share ** math.exp(width)
        for values, value in zip(curve, (time, share, low, high), strict=True):
            values.append(value)
    return curve


def arrivals(times: Sequence[Time]) -> list[tuple[float, int, int]]:
    """For each time at which runs arrive: how many do, and how many were under way until then."""
    arrived = sorted({time.value for time in times if time.reached})
    return [(at, times_at(times, at), sum(time.value >= at for time in times)) for at in arrived]


def times_at(times: Sequence[Time], at: float) -> int:
    return sum(time.reached and time.value == at for time in times)


def median(times: Sequence[Time]) -> float | None:
    """When half have arrived: the first time at which S(t) <= 1/2; None where it stays above."""
    curve = kaplan_meier(times)
    steps = zip(curve.times, curve.share, strict=True)
    return next((time for time, share in steps if share <= 0.5 + TOLERANCE), None)


def log_rank(first: Sequence[Time], second: Sequence[Time]) -> float | None:
    """The p of the log-rank test that two groups arrive at the same rate; None where nobody tells them apart.

    z^2 = (sum of d_1i - d_i n_1i / n_i)^2 / sum of d_i n_1i n_2i (n_i - d_i) / (n_i^2 (n_i - 1)) over the times of
    arrival, chi-squared with one degree of freedom (Mantel 1966): an approximation, rough below some five arrivals. It
    takes the groups as independent and ignores that seeds are shared.
    """
    excess = variance = 0.0
    for time, arrived, waiting in arrivals([*first, *second]):
        share = sum(one.value >= time for one in first) / waiting
        excess += times_at(first, time) - arrived * share
        if waiting > 1:
            variance += arrived * share * (1 - share) * (waiting - arrived) / (waiting - 1)
    return float(chdtrc(1, excess**2 / variance)) if variance > 0 else None


def summaries(groups: Mapping[str, Sequence[Time]], baseline: str) -> dict[str, Arrival]:
    """When each strategy of a task arrives, and its log-rank p against the baseline, Holm-corrected over strategies."""
    groups = {name: times for name, times in groups.items() if times}
    others = [name for name in groups if name != baseline and baseline in groups]
    p_values = [log_rank(groups[name], groups[baseline]) for name in others]
    tests = dict(zip(others, zip(p_values, holm(p_values), strict=True), strict=True))
    found = {}
    for name, times in groups.items():
        p, p_holm = tests.get(name, (None, None))
        longest = max(time.value for time in times)
        reached = sum(time.reached for time in times)
        found[name] = Arrival(reached=reached, of=len(times), median=median(times), longest=longest, p=p, p_holm=p_holm)
    return found
