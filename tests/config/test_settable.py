"""What can be set: every field, with what a person needs to know of it, from the models themselves."""

from __future__ import annotations

import pytest

from ssrun.config.experiment import Experiment
from ssrun.config.resolution import resolve
from ssrun.config.run import ModelConfig, ScoringConfig, TrainingConfig
from ssrun.config.settable import Setting, experiment_fields, settings
from ssrun.strategies import SCHEDULES, Strategy
from ssrun.tasks import TASKS

MODELS = {
    "task": TASKS.values(),
    "strategy": (Strategy, *SCHEDULES.values()),
    "model": (ModelConfig,),
    "training": (TrainingConfig,),
    "scoring": (ScoringConfig,),
}


def rows(path: str) -> list[Setting]:
    return [setting for setting in settings() if setting.path == path]


def test_every_field_that_can_be_set_is_listed_and_described() -> None:
    known = {
        f"{section}.{name}"
        for section, models in MODELS.items()
        for model in models
        for name in model.model_fields
        if name != "name"
    }
    assert {setting.path for setting in settings()} == known
    assert all(setting.about and setting.type in TYPES for setting in (*settings(), *experiment_fields()))
    for name, task in TASKS.items():
        listed = {setting.path for setting in settings() if name in setting.of}
        assert listed == {f"task.{field}" for field in task.model_fields if field != "name"}


TYPES = ("integer", "number", "text", "boolean", "range", "choice", "list", "table")


def test_every_key_of_an_experiments_file_is_listed_with_those_of_its_tables() -> None:
    paths = [setting.path for setting in experiment_fields()]
    assert {path.partition(".")[0] for path in paths} == set(Experiment.model_fields) - {"name"}
    assert {"claims.order", "claims.by", "reach.value", "published.rows"} <= set(paths)


@pytest.mark.parametrize("task", [name for name in TASKS if name != "corpus"])  # which has no default folder
def test_the_defaults_that_are_listed_are_those_of_a_run(task: str) -> None:
    run = resolve(task, "uniform").settings
    for setting in settings():
        section, _, field = setting.path.partition(".")
        if section == "task" and task not in setting.of:
            continue
        default = setting.defaults.get(task if section != "strategy" else "uniform", setting.default)
        if field in run[section]:
            assert run[section][field] == default, setting


def test_ranges_choices_and_types_are_those_that_are_checked() -> None:
    (hidden,), (attention,), (length, *_), (k, _) = map(
        rows, ("model.hidden", "model.attention", "task.length", "strategy.k")
    )
    assert (hidden.type, hidden.range, hidden.default) == ("integer", ">= 1, <= 8,192", 64)
    assert (attention.choices, attention.defaults) == (
        ("none", "dot", "general", "aligned"),
        {"frames": "aligned", "autoencoder": "none", "transformer": "dot"},
    )
    assert (length.type, length.default, length.of) == ("range", "4..15", ("copy", "reverse"))
    assert (k.type, k.range, k.of) == ("number", "> 0, < 1", ("exponential",))
    (value,) = rows("strategy.value")
    assert value.default == 1
    assert value.defaults["always-sampling"] == 0
    assert value.defaults["uniform"] == 0.5
