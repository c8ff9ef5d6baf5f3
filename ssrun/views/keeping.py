"""Tables as they are kept: a comparison's document in every format, and read back from `table.json` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrun.errors import StoreError
from ssrun.system.documents import canonical
from ssrun.system.files import digest, read_json, write
from ssrun.views.formats import SUFFIXES, TEXTS
from ssrun.views.tables.cells import Document, visible


def write_tables(results: Path, document: Document) -> None:
    """Writes `table.md`, `.csv`, `.json` and `.tex` beside the runs."""
    for name, suffix in SUFFIXES.items():
        write(results / f"table.{suffix}", TEXTS[name](document).encode())


def read(path: Path) -> Document:
    """A document as `table.json` keeps it; where it came from elsewhere, nothing in it steers a terminal or a page.

    Raises:
        StoreError: It is damaged, or none of ours.
    """
    document = read_json(path)
    own = document.pop("digest", None)
    if own != digest(canonical(document)):
        raise StoreError(f"{path}: damaged: its digest does not match; make it again with its command")
    document = {key: harmless(part) for key, part in document.items()}
    try:
        for text_of in TEXTS.values():
            text_of(document)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StoreError(f"{path}: not a table of this ssrun ({type(error).__name__}: {error})") from None
    return document


def harmless(value: Any) -> Any:
    """A document with every control character of its texts, but for line ends, shown as its escape."""
    if isinstance(value, str):
        return "\n".join(map(visible, value.split("\n")))
    if isinstance(value, list):
        return [harmless(part) for part in value]
    return {harmless(key): harmless(part) for key, part in value.items()} if isinstance(value, dict) else value
