"""Text: what a person wrote stands there as written, and steers nothing."""

from __future__ import annotations

import os
import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrun.system.text import ellipsis, plural, shell_word, shown_value, visible


@given(st.text())
def test_visible_text_has_no_control_character_and_keeps_all_others(text: str) -> None:
    shown = visible(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", shown)
    if text.isprintable():
        assert shown == text


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_a_name_of_any_bytes_is_shown_and_is_a_word_for_a_shell(name: bytes) -> None:
    text = os.fsdecode(name)
    visible(text).encode()
    word = shell_word(text).encode()
    try:
        name.decode()
        assert shlex.split(word.decode()) == [text]
    except UnicodeDecodeError:
        assert re.fullmatch(rb"\$'(\\x[0-9a-f]{2}|[\w/.-])+'", word)
        assert word[2:-1].decode("unicode_escape").encode("latin-1") == name


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
