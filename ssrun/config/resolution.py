"""From defaults, files and the command line to the configuration of one run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssrun.config.overrides import SECTIONS, Overrides, by_section
from ssrun.config.run import BODY_DEFAULTS, ModelConfig, RunConfig, validated
from ssrun.config.spec import RunDocument
from ssrun.errors import UsageError, unknown
from ssrun.strategies import SCHEDULES, STRATEGIES, variant
from ssrun.strategies.schedules import spread
from ssrun.system.documents import read_as
from ssrun.system.files import read_json
from ssrun.system.text import shown_value
from ssrun.tasks import OUTPUT_METRICS, TASKS
from ssrun.tasks.output_metrics import name_metrics

LOOKED_AT = 1_000  # steps of a plugin's schedule


def resolve(task: str, strategy: str, seed: int = 0, layers: Sequence[Overrides] = ()) -> RunConfig:
    """The configuration of one run: that of all its seeds, of this one."""
    return taught(of_every_seed(task, strategy, seed, layers).of_seed(seed))


def of_every_seed(task: str, strategy: str, seed: int = 0, layers: Sequence[Overrides] = ()) -> RunConfig:
    """A configuration that may leave data to the run's seed: defaults < the task's own < the body's < `layers`.

    The task is a name in TASKS, the strategy one in STRATEGIES; the seed counts from 0; a layer has fields by section,
    such as `{"model": {"hidden": 128}}`, and later ones are stronger. UsageError says what is wrong, with its path, its
    value and the remedy.
    """
    if task not in TASKS:
        raise UsageError(unknown("task", task, TASKS))
    merged: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    own = [by_section(defaults) for defaults in (TASKS[task].defaults, BODY_DEFAULTS.get(body_in(layers), {}))]
    for layer in [*own, *layers]:
        for section, fields in layer.items():
            if section not in merged:
                raise UsageError(unknown("section", section, SECTIONS))
            if not isinstance(fields, Mapping):
                told = f"{section} = {shown_value(fields)}"
                raise UsageError(f"{told}: a section holds fields, such as {section}.<field>")
            merged[section].update(fields)
    if merged["task"].get("name", task) != task:
        raise UsageError("task.name: name the task itself: --task NAME")
    merged["task"]["name"] = task
    merged["strategy"] = variant(strategy, merged["strategy"])
    base = "" if strategy in STRATEGIES.built_in else strategy
    config = validated(RunConfig, {**merged, "seed": seed, "base": base})
    check_plugins(config)
    return config.model_copy(update={"task": config.task.prepared()})


def body_in(layers: Sequence[Overrides]) -> str:
    """The body that the layers name, which may be none that there is; the default one's name where they name none."""
    named = (layer["model"].get("body") for layer in reversed(layers) if isinstance(layer.get("model"), Mapping))
    return str(next((body for body in named if body is not None), ModelConfig.model_fields["body"].default))


def check_plugins(config: RunConfig) -> None:
    """Raises UsageError where a metric is none that a plugin has, or a plugin's epsilon is no probability."""
    name_metrics(config.scoring.metrics)
    for name in config.scoring.metrics:
        if name not in OUTPUT_METRICS:
            raise UsageError(f"scoring.metrics: {unknown('metric of a plugin', name, OUTPUT_METRICS)}")
    schedule, steps = config.strategy.schedule, config.training.steps
    for step in spread(0, steps, LOOKED_AT) if schedule.name not in SCHEDULES.built_in else ():
        if not 0 <= (epsilon := schedule(step, steps)) <= 1:
            raise UsageError(f"schedule {schedule.name}: epsilon is {epsilon} at step {step}: its plugin is to mend it")


def taught(config: RunConfig) -> RunConfig:
    """The same run, with what decides its teacher's weights filled in; as it is where it has no teacher.

    Raises:
        UsageError: There is no such run, or it has learned another task, or is another one by now.
        StoreError: What it says of itself is damaged.
    """
    strategy = config.strategy
    if not strategy.needs_teacher:
        return config
    path = Path(strategy.teacher) / "run.json"
    where = f"strategy.teacher = {shown_value(strategy.teacher)}"
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
        remedy = "give a run's folder, or in an experiment another of its strategies (which --strategies names too)"
        raise UsageError(f"{where}: no run is there: {remedy}")
    teacher = read_as(path, read_json(path), RunDocument, "remove the run's folder")
    if teacher.config.task.name != config.task.name:
        told = f"it has learned {teacher.config.task.name}, not {config.task.name}"
        raise UsageError(f"{where}: {told}: give a run of the same task")
    if strategy.teacher_id not in ("", teacher.run):
        raise UsageError(f"{where}: another run than strategy.teacher_id says: leave that out")
    return of_teacher(config, strategy.teacher, teacher.config)


def of_teacher(config: RunConfig, folder: str, teacher: RunConfig) -> RunConfig:
    """The same run, its teacher a run of this configuration in this folder."""
    named = {"teacher": folder, "teacher_id": teacher.weights_id}
    return config.model_copy(update={"strategy": config.strategy.model_copy(update=named)})
