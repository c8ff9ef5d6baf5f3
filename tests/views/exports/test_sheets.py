"""CSV: pandas gives back every number; a spreadsheet computes nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from ssrun.errors import StoreError
from ssrun.views.exports.records import Record
from ssrun.views.exports.sheets import opened
from tests.support.commands import Done
from tests.support.in_process import ssrun
from tests.support.snapshots import snapshot


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)


def test_pandas_gives_back_every_number(
    compared: tuple[Path, Done], compared_records: list[Record], tmp_path: Path
) -> None:
    done = ssrun("export", compared[0], "--to", "csv", "--out", tmp_path).must(0)
    assert done.out == f"{tmp_path / 'runs.csv'}\n{tmp_path / 'curves.csv'}\n"
    runs, table, curves = read(tmp_path / "runs.csv"), read(compared[0] / "runs.csv"), read(tmp_path / "curves.csv")
    metrics = ["bleu", "free_running_loss", "edit_rate", "replaced"]
    pd.testing.assert_frame_equal(
        runs[["task", "strategy", "seed", "status", *metrics]], table[["task", "strategy", "seed", "status", *metrics]]
    )
    assert runs["weights"].tolist() == [record.weights for record in compared_records]
    assert set(runs["model.hidden"]) == {8}
    for record in compared_records:
        own = curves[curves["run"] == record.name]
        found = {
            (step, f"{of}/{metric}"): value
            for step, of, metric, value in own[["step", "set", "metric", "value"]].itertuples(index=False)
        }
        expected = {(step, name): value for step, numbers in record.curves() for name, value in numbers.items()}
        assert found == expected
        assert len(own) == len(expected)


def test_the_same_export_again_changes_nothing(compared: tuple[Path, Done], tmp_path: Path) -> None:
    ssrun("export", compared[0], "--to", "csv", "--out", tmp_path).must(0)
    before = snapshot(tmp_path)
    assert "0 runs written, 8 there already" in ssrun("export", compared[0], "--to", "csv", "--out", tmp_path).err
    assert snapshot(tmp_path) == before
    assert sorted(before) == ["curves.csv", "runs.csv"]


def test_files_that_are_no_exports_are_kept(compared_records: list[Record], tmp_path: Path) -> None:
    for name in ("runs.csv", "curves.csv"):
        (tmp_path / name).write_text("mine\n1\n", encoding="utf-8")
        with pytest.raises(StoreError, match=f"{name}: not of an export"), opened(tmp_path) as sheets:
            sheets.put(compared_records[0])
        assert (tmp_path / name).read_text(encoding="utf-8") == "mine\n1\n"
        (tmp_path / name).unlink()


def test_every_run_has_a_line_however_it_ended(spoilt: Path, tmp_path: Path) -> None:
    done = ssrun("export", spoilt, "--to", "csv", "--out", tmp_path / "sheets").must(0)
    assert "4 runs written" in done.err
    assert "left out" not in done.err
    with (tmp_path / "sheets" / "runs.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["status"] for line in lines] == ["complete", "diverged", "failed", "missing"]
    assert lines[1]["reason"] == "the loss is no number"
    assert "\x1b" not in lines[2]["reason"]
    curves = read(tmp_path / "sheets" / "curves.csv")
    assert curves["run"].nunique() == 3
