"""A folder of results becomes ours only where nothing else lies, and its runs come in the order of their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.errors import StoreError, UsageError
from ssrun.runs.folder import RunFolder
from ssrun.runs.results_folder import MARK, claim_results, incomplete, mark, run_folders
from tests.support.runs import small_run


def test_a_folder_is_claimed_where_it_is_new_empty_ours_or_holds_tables_alone(tmp_path: Path) -> None:
    claim_results(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    claim_results(tmp_path / "empty")
    for name in ("table.md", "runs.csv", "report.html", "..ssrun.7.tmp"):
        (tmp_path / "empty" / name).touch()
    claim_results(tmp_path / "empty")
    (tmp_path / "empty" / "mine").touch()
    with pytest.raises(UsageError, match="holds files that are not ssrun's"):
        claim_results(tmp_path / "empty")
    mark(tmp_path / "empty")
    claim_results(tmp_path / "empty")
    assert not (tmp_path / "empty" / "..ssrun.7.tmp").exists()
    with pytest.raises(UsageError, match="not a folder"):
        claim_results(tmp_path / "empty" / MARK)
    with pytest.raises(StoreError, match="cannot be written"):
        claim_results(tmp_path / ("x" * 300))


def begun(results: Path, *names: str) -> None:
    """Folders of runs that were begun."""
    for name in names:
        (results / name).mkdir(parents=True)
        (results / name / "run.json").touch()


def test_runs_come_in_the_order_of_their_names_and_only_where_there_are_such(tmp_path: Path) -> None:
    begun(tmp_path, "b/x/seed-0-1", "a-b/x/seed-0-1", "a/x/seed-1-1", "a/x/seed-0-1")
    (tmp_path / "a" / "x" / "seed-2-1").mkdir()
    (tmp_path / "a" / "x" / "notes").mkdir()
    paths = [folder.path.relative_to(tmp_path).as_posix() for folder in run_folders(tmp_path)]
    assert paths == ["a-b/x/seed-0-1", "a/x/seed-0-1", "a/x/seed-1-1", "b/x/seed-0-1"]
    itself = tmp_path / "b" / "x" / "seed-0-1"
    assert run_folders(itself) == [RunFolder(itself)]
    (tmp_path / "c").symlink_to(tmp_path / "b")
    with pytest.raises(StoreError, match="c: a link"):
        run_folders(tmp_path)


def test_runs_without_a_result_are_incomplete_and_the_others_are_swept(tmp_path: Path) -> None:
    runs = [small_run(seed=seed) for seed in range(3)]
    folder = RunFolder.of(tmp_path, runs[1].name)
    begun(tmp_path, runs[1].name.path, runs[2].name.path)
    for name in ("result.json", "lock", "checkpoint-0000000005.json"):
        (folder.path / name).touch()
    assert incomplete(tmp_path, runs) == [runs[0], runs[2]]
    assert sorted(path.name for path in folder.path.iterdir()) == ["result.json", "run.json"]
