"""epsilon over training: the probability of feeding the TRUE previous token.

i is the optimiser step, from 0; N the number of steps of the run. The paper's clock is the step, not the
epoch. Under another clock (see `Strategy.clock`) the same curves run over the N first positions of a target.
Equations as in Bengio et al. 2015 (arXiv 1506.03099), section 2.4, where they come from there.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, Union

from pydantic import AfterValidator, Field, SerializeAsAny, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from ssrun.errors import UsageError
from ssrun.system.fields import Fields
from ssrun.system.kept import ANY_FIELDS, Kept
from ssrun.system.plugins import Registry, below, unlike_its_name

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Stretch = Annotated[float, Field(ge=1e-9, le=1000, allow_inf_nan=False)]  # the longest run has 1e9 steps
Point = tuple[
    Annotated[int, Field(ge=0, le=1_000_000_000, strict=True)],
    Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True), AfterValidator(abs)],  # there is one zero
]
EXACT_STEPS = 200_000  # up to which a mean is taken over every step: a billion would take minutes


class Schedule(Fields):
    """A function from the optimiser step to epsilon, that can print, compare and store itself."""

    formula: ClassVar[str] = ""  # the equation, as `ssrun list strategies` shows it

    name: str

    @abstractmethod
    def __call__(self, step: float, steps: int) -> float:
        """epsilon, in [0, 1], at optimiser step `step` (from 0) of a run of `steps`.

        Under a clock of positions, at that position of so many; between two of them under both clocks.
        """

    def mean(self, steps: int) -> float:
        """The mean epsilon over a run of `steps` steps: the share of true tokens the run is fed.

        Exact up to EXACT_STEPS steps; of a longer run, over so many steps spread over it.
        """
        return math.fsum(self(step, steps) for step in spread(0, steps, EXACT_STEPS)) / min(steps, EXACT_STEPS)

    def resolved(self, steps: int) -> dict[str, float]:
        """What the fields come to in a run of `steps` steps: `k` and `half_step`, where there are such."""
        return {}

    @property
    def stretched(self) -> bool:
        """Whether it is stretched over the run: epsilon at a step depends on the run's number of steps.

        Runs of a schedule that is not can be trained in one go (see `ssrun.runs.chains`), so only one that knows
        says no.
        """
        return True


class Constant(Schedule):
    """epsilon(i) = c: teacher forcing at 1, always sampling at 0."""

    formula: ClassVar[str] = "ε(i) = value"

    name: Literal["constant"] = "constant"
    value: Share = Field(1.0, description="epsilon, throughout")

    def __call__(self, step: float, steps: int) -> float:
        return self.value

    @property
    def stretched(self) -> bool:
        return False


class Decay(Schedule):
    """A schedule that falls from `start` to the floor `end`."""

    shape: ClassVar[tuple[str, float, float]]  # the field that moves a run's mean epsilon, all else equal; its range

    start: Share = Field(1.0, description="epsilon at the first step")
    end: Share = Field(0.0, description="floor that epsilon never goes below")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end > self.start:
            raise ValueError(f"end = {self.end} is above start = {self.start}: a decay falls")
        return self

    def matched(self, mean: float, steps: int) -> Self:
        """This decay, its `shape` field moved until its mean epsilon over the run is `mean`; ValueError if none is."""
        # The mean here is over at most 2,000 steps at even distances: fast, fair because a decay has no period to
        # meet, and fixed for ever, because the field that it finds is a part of the run's id.
        even_steps = even(steps, 2_000)

        def even_mean(decay: Self) -> float:
            return math.fsum(decay(step, steps) for step in even_steps) / len(even_steps)

        return self.with_mean(mean, even_mean, f"{steps} steps", 2e-3 + 1 / steps)

    def with_mean(self, mean: float, mean_of: Callable[[Self], float], over: str, tolerance: float) -> Self:
        """This decay, its `shape` field moved until `mean_of` it is `mean`; ValueError with `over` where none is."""
        field, low, high = self.shape
        others = self.model_dump(exclude={"k", field})
        for _ in range(60):  # the mean rises with every shape field
            middle = (low + high) / 2
            if mean_of(self.model_validate({**others, field: middle})) < mean:
                low = middle
            else:
                high = middle
        decay = self.model_validate({**others, field: high})
        if abs(mean_of(decay) - mean) > tolerance:
            raise ValueError(f"no {field} gives {self.name} a mean epsilon of {mean:.3f} over {over}")
        return decay


class Linear(Decay):
    """epsilon(i) = max(end, start - (start - end) i / (over N)); the paper's max(e, k - c i)."""

    formula: ClassVar[str] = "ε(i) = max(end, start - (start - end) · i / (over · N))"
    shape: ClassVar[tuple[str, float, float]] = ("over", 1e-3, 1000)

    name: Literal["linear"] = "linear"
    over: Stretch = Field(1.0, description="share of the run over which epsilon falls")

    def __call__(self, step: float, steps: int) -> float:
        return max(self.end, self.start - (self.start - self.end) * step / (self.over * steps))

    def resolved(self, steps: int) -> dict[str, float]:
        return {"half_step": self.over * steps / 2}


class Cosine(Decay):
    """epsilon(i) = end + (start - end) (1 + cos(pi min(1, i / (over N)))) / 2: level, steep, level (Tacotron-2)."""

    formula: ClassVar[str] = "ε(i) = end + (start - end) · (1 + cos(pi · min(1, i / (over · N)))) / 2"
    shape: ClassVar[tuple[str, float, float]] = ("over", 1e-3, 1000)

    name: Literal["cosine"] = "cosine"
    over: Stretch = Field(1.0, description="share of the run over which epsilon falls")

    def __call__(self, step: float, steps: int) -> float:
        turn = math.pi * min(1.0, step / (self.over * steps))
        return self.end + (self.start - self.end) * (1 + math.cos(turn)) / 2

    def resolved(self, steps: int) -> dict[str, float]:
        return {"half_step": self.over * steps / 2}


class Staircase(Decay):
    """epsilon(i) = start - (start - end) j / (levels - 1), j = min(levels - 1, floor(levels i / (over N))).

    From `start` to `end` on levels of equal height and length; four from 0.9 to 0.6 are Espresso's .9, .8, .7, .6.
    """

    formula: ClassVar[str] = (
        "ε(i) = start - (start - end) · j / (levels - 1),  j = min(levels - 1, floor(levels · i / (over · N)))"
    )
    shape: ClassVar[tuple[str, float, float]] = ("over", 1e-3, 1000)

    name: Literal["staircase"] = "staircase"
    levels: int = Field(4, ge=2, le=1000, description="values that epsilon takes, at equal distances")
    over: Stretch = Field(1.0, description="share of the run over which epsilon falls")

    def __call__(self, step: float, steps: int) -> float:
        level = min(self.levels - 1, math.floor(self.levels * step / (self.over * steps)))
        return max(self.end, self.start - (self.start - self.end) * level / (self.levels - 1))


class HalfLife(Decay):
    """A decay told by the paper's `k`, or by `half_at`: the share of the run after which it is at a half."""

    shape: ClassVar[tuple[str, float, float]] = ("half_at", 1e-3, 1000)

    k: float | None = Field(None, allow_inf_nan=False)
    half_at: Stretch | None = Field(0.5, description="share of the run after which the decay is at a half")

    @model_validator(mode="before")
    @classmethod
    def _one_of_both(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            if fields.get("k") is not None and fields.get("half_at") is not None:
                raise ValueError(f"k = {fields['k']} and half_at = {fields['half_at']} say the same thing: give one")
            if fields.get("k") is not None:
                return {**fields, "half_at": None}
            if "half_at" in fields and fields["half_at"] is None:
                raise ValueError("give k or half_at")
        return fields

    @property
    def stretched(self) -> bool:
        return self.k is None


class Exponential(HalfLife):
    """epsilon(i) = max(end, start k^i), k < 1.

    Its half-life is ln 2 / -ln k steps, so half_at gives k = 0.5^(1 / (half_at N)).
    """

    formula: ClassVar[str] = "ε(i) = max(end, start · k^i),  k = 0.5^(1 / (half_at · N))"

    name: Literal["exponential"] = "exponential"
    k: float | None = Field(
        None,
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="the paper's k, in place of half_at: what a step leaves of epsilon",
    )

    def _log_k(self, steps: int) -> float:
        if self.k is not None:
            return math.log(self.k)
        assert self.half_at is not None  # noqa: S101 - the validator leaves one of the two
        return -math.log(2) / (self.half_at * steps)

    def __call__(self, step: float, steps: int) -> float:
        return max(self.end, self.start * math.exp(step * self._log_k(steps)))

    def resolved(self, steps: int) -> dict[str, float]:
        return {"k": math.exp(self._log_k(steps)), "half_step": -math.log(2) / self._log_k(steps)}


class InverseSigmoid(HalfLife):
    """epsilon(i) = max(end, start k / (k + exp(i/k))), k >= 1: k/(k+1) at first, 1/2 at i = k ln k.

    It falls from 90 to 10 % within 4.39 k steps. half_at = m/N gives k = m / W(m), W the Lambert function.
    """

    formula: ClassVar[str] = "ε(i) = max(end, start · k / (k + exp(i / k))),  k ln k = half_at · N"

    name: Literal["inverse-sigmoid"] = "inverse-sigmoid"
    k: float | None = Field(
        None,
        ge=1,
        le=1e12,
        allow_inf_nan=False,
        description="the paper's k, in place of half_at: the larger, the later",
    )

    def _k(self, steps: int) -> float:
        if self.k is not None:
            return self.k
        assert self.half_at is not None  # noqa: S101 - the validator leaves one of the two
        return math.exp(lambert_w(self.half_at * steps))

    def __call__(self, step: float, steps: int) -> float:
        k = self._k(steps)
        return max(self.end, self.start * logistic(math.log(k) - step / k))  # which cannot overflow

    def resolved(self, steps: int) -> dict[str, float]:
        k = self._k(steps)
        return {"k": k, "half_step": k * math.log(k)}


class Switch(Schedule):
    """epsilon(i) = 1 before at N, then 0: teacher forcing first, free running after: the decay's ends alone."""

    formula: ClassVar[str] = "ε(i) = 1 if i < at · N else 0"

    name: Literal["switch"] = "switch"
    at: Share = Field(0.5, description="share of the run before the switch")

    def __call__(self, step: float, steps: int) -> float:
        return 1.0 if step < self.at * steps else 0.0

    def resolved(self, steps: int) -> dict[str, float]:
        return {"half_step": self.at * steps}


class Cycle(Schedule):
    """epsilon(i) = 1 for the first `duty` of every `period` steps, 0 for the rest: no decay, at the same mean."""

    formula: ClassVar[str] = "ε(i) = 1 if i mod period < duty · period else 0"

    name: Literal["cycle"] = "cycle"
    period: int = Field(100, ge=1, le=1_000_000_000, description="steps after which it begins again")
    duty: Share = Field(0.5, description="share of a period that is forced")

    def __call__(self, step: float, steps: int) -> float:
        return 1.0 if step % self.period < self.duty * self.period else 0.0

    @property
    def stretched(self) -> bool:
        return False


class Piecewise(Schedule):
    """epsilon(i) by points, each a step and the epsilon there: straight between two, level before and after them all.

    Two points of one step are a jump. A warm start: [[0, 1], [600, 1], [600, 0]].
    """

    formula: ClassVar[str] = "ε(i) = straight lines between points [i, ε]"

    name: Literal["piecewise"] = "piecewise"
    points: tuple[Point, ...] = Field(
        ((0, 1.0), (500, 1.0), (1000, 0.0)),
        min_length=1,
        max_length=1000,
        description="optimiser steps, in their order, each with its epsilon: [[0, 1], [600, 1], [600, 0]]",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for (before, _), (after, _) in pairwise(self.points):
            if after < before:
                raise ValueError(f"points: step {after} stands after step {before}: put them in order")
        return self

    def __call__(self, step: float, steps: int) -> float:
        after = bisect_right(self.points, step, key=itemgetter(0))
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (left, low), (right, high) = self.points[after - 1 : after + 1]
        return low + (high - low) * (step - left) / (right - left)

    @property
    def stretched(self) -> bool:
        return False


class Turned(Schedule):
    """Another schedule as time passes `pace` times as fast, or what it leaves of 1; of no name that could be set."""

    formula: ClassVar[str] = "1 - ε(pace · i), or ε(pace · i)"

    name: Literal["turned"] = "turned"
    schedule: SerializeAsAny[Schedule]
    pace: float = 1.0
    inverse: bool = False

    def __call__(self, step: float, steps: int) -> float:
        epsilon = self.schedule(step * self.pace, steps)
        return 1 - epsilon if self.inverse else epsilon


BUILT_IN = (Constant, Linear, Exponential, InverseSigmoid, Switch, Cycle, Piecewise, Cosine, Staircase)
SCHEDULES: Registry[type[Schedule]] = Registry(
    "schedule", {kind.model_fields["name"].default: kind for kind in BUILT_IN}, below(Schedule), unlike_its_name
)


class KeptSchedule(Kept, Schedule):
    """A plugin's schedule, as a run keeps it: its epsilon is what the run's evaluations and result say."""

    model_config = ANY_FIELDS

    def __call__(self, step: float, steps: int) -> float:
        raise UsageError(f"schedule {self.name!r} comes from a plugin, which is not loaded")


def of_plugins(value: Any, built_in: ValidatorFunctionWrapHandler) -> Any:
    """A schedule by its name: of a plugin, which is loaded, or else one that is built in."""
    if isinstance(value, Schedule) and value.name not in SCHEDULES.built_in:
        return value
    name = value.get("name") if isinstance(value, Mapping) else None
    if isinstance(name, str) and name not in SCHEDULES.built_in and name in SCHEDULES:
        return SCHEDULES[name](**value)
    return built_in(value)


if TYPE_CHECKING:
    AnySchedule = Schedule
else:
    AnySchedule = Annotated[
        SerializeAsAny[Annotated[Union[BUILT_IN], Field(discriminator="name")]],  # noqa: UP007 - of a tuple
        WrapValidator(of_plugins),
    ]


def even(count: int, most: int) -> list[int]:
    """`most` of the numbers from 0 to `count` - 1 at even distances; all where there are no more."""
    chosen = min(count, most)
    return [index * count // chosen for index in range(chosen)]


def spread(first: int, after: int, most: int) -> Iterable[int]:
    """Every step from `first` to the one before `after`, or `most` of them.

    So many are spread by the golden ratio, for steps at even distances can all meet one phase of a cycle.
    """
    span = after - first
    if span <= most:
        return range(first, after)
    golden = (math.sqrt(5) - 1) / 2
    return (first + int(span * (index * golden % 1)) for index in range(most))


def logistic(x: float) -> float:
    """1 / (1 + e^-x) for any x, without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


@lru_cache(maxsize=64)  # a schedule asks for the same one at every step
def lambert_w(x: float) -> float:
    """The w >= 0 with w e^w = x, for x >= 0, by Newton's method."""
    w = math.log1p(x)
    for _ in range(40):
        w -= (w - x * math.exp(-w)) / (1 + w)
    return w
