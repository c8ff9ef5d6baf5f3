"""Where a decoder looks, as the page draws it: squares whose areas are the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ssrun.system.text import ellipsis

if TYPE_CHECKING:
    from ssrun.analysis.explanation import AttentionMap

LONGEST = 24  # tokens of a side
TOKEN = 10  # characters of a token
CELL, LETTER = 14, 6.3  # pixels of a square's place, and of a character
FAINTEST = 0.02  # a weight below is too small to be seen


class Map(NamedTuple):
    """An attention map in pixels.

    Attributes:
        source: Its columns, each a token and the middle of its place; as `output` its rows.
        left: Of the first column, as `top` of the first row.
        squares: The path of all squares.
    """

    source: list[tuple[str, float]]
    output: list[tuple[str, float]]
    left: int
    top: int
    width: int
    height: int
    squares: str


def map_of(seen: AttentionMap | None) -> Map | None:
    """The map; None where the model weighs no positions, or said nothing."""
    if seen is None or not seen.output:
        return None
    source, output = ([ellipsis(token, TOKEN) for token in side[:LONGEST]] for side in (seen.source, seen.output))
    left, top = (round(LETTER * max(map(len, side)) + 6) for side in (output, source))
    squares = []
    for row, weights in enumerate(seen.weights[: len(output)]):
        for column, weight in enumerate(weights[: len(source)]):
            if weight >= FAINTEST:
                side = (CELL - 1) * weight**0.5
                x, y = left + CELL * (column + 0.5) - side / 2, top + CELL * (row + 0.5) - side / 2
                squares.append(f"M{x:.1f} {y:.1f}h{side:.1f}v{side:.1f}h-{side:.1f}z")
    width, height = left + CELL * len(source), top + CELL * len(output)
    columns = [(token, left + CELL * (index + 0.5)) for index, token in enumerate(source)]
    rows = [(token, top + CELL * (index + 0.5)) for index, token in enumerate(output)]
    return Map(columns, rows, left, top, width, height, "".join(squares))
