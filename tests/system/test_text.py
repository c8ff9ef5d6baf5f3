"""Text that steers nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ssrun.system.text import shown_value


@given(st.text() | st.integers() | st.lists(st.text()))
def test_a_value_in_a_message_is_one_printable_short_line(value: object) -> None:
    text = shown_value(value)
    assert len(text) <= 64
    assert text.isprintable()
