"""What every command's test needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.tasks.corpus import read_split


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test in a folder of its own: nothing lands in the checkout, and no corpus is remembered by its path."""
    read_split.cache_clear()
    monkeypatch.chdir(tmp_path)
