"""Settings as people write them."""

from __future__ import annotations

import pytest

from ssrun.config.overrides import parse_settings, toml
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
