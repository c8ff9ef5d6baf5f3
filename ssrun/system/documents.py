"""Documents on disk: strict JSON of one canonical form, validated by a model, sealed with its own digest.

A digest finds damage; it keeps nobody from making another document. So what is read is validated as well: a number is
a finite number, a count is a count, and nothing that a model does not name gets in.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_serializer
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from ssrun.errors import StoreError
from ssrun.system.files import JSON_LIMIT, digest, parsed, read_bytes, write
from ssrun.system.text import ellipsis, shown_value

VERSION: Literal[1] = 1  # of everything that ssrun keeps
Count = Annotated[int, Field(ge=0, le=2**53)]
Number = Annotated[float, Field(ge=-1e150, le=1e150)]  # nothing measured is larger, and squares stay finite
Kind = TypeVar("Kind")
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Document(BaseModel):
    """A part of what is kept: frozen, every field checked, none unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Sparse(Document):
    """A document whose fields are left out of its JSON where nobody has set them."""

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialise(self).items() if name in self.model_fields_set}


def canonical(document: Any) -> bytes:
    """The one way to write a JSON document as bytes: sorted keys, UTF-8, null and never NaN."""
    return CANONICAL.encode(document).encode()


def write_sealed(path: Path, document: BaseModel) -> None:
    """Writes a document, `sealed`; whole, or not at all and StoreError."""
    write(path, sealed(document))


def sealed(document: BaseModel) -> bytes:
    """A document's canonical bytes, its own digest among the fields."""
    fields = document.model_dump(mode="json")
    return canonical({**fields, "digest": digest(canonical(fields))})


def read_sealed(
    path: Path, kind: type[Kind] | TypeAdapter[Kind], remedy: str, exact: bool = False, limit: int = JSON_LIMIT
) -> Kind:
    """A document as `write_sealed` wrote it; StoreError where it is missing, damaged, too new, or of another kind.

    The message says the remedy. An `exact` file is canonical to the byte: then no two files mean the same document.
    """
    content = read_bytes(path, limit)
    fields, sealed_so = parsed(path, content, canonical)
    known = fields.pop("digest", None)
    unsealed = canonical(fields)
    if known != digest(unsealed) or (exact and content != sealed_so):
        must_not_be_newer(path, fields)
        raise StoreError(f"{path}: damaged: its digest does not match; {remedy}")
    return _validated(path, fields, unsealed, kind, remedy)


def read_as(path: Path, fields: dict[str, Any], kind: type[Kind] | TypeAdapter[Kind], remedy: str) -> Kind:
    """These fields as a document of this kind; StoreError, with the first fault, where they are not, or too new."""
    return _validated(path, fields, canonical(fields), kind, remedy)


def _validated(
    path: Path, fields: dict[str, Any], content: bytes, kind: type[Kind] | TypeAdapter[Kind], remedy: str
) -> Kind:
    """These fields, whose canonical bytes are the content, as `read_as` gives them."""
    must_not_be_newer(path, fields)
    try:
        adapter: TypeAdapter[Kind] = kind if isinstance(kind, TypeAdapter) else adapter_of(cast(Any, kind))
        return adapter.validate_json(content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
    field = ".".join(map(str, fault["loc"]))
    raise StoreError(f"{path}: damaged: {shown_value(field, 80)}: {ellipsis(fault['msg'], 100)}; {remedy}")


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def must_not_be_newer(path: Path, fields: dict[str, Any]) -> None:
    """Raises StoreError where a document says that a later version wrote it."""
    version = fields.get("store")
    if isinstance(version, int) and version > VERSION:
        raise StoreError(f"{path}: written by a newer ssrun (store {version}): update ssrun")
