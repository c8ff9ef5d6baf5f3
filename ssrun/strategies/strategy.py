"""A strategy is data: schedule x coin x feed, by name.

To add one, add an entry to STRATEGIES; commands, completion, `ssrun list` and the tests follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict

from ssrun.errors import UsageError, unknown
from ssrun.strategies.schedules import (
    SCHEDULES,
    AnySchedule,
    Constant,
    Cycle,
    Exponential,
    InverseSigmoid,
    Linear,
    Switch,
)

Coin = Literal["token", "sequence", "batch"]
Feed = Literal["sample", "argmax", "uniform-token"]


class Strategy(BaseModel):
    """How decoder inputs are chosen in training.

    Attributes:
        schedule: epsilon over training, the probability of feeding the true previous token.
        coin: One coin per `token` of each sequence (the paper's), per `sequence` (its footnote 2),
            or one for the whole `batch`. The first input, BOS, is never replaced.
        feed: What replaces a true token: a `sample` of the model's distribution, its `argmax`,
            or a `uniform-token`, drawn uniformly from the vocabulary's real tokens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule: AnySchedule
    coin: Coin = "token"
    feed: Feed = "sample"


class Named(NamedTuple):
    """A strategy with what a person should know of it."""

    strategy: Strategy
    about: str
    source: str


_PAPER = "Bengio et al. 2015"
STRATEGIES: dict[str, Named] = {
    "teacher-forcing": Named(Strategy(schedule=Constant(value=1)), "always the true token", "Williams and Zipser 1989"),
    "always-sampling": Named(
        Strategy(schedule=Constant(value=0)), "always the model's own token", f"{_PAPER}, Tables 1-3"
    ),
    "uniform": Named(
        Strategy(schedule=Constant(value=0.5)),
        "a fair coin throughout; NOT the paper's row 'Uniform Scheduled Sampling': that is uniform-token",
        "a widespread reading of the paper's Table 1",
    ),
    "linear": Named(Strategy(schedule=Linear()), "the true token ever less often, at a steady rate", _PAPER),
    "exponential": Named(Strategy(schedule=Exponential()), "a fast decay from the first step", _PAPER),
    "inverse-sigmoid": Named(
        Strategy(schedule=InverseSigmoid()), "teacher forcing first, then a smooth change to sampling", _PAPER
    ),
    "uniform-token": Named(
        Strategy(schedule=InverseSigmoid(), feed="uniform-token"),
        "inverse-sigmoid, but feeding random tokens of the vocabulary; this IS the paper's row 'Uniform "
        "Scheduled Sampling' (Table 1), as its section 4.1 describes it: a control for mere regularisation",
        f"{_PAPER}, section 4.1",
    ),
    "switch": Named(Strategy(schedule=Switch()), "forced first half, free second half", "a control"),
    "cycle": Named(Strategy(schedule=Cycle()), "forced and free in turn", "a control"),
}


def parameters(strategy: Strategy) -> list[str]:
    """The fields of this strategy that `--set strategy.<field>=` reaches."""
    return ["coin", "feed", *(name for name in type(strategy.schedule).model_fields if name != "name")]


def variant(base: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a strategy: those of the named one, with these changes, for `Strategy` to check.

    Args:
        base: A name in STRATEGIES.
        changes: By field: `coin`, `feed`, `schedule` (another schedule's name, with its defaults), or any
            field of the schedule (`k`, `half_at`, `start`, `end` ...).

    Raises:
        UsageError: An unknown name or field.
    """
    if base not in STRATEGIES:
        raise UsageError(unknown("strategy", base, STRATEGIES))
    strategy = STRATEGIES[base].strategy
    changes = dict(changes)
    schedule: dict[str, Any] = strategy.schedule.model_dump(exclude_unset=True) | {"name": strategy.schedule.name}
    if "schedule" in changes:
        name = changes.pop("schedule")
        if name not in SCHEDULES:
            raise UsageError(unknown("schedule", name, SCHEDULES))
        schedule = {"name": name}
    fields: dict[str, Any] = {"coin": strategy.coin, "feed": strategy.feed}
    known = [name for name in SCHEDULES[schedule["name"]].model_fields if name != "name"]
    for name, value in changes.items():
        if name in fields:
            fields[name] = value
        elif name in known:
            schedule[name] = value
        else:
            raise UsageError(f"strategy {base}: {unknown('field', name, [*fields, 'schedule', *known])}")
    return {"schedule": schedule, **fields}


COINS = get_args(Coin)
FEEDS = get_args(Feed)
