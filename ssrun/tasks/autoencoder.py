"""Autoencoder: say a sentence again, from the one vector that the encoder ends with.

There is no attention, so all that the decoder knows of the sentence is its first state (Dai and Le 2015, arXiv
1511.01432). `--set model.attention=dot` opens another way, and makes it the task `copy` of words.

- Teacher forcing tells the decoder the true words so far, from which grammar alone guesses many of the next ones; so
  it learns to lean on them, and less to keep the sentence: `next_step_error` is low, and `decoding_error` higher by all
  that the vector does not hold, for after a wrong word the prefix is no help.
- Where the fed word is doubtful, by sampling or masks, the vector has to tell: that is what word dropout is for in
  Bowman et al. 2016 (arXiv 1511.06349, section 3.1). There is one right word at each place, whatever was said, so the
  true label is right after any prefix, and `exact_match` should rise with a floor under epsilon, when there is room for
  the sentence; with 64 units there is for short ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ssrun.errors import UsageError
from ssrun.system.text import is_unicode, visible
from ssrun.tasks import translation
from ssrun.tasks.corpus import STEMS, digest_of_files, frequent, read_split
from ssrun.tasks.pairs import Chosen, Pairs
from ssrun.tasks.redrawn import BY_SEED, Redrawn
from ssrun.tasks.task import TEST_PAIRS, VALIDATION_PAIRS, Example, Split


class Autoencoder(Redrawn):
    """The target is the source, a sentence: through the bottleneck of the encoder's last state.

    Sentences are the English ones of the task `translation`, or its French ones; or one side of a corpus:
    `--corpus DIR`, of which `<split>.<language>` is read for train, valid and test.
    """

    defaults: ClassVar[Mapping[str, Any]] = {"model.attention": "none"}
    text_metrics: ClassVar[tuple[str, ...]] = ("chrf", "ter", "rouge_l", "cider_d")

    name: Literal["autoencoder"] = "autoencoder"
    path: str = Field("", description="folder of a corpus in place of the shipped one; --corpus")
    language: str = Field("en", pattern=r"^[A-Za-z0-9_-]+$", max_length=32, description="ending of the files to read")
    pairs: int = Field(8000, ge=1, le=1_000_000, description="for training, the first of the file, at most")
    maximum_length: int = Field(50, ge=1, le=10_000, description="words: longer ones are left out of training")
    validation_pairs: int = Field(200, ge=1, le=1_000_000, description=VALIDATION_PAIRS)
    test_pairs: int = Field(1000, ge=1, le=1_000_000, description=TEST_PAIRS)
    digest: str = Field(
        "", max_length=64, description="sha256 over the text, filled in: a changed corpus is another configuration"
    )

    @model_validator(mode="after")
    def _has_such_sentences(self) -> Self:
        if not self.path and self.language not in ("en", "fr"):
            raise ValueError(f"language = {self.language}: the shipped sentences are en and fr: or give --corpus DIR")
        if self.digest and not self.path:
            raise ValueError("digest: it is of a corpus of one's own: give path, or leave it out")
        if not is_unicode(self.path):
            raise ValueError(f"{visible(self.path)}: the name is not UTF-8, and a run keeps it: give a link")
        return self

    def prepared(self) -> Self:
        """This task with the digest of a corpus of one's own; UsageError as that of task `corpus`."""
        if not self.path:
            return self
        found = digest_of_files(*(self.file(split) for split in STEMS))
        if self.digest not in ("", found):
            raise UsageError(f"{self.path}: the corpus has changed since this run: put back the old text")
        task = self.model_copy(update={"digest": found})
        if self.data_seed != BY_SEED:
            task.check()
            if not task.training():
                raise UsageError(f"{self.path}: no sentence is within maximum_length = {self.maximum_length}: raise it")
        return task

    def training(self) -> Sequence[Example]:
        drawn = super().training()
        return Chosen(drawn, [place for place, pair in enumerate(drawn) if len(pair.source) <= self.maximum_length])

    def file(self, split: Split) -> Pairs:
        return read_split(self.path or translation.folder(), split, self.language, self.language)

    def sizes(self) -> dict[Split, int]:
        asked: dict[Split, int] = {
            "training": self.pairs,
            "validation": self.validation_pairs,
            "test": self.test_pairs,
        }
        return {split: min(size, len(self.file(split))) for split, size in asked.items()}

    def source_tokens(self) -> list[str]:
        """The words of the training file, whole, most frequent first: those of every draw, and of every size."""
        return frequent((pair.source for pair in self.file("training")), 1)

    def facts(self) -> dict[str, int]:
        training = len(self.training())
        return {"training_pairs": training, "left_out_pairs": len(super().training()) - training}
