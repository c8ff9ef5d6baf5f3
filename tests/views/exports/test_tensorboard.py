"""TensorBoard: its own reader gives back every number, to the last digit that its scalars have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssrun.errors import StoreError
from ssrun.views.exports.records import Record
from ssrun.views.exports.tensorboard import opened
from tests.support.commands import Done
from tests.support.in_process import ssrun
from tests.support.snapshots import snapshot

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard", "ignore:.*pkg_resources:UserWarning")


def scalars(log: Path) -> dict[str, list[tuple[int, float]]]:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    reader = accumulators.EventAccumulator(str(log), size_guidance={accumulators.SCALARS: 0})
    reader.Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def single(value: float) -> float:
    """The number as TensorBoard keeps it."""
    return float(np.float32(value))


def hparams(log: Path) -> dict[str, Any]:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.plugins.hparams import metadata

    reader = accumulators.EventAccumulator(str(log))
    reader.Reload()
    content = reader.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    told = metadata.parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in told.items()}


@pytest.fixture(scope="module")
def logs(compared: tuple[Path, Done], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tensorboard")
    out = tmp_path_factory.mktemp("logs")
    done = ssrun("export", compared[0], "--to", "tensorboard", "--out", out).must(0)
    assert done.out == f"{out}\n"
    assert f"8 runs written, 0 there already: tensorboard --logdir {out}" in done.err
    return out


def test_its_reader_gives_back_every_number(logs: Path, compared_records: list[Record]) -> None:
    for record in compared_records:
        expected: dict[str, list[tuple[int, float]]] = {}
        for step, numbers in record.curves():
            for name, value in numbers.items():
                expected.setdefault(name, []).append((step, single(value)))
        expected |= {name: [(record.step, single(value))] for name, value in record.tested.items()}
        assert scalars(logs / record.name) == expected
        assert len(expected["validation/bleu"]) == 2


def test_the_configuration_is_its_hparams(logs: Path, compared_records: list[Record]) -> None:
    for record in compared_records[:2]:
        assert hparams(logs / record.name) == {
            name: value for name, value in record.parameters.items() if value is not None
        }


def test_the_same_export_again_writes_nothing(logs: Path, compared: tuple[Path, Done]) -> None:
    before = snapshot(logs)
    done = ssrun("export", compared[0], "--to", "tensorboard", "--out", logs).must(0)
    assert "0 runs written, 8 there already" in done.err
    assert snapshot(logs) == before
    assert not [name for name in before if ".ssrun-export" in name]


def test_what_a_killed_export_left_is_written_whole(compared_records: list[Record], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    first = compared_records[0]
    (tmp_path / ".ssrun-export" / "log").mkdir(parents=True)
    (tmp_path / ".ssrun-export" / "log" / "events.out.tfevents.1").touch()
    (tmp_path / first.name).mkdir(parents=True)
    (tmp_path / first.name / "events.out.tfevents.1").write_bytes(b"half")
    with opened(tmp_path) as export:
        assert export.put(first)
        assert not export.put(first)
    assert scalars(tmp_path / first.name)["test/bleu"] == [(first.step, single(first.metrics["bleu"]))]
    assert len(list((tmp_path / first.name).iterdir())) == 2
    assert {path.name for path in tmp_path.iterdir()} == {first.values.task}


def test_what_is_somebodys_own_in_the_place_of_a_log_is_kept(compared_records: list[Record], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    first = compared_records[0]
    own = tmp_path / first.name / "notes.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine", encoding="utf-8")
    with opened(tmp_path) as export, pytest.raises(StoreError, match=r"notes\.txt: not ssrun's"):
        export.put(first)
    assert own.read_text(encoding="utf-8") == "mine"
