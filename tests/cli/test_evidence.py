"""Tuning, sealed claims and seeds until decided, seen from the command line."""

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


@pytest.mark.slow
def test_what_won_on_validation_is_compared_on_other_seeds_and_stands_in_the_table(tuned: Path) -> None:
    said = ssrun("compare", "t.toml", "--out", "x", folder=tuned)
    assert [noun for noun in ("trials", "runs") if f"of 4 {noun} 0 complete" in said.err] == ["trials", "runs"]
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


@pytest.mark.slow
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


UNDECIDED = """
tasks = ["reverse"]
strategies = ["teacher-forcing", "linear", "uniform"]
seeds = "0..1"
task = { length = "4..5", test_pairs = 20, validation_pairs = 20 }
training = { steps = 8, evaluate_every = 8 }
model = { hidden = 4, embedding = 4 }

[[claims]]
text = "Nobody can tell."
metric = "teacher_forced_loss"
task = "reverse"
order = "linear = teacher-forcing"
within = 1e-9

[[claims]]
text = "Losses are no larger than a million nats."
metric = "teacher_forced_loss"
task = "reverse"
order = "uniform = teacher-forcing"
within = 1e6
"""


def test_seeds_are_added_for_undecided_claims_alone_until_the_last_look(tmp_path: Path) -> None:
    (tmp_path / "u.toml").write_text(UNDECIDED, encoding="utf-8")
    said = ssrun("compare", "u.toml", "--until-decided", "--most", "4", "--out", "x", folder=tmp_path).must(0)
    comparison = comparison_in(tmp_path / "x")
    assert [claim.verdict for claim in comparison.claims] == ["inconclusive", "agree"]
    assert {row.strategy: row.n for row in comparison.rows} == {"teacher-forcing": 4, "linear": 4, "uniform": 2}
    assert comparison.looks == [2, 3, 4]
    assert "looked at 2, 3, 4 of at most 4 seeds" in " ".join(said.out.split())
    again = ssrun("compare", "u.toml", "--until-decided", "--most", "4", "--out", "x", folder=tmp_path).must(0)
    assert again.out == said.out
    assert "to train" in again.err
    assert " 0 to train" in again.err.splitlines()[-1]


@pytest.mark.slow
def test_looking_again_with_more_seeds_is_said_to_be_looking_again(tmp_path: Path) -> None:
    (tmp_path / "u.toml").write_text(UNDECIDED, encoding="utf-8")
    assert "judged before" not in ssrun("compare", "u.toml", folder=tmp_path).must(0).out
    more = " ".join(ssrun("compare", "u.toml", "--seeds", "0..2", folder=tmp_path).must(0).out.split())
    assert "judged before, on 2 of these seeds" in more
    assert "judged before" not in ssrun("compare", "u.toml", "--seeds", "5..7", folder=tmp_path).must(0).out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--most", "9"], "--most 9: it is for --until-decided"),
        (["--until-decided", "--shard", "1/2"], "--shard: --until-decided looks at all runs"),
        (["--until-decided", "--seeds", "3"], "1 seeds of at most 32"),
        (["--until-decided", "--strategies", "linear"], "no claim of u is on these"),
    ],
)
def test_what_cannot_be_decided_is_refused_in_one_line(tmp_path: Path, options: list[str], message: str) -> None:
    (tmp_path / "u.toml").write_text(UNDECIDED, encoding="utf-8")
    refused = ssrun("compare", "u.toml", *options, folder=tmp_path).must(2)
    assert message in refused.err
    assert len(refused.err.splitlines()) == 1
