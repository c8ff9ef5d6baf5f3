"""Settings as people write them."""

from __future__ import annotations

import pytest

from ssrun.config.overrides import parse_settings, setting, toml
from ssrun.errors import UsageError


def test_settings_are_toml_or_else_text() -> None:
    given = ["model.hidden=12", "model.dropout = 0.5", "task.length=4..8", "task.path=a b", "model.hidden=13"]
    assert parse_settings(given) == {"model": {"hidden": 13, "dropout": 0.5}, "task": {"length": "4..8", "path": "a b"}}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("modl.hidden=3", "--set modl.hidden: unknown section 'modl': did you mean 'model'? "),
        ("model.hidden", "--set 'model.hidden': write it like --set model.hidden=128"),
        ("model=3", "--set 'model=3': write it like --set model.hidden=128"),
        ("=3", "--set '=3': write it like"),
        ("model.hidden=3\nx=4", "--set 'model.hidden=3\\nx=4': one field, please: repeat --set for another"),
    ],
)
def test_a_setting_of_another_form_is_refused(setting: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_settings([setting])
    assert str(error.value).startswith(message)


def test_a_key_of_very_many_parts_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="a line of more than 200 dots"):
        toml("a" + ".a" * 201 + " = 1")


@pytest.mark.parametrize(
    "value",
    ["2024", "text", "a b", "4..8", "true", " x", "1\ny = 2", 'q"\\', "é\x7f\u2028", ".5", True, 3, 1e-5, [1, "a"],
     {"a b": [0.5]}],
)  # fmt: skip
def test_a_value_is_written_so_that_it_is_read_as_itself(value: object) -> None:
    assert parse_settings([setting("task.path", value)]) == {"task": {"path": value}}


def test_a_text_that_would_be_a_number_is_quoted_and_other_text_stands_as_it_is() -> None:
    assert setting("task.path", "2024") == 'task.path="2024"'
    assert setting("task.length", "4..8") == "task.length=4..8"
