"""What lies in a folder of results: its runs, every byte that tells, and what ought not to be there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ssrun.runs.folder import RunFolder

TIMES = ("seconds", "seconds_to_reach")


def run_folders(results: Path) -> list[Path]:
    """The run folders, by name."""
    return sorted(path for path in results.glob("runs/*/*") if path.is_dir())


def run_folder(results: Path) -> Path:
    """The only run folder."""
    (folder,) = run_folders(results)
    return folder


def without_times(value: Any) -> Any:
    """A document without its times."""
    if isinstance(value, dict):
        return {name: without_times(part) for name, part in value.items() if name not in (*TIMES, "digest", "files")}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def fingerprint(run: Path) -> str:
    """Sha256 over everything a complete run holds, but for the times (and the digests of files that hold times)."""
    content = hashlib.sha256()
    for name in sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()):
        data = (run / name).read_bytes()
        if name in ("metrics.jsonl", "result.json"):
            data = b"\n".join(
                json.dumps(without_times(json.loads(line)), sort_keys=True).encode() for line in data.splitlines()
            )
        content.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return content.hexdigest()


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file below a folder, with the time of its last change and its digest; links are not followed."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            "link" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def strays(results: Path) -> list[str]:
    """What ought not to lie in a finished folder of results: temporary files, locks, checkpoints, notes of failure."""
    tables = [f"table.{end}" for end in ("md", "csv", "json", "tex")]
    known = {
        *RunFolder.ALL_FILES,
        *RunFolder.SCORE_FILES,
        ".ssrun",
        "experiment.json",
        "bootstrap.json",
        "runs.csv",
        *tables,
    }
    return [str(path.relative_to(results)) for path in results.rglob("*") if path.is_file() and path.name not in known]
