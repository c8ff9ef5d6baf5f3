"""Frames: label every frame of a noisy track, where the last label is worth more than the frame.

A stand-in for the frame labels of TIMIT in Bengio et al. 2015 (arXiv 1506.03099), section 4.3 and Table 3. Labels stay
for a while, so the previous true label is nearly always the next one, and most frames are noise.

- Teacher forcing learns to repeat the label it is fed. That is wrong only about as often as labels change (a low
  `next_step_error`), but when the label is its own the model repeats its first mistake: `decoding_error` collapses.
- Sampling makes the fed label as doubtful as the model itself, so the model has to listen to the frames:
  the two errors meet, between those of teacher forcing. Table 3 has 15.0 and 46.0 % for teacher forcing,
  34.6 and 35.8 % for always sampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from random import Random
from string import ascii_lowercase
from typing import Any, ClassVar, Literal

from pydantic import Field

from ssrun.tasks.optimal_completion import END
from ssrun.tasks.task import Drawn, Example, Lengths, Range, Split, Tokens


class Frames(Drawn):
    """The target is a hidden track of labels, one a frame; the source is the track seen through noise.

    The track is a Markov chain: its first label is uniform, and at each later frame it moves with probability `change`
    to one of the other labels. A corrupted frame shows a uniformly random label, by chance the true one.
    """

    defaults: ClassVar[Mapping[str, Any]] = {"model.attention": "aligned"}
    by_position: ClassVar[bool] = True

    name: Literal["frames"] = "frames"
    labels: int = Field(8, ge=2, le=26, description="how many labels, the first letters of the alphabet")
    length: Lengths = Field(Range(15, 30), description="frames of a track, uniformly drawn")
    change: float = Field(
        0.15,
        ge=0,
        le=1,
        description="probability that a label differs from the one before; labels stay 1 / change frames on average",
    )
    corruption: float = Field(0.6, ge=0, le=1, description="probability that a frame is corrupted")

    def draw(self, random: Random, split: Split = "training") -> Example:
        symbols = ascii_lowercase[: self.labels]
        label = random.choice(symbols)
        track = [label]
        for _ in range(random.randint(*self.length) - 1):
            if random.random() < self.change:
                label = random.choice(symbols.replace(label, ""))
            track.append(label)
        noise = random.choices(symbols, k=len(track))
        pairs = zip(noise, track, strict=True)
        frames = tuple(noisy if random.random() < self.corruption else true for noisy, true in pairs)
        return Example(frames, tuple(track))

    def source_tokens(self) -> str:
        return ascii_lowercase[: self.labels]

    def expert(self, example: Example, prefix: Tokens) -> dict[str, float]:
        """The probability of each label, given all frames and the label said last: the exact posterior of the chain.

        What was said is taken for true: this is what teacher forcing learns, after any prefix. Where it cannot be true,
        or is no label, the frames alone decide.
        """
        frames, position = example.source, len(prefix)
        if position >= len(frames):
            return {END: 1.0}
        ahead = likelihoods(frames, ascii_lowercase[: self.labels], self.change, self.corruption)[position]
        last = prefix[-1] if prefix else None
        said = {label: self._change(last, label) * ahead[label] for label in ahead}
        if not (total := sum(said.values())):
            said, total = ahead, sum(ahead.values())
        return {label: weight / total for label, weight in said.items()}

    def _change(self, last: str | None, label: str) -> float:
        """The probability of a label after the last one; of any, after what is no label."""
        if last is None or last not in ascii_lowercase[: self.labels]:
            return 1 / self.labels
        return 1 - self.change if label == last else self.change / (self.labels - 1)


@lru_cache(maxsize=1024)
def likelihoods(frames: Tokens, labels: str, change: float, corruption: float) -> list[dict[str, float]]:
    """At each position, by label, the probability of the frames from there on, up to a factor: the backward pass."""
    stays, moves = 1 - change, change / (len(labels) - 1)
    ahead, found = dict.fromkeys(labels, 1.0), []
    for frame in reversed(frames):
        seen = {
            label: ahead[label] * (corruption / len(labels) + (1 - corruption) * (label == frame)) for label in labels
        }
        total = sum(seen.values())  # 0 only of frames that cannot be
        found.append({label: weight / total if total else 1 / len(labels) for label, weight in seen.items()})
        ahead = {label: stays * weight + moves * (1 - weight) for label, weight in found[-1].items()}
    return found[::-1]
