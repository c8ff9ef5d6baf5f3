"""A tiny corpus of one's own, and what the tasks cannot do without."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def parallel(folder: Path) -> Path:
    """Two pairs a split."""
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}.de").write_text("ein Haus\nein Hund\n", encoding="utf-8")
        (folder / f"{split}.en").write_text("a house\na dog\n", encoding="utf-8")
    return folder


def of_task(name: str, corpus: Path) -> list[dict[str, dict[str, Any]]]:
    """What this task cannot do without."""
    languages = {"path": str(corpus), "source_language": "de", "target_language": "en"}
    return [{"task": languages}] if name == "corpus" else []
