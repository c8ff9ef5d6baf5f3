"""The formats of a comparison's table by name, and the files that are written beside the runs."""

from __future__ import annotations

from pathlib import Path

from ssrun.analysis import document
from ssrun.analysis.document import Comparison
from ssrun.system.files import write
from ssrun.views.tables.latex import latex, tabular
from ssrun.views.tables.markdown import markdown
from ssrun.views.tables.sheets import estimates_sheet, runs_sheet
from ssrun.views.terminal.comparison import svg

TEXTS = {
    "markdown": markdown,
    "csv": estimates_sheet,
    "runs": runs_sheet,
    "json": document.text_of,
    "latex": latex,
    "tabular": tabular,
    "svg": svg,
}
FILES = {"markdown": "table.md", "csv": "table.csv", "json": "table.json", "latex": "table.tex", "runs": "runs.csv"}
FORMATS = ("rich", *TEXTS)


def text_of(comparison: Comparison, format: str) -> str:
    return TEXTS[format](comparison)


def write_tables(results: Path, comparison: Comparison) -> None:
    """Writes `table.md`, `.csv`, `.json`, `.tex` and `runs.csv` beside the runs.

    Raises:
        StoreError: One cannot be written.
    """
    for format, name in FILES.items():
        write(results / name, text_of(comparison, format).encode())
