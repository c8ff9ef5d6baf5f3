"""A file of a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.own_experiment import OWN


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    return path
