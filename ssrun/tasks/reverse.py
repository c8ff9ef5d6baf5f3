"""Reverse: the last symbol comes first, so the first one is remembered longest."""

from __future__ import annotations

from typing import Literal

from ssrun.tasks.copy import Copy


class Reverse(Copy):
    """The target is the source from back to front. Fields as in `copy`."""

    name: Literal["reverse"] = "reverse"  # type: ignore[assignment]

    def answer(self, source: tuple[str, ...]) -> tuple[str, ...]:
        """The right target."""
        return source[::-1]
