"""Runs that travel between disks which know nothing of each other: the files of one that is trained, whole or not."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder
from ssrun.runs.maintenance import copy_over
from ssrun.system.files import read_bytes, writing

Parcel = dict[str, bytes]  # the files of a run, and of its scores, by their path from its folder
LARGEST = 2**33  # bytes of a file


def pack(folder: RunFolder) -> Parcel:
    """What a trained run is made of; StoreError where a file has gone."""
    there = [folder.path / name for name in RunFolder.ALL_FILES]
    there += [path / name for path in folder.score_paths for name in RunFolder.SCORE_FILES]
    return {str(path.relative_to(folder.path)): read_bytes(path, LARGEST) for path in there if path.is_file()}


def unpack(parcel: Parcel, folder: RunFolder) -> None:
    """Puts the run there, its result last, in a folder that nobody else writes to, and sweeps what an unfinished left.

    StoreError, before anything is put there, where a file is not the one that the result or its scores name.
    """
    with tempfile.TemporaryDirectory(prefix="ssrun-") as scratch:
        arrived = RunFolder(Path(scratch), folder.scoring)
        for name, content in parcel.items():
            path = arrived.path / name
            if len(parts := Path(name).parts) not in (1, 3) or ".." in parts or Path(name).is_absolute():
                raise StoreError(f"{name}: no file of a run")
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        result = arrived.result()
        for fault in arrived.damage(result, result.files):
            raise StoreError(fault)
        if (arrived.score_path / "scores.json").is_file():
            arrived.outputs()
        copy_over(arrived, folder)
