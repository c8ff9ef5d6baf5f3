"""A strategy is data: schedule x clock x coin x feed x label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ssrun.strategies.parts import (
    CLOCKS,
    FEEDS,
    LOSSES,
    OBJECTIVES,
    PREDICTED,
    Clock,
    Coin,
    Feed,
    Gradient,
    Label,
    Objective,
)
from ssrun.strategies.schedules import EXACT_STEPS, AnySchedule, Constant, Decay, Schedule, Turned, even, spread
from ssrun.system.fields import Fields, later
from ssrun.system.text import shown_value

# Fields that only some values of another field give an effect: what they need, one of it. Set in vain they are refused.
NEEDS: dict[str, Mapping[str, tuple[str, ...]]] = {
    **{name: {"label": ("teacher",), "initial": ("teacher",)} for name in ("teacher", "teacher_id")},
    **{name: {"label": ("teacher",)} for name in ("beta", "teacher_temperature")},
    "horizon": {"clock": ("position", "both")},
    **{name: {"coin": ("confidence",)} for name in ("threshold", "noise_threshold", "confidence_of")},
    "temperature": {"feed": ("sample",), "gradient": ("soft", "straight-through")},
    "top_k": {"feed": ("sample",)},
    "gradient": {"feed": PREDICTED},
    "passes": {"feed": PREDICTED, "coin": ("confidence",)},
    "oracle_beam": {"feed": ("beam-oracle",)},
    "at_test": {"feed": ("mask",)},
    **{name: {"objective": ("minimum-risk",)} for name in ("samples", "sharpness")},
}
OF_OBJECTIVES = ("samples", "sharpness", "initial", "teacher", "teacher_id", "gold_weight", "professor_weight")
OF_EPSILON = ("clock", "horizon", "inverse")  # the fields, beside the schedule, that epsilon depends on


class Strategy(Fields):
    """How decoder inputs are chosen in training, and what is learned from them. The first, BOS, is never replaced."""

    schedule: AnySchedule = Field(
        description="epsilon over training, the probability of feeding the true previous token"
    )
    coin: Coin = Field(
        "token",
        description="which tokens are true: by one draw a token of each sequence (the paper's), a sequence (its "
        "footnote 2), or the whole batch; by none, the target's prefix; exactly a count of the batch's; or by how "
        "confident the model is in what comes after a token, fed the true ones",
    )
    feed: Feed = Field(
        "sample",
        description="what replaces a true token: a sample of the model's distribution, its argmax, or a random token: "
        "a uniform-token of the vocabulary's real ones, one by its frequency in the batch's targets (unigram), one of "
        "the same-sequence; a mask, which is <unk>; or the token there of the best of a beam's outputs (beam-oracle)",
    )
    label: Label = later(
        "gold",
        description="what is learned at a position: gold, the true token there (the paper's); what an expert may say "
        "after the prefix that was fed; a teacher's distribution there; or the fed token itself",
    )
    teacher: str = later(
        "",
        max_length=4096,
        description="the trained run that label = teacher learns from, or initial = teacher begins with: its folder",
    )
    teacher_id: str = later(
        "", pattern="^([0-9a-f]{64})?$", description="what decides the teacher's weights; filled in"
    )
    beta: float = later(
        0.5,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="divergence from the teacher: 0 is KL(teacher, model), 1 KL(model, teacher), between them the "
        "generalised Jensen-Shannon divergence",
    )
    teacher_temperature: float = later(
        1.0, ge=0.01, le=20, allow_inf_nan=False, description="what the logits of model and teacher are divided by"
    )
    clock: Clock = later(
        "step",
        description="what epsilon runs over: the training step (the paper's); the position of the fed token in its "
        "target, from 0, up to the horizon (Liu et al. 2021); or both, the position at a pace that grows as the same "
        "schedule falls over the run",
    )
    horizon: int = later(
        16,
        ge=1,
        le=1000,
        description="positions of a target that a clock of positions runs over, and that mean epsilon is the mean of; "
        "beyond them the schedule goes on",
    )
    inverse: bool = later(False, description="whether epsilon is 1 less what the schedule says: a control")
    threshold: float = later(
        0.9, ge=0, le=1, allow_inf_nan=False, description="confidence up to which a token is the true one"
    )
    noise_threshold: float = later(
        0.95,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="confidence above which a token is a random one of the same target; 1: none is",
    )
    confidence_of: Literal["gold", "best"] = later(
        "gold",
        description="whose probability the confidence is: that of the true token (the paper's), or of the best one",
    )
    temperature: float = later(
        1.0, ge=0.01, le=100, allow_inf_nan=False, description="what the logits are divided by before a sample is drawn"
    )
    top_k: int = later(
        0, ge=0, le=1_000_000, description="likeliest tokens that a sample is drawn from, and their like; 0: all"
    )
    passes: int = later(
        0,
        ge=0,
        le=100_000,
        description="passes over whole sequences, the first over the true tokens, that choose the model's own tokens "
        "in place of a walk (Duckworth et al. 2019): as many as a target has tokens choose what the walk does; 0: walk",
    )
    oracle_beam: int = later(4, ge=1, le=64, description="outputs that the beam-oracle chooses from")
    at_test: Literal["own", "mask"] = later(
        "own",
        description="what the trained model is fed: its own tokens, or the mask of training again (teacherless)",
    )
    gold_weight: float = later(
        0.0,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="weight of a second loss beside the first: that of the true tokens, fed the true tokens",
    )
    gradient: Gradient = later(
        "none",
        description="what flows back through a fed token: nothing; or what does through a soft mixture of all tokens' "
        "vectors, fed in its place (Goyal et al. 2017), or straight-through, as if that were fed",
    )
    initial: Literal["drawn", "teacher"] = later(
        "drawn", description="the first weights: drawn by the run's seed, or those of the teacher, to fine-tune"
    )
    objective: Objective = later(
        "likelihood",
        description="what is learned: labels, position by position; or a reward of whole outputs, sentence BLEU, by "
        "the risk of samples (minimum-risk; Shen et al. 2016) or REINFORCE against the argmax's (self-critical)",
    )
    samples: int = later(16, ge=2, le=1000, description="outputs of a source whose risk is taken, each kind once")
    sharpness: float = later(
        5e-3, gt=0, le=100, allow_inf_nan=False, description="exponent of an output's probability in the risk"
    )
    professor_weight: float = later(
        0.0,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="weight of a second loss: that a discriminator takes the decoder, fed samples of its own, for one "
        "that is fed the true tokens (professor forcing; Lamb et al. 2016)",
    )

    @model_validator(mode="after")
    def _nothing_is_set_in_vain(self) -> Self:
        for name, needs in NEEDS.items():
            value = getattr(self, name)
            if value != type(self).model_fields[name].default and not has_one_of(self, needs):
                raise ValueError(f"{name} = {shown_value(value)}: it needs {told_needs(needs)}")
        return self

    @model_validator(mode="after")
    def _schedule_follows_the_clock(self) -> Self:
        name, clock = self.schedule.name, self.clock
        if clock != "step" and isinstance(self.schedule, Constant):
            raise ValueError(f"clock = {clock}: schedule {name} is the same at every position: choose another")
        if self.inverse and isinstance(self.schedule, Constant):
            raise ValueError(f"inverse: of schedule constant: give value = {1 - self.schedule.value:g} instead")
        if clock == "both" and not self.schedule.stretched:
            remedy = "half_at in place of k, or a schedule told in shares of the run"
            raise ValueError(f"clock = both: {name} is told in steps, and runs over steps and positions: give {remedy}")
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.coin in ("prefix", "count") and self.clock != "step":
            raise ValueError(f"coin = {self.coin}: it counts by one epsilon for all tokens: give clock = step")
        if self.coin == "confidence" and not self.passes:
            raise ValueError("coin = confidence: it needs a pass over the true tokens: give passes = 1, or more")
        if self.passes > 1 and not FEEDS[self.feed].predicts:
            raise ValueError(f"passes = {self.passes}: feed {self.feed} takes nothing of them: give 1")
        if self.noise_threshold < self.threshold:
            told = f"noise_threshold = {self.noise_threshold:g} is below threshold = {self.threshold:g}"
            raise ValueError(f"{told}: confidence rises from true tokens to noise")
        if self.gradient != "none":
            self._learns_in_a_walk()
        if self.at_test == "mask" and self.schedule != Constant(value=0):
            raise ValueError("at_test = mask: in training too no token may be seen: give schedule constant, value 0")
        if self.objective != "likelihood":
            self._learns_of_whole_outputs()
        return self

    def _learns_of_whole_outputs(self) -> None:
        """Raises ValueError where something is set that a sequence objective, which feeds samples alone, has not."""
        given = self.model_dump(exclude={"schedule", "objective", *OF_OBJECTIVES}, exclude_defaults=True)
        if self.schedule != Constant(value=0):
            raise ValueError(f"objective = {self.objective}: it feeds samples alone: give schedule constant, value 0")
        if given:
            name, value = next(iter(given.items()))
            raise ValueError(
                f"objective = {self.objective}: {name} = {shown_value(value)} has no place in it: leave it out"
            )

    def _learns_in_a_walk(self) -> None:
        """Raises ValueError where a walk with gradient cannot do what is asked for."""
        where = f"gradient = {self.gradient}"
        if self.passes:
            raise ValueError(f"{where}: it flows through a walk: give passes = 0, and a coin that needs none")
        if self.top_k:
            raise ValueError(f"{where}: a mixture is of all tokens: give top_k = 0")
        if self.label != "gold":
            raise ValueError(f"{where}: label {self.label} is of tokens that were fed, not of mixtures: give gold")

    @property
    def needs_teacher(self) -> bool:
        """Whether another run is to be trained first."""
        return "teacher" in (self.label, self.initial)

    @property
    def formula(self) -> str:
        """Epsilon's equation, by the schedule and its clock."""
        said = [self.schedule.formula, CLOCKS[self.clock], "and 1 less that" if self.inverse else ""]
        return "; ".join(filter(None, said))

    @property
    def loss(self) -> str:
        """What is minimised, as an equation: by its objective or its label, and beside it its second losses."""
        parts = [OBJECTIVES[self.objective] or LOSSES[self.label]]
        parts += ["gold_weight · -log p(y_t | true prefix)"] if self.gold_weight else []
        parts += ["professor_weight · -log D(own samples)"] if self.professor_weight else []
        return " + ".join(parts)

    @property
    def stretched(self) -> bool:
        """Whether epsilon at a step depends on the run's number of steps; see `Schedule.stretched`."""
        return self.clock != "position" and self.schedule.stretched

    def places(self, steps: int) -> int:
        """The N that the schedule runs over: the steps of the run, or the positions of a clock of positions."""
        return steps if self.clock == "step" else self.horizon

    def curve(self, step: int, steps: int) -> Schedule:
        """Epsilon over the `places`; by both clocks that of this optimiser step: epsilon(t (1 - epsilon(i)))."""
        pace = 1 - self.schedule(step, steps) if self.clock == "both" else 1.0
        if pace == 1 and not self.inverse:
            return self.schedule
        return Turned(schedule=self.schedule, pace=pace, inverse=self.inverse)

    def epsilons(self, step: int, steps: int, tokens: int) -> float | list[float]:
        """Epsilon of a target's first `tokens` tokens at an optimiser step; a number where it is one for all."""
        curve = self.curve(step, steps)
        if self.clock == "step":
            return curve(step, steps)
        return [curve(position, self.horizon) for position in range(tokens)]

    def epsilon(self, step: int, steps: int) -> float:
        """Epsilon at an optimiser step: under a clock of positions the mean over the horizon's."""
        curve = self.curve(step, steps)
        return curve(step, steps) if self.clock == "step" else curve.mean(self.horizon)

    def mean(self, steps: int) -> float:
        """The mean epsilon over a run: over its steps, and under a clock of positions over the horizon's.

        So it is the share of true tokens that the run is fed where every target has as many tokens as the horizon.
        Exact as `Schedule.mean`; under both clocks up to EXACT_STEPS pairs of a step and a position.
        """
        if self.clock != "both":
            return self.curve(0, steps).mean(self.places(steps))
        most = max(1, EXACT_STEPS // self.horizon)
        return math.fsum(self.epsilon(step, steps) for step in spread(0, steps, most)) / min(steps, most)

    def matched(self, mean: float, steps: int) -> Self:
        """This strategy, its decay's shape moved until its mean epsilon over a run is `mean`.

        Any other schedule stays as it is. ValueError where no shape has that mean.
        """
        decay, wanted = self.schedule, 1 - mean if self.inverse else mean
        if not isinstance(decay, Decay):
            return self
        if self.clock != "both":
            return self.model_copy(update={"schedule": decay.matched(wanted, self.places(steps))})
        some_steps, positions = even(steps, 100), even(self.horizon, 64)  # few and fixed: see `Decay.matched`

        def even_mean(decay: Decay) -> float:
            paces = (1 - decay(step, steps) for step in some_steps)
            found = math.fsum(decay(position * pace, self.horizon) for pace in paces for position in positions)
            return found / len(some_steps) / len(positions)

        over = f"{steps} steps and {self.horizon} positions"
        return self.model_copy(update={"schedule": decay.with_mean(wanted, even_mean, over, 2e-3 + 1 / self.horizon)})

    def walk_share(self, steps: int) -> float:
        """The share of a run's steps that need work of the model to choose what it is fed.

        Those with epsilon below 1; with one coin a batch, those whose coin is expected to say so; none for random
        tokens; all where gradient flows through what is fed, or a discriminator watches. A walk counts as much as any
        number of passes, and as a beam or a set of samples, which cost more. Exact up to EXACT_STEPS steps; of a longer
        run, over so many steps spread over it.
        """
        if self.gradient != "none" or self.professor_weight:
            return 1.0
        if not (FEEDS[self.feed].predicts or self.coin == "confidence" or self.feed == "beam-oracle"):
            return 0.0
        if self.clock == "position":
            steps = 1  # the same at all
        epsilons = (self.epsilon(step, steps) for step in spread(0, steps, EXACT_STEPS))
        walks = (1 - epsilon if self.coin == "batch" else float(epsilon < 1) for epsilon in epsilons)
        return math.fsum(walks) / min(steps, EXACT_STEPS)


def has_one_of(strategy: Strategy, needs: Mapping[str, tuple[str, ...]]) -> bool:
    return any(getattr(strategy, field) in values for field, values in needs.items())


def told_needs(needs: Mapping[str, tuple[str, ...]]) -> str:
    """`clock = 'position' or 'both'`."""
    return ", or ".join(f"{field} = {' or '.join(map(repr, values))}" for field, values in needs.items())


def parameters(strategy: Strategy) -> list[str]:
    """The fields of this strategy that `--set strategy.<field>=` reaches."""
    idle = {"schedule", *(name for name, needs in NEEDS.items() if not has_one_of(strategy, needs))}
    if isinstance(strategy.schedule, Constant):
        idle |= {"clock", "inverse"}
    own = [name for name in Strategy.model_fields if name not in idle]
    return [*own, *(name for name in type(strategy.schedule).model_fields if name != "name")]


def choosing(strategy: Strategy, layers: Sequence[Mapping[str, Any]]) -> Strategy:
    """The strategy, unchecked, with those changes of some layers, later ones stronger, that give fields an effect."""
    own, choices = parameters(strategy), {field for needs in NEEDS.values() for field in needs}
    found = {name: value for layer in layers for name, value in layer.items() if name in choices and name in own}
    return strategy.model_copy(update=found)
