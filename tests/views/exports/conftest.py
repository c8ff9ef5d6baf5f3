"""What the tests of exports share: exports made once, results that are not all complete, tables without runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ssrun.analysis.comparison import comparison_in
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import read_manifest
from ssrun.runs.result import DivergedResult, Outcome
from ssrun.views.exports.records import Record, records
from tests.support.commands import Done

REFERENCE = Path(__file__).parents[3] / "results" / "default"


@pytest.fixture(autouse=True)
def nobodys_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests steers a tracker."""
    for name in ("MLFLOW_TRACKING_URI", "WANDB_DIR", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def compared_records(compared: tuple[Path, Done]) -> list[Record]:
    return list(records(compared[0], comparison_in(compared[0])))


@pytest.fixture
def spoilt(copied: Path) -> Path:
    """Results of which one run is complete, one diverged, one failed and one is missing."""
    _, diverged, failed, missing = (RunFolder.of(copied / "runs", name) for name in read_manifest(copied).runs)
    shutil.rmtree(missing.path)
    for folder in (diverged, failed):
        shutil.rmtree(folder.path / "scores")
    result = diverged.result()
    metrics = result.files["metrics.jsonl"]
    fields = {name: getattr(result, name) for name in Outcome.model_fields}
    diverged.finish(DivergedResult(**fields, reason="the loss is no number"), metrics)
    (failed.path / "result.json").unlink()
    failed.fail("no luck\n\x1b[2J today")
    return copied


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The tables of a comparison, and nothing of its runs."""
    folder = tmp_path / "kept"
    folder.mkdir()
    for name in ("table.json", "runs.csv"):
        shutil.copy(REFERENCE / name, folder)
    return folder
