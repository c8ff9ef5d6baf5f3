"""Text: what a person wrote stands there as written, and steers nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrun.system.text import ellipsis, plural, shown_value, visible


@given(st.text())
def test_visible_text_has_no_control_character_and_keeps_all_others(text: str) -> None:
    shown = visible(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", shown)
    if text.isprintable():
        assert shown == text


@given(st.text(), st.integers(1, 20))
def test_cut_text_is_never_longer_than_asked_for(text: str, longest: int) -> None:
    shown = ellipsis(text, longest)
    assert len(shown) <= longest
    assert shown == visible(text) or shown.endswith("…")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 positions"), (1, "1 position"), (2, "2 positions"), (1200, "1,200 positions")]
)
def test_a_count_has_its_noun_in_singular_or_plural(count: int, text: str) -> None:
    assert plural(count, "position") == text


@given(st.text() | st.integers() | st.lists(st.text()))
def test_a_value_in_a_message_is_one_printable_short_line(value: object) -> None:
    text = shown_value(value)
    assert len(text) <= 64
    assert text.isprintable()
