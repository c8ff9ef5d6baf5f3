"""A folder becomes ours only where nothing else lies, keeps what it held, and is known by its seal."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.errors import StoreError, UsageError
from ssrun.runs.folder import RunFolder
from ssrun.runs.results_folder import (
    MARK,
    Destination,
    claim,
    comparisons_of,
    destination,
    held,
    incomplete,
    read_mark,
    run_folders,
    store_of,
)
from tests.support.damage import flip
from tests.support.runs import finished, small_run

OTHER, PLAN = "1" * 64, "2" * 64


def held_by(path: Path, plan: str = OTHER) -> Path:
    """A folder that holds this plan."""
    claim(Destination(path, "runs"), plan)
    return path


def test_a_folder_is_free_where_it_is_new_or_empty_and_else_holds_a_plan_or_is_refused(tmp_path: Path) -> None:
    assert held(tmp_path / "new") is None
    assert held(tmp_path) is None
    assert held(held_by(tmp_path / "ours")) == OTHER
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / f".{MARK}.7.tmp").touch()
    assert held(tmp_path / "begun") is None, "of a process that died before its mark was whole"
    for name in ("table.csv", "report.docx", "table.json", ".x.tmp"):
        folder = tmp_path / f"with {name}"
        folder.mkdir()
        (folder / name).write_text("{}", encoding="utf-8")
        with pytest.raises(UsageError, match="holds files that are not ssrun's"):
            held(folder)
    with pytest.raises(UsageError, match="not a folder"):
        held(tmp_path / "ours" / MARK)
    with pytest.raises(StoreError, match="cannot be written"):
        held(tmp_path / ("x" * 300))
    flip(tmp_path / "ours" / MARK, 40)
    with pytest.raises(StoreError, match=r"\.ssrun: damaged"):
        held(tmp_path / "ours")


def test_a_comparison_goes_where_no_other_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = Path("results")
    assert destination("default", PLAN, own=True) == Destination(results / "default", "../runs")
    assert destination("default", PLAN, own=False).path == results / "default-222222"
    held_by(results / "default", PLAN)
    assert destination("default", PLAN, own=True).path == results / "default"
    assert destination("default", OTHER, own=True).path == results / "default-111111"
    (results / "foreign").mkdir()
    (results / "foreign" / "thesis.tex").touch()
    assert destination("foreign", PLAN, own=True).path == results / "foreign-222222"
    assert destination("default", OTHER, own=True, name="mine") == Destination(results / "mine", "../runs")
    assert destination("default", OTHER, own=True, out=Path("x")) == Destination(Path("x"), "runs")
    for named in ({"name": "default"}, {"out": results / "default"}):
        with pytest.raises(UsageError, match="results/default: holds another comparison: give another --"):
            destination("default", OTHER, own=True, **named)  # type: ignore[arg-type]


def test_what_lay_in_a_folder_before_is_kept_on_record_and_a_second_plan_is_refused(tmp_path: Path) -> None:
    place = Destination(tmp_path / "a", "../runs")
    claim(place, PLAN)
    assert (read_mark(place.path).kept, store_of(place.path)) == ((), tmp_path / "runs")
    before = (place.path / MARK).read_bytes()
    claim(place, PLAN)
    assert (place.path / MARK).read_bytes() == before
    with pytest.raises(UsageError, match="holds another comparison"):
        claim(place, OTHER)
    assert list(comparisons_of(place.store)) == [place.path]


def begun(store: Path, *names: str) -> None:
    """Folders of runs that were begun."""
    for name in names:
        (store / name).mkdir(parents=True)
        (store / name / "run.json").touch()


def test_runs_come_in_the_order_of_their_names_and_only_where_there_are_such(tmp_path: Path) -> None:
    begun(tmp_path, "b/x-0-1", "a-b/x-0-1", "a/x-1-1", "a/x-0-1")
    (tmp_path / "a" / "x-2-1").mkdir()
    (tmp_path / "a" / "notes").touch()
    paths = [folder.path.relative_to(tmp_path).as_posix() for folder in run_folders(tmp_path)]
    assert paths == ["a-b/x-0-1", "a/x-0-1", "a/x-1-1", "b/x-0-1"]
    itself = tmp_path / "b" / "x-0-1"
    assert run_folders(itself) == [RunFolder(itself)]
    (tmp_path / "c").symlink_to(tmp_path / "b")
    with pytest.raises(StoreError, match="c: a link"):
        run_folders(tmp_path)


def test_runs_without_a_result_are_incomplete_and_the_others_are_swept(tmp_path: Path) -> None:
    runs = [small_run(seed=seed, steps=1) for seed in range(3)]
    folder = finished(tmp_path, runs[1])
    begun(tmp_path, runs[2].name.place)
    before = sorted(path.name for path in folder.path.iterdir())
    for name in ("lock", "checkpoint-0000000005.json"):
        (folder.path / name).touch()
    assert incomplete(tmp_path, runs) == [runs[0], runs[2]]
    assert sorted(path.name for path in folder.path.iterdir()) == before
