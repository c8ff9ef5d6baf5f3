"""Situations in which an adversary broke a promise once, each with what now holds."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from ssrun.config.run import resolve
from ssrun.errors import UsageError
from ssrun.runs.folder import RunFolder
from ssrun.runs.maintenance import ours
from ssrun.runs.results import MARK
from ssrun.tasks.corpus import read_split
from tests.support.commands import ssrun
from tests.support.damage import flip, reseal
from tests.support.faults import fail_to_prepare, fault, stop_after
from tests.support.runs import GRID, SIZES, experiment, train
from tests.support.snapshots import run_folders, snapshot, strays


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete comparison of four runs in `runs`."""
    folder = tmp_path_factory.mktemp("finished")
    ssrun("compare", experiment(folder, GRID), "--out=runs", "--jobs=2", folder=folder).must(0)
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path / "runs"


def corpus(folder: Path, word: str = "a") -> Path:
    """A corpus of a few pairs."""
    folder.mkdir(exist_ok=True)
    for split in ("train", "valid", "test"):
        (folder / f"{split}.tsv").write_text(f"{word} b\tb {word}\nc\tc\nb c\tc b\n" * 4, encoding="utf-8")
    return folder


def test_a_corpus_that_changed_since_the_run_was_configured_is_not_trained_on(tmp_path: Path) -> None:
    from ssrun.runs.execution import prepare

    config = resolve("corpus", "linear", layers=[{"task": {"path": str(corpus(tmp_path / "text"))}}])
    prepare(config)
    corpus(tmp_path / "text", word="z")
    read_split.cache_clear()
    with pytest.raises(UsageError, match="the corpus has changed since this run"):
        prepare(config)


def test_merge_and_clean_leave_a_run_in_training_alone(copied: Path, tmp_path: Path) -> None:
    run = run_folders(copied)[0]
    target = tmp_path / "whole" / run.relative_to(copied)
    shutil.copytree(run, target)
    (target / "result.json").unlink()
    (tmp_path / "whole" / MARK).touch()
    before = snapshot(target)
    with RunFolder(target).locked():
        done = ssrun("merge", "runs", "--out=whole", folder=tmp_path).must(5)
        assert "another process is training this run" in done.err
        done = ssrun("clean", "whole", "--yes", folder=tmp_path).must(5)
        assert "stop it first" in done.err
    assert {name: entry for name, entry in snapshot(target).items() if name != "lock"} == before
    ssrun("merge", "runs", "--out=whole", folder=tmp_path).must(0)
    assert not strays(tmp_path / "whole")


def test_a_damaged_text_is_not_compared_reported_or_merged_onto(copied: Path, tmp_path: Path) -> None:
    for run in run_folders(copied):
        flip(run / "hypotheses.txt", 1, bit=1)
    for command in (["compare", "grid.toml", "--out=runs"], ["report", "runs"], ["merge", "runs", "--out=runs"]):
        if command[0] == "compare":
            (copied / "bootstrap.json").unlink()
        done = ssrun(*command, folder=tmp_path).must(5)
        assert "hypotheses.txt: damaged" in done.err
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
    for command in commands:
        ssrun(*command, folder=tmp_path).must(0)
    reseal(path, lambda document: document.pop("rows"))
    for command in commands:
        assert "not a table of this ssrun" in ssrun(*command, folder=tmp_path).must(5).err
    path.write_bytes(whole)
    evil = "\x1b]0;x\x07\u202e"
    reseal(path, lambda document: document.update(command=evil, baseline=evil, question=evil))
    reseal(path, lambda document: [row.update(task=evil, strategy=evil) for row in document["rows"]])
    for command in (*commands, ["show", "kept", "--format=csv"], ["show", "kept", "--format=svg"]):
        done = ssrun(*command, folder=tmp_path).must(0)
        assert not {"\x1b", "\x07", "\u202e"} & {*done.out, *done.err}, command


@pytest.mark.parametrize("poison", [b"1e999", b"-1e999", b'"\\ud800"', b"NaN"])
def test_a_number_or_a_letter_that_is_none_is_damage(copied: Path, poison: bytes) -> None:
    run = run_folders(copied)[0]
    for path, field in ((run / "result.json", b'"bleu":'), (copied / "experiment.json", b'"mean_epsilon":')):
        whole = path.read_bytes()
        start = whole.index(field) + len(field)
        path.write_bytes(whole[:start] + poison + whole[whole.index(b",", start) :])
        for command in ("verify", "show"):
            done = ssrun(command, "runs", folder=copied.parent).must(5)
            assert path.name in done.out + done.err
        path.write_bytes(whole)


FORGED = ({"step": "x"}, {"step": -5}, {"step": 99999}, {"run_counts": [1]}, {"loss": "x"}, {"window_counts": "abc"})


def test_a_forged_checkpoint_is_refused_with_one_warning_each(tmp_path: Path) -> None:
    for number, fields in enumerate(FORGED):
        folder = tmp_path / str(number)
        folder.mkdir()
        train(folder, "--checkpoint-every=5", faults=[fault(stop_after, step=10)]).must(143)
        (run,) = run_folders(folder / "runs")
        reseal(sorted(run.glob("checkpoint-*.json"))[-1], lambda document, fields=fields: document.update(fields))
        done = train(folder).must(0)
        assert done.err.count("warning") == 1
        ssrun("verify", "runs", folder=folder).must(0)


def test_a_note_of_failure_that_is_none_is_named_and_written_anew(tmp_path: Path) -> None:
    experiment(tmp_path, GRID)
    fails = [fault(fail_to_prepare)]
    ssrun("compare", "grid.toml", "--out=runs", "--jobs=1", folder=tmp_path, faults=fails).must(3)
    for note in (tmp_path / "runs").glob("*/*/*/failure.json"):
        note.write_bytes(b'{"season":"x"}')
    assert "failure.json: damaged" in ssrun("show", "runs", folder=tmp_path).must(5).err
    done = ssrun("compare", "grid.toml", "--out=runs", "--jobs=1", folder=tmp_path, faults=fails).must(3)
    assert "boom" in done.out
    ssrun("merge", "runs", "--out=whole", folder=tmp_path).must(3)
    assert "boom" in ssrun("show", "whole", folder=tmp_path).must(0).out


def test_clean_removes_the_mark_last_and_what_dead_writers_left(copied: Path, tmp_path: Path) -> None:
    (copied / "figures").mkdir()
    (copied / "figures" / ".finding.png.123.tmp").touch()
    assert ours(copied)[-2:] == [copied / MARK, copied]
    ssrun("clean", "runs", "--yes", folder=tmp_path).must(0)
    assert not copied.exists()


def test_what_dead_writers_left_is_swept_by_the_next(copied: Path, tmp_path: Path) -> None:
    (copied / "figures").mkdir()
    for name in ("figures/.finding.png.123.tmp", ".report.html.123.tmp"):
        (copied / name).touch()
    ssrun("figures", "runs", folder=tmp_path).must(0)
    ssrun("report", "runs", folder=tmp_path).must(0)
    assert not list(copied.rglob(".*.tmp"))


def test_no_link_is_followed_to_write(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    for name in ("figures", "tensorboard"):
        (copied / name).symlink_to(tmp_path / "victim")
    assert "a link" in ssrun("figures", "runs", folder=tmp_path).must(5).err
    done = ssrun("compare", "grid.toml", "--out=runs", "--tensorboard", folder=tmp_path).must(5)
    assert "a link" in done.err
    assert not list((tmp_path / "victim").iterdir())


def test_a_pipe_in_the_place_of_the_metrics_is_refused_at_once(tmp_path: Path) -> None:
    train(tmp_path).must(0)
    (run,) = run_folders(tmp_path / "runs")
    (run / "result.json").unlink()
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    started = time.monotonic()
    assert "metrics.jsonl" in train(tmp_path).must(5).err
    assert time.monotonic() - started < 10


def test_verify_knows_where_a_run_belongs_and_how_many_are_missing(copied: Path, tmp_path: Path) -> None:
    moved = run_folders(copied)[0]
    (copied / "copy" / "other").mkdir()
    moved.rename(copied / "copy" / "other" / moved.name)
    done = ssrun("verify", "runs", folder=tmp_path).must(5)
    assert "this run belongs at runs/copy/" in done.out
    assert "4 complete runs checked, 1 unfinished, 1 faults" in done.out
    shutil.rmtree(copied / "copy")
    assert "no runs here" in ssrun("verify", "runs", folder=tmp_path).must(5).err


def test_shards_of_one_corpus_at_two_places_are_merged(tmp_path: Path) -> None:
    text = GRID.replace('["copy"]', '["corpus"]')
    experiment(tmp_path, text[: text.index("[task]")])
    for part in (1, 2):
        folder = corpus(tmp_path / f"text-{part}")
        options = (f"--corpus={folder}", f"--shard={part}/2", f"--out=shard-{part}", "--jobs=1")
        ssrun("compare", "grid.toml", *options, "--set=task.minimum_frequency=1", folder=tmp_path).must(0)
    ssrun("merge", "shard-1", "shard-2", "--out=whole", folder=tmp_path).must(0)
    ssrun("verify", "whole", folder=tmp_path).must(0)


def test_a_complete_comparison_is_mirrored_from_its_metrics(copied: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    ssrun("compare", "grid.toml", "--out=runs", "--tensorboard", folder=tmp_path).must(0)
    assert len(list((copied / "tensorboard").glob("*/*/*/events*"))) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "smoke.toml", "--dry-run"], "smoke: not of a file"),
        (["compare", "flags.toml", "--dry-run"], "flags: not of a file"),
        (["compare", "baseline.toml", "--dry-run"], "baseline: unknown strategy 'nonsens'"),
        (["compare", "twice.toml", "--dry-run"], "each once"),
        (["compare", "lists.toml", "--dry-run"], "names, please"),
        (["compare", "deep.toml", "--dry-run"], "more than 200 dots"),
        (["compare", "grid.toml", "--dry-run", f"--set=model.hidden={{{'a.' * 3000}a=1}}"], "valid integer"),
        (["train", "--steps=5", "--set=training.steps=7"], "training.steps is given twice"),
        (["train", "--set=training.steps=3\nfoo=7"], "one field, please"),
        (["show", "runs", "--json", "--format=latex"], "give one of them"),
    ],
)
def test_nothing_is_accepted_and_ignored(copied: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    for name, old, new in (
        ("smoke", "[model]", "smoke = true\n[model]"),
        ("flags", "[model]", "[flags.training]\nsteps = 3\n[model]"),
        ("baseline", "[model]", 'baseline = "nonsens"\n[model]'),
        ("twice", '["teacher-forcing", "linear"]', '[["linear", {}], ["linear", {base = "exponential"}]]'),
        ("lists", '["copy"]', '[[["a"], {}]]'),
        ("deep", "[model]", f"{'a.' * 20000}b = 1\n[model]"),
    ):
        assert old in GRID
        experiment(tmp_path, GRID.replace(old, new), name)
    started = time.monotonic()
    done = ssrun(*arguments, folder=tmp_path).must(2)
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert time.monotonic() - started < 5


def test_a_dry_run_in_json_is_json(tmp_path: Path) -> None:
    experiment(tmp_path, GRID)
    done = ssrun("compare", "grid.toml", "--dry-run", "--json", "--out=runs", folder=tmp_path).must(0)
    assert len(json.loads(done.out)) == 4


def test_what_the_system_refuses_is_said_in_one_line_with_its_path(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in (["figures", "runs", "--out=file/x"], ["merge", "runs", "--out=file/x"], ["show", "x" * 300]):
        done = ssrun(*command, folder=tmp_path).must(5)
        assert len(done.err.removeprefix("drawing runs ...\n").splitlines()) == 1
        assert command[-1].removeprefix("--out=")[:50] in done.err
    done = ssrun("show", run_folders(copied)[0], folder=tmp_path).must(5)
    assert "one run's folder" in done.err


def test_a_diverged_run_is_said_to_have_no_model(tmp_path: Path) -> None:
    options = ("--set=training.learning_rate=3e38", "--set=training.clip=1e30")
    ssrun("train", "--task=copy", *SIZES, "--out=runs", *options, folder=tmp_path).must(3)
    for command in ("decode", "inject", "explain"):
        assert "the run diverged" in ssrun(command, "runs", folder=tmp_path).must(5).err
