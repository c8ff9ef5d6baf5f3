"""Situations in which an adversary broke a promise once, each with what now holds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ssrun.config.resolution import resolve
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.tasks.corpus import read_split
from tests.support.commands import ssrun
from tests.support.damage import flip, reseal
from tests.support.runs import GRID, SIZES, experiment
from tests.support.snapshots import run_folders, snapshot
from tests.tasks.test_corpus import write as write_corpus

ONE_PICTURE = ("--only=finding", "--format=png")


def test_a_corpus_that_changed_since_the_run_was_configured_is_not_trained_on(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "text")
    layer = {"path": str(folder), "source_language": "de", "target_language": "en"}
    config = resolve("corpus", "linear", layers=[{"task": layer}])
    prepare(config)
    (folder / "test.de").write_text("das Pferd\nein Haus\n", encoding="utf-8")
    read_split.cache_clear()
    with pytest.raises(UsageError, match="the corpus has changed since this run"):
        prepare(config)


@pytest.mark.slow
def test_a_damaged_text_is_not_compared_reported_or_merged_onto(copied: Path, tmp_path: Path) -> None:
    for outputs in copied.rglob("hypotheses.txt"):
        flip(outputs, 1, bit=1)
    (copied / "bootstrap.json").unlink()
    for command in (["compare", "grid.toml", "--out=runs"], ["report", "runs"], ["merge", "runs", "--out=runs"]):
        assert "hypotheses.txt: damaged" in ssrun(*command, folder=tmp_path).must(5).err
    assert not (copied / "report.html").exists()
    assert not (copied / "bootstrap.json").exists()


def test_a_kept_table_is_covered_by_a_digest_and_steers_nothing(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    path = tmp_path / "kept" / "table.json"
    whole = (finished / "runs" / "table.json").read_bytes()
    commands = (["show", "kept"], ["show", "kept", "--json"], ["report", "kept"], ["claims", "."])
    path.write_bytes(whole.replace(b'"mean":', b'"mean":1', 1))
    for command in commands:
        assert "table.json: damaged" in ssrun(*command, folder=tmp_path).must(5).err
    path.write_bytes(whole)
    reseal(path, lambda document: document.pop("rows"))
    for command in commands:
        assert "table.json: damaged: 'rows'" in ssrun(*command, folder=tmp_path).must(5).err
    path.write_bytes(whole)
    evil = "\x1b]0;x\x07\u202e"
    reseal(path, lambda document: document.update(command=evil, baseline=evil, question=evil))
    reseal(path, lambda document: [row.update(task=evil, strategy=evil) for row in document["rows"]])
    for command in (*commands, ["show", "kept", "--format=csv"], ["show", "kept", "--format=svg"]):
        done = ssrun(*command, folder=tmp_path).must(0)
        assert not {"\x1b", "\x07", "\u202e"} & {*done.out, *done.err}, command


def test_a_comparison_whose_manifest_is_gone_is_shown_from_its_table_and_named(copied: Path, tmp_path: Path) -> None:
    before = ssrun("show", "runs", "--json", folder=tmp_path).must(0).out
    (copied / "experiment.json").unlink()
    assert ssrun("show", "runs", "--json", folder=tmp_path).must(0).out == before
    assert (
        "runs/experiment.json: gone: run the comparison again" in ssrun("verify", "runs", folder=tmp_path).must(5).out
    )
    ssrun("compare", "grid.toml", "--out=runs", folder=tmp_path).must(0)
    ssrun("verify", "runs", folder=tmp_path).must(0)


def test_a_folder_of_somebody_elses_is_neither_written_to_nor_cleaned(tmp_path: Path) -> None:
    experiment(tmp_path, GRID)
    for name in ("table.csv", "report.html", "table.xlsx"):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / name).write_text("mine", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    before = snapshot(tmp_path)
    for folder in ("mine", "empty"):
        assert "nothing is removed" in ssrun("clean", folder, "--yes", folder=tmp_path).must(5).err
    assert (
        "holds files that are not ssrun's" in ssrun("compare", "grid.toml", "--out=mine", folder=tmp_path).must(2).err
    )
    assert snapshot(tmp_path) == before
    assert (tmp_path / "empty").is_dir()


@pytest.mark.slow
def test_what_dead_writers_left_is_swept_by_the_next(copied: Path, tmp_path: Path) -> None:
    (copied / "figures").mkdir()
    for name in ("figures/.finding.png.123.tmp", ".report.html.123.tmp"):
        (copied / name).touch()
    ssrun("figures", "runs", *ONE_PICTURE, folder=tmp_path).must(0)
    ssrun("report", "runs", folder=tmp_path).must(0)
    assert not list(copied.rglob(".*.tmp"))


@pytest.mark.slow
def test_nothing_of_other_people_is_swept(copied: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    theirs = [
        folder / name for folder in (home, copied, copied / "runs") for name in (".thesis.tmp", ".my.notes.7.tmp")
    ]
    for path in theirs:
        path.write_text("precious", encoding="utf-8")
    for command in (["report", "runs", "--out=home/page.html"], ["figures", "runs", "--out=home", *ONE_PICTURE]):
        ssrun(*command, folder=tmp_path).must(0)
    ssrun("compare", "grid.toml", "--out=runs", folder=tmp_path).must(0)
    assert all(path.exists() for path in theirs)


def test_no_link_is_followed_to_write(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (copied / "figures").symlink_to(tmp_path / "victim")
    assert "a link" in ssrun("figures", "runs", *ONE_PICTURE, folder=tmp_path).must(5).err
    assert not list((tmp_path / "victim").iterdir())


def test_verify_knows_where_a_run_belongs_and_how_many_are_missing(copied: Path, tmp_path: Path) -> None:
    moved = run_folders(copied)[0]
    moved.rename(moved.with_name("linear-0-0123456789"))
    assert "3 complete runs checked, 1 unfinished, 0 faults" in ssrun("verify", "runs", folder=tmp_path).must(0).out
    done = ssrun("verify", "runs/runs", folder=tmp_path).must(5)
    assert "linear-0-0123456789/run.json: not the configuration of this result" in done.out
    shutil.rmtree(copied / "runs")
    assert "0 complete runs checked, 4 unfinished" in ssrun("verify", "runs", folder=tmp_path).must(0).out
    assert "no runs here" in ssrun("verify", ".", folder=tmp_path).must(5).err


def test_what_the_system_refuses_is_said_in_one_line_with_its_path(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in (
        ["figures", "runs", *ONE_PICTURE, "--out=file/x"],
        ["merge", "runs", "--out=file/x"],
        ["show", "x" * 300],
    ):
        done = ssrun(*command, folder=tmp_path).must(5)
        assert len(done.err.removeprefix("drawing runs ...\n").splitlines()) == 1
        assert command[-1].removeprefix("--out=")[:50] in done.err
    assert "one run's folder" in ssrun("show", run_folders(copied)[0], folder=tmp_path).must(5).err


def test_a_folder_whose_name_is_no_utf_8_is_one_like_another(copied: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"r\xff'\xfe")
    odd.mkdir()
    (tmp_path / "grid.toml").rename(odd / "grid.toml")
    ssrun("compare", odd / "grid.toml", "--out=runs", folder=tmp_path).must(0)
    assert b"$'" in (copied / "experiment.json").read_bytes()
    write_corpus(odd / "text")
    languages = ("--source-language=de", "--target-language=en")
    for command in ("train", "compare"):
        which = f"--task{'s' if command == 'compare' else ''}=corpus"
        done = ssrun(command, which, "--corpus", odd / "text", *languages, "--out=new", folder=tmp_path).must(2)
        assert "the name is not UTF-8, and a run keeps it" in done.err
    assert not (tmp_path / "new").exists()
    copied.rename(odd / "runs")
    ssrun("merge", odd / "runs", "--out=merged", folder=tmp_path).must(0)


def test_a_diverged_run_is_said_to_have_no_model(tmp_path: Path) -> None:
    options = ("--set=training.learning_rate=3e38", "--set=training.clip=1e30")
    ssrun("train", "--task=copy", *SIZES, "--out=runs", *options, folder=tmp_path).must(3)
    for command in ("decode", "inject", "explain"):
        assert "the run diverged" in ssrun(command, "runs", folder=tmp_path).must(5).err
