"""Settings as people write them."""

from __future__ import annotations

import pytest

from ssrun.config.overrides import Several, given, parse_settings, toml, written
from ssrun.errors import UsageError


def test_settings_are_toml_or_else_text() -> None:
    given = ["model.hidden=12", "model.dropout = 0.5", "task.length=4..8", "task.path=a b", "model.hidden=13"]
    assert parse_settings(given) == {"model": {"hidden": 13, "dropout": 0.5}, "task": {"length": "4..8", "path": "a b"}}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("32,64", (32, 64)),
        ("4..8, 9..12", ("4..8", "9..12")),
        ('"a,b",c', ("a,b", "c")),
        ("[4, 8],[9, 12]", ([4, 8], [9, 12])),
        ("true,false", (True, False)),
    ],
)
def test_values_with_commas_are_a_sweep_and_are_written_as_they_were_given(text: str, values: tuple[object]) -> None:
    swept = parse_settings([f"model.x={text}"], sweep=True)
    assert swept == {"model": {"x": Several(values)}}
    assert parse_settings([f"model.x={given(swept['model']['x'])}"], sweep=True) == swept
    with pytest.raises(UsageError, match=r"2 values: give one, or sweep with `ssrun compare`; quote text with commas"):
        parse_settings([f"model.x={text}"])


@pytest.mark.parametrize(
    "value", ["2024", "a,b", '"', "true", " x ", "a b", "\x7f\u202e\n", "4..8", 0.1, True, 7, [4, 8]]
)
def test_a_value_that_is_written_is_read_as_itself(value: object) -> None:
    assert toml(f"x = {written(value)}") == {"x": value}
    assert written(value).isprintable()
    assert parse_settings([f"model.x={given(value)}"]) == {"model": {"x": value}}


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
    assert parse_settings([f"task.path={given(value)}"]) == {"task": {"path": value}}


def test_a_text_that_would_be_a_number_is_quoted_and_other_text_stands_as_it_is() -> None:
    assert given("2024") == '"2024"'
    assert given("4..8") == "4..8"
