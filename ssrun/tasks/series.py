"""Series: forecast a real-valued signal, whose values are cut into bins so that a bin is a token.

As WaveNet says sound (van den Oord et al. 2016, arXiv 1609.03499) and Chronos any series (Ansari et al. 2024, arXiv
2403.07815). Here a token is called by its bin's centre, in units of the training part's standard deviation.

To be fed the true past is the series-parallel form of system identification, to be fed one's own outputs the parallel
one (Narendra and Parthasarathy 1990). What is said one step ahead by the first is said many steps ahead by the second:

- Teacher forcing learns the one-step law, and iterates it. On the linear `oscillator` nothing is lost by that: the
  expected value after expected values is the expected value. On `mackey-glass` a wrong bin is a wrong place on the
  attractor, from which the true law leads away: `forecast_rmse` grows with the horizon as no `one_step_rmse` tells.
- Sampling with the true value as label teaches to say where the signal IS at that step, whatever was fed: a direct
  forecast in place of an iterated one. That is more robust where the one-step law is not learned well, and worse where
  it is (Marcellino, Stock and Watson 2006). It should raise `one_step_rmse` and may lower `forecast_rmse_late`.
- The expert of a law that is known (`oscillator`, `narx`) goes on from what was said, right or wrong. So it teaches
  the one-step law again, on the model's own values; the past errors are not taken back. In `narx` the input tells
  where the output will be, and old errors fade by themselves.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import repeat
from math import ceil, floor, log10, nan, sqrt
from pathlib import Path
from random import Random
from statistics import fmean, pstdev
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from ssrun.errors import UsageError, unknown
from ssrun.system import signals
from ssrun.system.text import is_unicode, shown_value, visible
from ssrun.tasks.dynamics import LAWS, Law, held, mackey_glass, walked
from ssrun.tasks.optimal_completion import END
from ssrun.tasks.task import VALIDATION_PAIRS, Continuation, Example, Split, Task, Tokens

LIMIT = 3.0  # deviations from the mean: what is beyond is in the outermost bin
SETTLING = 100  # steps of an oscillator that are left out, until it has forgotten that it began at rest
HISTORIES: dict[Split, float] = {"training": 1.2, "validation": 0.9, "test": 0.5}  # of Mackey-Glass
TRAINING_SHARE, VALIDATION_SHARE = 0.7, 0.1  # of a file's rows, from the first; the rest is the test part
NEGLIGIBLE = 1e-6  # a probability that no expert speaks of
LARGEST = 1e100


class Series(Task):
    """Forecast values to come from those before, or the output of a system from its input.

    The source is `context` values, the target the `horizon` values after them: of the Mackey-Glass equation, of a noisy
    oscillator, or of a column of a CSV file. In `narx` the source is the input of a system that begins at rest, the
    target its output at the same steps (there `--set model.attention=aligned` puts each input before its step).

    The oscillator and the NARX system are rounded to their bins in their own loop, so that the next value depends on
    the tokens of the last two alone: their expert is exact. Elsewhere the expert is the true value of that step.

    A made signal has a stretch of its own for each split. A file is split by time: 70 % of its rows for training, then
    10 % for validation, the rest for the test; no window lies in two parts. Mean and deviation are the training part's.
    Chaos returns: 14 % of the default test windows of Mackey-Glass begin, to the bin, as one in training did.
    """

    metrics: ClassVar[tuple[str, ...]] = ("forecast_rmse", "forecast_rmse_late", "one_step_rmse")
    by_position: ClassVar[bool] = True

    name: Literal["series"] = "series"
    signal: Literal["mackey-glass", "oscillator", "narx", "file"] = Field(
        "mackey-glass", description="what is forecast: of a file, a column of numbers; narx has an input as its source"
    )
    context: int = Field(16, ge=2, le=1000, description="values that a forecast is made from; narx has none")
    horizon: int = Field(16, ge=2, le=1000, description="values to forecast")
    bins: int = Field(48, ge=2, le=1000, description="tokens for values, equally wide, from -3 to 3 deviations")
    training_pairs: int = Field(
        4000, ge=1, le=1_000_000, description="windows to train on: of a file, at most those of its training part"
    )
    validation_pairs: int = Field(200, ge=1, le=1_000_000, description=VALIDATION_PAIRS)
    test_pairs: int = Field(400, ge=1, le=1_000_000, description="windows that the trained model is scored on")
    path: str = Field("", description="signal file: a CSV, a column a series, its names in the first row; --corpus")
    column: str = Field("", max_length=200, description="signal file: which column; of one alone it need not be said")
    digest: str = Field(
        "", max_length=64, description="sha256 over the file's values, filled in: changed ones are another task"
    )

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> Self:
        if self.signal == "file" and not self.path:
            raise ValueError("signal file needs a CSV: --corpus FILE (or task.path)")
        if not is_unicode(self.path):
            raise ValueError(f"{visible(self.path)}: the name is not UTF-8, and a run keeps it: give a link")
        for field in ("path", "column", "digest"):
            if getattr(self, field) and self.signal != "file":
                raise ValueError(f"{field}: it is of a file, and the signal is {self.signal}: give task.signal=file")
        if self.signal == "narx" and self.context != type(self).model_fields["context"].default:
            raise ValueError(f"context = {self.context}: the source of narx is its input alone: leave it out")
        return self

    def prepared(self) -> Self:
        """This task with the digest of a file's values; UsageError where they are none, too few, or changed."""
        if self.signal != "file":
            return self
        found = sha256(repr(column_of(self.path, self.column)).encode()).hexdigest()
        if self.digest not in ("", found):
            raise UsageError(f"{self.path}: the values have changed since this run: put back the old file")
        task = self.model_copy(update={"digest": found})
        made_of(task)
        return task

    def training(self) -> Sequence[Example]:
        return made_of(self).splits["training"]

    def held_out(self, split: Split) -> Sequence[Example]:
        """The windows of a part, evenly over it; as many as are asked for, or as there are."""
        return made_of(self).splits[split]

    def source_tokens(self) -> list[str]:
        return list(self.numbers)

    @property
    def numbers(self) -> dict[str, float]:
        """What each token stands for, in deviations from the mean."""
        return numbers_of(self.bins)

    def judge(self, examples: Sequence[Example], outputs: Sequence[Tokens]) -> dict[str, float]:
        """Root mean square errors of decoded outputs, over all steps and over the last quarter of them."""
        by_step = self.rmse_by_position(examples, outputs)
        late = by_step[-ceil(len(by_step) / 4) :]
        return {"forecast_rmse": mean_square_root(by_step), "forecast_rmse_late": mean_square_root(late)}

    def rmse_by_position(self, examples: Sequence[Example], predicted: Sequence[Tokens]) -> list[float]:
        """What is missing, or no value, counts as the training mean; what comes after the last step is not seen."""
        numbers, squares = self.numbers, [0.0] * self.horizon
        for example, said in zip(examples, predicted, strict=True):
            for place, token in enumerate(example.target):
                value = numbers.get(said[place], 0.0) if place < len(said) else 0.0
                squares[place] += (value - numbers[token]) ** 2
        return [sqrt(square / len(examples)) for square in squares]

    def expert(self, example: Example, prefix: Tokens) -> Continuation:
        """The law's probabilities after the two values said last; the true value where no law of tokens is known.

        What was said is taken for true, and what is no value for the true one. The end comes after the last step.
        """
        place = len(prefix)
        if place >= self.horizon:
            return (END,)
        if self.signal not in LAWS:
            return (example.target[place],)

        def said(step: int) -> str | None:
            """The token of a step; None at rest."""
            if step < 0:
                return None if self.signal == "narx" else example.source[step]
            return prefix[step] if prefix[step] in self.numbers else example.target[step]

        put_in = example.source[place] if self.signal == "narx" else None
        return conditional(self, said(place - 1), said(place - 2), put_in)

    def facts(self) -> dict[str, int]:
        """Windows; and of a file, values of the test part that are in an outermost bin, from beyond it."""
        made = made_of(self)
        clipped = {"test_values_beyond_the_bins": made.clipped} if self.signal == "file" else {}
        return {"training_pairs": len(made.splits["training"]), **clipped}


@lru_cache(maxsize=8)
def numbers_of(bins: int) -> dict[str, float]:
    """The tokens of so many bins, lowest first, and their centres in deviations, with decimals that tell them apart."""
    width = 2 * LIMIT / bins
    decimals = max(1, 1 + ceil(-log10(width)))
    centres = [(index + 0.5) * width - LIMIT for index in range(bins)]
    return {f"{centre:z.{decimals}f}": centre for centre in centres}


class Scale(NamedTuple):
    """Between values and tokens: a mean and a deviation, and how many bins there are."""

    mean: float
    deviation: float
    bins: int

    @classmethod
    def of(cls, values: Sequence[float], bins: int) -> Scale:
        return cls(fmean(values), pstdev(values), bins)

    def place(self, value: float) -> int:
        """The index of the bin that a value is in."""
        place = floor(((value - self.mean) / self.deviation + LIMIT) / (2 * LIMIT) * self.bins)
        return min(max(place, 0), self.bins - 1)

    def token(self, value: float) -> str:
        return tokens_of(self.bins)[self.place(value)]

    def value(self, token: str) -> float:
        """The centre of a token's bin."""
        return self.mean + self.deviation * numbers_of(self.bins)[token]

    def rounding(self) -> Callable[[float], float]:
        """What puts a value into the centre of its bin."""
        centres = list(map(self.value, tokens_of(self.bins)))
        return lambda value: centres[self.place(value)]

    @property
    def edges(self) -> list[float]:
        """Between the bins, ascending."""
        width = 2 * LIMIT / self.bins
        return [self.mean + self.deviation * (index * width - LIMIT) for index in range(1, self.bins)]


@lru_cache(maxsize=8)
def tokens_of(bins: int) -> tuple[str, ...]:
    return tuple(numbers_of(bins))


class Stretch(NamedTuple):
    """A part of a signal: its inputs, none where it has no input, and its values."""

    inputs: list[float]
    values: list[float]


class Made(NamedTuple):
    """A task's windows by split, the scales of its input, where it has one, and of its values, and what is clipped."""

    splits: dict[Split, list[Example]]
    inputs: Scale | None
    scale: Scale
    clipped: int


@lru_cache(maxsize=8)
def made_of(task: Series) -> Made:
    """The windows of a task; UsageError where a file has too few rows, or nothing in it varies."""
    parts = STRETCHES[task.signal](task)
    training = parts["training"]
    if min(training.values) == max(training.values):
        raise UsageError(f"{task.path}: column {shown_value(task.column)} is the same in all of its training part")
    inputs = Scale.of(training.inputs, task.bins) if training.inputs else None
    scale = Scale.of(training.values, task.bins)
    if law := LAWS.get(task.signal):
        parts = {split: of_law(task, law, split, inputs, scale) for split in parts}
    clipped = sum(abs(value - scale.mean) > LIMIT * scale.deviation for value in parts["test"].values)
    return Made({split: windows(task, split, parts[split], inputs, scale) for split in parts}, inputs, scale, clipped)


def windows(task: Series, split: Split, part: Stretch, inputs: Scale | None, scale: Scale) -> list[Example]:
    tokens = tuple(map(scale.token, part.values))
    if inputs:
        put_in = tuple(map(inputs.token, part.inputs))
        blocks = [slice(first, first + task.horizon) for first in range(0, len(tokens), task.horizon)]
        return [Example(put_in[block], tokens[block]) for block in blocks]
    there = len(tokens) - task.context - task.horizon + 1
    if there < 1:
        told = f"its {split} part has {len(tokens)} values, a window {task.context + task.horizon}"
        raise UsageError(f"{task.path}: {told}: lower task.context or task.horizon, or give more rows")
    wanted = min(pairs_of(task, split), there)
    latest = split == "training" and task.signal == "file"
    starts = range(there - wanted, there) if latest else [k * there // wanted for k in range(wanted)]
    ends = ((first, first + task.context, first + task.context + task.horizon) for first in starts)
    return [Example(tokens[first:middle], tokens[middle:last]) for first, middle, last in ends]


def pairs_of(task: Series, split: Split) -> int:
    return {"training": task.training_pairs, "validation": task.validation_pairs, "test": task.test_pairs}[split]


def points_of(task: Series, split: Split) -> int:
    """Values that a made signal needs, so that no two windows share what they forecast.

    Those that Mackey-Glass is trained on do, from one step to the next: its values take time to make.
    """
    stride = 1 if (task.signal, split) == ("mackey-glass", "training") else task.horizon
    return task.context + task.horizon + (pairs_of(task, split) - 1) * stride


def of_law(task: Series, law: Law, split: Split, inputs: Scale | None = None, scale: Scale | None = None) -> Stretch:
    """A stretch of a signal with a law; rounded in its own loop where its scale is known."""
    random = Random(f"{task.name}/{task.signal}/{split}")
    rounded = scale.rounding() if scale else float
    put_in = inputs.rounding() if inputs else float
    if task.signal == "oscillator":
        values = walked(law, repeat(0.0, SETTLING + points_of(task, split)), random, rounded)
        return Stretch([], list(values)[SETTLING:])
    found = Stretch([], [])
    for _ in range(pairs_of(task, split)):  # each begins at rest
        signals.check()
        block = list(map(put_in, held(random, task.horizon)))
        found.inputs.extend(block)
        found.values.extend(walked(law, block, random, rounded))
    return found


def chaos(task: Series) -> dict[Split, Stretch]:
    return {split: Stretch([], mackey_glass(points_of(task, split), HISTORIES[split])) for split in HISTORIES}


def lawful(task: Series) -> dict[Split, Stretch]:
    return {split: of_law(task, LAWS[task.signal], split) for split in HISTORIES}


def of_file(task: Series) -> dict[Split, Stretch]:
    values = column_of(task.path, task.column)
    first = round(TRAINING_SHARE * len(values))
    last = round((TRAINING_SHARE + VALIDATION_SHARE) * len(values))
    parts: dict[Split, list[float]] = {
        "training": values[:first],
        "validation": values[first:last],
        "test": values[last:],
    }
    return {split: Stretch([], part) for split, part in parts.items()}


STRETCHES: dict[str, Callable[[Series], dict[Split, Stretch]]] = {
    "mackey-glass": chaos,
    "oscillator": lawful,
    "narx": lawful,
    "file": of_file,
}


@lru_cache(maxsize=2**14)
def conditional(task: Series, last: str | None, before: str | None, put_in: str | None) -> dict[str, float]:
    """The probability of each token after these two and under this input, each None at rest: the law's, exactly."""
    made, law = made_of(task), LAWS[task.signal]
    one, other = (0.0 if token is None else made.scale.value(token) for token in (last, before))
    expected = law.f(one, other, made.inputs.value(put_in) if made.inputs and put_in else 0.0)
    shares = zip(tokens_of(task.bins), law.shares(expected, made.scale.edges), strict=True)
    found = {token: share for token, share in shares if share > NEGLIGIBLE}
    total = sum(found.values())
    return {token: share / total for token, share in found.items()}


def mean_square_root(errors: Sequence[float]) -> float:
    return sqrt(fmean(error**2 for error in errors))


@lru_cache(maxsize=8)
def column_of(path: str, column: str) -> list[float]:
    """The numbers of a column of a CSV, in the order of its rows; UsageError says file, line and remedy."""
    place = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
        raise UsageError(f"{path}: no such file: give a CSV, its columns' names in the first row")
    try:
        with place.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            names = next(rows, [])
            index = index_of(path, names, column)
            return [number_of(path, rows.line_num, row, index) for row in rows if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as CSV ({error}): give UTF-8 text, commas between columns") from None


def index_of(path: str, names: Sequence[str], column: str) -> int:
    if not column and len(names) == 1:
        return 0
    if column not in names:
        raise UsageError(f"{path}:1: task.column: {unknown('column', column, names)}")
    return names.index(column)


def number_of(path: str, line: int, row: Sequence[str], index: int) -> float:
    signals.check()
    text = row[index] if index < len(row) else ""
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not -LARGEST <= value <= LARGEST:
        raise UsageError(
            f"{path}:{line}: {shown_value(text)} is no number that can be forecast: fill it in, or cut there"
        )
    return value
