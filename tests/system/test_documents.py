"""Documents on disk: one form."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrun.system.documents import canonical

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False)))
def test_canonical_json_reads_back_and_is_the_same_for_any_order_of_the_keys(document: dict[str, float]) -> None:
    text = canonical(document)
    assert json.loads(text) == document
    assert canonical(dict(reversed(document.items()))) == text
    assert b"\n" not in text


def test_canonical_json_refuses_what_json_has_no_word_for() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical({"loss": value})
    assert canonical({"b": "é", "a": None}) == '{"a":null,"b":"é"}'.encode()
