"""Settings as people write them: TOML, and `--set section.field=value`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ssrun.errors import UsageError, unknown
from ssrun.system.text import shown_value

RUN_SECTIONS = ("model", "training", "scoring")  # every run has all of their fields
SECTIONS = ("task", "strategy", *RUN_SECTIONS)
MOST_DOTS = 200  # in a line of TOML
POINT_FIRST = re.compile(r"[+-]?\.\d+")  # .5, which is a number to people and shells, and none to TOML
Overrides = Mapping[str, Mapping[str, Any]]  # fields by section


def toml(text: str) -> dict[str, Any]:
    """A TOML document; ValueError where it is none, or has keys of so many parts that reading it takes minutes."""
    if any(line.count(".") > MOST_DOTS for line in text.split("\n")):
        raise ValueError(f"a line of more than {MOST_DOTS} dots")
    return tomllib.loads(text)


def by_path(fields: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Fields within fields by their path, such as `strategy.schedule.half_at`; lists as text."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            found |= by_path(value, f"{above}{name}.")
        else:
            found[above + name] = shown_value(value) if isinstance(value, list) else value
    return found


def by_section(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`{"model.hidden": 128}` as fields by section; UsageError for a path that has no section."""
    overrides: dict[str, dict[str, Any]] = {}
    for path, value in settings.items():
        section, dot, field = path.partition(".")
        if not dot or section not in SECTIONS:
            raise UsageError(f"{path}: {unknown('section', section, SECTIONS)}")
        overrides.setdefault(section, {})[field] = value
    return overrides


def parse_settings(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`["model.hidden=128", ...]` as fields by section, values TOML or else text; UsageError for another form."""
    overrides: dict[str, dict[str, Any]] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        section, dot, field = path.strip().partition(".")
        if not equals or not dot or not field:
            raise UsageError(f"--set {shown_value(setting)}: write it like --set model.hidden=128")
        if section not in SECTIONS:
            raise UsageError(f"--set {path}: {unknown('section', section, SECTIONS)}")
        try:
            document = toml(f"value = {text}")
        except (RecursionError, ValueError):
            bare = text.strip()
            document = {"value": float(bare) if POINT_FIRST.fullmatch(bare) else bare}
        if document.keys() != {"value"}:
            raise UsageError(f"--set {shown_value(setting)}: one field, please: repeat --set for another")
        overrides.setdefault(section, {})[field] = document["value"]
    return overrides


def setting(path: str, value: Any) -> str:
    """What `parse_settings` reads as this value at `section.field`: `task.path="2024"`, but `task.path=text`."""
    if isinstance(value, str):
        bare, (section, _, field) = f"{path}={value}", path.partition(".")
        with suppress(UsageError):
            if parse_settings([bare]) == {section: {field: value}}:
                return bare
    return f"{path}={as_toml(value)}"


def as_toml(value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {as_toml(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)
