"""Every strategy of every task is tried as often as the others, on seeds that no verdict rests on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.config.loading import load_plan
from ssrun.config.plan import Plan, Winner
from ssrun.errors import UsageError
from ssrun.system.documents import canonical

FILE = """
tasks = ["reverse", "frames"]
strategies = ["teacher-forcing", "linear"]
seeds = "0..3"

[tune]
metric = "decoding_error"
seeds = "50..51"

[tune.grid]
training.learning_rate = [4e-3, 8e-3]
strategy.end = [0.0, 0.25, 0.5]
"""


def plan_of(tmp_path: Path, text: str = FILE, **asked: object) -> Plan:
    (tmp_path / "tuned.toml").write_text(text, encoding="utf-8")
    return load_plan(str(tmp_path / "tuned.toml"), **asked)  # type: ignore[arg-type]


def test_each_strategy_of_each_task_has_as_many_trials_of_the_fields_that_it_has(tmp_path: Path) -> None:
    trials = plan_of(tmp_path).trials()
    by_pair: dict[tuple[str, str], list[dict[str, object]]] = {}
    for trial in trials:
        by_pair.setdefault((trial.task, trial.strategy), []).append(trial.settings)
    assert {pair: len(found) for pair, found in by_pair.items()} == dict.fromkeys(by_pair, 2)
    rates = [{"training.learning_rate": 4e-3}, {"training.learning_rate": 8e-3}]
    assert by_pair["reverse", "teacher-forcing"] == rates
    drawn = [tuple(setting.values()) for setting in by_pair["reverse", "linear"]]
    assert len(set(drawn)) == 2
    assert all(rate in (4e-3, 8e-3) and end in (0, 0.25, 0.5) for rate, end in drawn)
    assert trials == plan_of(tmp_path).trials()
    assert [run.config.seed for run in trials[0].runs] == [50, 51]
    assert {run.config.training.learning_rate for run in trials[0].runs} == {4e-3}


def test_what_won_is_what_is_compared_and_changes_nothing_of_the_plans_name(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    winner = Winner(task="frames", strategy="linear", settings={"training.learning_rate": 4e-3, "strategy.end": 0.5})
    tuned = plan.model_copy(update={"tuned": (winner,)})
    assert tuned.id == plan.id
    rates = {run.name[:2]: run.config.training.learning_rate for run in tuned.runs()}
    assert rates == {pair: 4e-3 if pair == ("frames", "linear") else 8e-3 for pair in rates}
    assert Plan.model_validate_json(canonical(tuned.model_dump(mode="json"))) == tuned


def test_what_the_command_line_or_smoke_sets_is_not_tried(tmp_path: Path) -> None:
    told = plan_of(tmp_path, overrides={"strategy": {"end": 0.1}})
    assert {tuple(trial.settings) for trial in told.trials()} == {("training.learning_rate",)}
    everything = {"strategy": {"end": 0.1}, "training": {"learning_rate": 1e-3}}
    assert plan_of(tmp_path, overrides=everything).trials() == []
    smoke = plan_of(tmp_path, smoke=True).trials()
    assert {len(trial.runs) for trial in smoke} == {1}
    assert {trial.runs[0].config.training.steps for trial in smoke} == {20}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('seeds = "50..51"', 'seeds = "3..5"', "tune.seeds: seed 3 is among seeds"),
        ('"decoding_error"', '"bracket_f1"', "tune.metric: unknown validation metric 'bracket_f1'"),
        ('"decoding_error"', '"seconds"', "neither more nor less of it is better"),
        (
            'seeds = "50..51"',
            'seeds = "50..51"\ntrials = 3',
            "tune.trials = 3: teacher-forcing on reverse has 2 settings",
        ),
        ("strategy.end", "strategy.edn", "tune.grid: strategy.edn: no run here has such a field"),
        ("[tune.grid]", "[sweep]\nstrategy.end = [0.1, 0.2]\n[tune.grid]", "tune.grid: strategy.end is swept"),
        ("[4e-3, 8e-3]", "[4e-3, -1.0]", "training.learning_rate = -1.0: input should be greater than 0"),
    ],
)
def test_a_wrong_tuning_is_refused_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan_of(tmp_path, FILE.replace(old, new)).trials()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
