"""Pairs of sentences without end in little memory: a copy of them on disk, and where in it each begins.

What lies in a user's files may change while a run goes on; a copy of our own does not. It is a temporary file without a
name, or bytes in memory as long as they are few. A pair is read and cut into words when it is asked for: what is held
are ten bytes of each, and four more where some are chosen.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from tempfile import SpooledTemporaryFile
from typing import overload

from ssrun.errors import UsageError
from ssrun.system import signals
from ssrun.tasks.task import Example

IN_MEMORY = 32 * 2**20  # bytes of text that need no file
AT_ONCE = 4096  # pairs that are read together
LONGEST = 2**16 - 1  # words that are counted; no limit on lengths is as large
Texts = tuple[list[str], list[int]]  # lines `source, tab, target` of single spaces, and the words of each longer side


class Pairs(Sequence[Example]):
    """All pairs of a split, in the order of its files."""

    def __init__(self, blocks: Iterable[Texts]) -> None:
        """Takes the pairs in, block by block; UsageError where there is no room for the copy."""
        self._starts, self.longest = array("Q", [0]), array("H")
        size = 0
        with SpooledTemporaryFile(max_size=IN_MEMORY) as copy:  # its last byte is that of a line feed
            for lines, longest in blocks:
                signals.check()
                text = "".join(f"{line}\n" for line in lines).encode()
                try:
                    copy.write(text)
                except OSError as error:
                    raise UsageError(f"no room for a copy of the corpus ({error.strerror}): give TMPDIR") from None
                ends = map(len, text.split(b"\n")[:-1])
                self._starts.extend(accumulate((length + 1 for length in ends), initial=self._starts.pop()))
                self.longest.extend(min(words, LONGEST) for words in longest)
                size += len(text)
            copy.seek(0)
            self._text = copy.read() if size <= IN_MEMORY else b""
            self._file = -1 if size <= IN_MEMORY else os.dup(copy.fileno())
        if self._file >= 0:
            weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return len(self.longest)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> Chosen: ...

    def __getitem__(self, index: int | slice) -> Example | Chosen:
        places = range(len(self.longest))[index]
        if isinstance(places, int):
            return example_of(self._lines(places, places + 1)[:-1].decode())
        return Chosen(self, places)

    def __iter__(self) -> Iterator[Example]:
        return map(example_of, chain.from_iterable(text.decode().split("\n")[:-1] for text in self.texts()))

    def texts(self) -> Iterator[bytes]:
        """All of the copy, in blocks of whole lines."""
        for first in range(0, len(self), AT_ONCE):
            signals.check()
            yield self._lines(first, min(first + AT_ONCE, len(self)))

    def _lines(self, first: int, last: int) -> bytes:
        """From one line to before another."""
        start, stop = self._starts[first], self._starts[last]
        return self._text[start:stop] if self._file < 0 else os.pread(self._file, stop - start, start)


class Joined(Sequence[Example]):
    """The pairs of several splits, one after another."""

    def __init__(self, parts: Sequence[Sequence[Example]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> Chosen: ...

    def __getitem__(self, index: int | slice) -> Example | Chosen:
        places = range(len(self))[index]
        if isinstance(places, range):
            return Chosen(self, places)
        part = bisect_right(self._ends, places)
        return self._parts[part][places - (self._ends[part] - len(self._parts[part]))]


class Chosen(Sequence[Example]):
    """Some of the pairs, by their places, in any order; equal to any sequence of the same pairs."""

    def __init__(self, pairs: Sequence[Example], places: Sequence[int], in_order: bool = False) -> None:
        """`in_order` says that the places ascend, so that all pairs may be read one after another."""
        self._pairs, self._places = pairs, places
        self._in_order = in_order or (isinstance(places, range) and places.step > 0)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> Chosen: ...

    def __getitem__(self, index: int | slice) -> Example | Chosen:
        if isinstance(index, int):
            return self._pairs[self._places[index]]
        return Chosen(self._pairs, self._places[index], self._in_order and (index.step or 1) > 0)

    def __iter__(self) -> Iterator[Example]:
        if not self._in_order:
            yield from (self._pairs[place] for place in self._places)
            return
        wanted = iter(self._places)
        place = next(wanted, None)
        for number, pair in enumerate(self._pairs if place is not None else ()):
            if number == place:
                yield pair
                if (place := next(wanted, None)) is None:
                    return

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


def example_of(line: str) -> Example:
    source, _, target = line.partition("\t")
    return Example(tuple(source.split(" ")), tuple(target.split(" ")))


def within(pairs: Pairs, size: int, limit: int) -> Chosen:
    """Of so many pairs, from the first, those whose sides have at most so many words."""
    places = array("I", (place for place in range(size) if pairs.longest[place] <= limit))
    return pairs[:size] if len(places) == size else Chosen(pairs, places, in_order=True)


def digest_of(splits: Sequence[Pairs]) -> str:
    """Sha256 over the text of all splits, a NUL after each."""
    digest = hashlib.sha256()
    for pairs in splits:
        for text in pairs.texts():
            digest.update(text)
        digest.update(b"\0")
    return digest.hexdigest()
