"""Tokens <-> ids. Knows the four special tokens and the order of the rest, and words cut into pieces; no tensors."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ssrun.tasks import Example, Task
from ssrun.tasks.subwords import SPACE, processor

PAD, BOS, EOS, UNKNOWN = 0, 1, 2, 3
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
MODEL = "_model"


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

    def length(self, tokens: Sequence[str]) -> int:
        """How many ids the tokens have, without EOS."""
        return len(tokens)

    def unknown(self, tokens: Sequence[str]) -> list[str]:
        """Those of the tokens that are lost, whole or in part: UNKNOWN stands for them."""
        return [token for token in tokens if UNKNOWN in self.encode([token])]

    def kept(self) -> dict[str, list[str]]:
        """What `read` needs to make it again, by the end of its name in `vocabulary.json`: the real tokens."""
        return {"": self.tokens[len(SPECIALS) :]}

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """The ids of the tokens and EOS; UNKNOWN for a token that is not in the vocabulary."""
        ids = self._ids
        return [*(ids.get(token, UNKNOWN) for token in tokens), EOS]

    def decode(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The tokens before the first EOS."""
        end = ids.index(EOS) if EOS in ids else len(ids)
        return tuple(self.tokens[index] for index in ids[:end])


class Subwords(Vocabulary):
    """The special tokens, then the pieces of a sentencepiece model: words go in and come out, ids are of pieces."""

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor = processor(model)
        pieces = [self._processor.id_to_piece(index) for index in range(self._processor.get_piece_size())]
        self.tokens = [*SPECIALS, *pieces[1:]]  # the first is the model's own unknown piece
        self._known: dict[str, list[int]] = {SPECIALS[UNKNOWN]: [self.tokens.index(SPACE), UNKNOWN]}

    def length(self, tokens: Sequence[str]) -> int:
        return len(self.encode(tokens)) - 1

    def kept(self) -> dict[str, list[str]]:
        """The pieces, for people; and the model in base64."""
        return {**super().kept(), MODEL: [base64.b64encode(self._model).decode()]}

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """The ids of the words' pieces and EOS; UNKNOWN for letters that no word of training has."""
        for word in set(tokens) - self._known.keys():
            self._known[word] = [index + UNKNOWN for index in self._processor.encode(word)]  # 0, unknown, is UNKNOWN
        return [*(index for word in tokens for index in self._known[word]), EOS]

    def decode(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The words before the first EOS."""
        return tuple(filter(None, "".join(super().decode(ids)).split(SPACE)))


class Vocabularies(NamedTuple):
    """What both sides of a task are written in."""

    source: Vocabulary
    target: Vocabulary

    @classmethod
    def of(cls, task: Task) -> Vocabularies:
        """A task's: its own tokens in its own order, or the pieces that it cuts them into."""
        if models := task.subword_models():
            return cls(*map(Subwords, models))
        return cls(Vocabulary(task.source_tokens()), Vocabulary(task.target_tokens()))

    @classmethod
    def read(cls, kept: Mapping[str, Sequence[str]]) -> Vocabularies:
        """Those that were `kept`; KeyError or ValueError where it is none."""
        models = [kept.get(f"{side}{MODEL}") for side in cls._fields]
        if any(models):
            return cls(*(Subwords(base64.b64decode("".join(model or ()), validate=True)) for model in models))
        return cls(*(Vocabulary(kept[side]) for side in cls._fields))

    def kept(self) -> dict[str, list[str]]:
        """Both, as `vocabulary.json` has them: `source`, `target`, and of subwords `source_model`, `target_model`."""
        return {f"{side}{end}": part for side, words in self._asdict().items() for end, part in words.kept().items()}

    def encode(self, example: Example) -> tuple[list[int], list[int]]:
        """The ids of an example's source and of its target, each with its EOS."""
        return self.source.encode(example.source), self.target.encode(example.target)
