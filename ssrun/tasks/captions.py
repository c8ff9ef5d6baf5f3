"""Captions: say what a scene shows, in one of the many ways that are right.

A stand-in for MSCOCO captions in Bengio et al. 2015 (arXiv 1506.03099), section 4.1 and Table 1: one
input, many right outputs, of which training shows one at random.

- Teacher forcing learns the choices (a word order, a synonym, whether to tell the size) as the prefix
  unfolds: what was said settles what may still be said.
- Sampling feeds the model's own choice while the target goes on with another, so it trains on contradictions. Fed only
  its own samples the best answer ignores the prefix and mixes descriptions (Huszár 2015, arXiv 1511.05101): Table 1 has
  BLEU-4 11.2 for always sampling and 28.8 for teacher forcing. A decay that starts with true tokens lies between or, in
  the paper, above (30.6). `validity` tells a mixture from a description where BLEU cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from random import Random
from typing import Literal

from pydantic import Field

from ssrun.tasks.optimal_completion import Answer, Slot, answer_of
from ssrun.tasks.task import Drawn, Example, Split, Tokens

Wordings = tuple[Tokens, ...]

SIZES = {"big": ("big", "large"), "small": ("small", "little")}
COLOURS = ("red", "blue", "green", "yellow", "black", "white", "pink", "brown")
NAMES = (("ball", "sphere"), ("cube", "box"), ("ring", "hoop"), ("disc", "plate"), ("rod", "stick"), ("cup", "mug"))
SHAPES = {names[0]: names for names in NAMES}
RELATIONS = {
    "above": ("above", "over"),
    "below": ("below", "under"),
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
}
OPPOSITES = {"above": "below", "below": "above", "left": "right", "right": "left"}
FORMS = ("plain", "there", "fronted")


class Captions(Drawn):
    """The source is a scene, two things and how the first lies to the second; the target describes it.

    A thing has a size, a colour and a shape. A description names either thing first, in one of three
    forms ("a X is above a Y", "there is a X above a Y", "above a Y is a X"), with a synonym for each word
    and the sizes told or left out: 432 a scene, equally likely.

    In the held-out sets `target` is one of them at random, and `others` a sample of the rest, fixed by the scene and
    the target, so that each pair has `references` references. `exact_match` therefore counts fewer than are right;
    `validity` counts every one. Training pairs have no `others`: nothing reads them there.
    """

    metrics = ("validity",)
    text_metrics = ("rouge_l", "cider_d")

    name: Literal["captions"] = "captions"
    colours: int = Field(6, ge=2, le=8, description="how many colours")
    shapes: int = Field(6, ge=2, le=6, description="how many shapes, each with two names")
    references: int = Field(16, ge=1, le=64, description="right answers given with each held-out pair")

    def draw(self, random: Random, split: Split = "training") -> Example:
        shapes = list(SHAPES)[: self.shapes]
        first, second = (
            (random.choice(("big", "small")), random.choice(COLOURS[: self.colours]), random.choice(shapes))
            for _ in range(2)
        )
        source = (*first, random.choice(tuple(RELATIONS)), *second)
        slots = wordings(source, random.random() < 0.5, random.choice(FORMS))
        target = tuple(word for slot in slots for word in random.choice(slot))
        if split == "training":
            return Example(source, target)
        rest = [description for description in descriptions(source) if description != target]
        return Example(source, target, tuple(Random(" ".join(source)).sample(rest, self.references - 1)))

    def source_tokens(self) -> list[str]:
        return [*SIZES, *COLOURS[: self.colours], *list(SHAPES)[: self.shapes], *RELATIONS]

    def target_tokens(self) -> list[str]:
        names = [word for shape in list(SHAPES)[: self.shapes] for word in SHAPES[shape]]
        sizes = [word for size in SIZES.values() for word in size]
        relations = [word for phrases in RELATIONS.values() for phrase in phrases for word in phrase.split()]
        return list(dict.fromkeys(["a", "is", "there", *sizes, *COLOURS[: self.colours], *names, *relations]))

    def is_right(self, source: Tokens, output: Tokens) -> bool:
        """Whether the output is one of the scene's `descriptions`, found without making them all."""
        return any(fits(output, wordings(source, turned, form)) for turned in (False, True) for form in FORMS)

    def answers(self, example: Example) -> list[Answer]:
        """All of the scene's descriptions, given as references or not."""
        ways = [wordings(example.source, turned, form) for turned in (False, True) for form in FORMS]
        return [answer for slots in ways for answer in answers_of(slots)]


def wordings(scene: Tokens, turned: bool, form: str) -> list[Wordings]:
    """What each part of a scene's description may be: one choice a slot, in order, makes a description.

    The scene is a source's seven tokens, the form one of `FORMS`; `turned` says how the second thing lies to the first.
    """
    first, relation, second = scene[:3], scene[3], scene[4:]
    if turned:
        first, relation, second = second, OPPOSITES[relation], first
    lies = tuple(tuple(phrase.split()) for phrase in RELATIONS[relation])
    if form == "plain":
        return [*naming(first), (("is",),), lies, *naming(second)]
    if form == "there":
        return [(("there", "is"),), *naming(first), lies, *naming(second)]
    return [lies, *naming(second), (("is",),), *naming(first)]


def naming(thing: Tokens) -> list[Wordings]:
    """The slots of "a [size] colour shape"."""
    size, colour, shape = thing
    large, great = SIZES[size]
    return [(("a",), ("a", large), ("a", great)), ((colour,),), tuple((name,) for name in SHAPES[shape])]


def descriptions(scene: Tokens) -> list[Tokens]:
    """Every right description of a scene, in a fixed order."""
    ways = [wordings(scene, turned, form) for turned in (False, True) for form in FORMS]
    return [tuple(word for part in parts for word in part) for slots in ways for parts in product(*slots)]


def answers_of(slots: Sequence[Wordings]) -> list[Answer]:
    """What the choices of these slots make, as few answers as can be."""
    return [[slot for way in ways for slot in way] for ways in product(*map(ways_of, slots))]


@cache
def ways_of(choices: Wordings) -> list[Answer]:
    """The choices as parts of answers: a word among some is one place, and so is a word more or none."""
    first, *others = sorted(choices, key=len)
    if all(len(choice) == 1 for choice in choices):
        return [[Slot(frozenset(word for (word,) in choices))]]
    if others and all(choice[:-1] == first for choice in others):
        return [[*answer_of(first), Slot(frozenset(choice[-1] for choice in others), optional=True)]]
    return [answer_of(choice) for choice in choices]


def fits(words: Tokens, slots: Sequence[Wordings]) -> bool:
    """Whether the words are one choice of each slot, in order."""
    if not slots:
        return not words
    return any(words[: len(choice)] == choice and fits(words[len(choice) :], slots[1:]) for choice in slots[0])
