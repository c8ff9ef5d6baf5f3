"""Data as chance: the splits of a task of files, as they lie there or drawn by a seed."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import islice
from random import Random
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from ssrun.errors import UsageError
from ssrun.system.fields import later
from ssrun.system.text import shown_value
from ssrun.tasks.pairs import Chosen, Joined
from ssrun.tasks.task import HELD_OUT, Example, Split, Task, Tokens

BY_SEED: Literal["seed"] = "seed"
LARGEST = 2**31 - 1
Splits = Mapping[Split, Sequence[Example]]


def _data_seed(value: Any) -> Any:
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if value is None or value == BY_SEED or (type(number) is int and 0 <= number <= LARGEST):
        return number
    raise ValueError(f"{shown_value(value)} is no seed of data: write seed, or a whole number from 0")


DataSeed = Annotated[
    Annotated[int, Field(ge=0, le=LARGEST)] | Literal["seed"] | None,
    BeforeValidator(_data_seed),
]


class Redrawn(Task):
    """A task whose pairs lie in files, a split each; `data_seed` draws all three from all of them."""

    data_seed: DataSeed = later(
        None,
        description="what draws training, validation and test pairs from all files: seed is each run's own seed, a "
        "number is the same for all runs; without it the files are the splits",
    )

    def training(self) -> Sequence[Example]:
        return self.splits()["training"]

    def held_out(self, split: Split) -> Sequence[Example]:
        return self.splits()[split]

    def of_seed(self, seed: int) -> Self:
        return self.model_copy(update={"data_seed": seed}) if self.data_seed == BY_SEED else self

    def check(self) -> None:
        if not self.splits()["training"]:
            raise UsageError(f"task.data_seed: task {self.name} has no source left to train on: hold out fewer")

    def splits(self) -> Splits:
        """The pairs of this run, by split; ValueError where they are those of a seed that is not known yet."""
        sizes = self.sizes()
        if self.data_seed is None:
            return {split: self.file(split)[: sizes[split]] for split in sizes}
        if self.data_seed == BY_SEED:
            raise ValueError("data_seed: no run's seed is in its place: see Task.of_seed")
        pairs = Joined([self.file(split) for split in sizes])
        return drawn(pairs, sizes, Random(f"{self.name}/data/{self.data_seed}"))

    def file(self, split: Split) -> Sequence[Example]:
        """The pairs in a split's own file, in its order."""
        raise NotImplementedError

    def sizes(self) -> Mapping[Split, int]:
        """How many pairs the splits have: the training set first."""
        raise NotImplementedError


def drawn_by(data_seeds: Mapping[int, int | None]) -> int | Literal["seed"] | None:
    """The `data_seed` that runs were asked for, from those that they have by seed; the number itself of one run."""
    if len(data_seeds) > 1 and all(found == seed for seed, found in data_seeds.items()):
        return BY_SEED
    return next(iter(data_seeds.values()))


def drawn(pairs: Sequence[Example], sizes: Mapping[Split, int], random: Random) -> Splits:
    """Splits of these sizes, or of what there is, drawn without replacement.

    The test set is drawn first, then the validation set: distinct sources, none in both. Then the training set, of the
    pairs whose source is not held out; a smaller one is the beginning of a larger one.
    """
    left = array("I", random.sample(range(len(pairs)), len(pairs)))
    splits: dict[Split, Sequence[Example]] = {}
    taken: set[Tokens] = set()
    for split in reversed(HELD_OUT):
        of_source: dict[Tokens, int] = {}
        for place in left:
            if len(of_source) == sizes[split]:
                break
            if (source := pairs[place].source) not in taken:
                of_source.setdefault(source, place)
        splits[split] = Chosen(pairs, array("I", of_source.values()))
        taken.update(of_source)
    training = (place for place in left if pairs[place].source not in taken)
    splits["training"] = Chosen(pairs, array("I", islice(training, sizes["training"])))
    return splits
