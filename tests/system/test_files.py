"""Files are written whole or not at all, a lock has one holder, and only regular files are read."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from ssrun.errors import StoreError
from ssrun.system.files import create, lock, read_bytes, read_json, sweep_temporaries, write, write_first


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"file: cannot be written \(No space left on device\)"):
        write(path, b"new")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize("writer", [write, write_first])
def test_threads_that_write_one_file_at_once_do_not_meet(tmp_path: Path, writer: Callable[[Path, bytes], None]) -> None:
    contents = [b"%d" % number for number in range(24)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda content: writer(tmp_path / "file", content), contents))
    assert (tmp_path / "file").read_bytes() in contents
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_temporary_file_in_use_is_not_swept(tmp_path: Path) -> None:
    temporary = tmp_path / ".table.md.1.tmp"
    with create(temporary):
        sweep_temporaries(tmp_path, ["table.*"])
        assert temporary.exists()
    sweep_temporaries(tmp_path, ["table.*"])
    assert not temporary.exists()


def test_a_file_can_be_written_while_another_sweeps_its_folder(tmp_path: Path) -> None:
    names, over = [f"file-{number}" for number in range(400)], Event()

    def sweep() -> None:
        while not over.is_set():
            sweep_temporaries(tmp_path, names)

    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(sweep)
        try:
            for name in names:
                write_first(tmp_path / name, b"whole")
        finally:
            over.set()
    sweeping.result()
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"whole"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_only_temporary_files_of_ours_are_swept(tmp_path: Path) -> None:
    theirs = {".thesis.tmp", ".my.notes.tmp", ".table.md.tmp", ".table.md.draft.tmp", ".thesis.7.tmp", "table.md.7.tmp"}
    for name in (*theirs, ".table.md.7.tmp", ".table.csv.70000.tmp"):
        (tmp_path / name).touch()
    sweep_temporaries(tmp_path, ["table.*"])
    assert {path.name for path in tmp_path.iterdir()} == theirs


def test_a_lock_whose_file_was_removed_by_its_last_holder_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, opened = tmp_path / "lock", os.open, []

    def open_and_remove_once(*arguments: int) -> int:
        descriptor = real(*arguments)
        if not opened:
            path.unlink()
        opened.append(descriptor)
        return descriptor

    monkeypatch.setattr(os, "open", open_and_remove_once)
    held = lock(path)
    assert held
    assert len(opened) == 2
    assert lock(path) is None
    held.close()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_without_locks_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match=r"lock: cannot be locked \(.*\): give an --out DIR on another disk"):
        lock(tmp_path / "lock")
    with pytest.raises(StoreError, match=r"none/lock: cannot be written \(No such file or directory\)"):
        lock(tmp_path / "none" / "lock")
    write(tmp_path / "file", b"whole")  # what needs no lock works


def test_only_regular_files_of_a_sensible_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(StoreError, match="not a regular file"):
            read_bytes(tmp_path / name)
    with pytest.raises(StoreError, match="5 bytes, more than ssrun ever writes"):
        read_bytes(tmp_path / "real", limit=4)
    with pytest.raises(StoreError, match="nothing: No such file"):
        read_bytes(tmp_path / "nothing")


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"5", b'{"a":NaN}', b'{"a":1e999}', b'{"a":"\\ud800"}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_strict_json_object_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(StoreError, match="file: damaged: not"):
        read_json(tmp_path / "file")
