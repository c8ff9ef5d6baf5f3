"""Parts of a stored configuration that a plugin has made, as they are read: data, and none of the plugin's code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_serializer, model_validator
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from ssrun.system.fields import Fields
from ssrun.system.plugins import NAME

ANY_FIELDS = ConfigDict(extra="allow")


class Kept(Fields):
    """A part of a stored configuration that a plugin has made: its fields as they are, and none of the plugin's code.

    It holds what decides the run's numbers, so that its id is the one that the plugin's own object has. A class of it
    has the configuration `ANY_FIELDS`, which its other base would take away from it.
    """

    name: Annotated[str, Field(pattern=f"^{NAME}$")]

    @model_validator(mode="before")
    @classmethod
    def _fields_have_names(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping) and not all(map(are_names, fields.items())):
            raise ValueError("a field without a name")
        return fields

    @model_serializer(mode="wrap")
    def _as_it_is(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialise(self).items() if name in self.model_fields_set}


def are_names(field: tuple[Any, Any]) -> bool:
    """Whether a field, and every field within it, has a name that is one."""
    name, value = field
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w{0,63}", name, re.ASCII):
        return False
    parts = value if isinstance(value, list) else [value]
    return all(are_names(item) for part in parts if isinstance(part, Mapping) for item in part.items())
