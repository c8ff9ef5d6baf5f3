"""A comparison that tunes, and whose claims are written down first, seen from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.analysis.comparison import comparison_in
from ssrun.runs.manifest import read_manifest
from tests.support.commands import ssrun

FILE = """
tasks = ["reverse"]
strategies = ["teacher-forcing", "linear"]
seeds = "0..1"
task = { length = "4..5", test_pairs = 20, validation_pairs = 20 }
training = { steps = 8, evaluate_every = 8 }
model = { hidden = 4, embedding = 4 }

[tune]
metric = "decoding_error"
seeds = "50"
grid."training.learning_rate" = [1e-6, 2e-2]

[[claims]]
text = "Linear is worse."
metric = "decoding_error"
task = "reverse"
order = "linear > teacher-forcing"
"""


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    (tmp_path / "t.toml").write_text(FILE, encoding="utf-8")
    return tmp_path


def test_what_won_on_validation_is_compared_on_other_seeds_and_stands_in_the_table(tuned: Path) -> None:
    said = ssrun("compare", "t.toml", "--out", "x", folder=tuned)
    assert "of 4 trials 0 complete" in said.err and "of 4 runs 0 complete" in said.err  # noqa: PT018
    comparison, manifest = comparison_in(tuned / "x"), read_manifest(tuned / "x")
    assert comparison.tuning is not None
    for cell, winner in zip(comparison.tuning.cells, manifest.plan.tuned, strict=True):
        best = min(cell.trials, key=lambda trial: trial.value or 0.0)
        assert cell.settings == winner.settings == best.settings
    assert {run.seed for run in manifest.runs} == {0, 1}
    assert {run.seed for run in manifest.trials} == {50}
    assert "What tuning found" in (tuned / "x" / "table.md").read_text(encoding="utf-8")
    again = ssrun("compare", "t.toml", "--out", "x", folder=tuned)
    assert again.out == said.out
    assert "of 4 trials 4 complete" in again.err


def test_a_claim_edited_after_its_runs_is_exploratory_until_fresh_seeds_judge_it(tuned: Path) -> None:
    def shown(results: Path) -> tuple[str, str]:
        told = ssrun("show", str(results), folder=tuned).must(0).out
        return " ".join(told.split()), (results / "table.md").read_text(encoding="utf-8")

    own = tuned / "results" / "t"
    ssrun("compare", "t.toml", folder=tuned)
    assert all("xploratory" not in text and "1 claim sealed" in text for text in shown(own))
    (tuned / "t.toml").write_text(FILE.replace("worse", "better"), encoding="utf-8")
    ssrun("compare", "t.toml", folder=tuned)
    assert all("exploratory" in text and "claim sealed" not in text for text in shown(own))
    page = ssrun("claims", "results", folder=tuned).out
    assert "(exploratory)" in page
    ssrun("compare", "t.toml", "--seeds", "10..11", folder=tuned)
    (fresh,) = (tuned / "results").glob("t-*")
    assert all("xploratory" not in text and "1 claim sealed" in text for text in shown(fresh))
