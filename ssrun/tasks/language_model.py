"""Language model: say a text, with no source to say it from. The classroom's example of teacher forcing.

Nothing but what was said so far tells what comes next, and the first word is always the same one after nothing.

- Of whole rhymes with nothing held out (`task.example=text task.held_out_share=0`) teacher forcing soon knows the next
  word nearly always: `next_step_error` falls to 0, on true prefixes. Fed its own words, one wrong word in a hundred may
  be the end: what rhymes with what, and which "and" this was, is a state that the prefix holds, and the prefix is
  wrong. `decoding_error` and `exact_match` tell. That is memory and not generalisation, and is what is asked for there.
- Sampling shows the model its own prefixes with the true next word as the label. In one text that is to be known by
  heart there is one right word at each place, whatever was said, so a count of places would do; with many texts it is
  a contradiction, since what was said is all that tells one from another (Huszár 2015, arXiv 1511.05101).
- Of lines that are held out only `teacher_forced_loss`, `perplexity` and `bits_per_token` say much: a few hundred words
  teach no English, and without a source a greedy output is one and the same for all examples, right for one at most.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from ssrun.errors import UsageError
from ssrun.system import signals
from ssrun.system.text import is_unicode, visible
from ssrun.tasks.corpus import RESERVED, frequent, sentence
from ssrun.tasks.subwords import SPACE
from ssrun.tasks.task import Example, Split, Task, Tokens

FOLDERS = (
    Path(__file__).parents[2] / "data" / "rhymes",  # a checkout
    Path(__file__).parents[1] / "data" / "rhymes",  # an installed wheel
)
RHYMES = ("mary", "star", "jack", "sheep", "sixpence", "cole", "muffet", "peep", "humpty", "hickory")
LINE_END = "/"  # between the lines of an example
LONGEST = 2000  # tokens of an example
LARGEST = 2**26  # bytes of a text, which is held in memory
Rhyme = Literal["all", "mary", "star", "jack", "sheep", "sixpence", "cole", "muffet", "peep", "humpty", "hickory"]


class LanguageModel(Task):
    """A text without a source: a line an example, or a stanza, or a whole text. Its default is ten nursery rhymes.

    "Mary had a little lamb" is among them, by Sarah Josepha Hale, 1830, whole. Or any text file: `--corpus FILE`.
    Tokens are words between spaces, or characters; `/` ends a line within an example.

    `held_out_share` of the different examples are for validation and as many for the test, chosen by a stream of their
    own, and are nowhere in training. With 0 nothing is held out: the training text itself is asked for again, once each
    example, and scores are those of memory.
    """

    name: Literal["language-model"] = "language-model"
    rhyme: Rhyme = Field("all", description="of the rhymes, all or one; of a text of one's own it is left out")
    path: str = Field("", description="a text file, in place of the rhymes, an empty line between stanzas; --corpus")
    example: Literal["line", "stanza", "text"] = Field(
        "line", description="what is said at once: a line, the lines up to an empty one, or a rhyme or file whole"
    )
    unit: Literal["words", "characters"] = Field("words", description="what a token is")
    held_out_share: float = Field(
        0.1,
        ge=0,
        le=0.4,
        description="share of the examples held out, for validation and test each; 0: none, see memory",
    )
    validation_pairs: int = Field(
        200, ge=1, le=1_000_000, description="examples that are scored while training goes on, at most"
    )
    test_pairs: int = Field(
        1000, ge=1, le=1_000_000, description="examples that the trained model is scored on, at most"
    )
    digest: str = Field(
        "", max_length=64, description="sha256 over the text, filled in: a changed text is another configuration"
    )

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if self.digest and not self.path:
            raise ValueError("digest: it is of a text of one's own: give path, or leave it out")
        if self.path and self.rhyme != "all":
            raise ValueError(f"rhyme = {self.rhyme}: the text is that of path: leave one of them out")
        if not is_unicode(self.path):
            raise ValueError(f"{visible(self.path)}: the name is not UTF-8, and a run keeps it: give a link")
        return self

    def prepared(self) -> Self:
        """This task with the digest of a text of one's own; UsageError where it is none, too long, or changed."""
        task = self
        if self.path:
            found = sha256(text_of(self.path).encode()).hexdigest()
            if self.digest not in ("", found):
                raise UsageError(f"{self.path}: the text has changed since this run: put back the old one")
            task = self.model_copy(update={"digest": found})
        said_by(task)
        return task

    def examples(self) -> list[Example]:
        """All of the text, in its order; UsageError where one is too long."""
        texts = map(text_of, [self.path] if self.path else shipped(self.rhyme))
        found = [tokens for text in texts for tokens in cut(text, self.example, self.unit)]
        for tokens in found:
            signals.check()
            if len(tokens) > LONGEST:
                told = f"{self.path}: an example has {len(tokens):,} tokens, more than {LONGEST:,}"
                raise UsageError(f"{told}: cut it, or take task.example=line")
        return [Example((), tokens) for tokens in found]

    def training(self) -> Sequence[Example]:
        return said_by(self).training

    def held_out(self, split: Split) -> Sequence[Example]:
        """Different examples that are not in training; or, where none is held out, those that are."""
        said = said_by(self)
        return said.validation[: self.validation_pairs] if split == "validation" else said.test[: self.test_pairs]

    def source_tokens(self) -> list[str]:
        """None: there is no source."""
        return []

    def target_tokens(self) -> list[str]:
        """Those of the training part, most frequent first."""
        return frequent((example.target for example in self.training()), 1)

    def facts(self) -> dict[str, int]:
        known, test = {*self.target_tokens()}, [token for example in self.held_out("test") for token in example.target]
        counts = {"target_vocabulary": len(known), "target_test_words": len(test)}
        return {
            "training_pairs": len(self.training()),
            **counts,
            "target_unknown_words": sum(token not in known for token in test),
        }


class Said(NamedTuple):
    """The examples of a text by split."""

    training: list[Example]
    validation: list[Example]
    test: list[Example]


@lru_cache(maxsize=8)
def said_by(task: LanguageModel) -> Said:
    """The splits of a text, by its `digest`; UsageError where there is too little to hold out of it."""
    found = task.examples()
    different = list(dict.fromkeys(found))
    if not task.held_out_share:
        return Said(found, different, different)
    size = max(1, round(task.held_out_share * len(different)))
    if len(different) < 2 * size + 1:
        told = f"task.held_out_share = {task.held_out_share:g}: the text has {len(different)} different examples"
        raise UsageError(f"{told}, too few: 0 asks for what was learned, or take shorter ones: task.example=line")
    chosen = Random(f"{task.name}/held-out").sample(different, 2 * size)
    held = {*chosen}
    return Said([example for example in found if example not in held], chosen[:size], chosen[size:])


def shipped(rhyme: Rhyme) -> list[str]:
    """The files of the rhymes; UsageError where they are missing."""
    for folder in FOLDERS:
        if (folder / f"{RHYMES[0]}.txt").exists():
            return [str(folder / f"{name}.txt") for name in (RHYMES if rhyme == "all" else (rhyme,))]
    raise UsageError(f"{FOLDERS[0]}: the rhymes are missing: install ssrun again, or give --corpus FILE")


@lru_cache(maxsize=16)
def text_of(path: str) -> str:
    """The lines of a text, with single spaces alone, as they are now; UsageError says file, line and remedy."""
    place = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
        raise UsageError(f"{path}: no such file: give a text, a line an example, with empty ones between stanzas")
    lines = []
    try:
        if place.stat().st_size > LARGEST:
            raise UsageError(f"{path}: larger than {LARGEST >> 20} MiB: give a part of it")
        content = place.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error}): check the file and its permissions") from None
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        signals.check()
        try:
            words = sentence(line, first=number == 1).split() if line.strip(b" \t") else []
        except ValueError as error:
            raise UsageError(f"{path}:{number}: {error}") from None
        if not RESERVED.isdisjoint(words):
            raise UsageError(f"{path}:{number}: {', '.join(sorted(RESERVED))} are reserved: rename the word")
        lines.append(" ".join(words))
    if not any(lines):
        raise UsageError(f"{path}:1: no text: give at least one line")
    return "\n".join(lines)


def cut(text: str, example: Literal["line", "stanza", "text"], unit: Literal["words", "characters"]) -> list[Tokens]:
    """The examples of a text of lines, none of them empty."""
    stanzas = [[line for line in part.split("\n") if line] for part in text.split("\n\n")]
    lines = list(chain.from_iterable(stanzas))
    groups = {"line": [[line] for line in lines], "stanza": [part for part in stanzas if part], "text": [lines]}[
        example
    ]
    return [tokens_of(f" {LINE_END} ".join(group), unit) for group in groups]


def tokens_of(text: str, unit: Literal["words", "characters"]) -> Tokens:
    return tuple(text.split(" ")) if unit == "words" else tuple(text.replace(" ", SPACE))
