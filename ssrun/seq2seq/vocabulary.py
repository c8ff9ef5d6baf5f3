"""Tokens <-> ids. Knows the four special tokens and the order of the rest; nothing of text or tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ssrun.tasks import Example, Task

PAD, BOS, EOS, UNKNOWN = 0, 1, 2, 3
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")


class Vocabulary:
    """The special tokens, then the real ones, which are distinct: ids from len(SPECIALS) on.

    `<unk>` among the real ones is left out, since it has its id.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = [*SPECIALS, *(token for token in tokens if token != SPECIALS[UNKNOWN])]
        self._ids = {token: index for index, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            raise ValueError("a vocabulary's tokens must be distinct and none of " + ", ".join(SPECIALS))

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """The ids of the tokens and EOS; UNKNOWN for a token that is not in the vocabulary."""
        ids = self._ids
        return [*(ids.get(token, UNKNOWN) for token in tokens), EOS]

    def decode(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The tokens before the first EOS."""
        end = ids.index(EOS) if EOS in ids else len(ids)
        return tuple(self.tokens[index] for index in ids[:end])


class Vocabularies(NamedTuple):
    """What both sides of a task are written in."""

    source: Vocabulary
    target: Vocabulary

    @classmethod
    def of(cls, task: Task) -> Vocabularies:
        """A task's: its own tokens in its own order."""
        return cls(Vocabulary(task.source_tokens()), Vocabulary(task.target_tokens()))

    def encode(self, example: Example) -> tuple[list[int], list[int]]:
        """The ids of an example's source and of its target, each with its EOS."""
        return self.source.encode(example.source), self.target.encode(example.target)
