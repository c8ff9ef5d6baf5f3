"""A sealed document comes back as it was, and no change to its file goes unnoticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from ssrun.errors import StoreError
from ssrun.system.documents import Count, Document, Number, canonical, read_sealed, write_sealed
from ssrun.system.files import digest
from tests.support.damage import flip, reseal

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


class Sample(Document):
    """A document."""

    store: Count = 1
    count: Count
    number: Number
    word: str = "ä"


def test_a_document_comes_back_as_it_was_from_its_canonical_bytes(tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", Sample(count=2, number=0.5))
    content = '"number":0.5,"store":1,"word":"ä"}'
    known = digest(('{"count":2,' + content).encode())
    assert (tmp_path / "file").read_bytes() == f'{{"count":2,"digest":"{known}",{content}'.encode()
    assert read_sealed(tmp_path / "file", Sample, "again") == Sample(count=2, number=0.5)


def test_a_flipped_bit_anywhere_is_named_with_the_remedy(tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", Sample(count=2, number=0.5))
    whole = (tmp_path / "file").read_bytes()
    for position in range(len(whole)):
        flip(tmp_path / "file", position, bit=position % 8)
        with pytest.raises(StoreError, match="file: damaged: "):
            read_sealed(tmp_path / "file", Sample, "again", exact=True)
        (tmp_path / "file").write_bytes(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": -1}, "damaged: 'count': Input should be greater than or equal to 0; again"),
        ({"count": True}, "'count': Input should be a valid integer"),
        ({"count": 1.5}, "'count'"),
        ({"number": "1"}, "'number': Input should be a valid number"),
        ({"number": 1e200}, "'number': Input should be less than or equal to 10000"),
        ({"strange\x1b": 1}, r"'strange\\x1b': Extra inputs are not permitted"),
        ({"store": 2}, r"written by a newer ssrun \(store 2\): update ssrun"),
    ],
)
def test_a_document_of_another_kind_is_refused_though_its_digest_is_right(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    write_sealed(tmp_path / "file", Sample(count=2, number=0.5))
    reseal(tmp_path / "file", lambda document: document.update(change))
    with pytest.raises(StoreError, match=words):
        read_sealed(tmp_path / "file", Sample, "again")


def test_another_spelling_of_the_same_document_is_damage_where_the_bytes_count(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_sealed(path, Sample(count=2, number=0.5))
    path.write_bytes(path.read_bytes().replace(b":", b": "))
    assert read_sealed(path, Sample, "again").count == 2
    with pytest.raises(StoreError, match="digest does not match; again"):
        read_sealed(path, Sample, "again", exact=True)


def test_a_document_may_be_as_large_as_its_reader_says(tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(canonical({"digest": digest(canonical({"text": "x" * 100})), "text": "x" * 100}))
    kind = TypeAdapter(dict[str, str])
    assert read_sealed(path, kind, "again", limit=path.stat().st_size) == {"text": "x" * 100}
    with pytest.raises(StoreError, match="more than ssrun ever writes"):
        read_sealed(path, kind, "again", limit=path.stat().st_size - 1)
