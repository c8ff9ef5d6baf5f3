"""verify, merge, clean: a comparison is checked, copied and removed."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import Done
from tests.support.in_process import document, ssrun


def test_a_comparison_is_verified_merged_and_cleaned(compared: tuple[Path, Done], tmp_path: Path) -> None:
    results, done = compared
    assert document("verify", results) == {"complete": 8, "unfinished": 0, "faults": []}
    merged = ssrun("merge", results, "--out", tmp_path / "copy", "--json")
    assert (merged.code, merged.out) == (0, done.out)
    assert merged.err.endswith(f"8 runs copied to {tmp_path / 'copy'}\n")  # after what a slow bootstrap tells
    ssrun("clean", tmp_path / "copy", typed="n\n").must(0)
    assert (tmp_path / "copy").is_dir()
    ssrun("clean", tmp_path / "copy", "--yes").must(0)
    assert list(tmp_path.iterdir()) == []
