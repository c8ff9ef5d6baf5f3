"""Fields that people set: which of them are a part of an id, and what is a number."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ssrun.system.fields import Fields, deciding_fields, later


class Before(Fields):
    share: float = 0.5
    count: int | None = None


class After(Before):
    added: int = later(3, ge=1)


class Whole(Fields):
    part: Before = Before()


class Grown(Fields):
    part: After = After()
    also: tuple[str, ...] = later(())


def test_a_field_that_came_later_decides_only_where_it_is_set() -> None:
    before = deciding_fields(Whole())
    assert deciding_fields(Grown()) == deciding_fields(Grown(part=After(added=3))) == before
    assert deciding_fields(Grown(part=After(added=4))) == {"part": {**before["part"], "added": 4}}
    assert deciding_fields(Grown(also=("x",))) == {**before, "also": ["x"]}


@pytest.mark.parametrize("value", [True, "8", "0.5"])
@pytest.mark.parametrize("field", ["share", "count"])
def test_a_truth_or_a_text_is_no_number(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match="should be a valid"):
        Before.model_validate({field: value})
    with pytest.raises(ValidationError, match=rf"part\.{field}"):
        Whole.model_validate({"part": {field: value}})


def test_a_whole_number_is_a_number_and_there_is_one_zero() -> None:
    assert Before.model_validate({"share": 1, "count": 2.0}) == Before(share=1.0, count=2)
    assert str(Before(share=-0.0).share) == "0.0"
