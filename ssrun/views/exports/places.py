"""Places that exports are written to: a folder that one process at a time writes, and folders that are whole or absent.

A run's folder is built in a scratch folder beside it and then renamed; its mark, `ssrun.json`, says what is in it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssrun.errors import StoreError
from ssrun.system.documents import canonical
from ssrun.system.files import lock, must_be_no_link, read_json, write, writing
from ssrun.views.exports.records import Record

MARK = "ssrun.json"
LOCK = ".ssrun-export.lock"
SCRATCH = ".ssrun-export"


@contextmanager
def held(out: Path) -> Iterator[Path]:
    """Makes the folder, keeps other exports out of it, and gives an empty scratch folder in it that is gone at the end.

    Raises:
        StoreError: It cannot be written, or another export writes to it.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    held = lock(out / LOCK)
    if held is None:
        raise StoreError(f"{out}: another export writes here: wait for it")
    scratch = out / SCRATCH
    with held:
        try:
            must_be_no_link(scratch)
            with writing(scratch):
                if scratch.is_dir():
                    shutil.rmtree(scratch)  # a killed export's
                scratch.mkdir()
            yield scratch
        finally:
            if scratch.is_dir() and not scratch.is_symlink():
                shutil.rmtree(scratch, ignore_errors=True)
            (out / LOCK).unlink(missing_ok=True)


def is_in(folder: Path, record: Record) -> bool:
    """Whether a folder holds this run as it is now; StoreError where its mark is damaged."""
    path = folder / MARK
    return path.is_file() and read_json(path).get("digest") == record.digest


def put(built: Path, folder: Path, record: Record, known: re.Pattern[str]) -> None:
    """Marks what was built, and puts it in the place of what was there: all at once but for a moment without either.

    Raises:
        StoreError: It cannot be written, or what was there holds a file that is not `known`, and so somebody's own.
    """
    write(built / MARK, canonical({"run": record.name, "digest": record.digest}))
    for path in built.iterdir():
        synced(path)
    for step in (folder.parent.parent, folder.parent, folder):
        must_be_no_link(step)
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            discard(folder, known)
        built.rename(folder)
    synced(folder.parent)


def discard(folder: Path, known: re.Pattern[str]) -> None:
    """Removes a run's folder that is ours; StoreError where something in it is not."""
    must_be_no_link(folder)
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [folder.name]
    for name in names:
        if name != MARK and not known.fullmatch(name):
            raise StoreError(f"{folder / name}: not ssrun's: move it away or give another --out DIR")
    for name in sorted(names, key=MARK.__ne__):  # the mark first: what is left of it counts as nothing
        (folder / name).unlink()
    folder.rmdir()


def synced(path: Path) -> None:
    """Brings a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
