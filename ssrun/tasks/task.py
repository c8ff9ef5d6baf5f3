"""What a task is: examples, references, and what counts as a right answer.

Knows nothing of tensors, models or strategies, and imports no heavy library.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from ssrun.errors import UsageError
from ssrun.system import signals
from ssrun.system.fields import Fields, later
from ssrun.system.kept import ANY_FIELDS, Kept
from ssrun.tasks.optimal_completion import Answer, answer_of, optimal_completions

Tokens = tuple[str, ...]
Continuation = Collection[str] | Mapping[str, float]  # tokens that are equally likely; or the probability of each
Split = Literal["training", "validation", "test"]
HELD_OUT: tuple[Split, Split] = ("validation", "test")
VALIDATION_PAIRS = "pairs that are scored while training goes on"
TEST_PAIRS = "pairs that the trained model is scored on"


@dataclass(frozen=True, slots=True)
class Example:
    """A source, the target to learn from it, and every answer that is right.

    Attributes:
        source: Tokens; none where a task has no source.
        target: Tokens, at least one; the first right answer.
        others: The right answers besides `target`, for BLEU and exact match.
    """

    source: Tokens
    target: Tokens
    others: tuple[Tokens, ...] = ()

    @property
    def references(self) -> tuple[Tokens, ...]:
        """Every right answer, `target` first."""
        return (self.target, *self.others)


class Range(NamedTuple):
    """A closed range of whole numbers, written `4..15`."""

    low: int
    high: int


def _range(value: Any) -> Any:
    try:
        low, high = (int(part) for part in (value.split("..") if isinstance(value, str) else value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is not a range: write it like 4..15") from None
    if not 1 <= low <= high <= 10_000:
        raise ValueError(f"{low}..{high} is not a range: 1 <= low <= high <= 10000")
    return Range(low, high)


Lengths = Annotated[
    Range,
    BeforeValidator(_range),
    PlainSerializer(lambda lengths: f"{lengths[0]}..{lengths[1]}", return_type=str),
    WithJsonSchema({"type": "range", "minimum": 1, "maximum": 10_000}),
]


class Task(Fields):
    """A source of examples. Its fields are what `--set task.<field>=` reaches.

    A task either gives a finite training set (`training`) or draws fresh pairs from a seeded
    stream (`draw`). Held-out sets are fixed: they depend on the task's fields and on nothing else.

    Attributes:
        defaults: What differs from the defaults of the other sections when this task is trained,
            by dotted path, for example `{"model.attention": "aligned"}`.
        metrics: Names of the metrics that `judge` adds; `one_step_rmse` among them where its tokens are numbers.
        text_metrics: Names of the metrics beside BLEU, where its tokens are words of a text.
        by_position: Whether each output token answers for its own position, and not for its place among the others.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    metrics: ClassVar[tuple[str, ...]] = ()
    text_metrics: ClassVar[tuple[str, ...]] = ()
    by_position: ClassVar[bool] = False

    name: str
    validation_pairs: int = Field(200, ge=1, le=1_000_000, description=VALIDATION_PAIRS)
    test_pairs: int = Field(1000, ge=1, le=1_000_000, description=TEST_PAIRS)

    def of_seed(self, seed: int) -> Self:
        """This task in a run of this seed: what is left to the run's own seed is now that."""
        return self

    def prepared(self) -> Self:
        """This task, checked against the world: files read, and their digest among the fields."""
        return self

    def training(self) -> Sequence[Example] | None:
        """The finite training set, or None where training pairs are drawn fresh."""
        return None

    def draw(self, random: Random, split: Split = "training") -> Example:
        """One fresh pair; `split` may ask for harder ones (longer, say) in the test set."""
        raise NotImplementedError

    def held_out(self, split: Split) -> Sequence[Example]:
        """The fixed validation or test set: distinct sources, none in both; UsageError where there are too few.

        Interrupted where a signal comes meanwhile.
        """
        taken: set[Tokens] = set()
        for name, size in zip(HELD_OUT, (self.validation_pairs, self.test_pairs), strict=True):
            random = Random(f"{self.name}/{name}")
            chosen: list[Example] = []
            for _ in range(20 * size + 1000):
                signals.check()
                example = self.draw(random, name)
                if example.source not in taken:
                    taken.add(example.source)
                    chosen.append(example)
                if len(chosen) == size:
                    break
            else:
                asked = f"task.{name}_pairs = {size}"
                raise UsageError(f"{asked}: task {self.name} has not so many distinct sources: ask for fewer")
            if name == split:
                return chosen
        raise ValueError(f"no held-out split {split!r}")

    def check(self) -> None:
        """UsageError where there is nothing to hold out or else to train on: the fields allow too few sources."""
        if self.training() is None:
            held_out = {example.source for split in HELD_OUT for example in self.held_out(split)}
            random = Random(f"{self.name}/check")
            if all(self.draw(random).source in held_out for _ in range(10_000)):
                held = f"task.test_pairs = {self.test_pairs}"
                raise UsageError(f"{held}: task {self.name} has no source left to train on: ask for fewer")

    def source_tokens(self) -> Sequence[str]:
        """The real tokens a source can hold, in the vocabulary's order."""
        raise NotImplementedError

    def target_tokens(self) -> Sequence[str]:
        """The real tokens a target can hold, in the vocabulary's order: the source's where a task says no others."""
        return self.source_tokens()

    def subword_models(self) -> tuple[bytes, bytes] | None:
        """What cuts the tokens of sources and of targets into pieces; None where tokens are what is learned."""
        return None

    def judge(self, examples: Sequence[Example], outputs: Sequence[Tokens]) -> dict[str, float]:
        """The task's own metrics of these outputs, in %, by the names in `metrics`: the share that `is_right`."""
        if not self.metrics:
            return {}
        right = [self.is_right(example.source, output) for example, output in zip(examples, outputs, strict=True)]
        return {"validity": 100 * sum(right) / len(right)}

    def rmse_by_position(self, examples: Sequence[Example], predicted: Sequence[Tokens]) -> list[float]:
        """Where tokens are numbers, the root mean square error of predicted ones at each position; else nothing."""
        return []

    def is_right(self, source: Tokens, output: Tokens) -> bool:
        """Whether the output is one of the right answers, given as a reference or not."""
        raise NotImplementedError

    def expert(self, example: Example, prefix: Tokens) -> Continuation:
        """What a perfect speaker may say next, after a prefix of an output, right or wrong (Ross et al. 2011).

        Tokens that are equally good, `END` among them where the output may end; or the probability of each. Nothing
        where no token is better than another. Here: those that keep the edits to the nearest right answer fewest.
        """
        return optimal_completions(prefix, self.answers(example))

    def answers(self, example: Example) -> Sequence[Answer]:
        """Every right answer, as the expert knows them; those that differ in a word or two may be one."""
        return [answer_of(reference) for reference in example.references]

    def facts(self) -> dict[str, int]:
        """Counts worth reporting with a result (unknown words, pairs left out ...)."""
        return {}


class KeptTask(Kept, Task):
    """A plugin's task, as a run keeps it: read, and never trained on."""

    model_config = ANY_FIELDS


class Drawn(Task):
    """A task whose pairs are drawn: fresh ones as long as training goes on, or a finite set of them, seen in epochs."""

    training_pairs: int = later(
        0, ge=0, le=1_000_000, description="pairs of a finite training set, the same for all seeds; 0: ever fresh pairs"
    )

    def training(self) -> list[Example] | None:
        """Distinct pairs whose source is not held out, fixed by the fields; a smaller set begins a larger one.

        UsageError where there are too few. Interrupted where a signal comes meanwhile.
        """
        size = self.training_pairs
        if not size:
            return None
        held_out = {example.source for split in HELD_OUT for example in self.held_out(split)}
        random = Random(f"{self.name}/training")
        chosen: dict[Example, None] = {}
        for _ in range(20 * size + 1000):
            signals.check()
            example = self.draw(random)
            if example.source not in held_out:
                chosen[example] = None
            if len(chosen) == size:
                return list(chosen)
        raise UsageError(f"task.training_pairs = {size}: task {self.name} has not so many pairs: ask for fewer")

    def facts(self) -> dict[str, int]:
        return {"training_pairs": self.training_pairs} if self.training_pairs else {}
