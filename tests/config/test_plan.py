"""From an experiment and the command line to runs: what is stronger than what."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.config.experiment import Experiment
from ssrun.config.loading import load_plan
from ssrun.config.plan import Plan
from ssrun.config.spec import place
from ssrun.errors import UsageError
from ssrun.strategies.schedules import Decay
from ssrun.system.documents import canonical


def test_a_file_of_the_users_own_is_the_grid_that_it_says(own: Path) -> None:
    plan = load_plan(str(own))
    runs = plan.runs()
    assert plan.name == "own"
    assert [run.name[:3] for run in runs] == [
        (task, strategy, seed) for seed in (3, 4, 5) for task in ("short", "long") for strategy in ("late", "early")
    ]
    for name, config in runs:
        sizes = (config.task.name, config.model.embedding, config.model.hidden, config.training.steps)
        assert sizes == {"short": ("reverse", 8, 64, 30), "long": ("copy", 8, 12, 40)}[name.task]
        half_at = config.strategy.schedule.model_dump()["half_at"]
        assert (half_at, config.strategy.coin) == {"late": (0.8, "token"), "early": (0.2, "sequence")}[name.strategy]


def test_every_run_of_a_grid_has_an_id_of_its_own_and_a_place_of_its_own(own: Path) -> None:
    runs = load_plan(str(own)).runs()
    assert len({run.config.id for run in runs}) == len(runs) == len({run.name.place for run in runs})
    assert all(run.config.seed == run.name.seed and run.name.place == place(run.config) for run in runs)


def test_a_plans_id_changes_with_its_numbers_and_with_no_text_or_claim(own: Path) -> None:
    plan, text = load_plan(str(own)), own.read_text(encoding="utf-8")
    asked = ({"seeds": "3..4"}, {"metrics": "bleu"}, {"baseline": "early"}, {"tasks": "short"}, {"smoke": True})
    changed = [load_plan(str(own), **change) for change in asked]  # type: ignore[arg-type]
    changed.append(load_plan(str(own), overrides={"scoring": {"beam": 2}}))
    assert len({plan.id, *(other.id for other in changed)}) == len(changed) + 1
    assert [plan.own, *(other.own for other in changed)] == [True, False, False, False, False, True, False]
    own.write_text("# mine\n" + text.replace("Earlier is better.", "Early wins."), encoding="utf-8")
    assert load_plan(str(own), seeds="3..5").id == plan.id
    own.write_text(text.replace("by = 0.5", "by = 0.6"), encoding="utf-8")
    assert load_plan(str(own)).id == plan.id


def test_a_plan_comes_back_from_its_json_with_its_order(own: Path) -> None:
    plan = load_plan(str(own), smoke=True, overrides={"model": {"hidden": 7}})
    back = Plan.model_validate_json(canonical(plan.model_dump(mode="json")))
    assert back == plan
    assert list(back.experiment.strategies) == ["late", "early"]
    assert back.runs() == plan.runs()


def test_what_is_swept_keeps_its_order_in_a_plans_json_for_it_names_the_tasks(tmp_path: Path) -> None:
    text = 'tasks = ["translation"]\nstrategies = ["teacher-forcing"]\n'
    text += "[vary]\ntask.pairs = [5, 9]\nmodel.dropout = [0.0, 0.2]\n"
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    plan = load_plan(str(tmp_path / "map.toml"))
    back = Plan.model_validate_json(canonical(plan.model_dump(mode="json")))
    assert [*back.experiment.cells][:2] == ["translation-pairs-5-dropout-0.0", "translation-pairs-5-dropout-0.2"]
    assert (back, back.runs()) == (plan, plan.runs())


@pytest.mark.parametrize("smoke", [False, True])
def test_defaults_then_task_then_experiment_then_entry_then_command_line(smoke: bool) -> None:
    experiment = Experiment(
        question="?",
        tasks={"plain": {"base": "frames"}, "own": {"base": "frames", "model": {"hidden": 12, "layers": 2}}},
        strategies={"a": {"base": "linear"}, "b": {"base": "linear", "over": 0.25, "model": {"layers": 3}}},
        model={"hidden": 10, "embedding": 11},
        strategy={"over": 0.75, "end": 0.1},
        seeds=[0, 1],
    )
    overrides = {"model": {"embedding": 13}, "strategy": {"end": 0.2}}
    plan = Plan(experiment=experiment, overrides=overrides, smoke=smoke)
    configs = {run.name[:2]: run.config for run in plan.runs()}
    sizes = {key: (c.model.attention, c.model.hidden, c.model.embedding, c.model.layers) for key, c in configs.items()}
    assert sizes == {
        ("plain", "a"): ("aligned", 10, 13, 1),
        ("plain", "b"): ("aligned", 10, 13, 3),
        ("own", "a"): ("aligned", 12, 13, 2),
        ("own", "b"): ("aligned", 12, 13, 3),
    }
    shape = {key: c.strategy.schedule.model_dump() for key, c in configs.items()}
    assert shape["plain", "a"] == {"name": "linear", "start": 1.0, "end": 0.2, "over": 0.75}
    assert shape["plain", "b"] == {"name": "linear", "start": 1.0, "end": 0.2, "over": 0.25}


def test_smoke_shrinks_what_the_experiment_says_and_the_command_line_is_stronger_than_smoke() -> None:
    plain = load_plan("default", tasks="reverse", strategies="linear", smoke=True).runs()
    assert {(c.config.training.steps, c.config.task.test_pairs) for c in plain} == {(20, 50)}
    assert len(plain) == 2
    overrides = {"training": {"steps": 4}, "task": {"test_pairs": 9}}
    grid = {"tasks": "reverse", "strategies": "linear", "seeds": "0..3"}
    told = load_plan("default", **grid, smoke=True, overrides=overrides).runs()
    assert {(c.config.training.steps, c.config.task.test_pairs) for c in told} == {(4, 9)}
    assert len(told) == 4


def test_a_setting_reaches_the_runs_that_have_its_field_and_no_others() -> None:
    overrides = {"strategy": {"over": 0.5}}
    plan = load_plan("default", tasks="reverse", strategies="teacher-forcing,linear", overrides=overrides)
    configs = {run.name.strategy: run.config.strategy.schedule.model_dump() for run in plan.runs()}
    assert configs["linear"]["over"] == 0.5
    assert configs["teacher-forcing"] == {"name": "constant", "value": 1.0}


@pytest.mark.parametrize("mean", [0.3, 0.5, 0.7])
def test_matched_exposure_gives_every_decay_the_same_mean_epsilon(mean: float) -> None:
    strategies = ["teacher-forcing", "linear", "exponential", "inverse-sigmoid", "switch"]
    matched = {"match": "mean-epsilon", "mean_epsilon": mean, "training": {"steps": 500}}
    given = {"question": "?", "tasks": ["reverse"], "strategies": strategies, **matched}
    plan = Plan(experiment=Experiment.model_validate(given))
    schedules = {run.name.strategy: run.config.strategy.schedule for run in plan.runs()}
    means = {strategy: schedule.mean(500) for strategy, schedule in schedules.items()}
    decays = {strategy for strategy, schedule in schedules.items() if isinstance(schedule, Decay)}
    assert decays == {"linear", "exponential", "inverse-sigmoid"}
    assert {name: means[name] for name in decays} == pytest.approx(dict.fromkeys(decays, mean), abs=2e-3)
    assert (means["teacher-forcing"], means["switch"]) == (1.0, 0.5)


def test_an_exposure_that_no_field_can_give_is_refused() -> None:
    experiment = Experiment(
        question="?", tasks=["copy"], strategies={"linear": {"start": 0.5}}, match="mean-epsilon", mean_epsilon=0.9
    )
    with pytest.raises(UsageError, match=r"^experiment: match: no over gives linear a mean epsilon of 0\.900"):
        Plan(experiment=experiment).runs()


def test_a_grid_beyond_all_reason_is_refused_before_it_is_built() -> None:
    with pytest.raises(UsageError, match="a grid of more than 100,000 runs: take fewer seeds"):
        load_plan("default", seeds="0..99999").runs()
