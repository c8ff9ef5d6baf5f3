"""MLflow: its own client gives back every number; a run is there once, and whole."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ssrun.errors import StoreError
from ssrun.views.exports.mlflow import client_of, opened, shown, uri_of
from ssrun.views.exports.records import Record
from tests.support.commands import Done
from tests.support.in_process import ssrun

pytestmark = pytest.mark.filterwarnings(  # MLflow's own, about what it uses itself
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow", "ignore::ResourceWarning"
)


@pytest.fixture
def out(database: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the database."""
    shutil.copy(database, tmp_path)
    return tmp_path


def runs_in(database: Path) -> list[Any]:
    client = client_of(uri_of(database))
    experiments = [found.experiment_id for found in client.search_experiments()]
    return list(client.search_runs(experiments, max_results=1000))


def test_its_client_gives_back_every_number(database: Path, compared_records: list[Record]) -> None:
    client = client_of(uri_of(database))
    found = {run.data.tags["ssrun.run"]: run for run in runs_in(database)}
    assert found.keys() == {record.name for record in compared_records}
    for record in compared_records:
        run = found[record.name]
        assert {name: value for name, value in run.data.metrics.items() if name.startswith("test/")} == record.tested
        assert run.data.params == {name: str(value) for name, value in record.parameters.items()}
        assert (run.info.status, run.data.tags["ssrun.weights"]) == ("FINISHED", record.weights)
        assert run.data.tags["ssrun.question"] == record.about["question"]
        for name in ("validation/free_running_loss", "training/training_loss"):
            history = client.get_metric_history(run.info.run_id, name)
            assert [(point.step, point.value) for point in history] == [
                (step, numbers[name]) for step, numbers in record.curves()
            ]


def test_the_same_export_again_leaves_one_set_of_runs(out: Path, compared: tuple[Path, Done]) -> None:
    done = ssrun("export", compared[0], "--to", "mlflow", "--out", out).must(0)
    assert "0 runs written, 8 there already: mlflow ui --backend-store-uri sqlite:///" in done.err
    assert len(runs_in(out / "mlflow.db")) == 8
    assert {path.name for path in out.iterdir()} == {"mlflow.db"}


def test_a_run_that_is_half_there_is_written_again_and_a_changed_one_too(
    out: Path, compared_records: list[Record]
) -> None:
    client = client_of(uri_of(out / "mlflow.db"))
    half, changed, *_ = runs_in(out / "mlflow.db")
    client.delete_tag(half.info.run_id, "ssrun.whole")
    client.set_tag(changed.info.run_id, "ssrun.whole", "of an earlier state")
    with opened(uri_of(out / "mlflow.db")) as export:
        assert [export.put(record) for record in compared_records].count(True) == 2
    names = Counter(run.data.tags["ssrun.run"] for run in runs_in(out / "mlflow.db"))
    assert names == Counter(record.name for record in compared_records)


def test_runs_of_others_are_left_alone(out: Path, compared: tuple[Path, Done], compared_records: list[Record]) -> None:
    client = client_of(uri_of(out / "mlflow.db"))
    number = client.get_experiment_by_name(compared_records[0].about["experiment"]).experiment_id
    mine = client.create_run(number, run_name="mine").info.run_id
    ssrun("export", compared[0], "--to", "mlflow", "--uri", uri_of(out / "mlflow.db")).must(0)
    assert len(runs_in(out / "mlflow.db")) == 9
    assert client.get_run(mine).info.lifecycle_stage == "active"


def test_a_deleted_experiment_is_told_with_its_remedy(out: Path, compared_records: list[Record]) -> None:
    client = client_of(uri_of(out / "mlflow.db"))
    name = compared_records[0].about["experiment"]
    client.delete_experiment(client.get_experiment_by_name(name).experiment_id)
    with pytest.raises(StoreError, match="mlflow experiments restore"), opened(uri_of(out / "mlflow.db")) as runs:
        runs.put(compared_records[0])


def test_what_mlflow_cannot_read_is_said_in_one_line(tmp_path: Path, compared: tuple[Path, Done]) -> None:
    pytest.importorskip("mlflow")
    (tmp_path / "mlflow.db").write_text("no database", encoding="utf-8")
    done = ssrun("export", compared[0], "--to", "mlflow", "--out", tmp_path).must(5)
    assert len(done.err.splitlines()) == 2
    assert "mlflow.db: MLflow says: " in done.err


@pytest.mark.parametrize("uri", ["mlruns", "file:///x", "ftp://x", ""])
def test_a_uri_that_is_no_store_is_refused(compared: tuple[Path, Done], uri: str) -> None:
    pytest.importorskip("mlflow")
    assert "give a database or a server" in ssrun("export", compared[0], "--to", "mlflow", "--uri", uri).must(2).err


def test_the_users_own_tracker_is_taken(
    out: Path, compared: tuple[Path, Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri_of(out / "mlflow.db"))
    assert "0 runs written, 8 there already" in ssrun("export", compared[0], "--to", "mlflow").must(0).err


def test_no_password_is_shown() -> None:
    assert shown("postgresql://me:secret@host/db?password=secret") == "postgresql://***@host/db"


@pytest.mark.parametrize("name", ["a b", "a#b", "é", "a'b&c"])
def test_a_folder_of_any_name_is_the_one_that_is_written_to(
    out: Path, compared_records: list[Record], name: str
) -> None:
    folder = out / name
    folder.mkdir()
    (out / "mlflow.db").rename(folder / "mlflow.db")
    with opened(folder) as runs:
        assert not runs.put(compared_records[0])
    assert [path.name for path in folder.iterdir()] == ["mlflow.db"]
    assert [path.name for path in out.iterdir()] == [name]


@pytest.mark.parametrize("name", ["50%20", "a?b"])
def test_a_folder_whose_name_mlflow_would_take_for_another_is_refused(
    compared: tuple[Path, Done], tmp_path: Path, name: str
) -> None:
    pytest.importorskip("mlflow")
    done = ssrun("export", compared[0], "--to", "mlflow", "--out", tmp_path / name).must(2)
    assert "give another --out DIR" in done.err
    assert list(tmp_path.iterdir()) == []
