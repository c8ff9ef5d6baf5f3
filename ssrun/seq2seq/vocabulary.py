"""Tokens <-> ids. Knows the four special tokens and the order of the rest; nothing of text or tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PAD, BOS, EOS, UNKNOWN = 0, 1, 2, 3
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")


class Vocabulary:
    """The special tokens, then the real ones: ids from len(SPECIALS) on are real tokens.

    Args:
        tokens: The real tokens, distinct; `<unk>` among them is left out, since it has its id.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = [*SPECIALS, *(token for token in tokens if token != SPECIALS[UNKNOWN])]
        self._ids = {token: number for number, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            raise ValueError("a vocabulary's tokens must be distinct and none of " + ", ".join(SPECIALS))

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """The ids of the tokens and EOS; UNKNOWN for a token that is not in the vocabulary."""
        ids = self._ids
        return [*(ids.get(token, UNKNOWN) for token in tokens), EOS]

    def decode(self, ids: Iterable[int]) -> tuple[str, ...]:
        """The tokens before the first EOS."""
        tokens = []
        for number in ids:
            if number == EOS:
                break
            tokens.append(self.tokens[number])
        return tuple(tokens)
