"""Fields that people set: frozen, none unknown, a number a number; and which of them came later."""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails


class Fields(BaseModel):
    """A part of a configuration. True, false and text are no numbers, and there is one zero: -0.0 is 0.0."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        for name, value in fields.items():
            if isinstance(value, bool | str) and (kind := number_of(cls, name)):
                fault = InitErrorDetails(type="int_type" if kind is int else "float_type", loc=(name,), input=value)
                raise ValidationError.from_exception_data(cls.__name__, [fault])
        return {name: 0.0 if isinstance(value, float) and value == 0 else value for name, value in fields.items()}


@cache
def number_of(model: type[BaseModel], field: str) -> type | None:
    """The kind of number that a field holds, alone or as an alternative to None; None where it holds no number."""
    if field not in model.model_fields:
        return None
    annotation = model.model_fields[field].annotation
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    kinds = [get_args(part)[0] if get_origin(part) is Annotated else part for part in parts]
    takes_text = any(kind is str or get_origin(kind) is Literal for kind in kinds)
    return next((kind for kind in (float, int) if kind in kinds and not takes_text), None)


def later(default: Any, **about: Any) -> Any:
    """A field that came when there were runs already: a configuration without it keeps its id (`deciding_fields`).

    `about` is what `pydantic.Field` takes.
    """
    return Field(default, json_schema_extra={"later": True}, **about)


def deciding_fields(model: BaseModel) -> dict[str, Any]:
    """The fields by name, as JSON has them, in all sections; without those that came later and are not set."""
    document = model.model_dump(mode="json")
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("later") and value == info.get_default(call_default_factory=True):
            document.pop(name, None)  # which is left out already where it has an `exclude_if`
        elif isinstance(value, BaseModel):
            document[name] = deciding_fields(value)
    return document
