"""The formats of a comparison's table by name, and the files that are written beside the runs."""

from __future__ import annotations

from pathlib import Path

from ssrun.analysis import document
from ssrun.analysis.document import Comparison
from ssrun.system.files import write
from ssrun.views.tables.latex import latex
from ssrun.views.tables.markdown import markdown
from ssrun.views.tables.plain import csv_text
from ssrun.views.terminal.comparison import svg

TEXTS = {"markdown": markdown, "csv": csv_text, "json": document.text_of, "latex": latex, "svg": svg}
SUFFIXES = {"markdown": "md", "csv": "csv", "json": "json", "latex": "tex"}
FORMATS = ("rich", *TEXTS)


def text_of(comparison: Comparison, format: str) -> str:
    return TEXTS[format](comparison)


def write_tables(results: Path, comparison: Comparison) -> None:
    """Writes `table.md`, `.csv`, `.json` and `.tex` beside the runs.

    Raises:
        StoreError: One cannot be written.
    """
    for format, suffix in SUFFIXES.items():
        write(results / f"table.{suffix}", text_of(comparison, format).encode())
