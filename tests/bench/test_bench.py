"""The benches of size run: at a size of seconds, their commands in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.analysis import bootstrap
from ssrun.config.loading import load_plan
from ssrun.runs.verification import faults_of, to_verify
from tests.bench import corpus, scale
from tests.support import synthetic
from tests.support.in_process import ssrun


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the bench's commands said on stderr."""
    said: list[str] = []

    def run(folder: Path, *words: str) -> str:
        with monkeypatch.context() as there:
            there.chdir(folder)
            said.append(ssrun(*words).must(0).err)
        return "took"

    for bench in (scale, corpus):
        monkeypatch.setattr(bench, "ssrun", run)
    return said


def test_very_many_runs_are_planned_listed_resumed_and_shown_and_none_is_trained(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "MOST", 10)
    lines = list(scale.figures(tmp_path, 100))
    assert lines[0].startswith("100 runs")
    assert sum("took" in line for line in lines) == 5
    assert lines[-1] == "90 pairs of runs for the bootstrap: more than 10: none made"
    assert "100 of 100 runs are done" in told[0]
    assert "of 100 runs 100 complete, 0 to score, 0 to train" in told[2]


def test_of_runs_that_are_made_and_not_trained_the_scores_alone_are_not_their_texts(tmp_path: Path) -> None:
    plan = load_plan(str(synthetic.experiment_of(tmp_path, 1)), "task-0", "teacher-forcing,linear-1")
    synthetic.made(tmp_path / "results", plan)
    folders = to_verify(tmp_path / "results")
    assert len(folders) == 2
    for folder in folders:
        assert all("but the stored text gives" in fault for fault in faults_of(folder))


def test_a_corpus_is_read_cut_and_trained_on(tmp_path: Path, told: list[str]) -> None:
    lines = list(corpus.figures(tmp_path, 3_000))
    assert lines[0].startswith("3,000 pairs")
    assert lines[-1].endswith("took")
    assert (tmp_path / "results" / "runs").is_dir()
