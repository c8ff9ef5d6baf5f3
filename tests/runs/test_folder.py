"""A run's folder: one process at a time, strict documents, and lines read to the last whole one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ssrun.errors import StoreError
from ssrun.runs.folder import Busy, RunFolder
from ssrun.runs.result import DivergedResult, Failure
from ssrun.system.files import digest
from tests.support.runs import finished, small_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A complete run."""
    return finished(tmp_path_factory.mktemp("whole"), small_run(steps=4, evaluate_every=2))


@pytest.fixture
def folder(whole: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of it."""
    shutil.copytree(whole.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "task" / "strategy" / "run")
    assert not folder.in_use
    with folder.locked():
        assert folder.in_use
        with pytest.raises(Busy, match="run: another process is training this run: wait for it"), folder.locked():
            pytest.fail("locked twice")
    assert not folder.in_use


def test_a_run_is_written_down_by_what_decides_its_weights(folder: RunFolder) -> None:
    run = small_run(steps=4, evaluate_every=2)
    document = json.loads((folder.path / "run.json").read_bytes())
    assert document == {
        "store": 1,
        "run": run.config.weights_id,
        "config": run.config.model_dump(mode="json", exclude={"scoring"}),
    }
    assert folder.config() == run.config


@pytest.mark.parametrize("torn", [b'{"step": 15, "eps', b"\0" * 4096, b"\0" * 100 + b"\n", b'{"step"\n'])
def test_evaluations_are_read_to_the_last_whole_line(folder: RunFolder, torn: bytes) -> None:
    before = folder.evaluations()
    assert [evaluation.step for evaluation in before] == [2, 4]
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(torn)
    assert folder.evaluations() == before


@pytest.mark.parametrize("line", [b'{"step":15}', b"[1]", b"5", b'{"step":NaN}'])
def test_a_whole_line_that_is_no_evaluation_is_damage(folder: RunFolder, line: bytes) -> None:
    with (folder.path / "metrics.jsonl").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(StoreError, match=r"metrics\.jsonl: damaged: a line is no evaluation"):
        folder.evaluations()


def test_evaluations_are_cut_and_go_on(folder: RunFolder) -> None:
    first, second = folder.evaluations()
    path = folder.path / "metrics.jsonl"
    size, content = path.stat().st_size, path.read_bytes()
    folder.cut_evaluations(len(content.splitlines()[0]) + 1)
    assert folder.evaluations() == [first]
    assert folder.append(second, digest(path.read_bytes())) == (size, digest(content))
    assert path.read_bytes() == content
    with pytest.raises(StoreError, match=r"metrics\.jsonl: changed by somebody .* run the same command again"):
        folder.append(second, digest(content[:-1]))


def test_evaluations_are_written_through_no_link_and_into_no_pipe(tmp_path: Path, folder: RunFolder) -> None:
    path = folder.path / "metrics.jsonl"
    path.rename(tmp_path / "victim")
    path.symlink_to(tmp_path / "victim")
    before = (tmp_path / "victim").read_bytes()
    with pytest.raises(StoreError, match=r"metrics\.jsonl: cannot be written"):
        folder.cut_evaluations(0)
    assert (tmp_path / "victim").read_bytes() == before
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreError, match=r"metrics\.jsonl: cannot be written"):
        folder.cut_evaluations(0)


def test_failures_are_counted_and_a_damaged_note_is_written_anew(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert folder.failure() is None
    folder.fail("no luck")
    folder.fail("again")
    assert folder.failure() == Failure(reason="again", attempts=2)
    assert (folder.path / "failure.json").read_bytes() == b'{"attempts":2,"reason":"again"}'
    (folder.path / "failure.json").write_bytes(b'{"season":"x"}')
    with pytest.raises(StoreError, match=r"failure\.json: damaged"):
        folder.failure()
    folder.fail("once")
    assert folder.failure() == Failure(reason="once", attempts=1)


def test_a_result_says_what_it_is_and_removes_what_only_training_needs(folder: RunFolder) -> None:
    result = folder.result()
    assert sorted(result.files) == sorted(RunFolder.FILES)
    for name in ("lock", "failure.json", "checkpoint-0000000002.json", ".model.safetensors.9.tmp"):
        (folder.path / name).touch()
    fields = {name: getattr(result, name) for name in DivergedResult.model_fields if hasattr(result, name)}
    diverged = DivergedResult(**{**fields, "status": "diverged", "files": {}}, reason="diverged at step 3")
    metrics = result.files["metrics.jsonl"]
    with pytest.raises(StoreError, match=r"metrics\.jsonl: changed by somebody .* run the same command again"):
        folder.finish(diverged, metrics[::-1])
    assert folder.result() == result
    assert folder.finish(diverged, metrics) == folder.result()
    kept = {name: result.files[name] for name in ("run.json", "environment.json", "metrics.jsonl")}
    assert folder.result() == diverged.model_copy(update={"files": kept})
    assert sorted(path.name for path in folder.path.iterdir()) == sorted([*RunFolder.ALL_FILES, "scores"])


def test_where_a_run_was_made_is_read_back_and_may_be_unknown(folder: RunFolder) -> None:
    (known,) = folder.environments()
    assert {"ssrun", "torch", "numpy", "sacrebleu"} == known.packages.keys()
    whole = (folder.path / "environment.json").read_bytes()
    folder.write_environments([known])
    assert (folder.path / "environment.json").read_bytes() == whole
    elsewhere = known.model_copy(update={"processor": "another"})
    folder.write_environments([known, elsewhere])
    assert folder.environments() == [known, elsewhere]
    (folder.path / "environment.json").unlink()
    assert folder.environments() == []


def test_a_vocabulary_is_lists_of_words(folder: RunFolder) -> None:
    assert len(folder.vocabularies()["target"]) == 26
    (folder.path / "vocabulary.json").write_bytes(b'{"source":[],"target":[1]}')
    with pytest.raises(StoreError, match=r"vocabulary\.json: damaged: 'target\.0'"):
        folder.vocabularies()
