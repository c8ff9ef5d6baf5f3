"""Settings as people write them: TOML, and `--set section.field=value`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ssrun.errors import UsageError, unknown
from ssrun.system.text import CONTROL, shown_value

RUN_SECTIONS = ("model", "training", "scoring")  # every run has all of their fields
SECTIONS = ("task", "strategy", *RUN_SECTIONS)
MOST_DOTS = 200  # in a line of TOML
POINT_FIRST = re.compile(r"[+-]?\.\d+")  # .5, which is a number to people and shells, and none to TOML
# up to a comma that stands in no quotes, nor in a list, or a list within one
PART = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\[(?:[^][]|\[[^][]*\])*\]|[^,])*""")
Overrides = Mapping[str, Mapping[str, Any]]  # fields by section


class Several(tuple[Any, ...]):
    """The values of a field that is swept: each makes runs of its own."""


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


def parse_settings(settings: Sequence[str], sweep: bool = False) -> dict[str, dict[str, Any]]:
    """`["model.hidden=128", ...]` as fields by section, values TOML or else text; UsageError for another form.

    Where there is a sweep, values with commas between them are `Several`; else they are refused.
    """
    overrides: dict[str, dict[str, Any]] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        section, dot, field = path.strip().partition(".")
        if not equals or not dot or not field:
            raise UsageError(f"--set {shown_value(setting)}: write it like --set model.hidden=128")
        if section not in SECTIONS:
            raise UsageError(f"--set {path}: {unknown('section', section, SECTIONS)}")
        values = [value_of(part, setting) for part in parts(text)]
        if len(values) > 1 and not sweep:
            remedy = f"give one, or sweep with `ssrun compare`; quote text with commas: {path.strip()}='\"a,b\"'"
            raise UsageError(f"--set {shown_value(setting)}: {len(values)} values: {remedy}")
        overrides.setdefault(section, {})[field] = Several(values) if len(values) > 1 else values[0]
    return overrides


def parse_values(option: str, settings: Sequence[str]) -> dict[str, Any]:
    """Values by name, of an option given as `name=value`; UsageError where one is not so, or is given twice."""
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {shown_value(setting)}: write it like {option} name=value")
        if name.strip() in found:
            raise UsageError(f"{option} {name.strip()} is given twice: give it once")
        found[name.strip()] = value_of(text, setting)
    return found


def parts(text: str) -> list[str]:
    """A value, or the values of a sweep: split at commas, but for those within quotes or a list."""
    found, at = [], 0
    while match := PART.match(text, at):
        found.append(match.group())
        at = match.end() + 1
        if at > len(text):
            break
    return found


def value_of(text: str, setting: str) -> Any:
    """A value as TOML has it, or else the text itself; UsageError where it is more than a value."""
    try:
        document = toml(f"value = {text}")
    except (RecursionError, ValueError):
        bare = text.strip()
        return float(bare) if POINT_FIRST.fullmatch(bare) else bare
    if document.keys() != {"value"}:
        raise UsageError(f"--set {shown_value(setting)}: one field, please: repeat --set for another")
    return document["value"]


def written(value: Any) -> str:
    """A value as TOML writes it, with what could steer a terminal as its escape."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{written(name)} = {written(part)}" for name, part in value.items()) + "}"
    return repr(value)


def given(value: Any) -> str:
    """A value as `--set` takes it: like `written`, but text that needs no quotes has none, and a sweep has commas."""
    if isinstance(value, Several):
        return ",".join(map(given, value))
    with suppress(UsageError):  # text that would be more than a value
        if isinstance(value, str) and len(parts(value)) == 1 and value_of(value, "") == value:
            return value
    return written(value)
