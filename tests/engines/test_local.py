"""Local workers bring runs to the ends that this process would, and wait for those that another process has."""

from __future__ import annotations

import errno
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ssrun.engines import ENGINES, Options, load_engine
from ssrun.errors import StoreError, UsageError
from ssrun.runs.events import Failed, Finished, Postponed, Retried, Started, Stepped
from ssrun.runs.folder import RunFolder
from tests.support.in_process import python
from tests.support.runs import finished, small_run
from tests.support.snapshots import fingerprint, strays


def test_engines_are_known_by_name_without_what_they_need() -> None:
    code = "import sys\nfrom ssrun.engines import ENGINES\nprint(sorted({'torch', 'subprocess'} & sys.modules.keys()))"
    assert python("-c", code).stdout == "[]\n"
    with pytest.raises(UsageError, match="unknown engine 'locl': did you mean 'local'"):
        load_engine("locl")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "ray" else []) for name in ENGINES]
)
def test_an_engine_tells_of_each_run_and_changes_no_byte(tmp_path: Path, name: str) -> None:
    runs = [small_run(seed=seed, steps=3) for seed in range(3)]
    updates = list(load_engine(name).run(runs, tmp_path / "engine", Options(jobs=2)))
    for run in runs:
        events = [update.event for update in updates if update.run == run.name]
        folder = RunFolder.of(tmp_path / "engine", run.name)
        assert (events[0], events[-1]) == (Started(), Finished(result=folder.result(), scores=folder.scores()))
        assert fingerprint(folder.path) == fingerprint(finished(tmp_path / "here", run).path)
    assert not strays(tmp_path / "engine")


def test_too_many_workers_for_the_system_are_said_and_none_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        if len(started) == 2:
            raise OSError(errno.EMFILE, "Too many open files")
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr("subprocess.Popen", start)
    runs = [small_run(seed=seed, steps=1) for seed in range(3)]
    with pytest.raises(StoreError, match=r"no room for another worker \(Too many open files\): give fewer --jobs"):
        list(load_engine("local").run(runs, tmp_path, Options(jobs=64)))
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_a_run_that_another_process_has_is_asked_for_again_and_one_that_fails_is_noted(tmp_path: Path) -> None:
    busy, broken = small_run(seed=0, steps=1), small_run(seed=1, steps=1)
    folder, failed = (RunFolder.of(tmp_path, run.name) for run in (busy, broken))
    failed.make()
    (failed.path / "run.json").mkdir()
    told = []
    with folder.locked():
        updates = load_engine("local").run([busy, broken], tmp_path, Options(jobs=1))
        for update in updates:
            told.append(update)
            if Postponed() in [update.event for update in told] and isinstance(update.event, Failed):
                break
    told += updates
    events = [update.event for update in told if update.run == busy.name]
    assert events[:3] == [Started(), Postponed(), Started()]
    assert isinstance(events[-1], Finished)
    failure = failed.failure()
    assert failure
    assert [update.event for update in told if update.run == broken.name] == [Started(), Failed(reason=failure.reason)]
    assert "run.json: cannot be written" in failure.reason


def test_a_chain_is_one_job_and_each_of_its_runs_is_told_of_in_turn(tmp_path: Path) -> None:
    runs = [small_run("uniform", steps=steps) for steps in (24, 6, 12)]
    short, middle, long = (run.name for run in sorted(runs, key=lambda run: run.config.training.steps))
    updates = list(load_engine("local").run(runs, tmp_path, Options(jobs=2)))
    turns = [(update.run, update.event.kind) for update in updates if isinstance(update.event, Started | Finished)]
    assert turns == [(name, kind) for name in (short, middle, long) for kind in ("started", "finished")]
    running = None
    for update in updates:
        running = update.run if isinstance(update.event, Started) else running
        assert update.run == running or not isinstance(update.event, Stepped)
    steps = {run.name: run.config.training.steps for run in runs}
    last = {update.run: update.event.step for update in updates if isinstance(update.event, Stepped)}
    assert last == steps


def test_a_run_that_cannot_be_written_takes_none_of_its_chain_along(tmp_path: Path) -> None:
    runs = [small_run("uniform", steps=steps) for steps in (6, 12, 24)]
    folders = [RunFolder.of(tmp_path, run.name) for run in runs]
    folders[1].make()
    (folders[1].path / "run.json").mkdir()
    updates = list(load_engine("local").run(runs, tmp_path, Options(jobs=1)))
    ends = {update.run: update.event for update in updates if isinstance(update.event, Finished | Failed)}
    assert [type(ends[run.name]) for run in runs] == [Finished, Failed, Finished]
    assert [update.run for update in updates if isinstance(update.event, Retried)] == [run.name for run in runs]
    failure = folders[1].failure()
    assert failure
    assert "run.json: cannot be written" in failure.reason


def test_runs_of_a_chain_that_another_process_has_are_asked_for_again_together(tmp_path: Path) -> None:
    runs = [small_run("uniform", steps=steps) for steps in (6, 12, 24)]
    folders = [RunFolder.of(tmp_path, run.name) for run in runs]
    with ExitStack() as held:
        for folder in folders[1:]:
            held.enter_context(folder.locked())
        told = []
        updates = load_engine("local").run(runs, tmp_path, Options(jobs=1))
        for update in updates:
            told.append(update)
            if isinstance(update.event, Finished):
                break
    told += updates
    assert {run.name for run in runs[1:]} == {update.run for update in told if isinstance(update.event, Postponed)}
    assert [update.run for update in told if isinstance(update.event, Finished)] == [run.name for run in runs]
    (first, *_) = (
        update.event.step for update in told if update.run == runs[2].name and isinstance(update.event, Stepped)
    )
    assert first == 13  # the twelve before it were the other's
