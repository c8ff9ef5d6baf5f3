"""W&B: its offline files hold every number, and its own command finds them; nothing of this machine is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ssrun.views.exports.records import Record
from ssrun.views.exports.wandb import id_of, opened
from tests.support.commands import Done
from tests.support.in_process import python, ssrun
from tests.support.snapshots import snapshot

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:wandb", "ignore::ResourceWarning")
BLOCK = 2**15


def entries(path: Path) -> Iterator[Any]:
    """The entries of a `.wandb` file: W&B's own messages, in the log format of LevelDB (it ships no reader of it)."""
    from wandb.proto.wandb_internal_pb2 import Record as Entry

    content, at, whole = path.read_bytes(), 7, b""
    assert content[:4] == b":W&B"
    while at + 7 <= len(content):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # the only part, the last part
            yield Entry.FromString(whole)
            whole = b""


def values_of(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


class Read:
    """What a server would be told of a run."""

    def __init__(self, folder: Path) -> None:
        (path,) = folder.glob("run-*.wandb")
        self.history: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        for entry in entries(path):
            match entry.WhichOneof("record_type"):
                case "run":
                    self.run, self.config = entry.run, values_of(entry.run.config.update)
                case "history":
                    self.history.append(values_of(entry.history.item))
                case "summary":
                    self.summary |= values_of(entry.summary.update)
                case "exit":
                    self.exit_code = entry.exit.exit_code


def folder_of(out: Path, record: Record) -> Path:
    (folder,) = out.glob(f"offline-run-*-{id_of(record)}")
    return folder


@pytest.fixture(scope="module")
def offline(compared: tuple[Path, Done], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("wandb")
    out = tmp_path_factory.mktemp("offline")
    done = ssrun("export", compared[0], "--to", "wandb", "--out", out).must(0)
    assert done.out == f"{out}\n"
    assert done.err.splitlines()[1:] == [f"8 runs written, 0 there already: wandb sync {out}/offline-run-*"]
    return out


def test_its_files_hold_every_number(offline: Path, compared_records: list[Record]) -> None:
    for record in compared_records:
        read = Read(folder_of(offline, record))
        assert {name: read.summary[name] for name in record.tested} == record.tested
        curves = [(line["_step"], {name: line[name] for name in line if name[0] != "_"}) for line in read.history]
        assert curves == list(record.curves())
        assert {name: read.config[name] for name in record.parameters} == record.parameters
        assert read.config["ssrun"] == record.labels
        assert (read.run.run_id, read.run.display_name) == (id_of(record), record.title)
        assert (read.run.notes, list(read.run.tags), read.exit_code) == (record.about["question"], ["complete"], 0)


def test_its_own_command_finds_them(offline: Path) -> None:
    done = python("-m", "wandb", "sync", "--dry-run", *sorted(offline.glob("offline-run-*")), WANDB_SILENT="false")
    assert done.returncode == 0, done.stderr
    assert "8 run(s)" in done.stdout + done.stderr


def test_nothing_of_this_machine_is_in_them(offline: Path) -> None:
    for folder in offline.iterdir():
        assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".wandb"]
        content = next(folder.glob("*.wandb")).read_bytes()
        assert str(Path.cwd()).encode() not in content
        assert str(offline).encode() not in content


def test_the_same_export_again_writes_nothing(offline: Path, compared: tuple[Path, Done]) -> None:
    before = snapshot(offline)
    assert "0 runs written, 8 there already" in ssrun("export", compared[0], "--to", "wandb", "--out", offline).err
    assert snapshot(offline) == before


def test_a_run_in_another_state_takes_its_own_place_whatever_the_variables_say(
    compared_records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    first = compared_records[0]
    old = tmp_path / f"offline-run-20200101_000000-{id_of(first)}"
    old.mkdir()
    (old / f"run-{id_of(first)}.wandb").write_bytes(b"half")
    for name, value in {"MODE": "online", "RUN_ID": "other", "RESUME": "must", "PROJECT": "x", "DIR": "y"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    with opened(tmp_path) as export:
        assert export.put(first)
        assert not export.put(first)
    assert [path.name for path in tmp_path.iterdir()] == [folder_of(tmp_path, first).name] != [old.name]
    assert Read(folder_of(tmp_path, first)).run.project == first.about["experiment"]
    assert not Path("y").exists()


def test_its_own_folder_is_taken_and_its_mode_is_said_not_to_be(
    compared: tuple[Path, Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "online")
    one = ("--tasks", "reverse", "--strategies", "teacher-forcing")
    done = ssrun("export", compared[0], "--to", "wandb", *one).must(0)
    assert "WANDB_MODE=online: not followed" in done.err
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 2
