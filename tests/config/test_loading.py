"""From a name, a file and the command line to a plan."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ssrun.config.experiment import STEPS
from ssrun.config.loading import load, load_plan, names, take_shard
from ssrun.config.plan import Plan
from ssrun.errors import UsageError
from tests.support.corpora import of_task, parallel


@pytest.mark.parametrize("name", names())
def test_every_experiment_that_comes_along_resolves_and_says_its_minutes(name: str, tmp_path: Path) -> None:
    experiment = load(name)
    (corpus,) = of_task(*experiment.task_kinds[:1], parallel(tmp_path / "corpus")) or [{}]
    overrides = {"task": {**corpus["task"], "subwords": 0}} if corpus else {}
    runs = load_plan(name, overrides=overrides).runs()
    assert len(runs) == len(experiment.cells) * len(experiment.strategies) * len(experiment.seeds)
    assert experiment.question.endswith("?")
    assert experiment.minutes is not None
    assert experiment.minutes <= (90 if corpus else 30)
    assert experiment.baseline in experiment.strategies
    assert set(experiment.published.rows if experiment.published else ()) <= set(experiment.strategies)
    smoke = load_plan(name, smoke=True, overrides=overrides).runs()
    swept_steps = STEPS in experiment.sweep  # of which smoke takes one
    assert swept_steps or {run.name[:2] for run in smoke} == {run.name[:2] for run in runs}
    assert max(run.config.training.steps for run in smoke) <= 20


def test_the_default_experiment_is_the_144_runs_of_the_readme() -> None:
    experiment = load("default")
    assert (list(experiment.tasks), len(experiment.strategies)) == (["copy", "reverse", "translation"], 6)
    assert len(load_plan("default").runs()) == 144
    assert names()[0] == "default"


def test_only_a_part_of_the_grid_keeps_only_its_claims_and_published_numbers() -> None:
    whole = load("bengio-table-3")
    part = load_plan("bengio-table-3", strategies="teacher-forcing,linear").experiment
    assert len(whole.claims) > len(part.claims) > 0
    compared = {operand.strategy for c in part.claims for pair in c.comparisons() for operand in pair[:2]}
    assert compared == {"teacher-forcing", "linear"}
    assert whole.published is not None
    assert part.published is not None
    assert part.published.rows == {name: whole.published.rows[name] for name in ("teacher-forcing", "linear")}
    assert load_plan("bengio-table-3", strategies="switch").experiment.published is None


def test_a_reading_stays_only_where_the_grid_and_all_settings_are_the_files() -> None:
    whole = load("bengio-table-1")
    assert whole.reading
    for same in ({}, {"seeds": "200..207"}, {"tasks": "captions"}, {"metrics": "bleu"}):
        assert load_plan("bengio-table-1", **same).experiment.reading == whole.reading  # type: ignore[arg-type]
    steps = {"training": {"steps": 60}}
    for other in ({"seeds": "0..1"}, {"strategies": "linear"}, {"smoke": True}, {"overrides": steps}):
        assert load_plan("bengio-table-1", **other).experiment.reading == ""  # type: ignore[arg-type]


def test_what_is_said_of_all_strategies_is_left_out_where_no_chosen_one_has_it_but_not_where_none_has(
    tmp_path: Path,
) -> None:
    def plan(field: str, **asked: str) -> Plan:
        text = f'tasks = ["copy"]\nstrategies = ["teacher-forcing", "linear"]\n[strategy]\n{field} = 0.5\n'
        (tmp_path / "x.toml").write_text(text, encoding="utf-8")
        return load_plan(str(tmp_path / "x.toml"), **asked)  # type: ignore[arg-type]

    assert {run.name.strategy for run in plan("end", strategies="teacher-forcing").runs()} == {"teacher-forcing"}
    assert plan("end").own
    for asked in ({}, {"strategies": "teacher-forcing"}):
        with pytest.raises(UsageError, match=r"x: strategy\.edn: unknown field 'edn'"):
            plan("edn", **asked).runs()


def test_names_are_the_experiments_entries_first_and_then_the_built_in_ones(own: Path) -> None:
    plan = load_plan(
        str(own), tasks="long,any-order", strategies="early,linear", seeds="0", baseline="linear", metrics="bleu"
    )
    chosen = plan.experiment
    long = {"base": "copy", "task": {"length": "6..8"}, "model": {"hidden": 12}}
    assert chosen.tasks == {"long": long, "any-order": {}}
    assert chosen.strategies == {"early": load(str(own)).strategies["early"], "linear": {}}
    assert (chosen.seeds, chosen.baseline, chosen.metrics, chosen.claims) == ((0,), "linear", ("bleu",), ())
    assert [run.name[:2] for run in plan.runs()] == list(itertools.product(["long", "any-order"], ["early", "linear"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "revers"}, r"unknown task 'revers': did you mean 'reverse'\?"),
        ({"tasks": ""}, "unknown task ''"),
        ({"tasks": "copy,copy"}, "task 'copy' is given twice: give it once"),
        ({"strategies": "linear,liner"}, r"unknown strategy 'liner': did you mean 'linear'\?"),
        ({"strategies": "linear", "baseline": "uniform"}, "--baseline: unknown strategy 'uniform': known: linear"),
        ({"metrics": "bleu,blue"}, r"unknown metric 'blue': did you mean 'bleu'\?"),
        ({"seeds": "4..0"}, "default: seeds: '4..0' counts down"),
        ({"seeds": "9999999999"}, r"default: seeds\.0 = 9999999999: input should be less than or equal to 2147483647"),
        ({"overrides": {"task": {"path": "x"}}}, "default: task.path: unknown field 'path'"),
        ({"overrides": {"strategy": {"at": 0.5}}}, "default: strategy.at: unknown field 'at'"),
    ],
)
def test_what_the_command_line_cannot_have_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        load_plan("default", **options).runs()  # type: ignore[arg-type]


def test_files_that_are_no_experiment_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'question = "\xe9"')
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "large.toml").write_bytes(b"#" * (2**20 + 1))
    for name, message in [
        ("latin.toml", "invalid UTF-8 at byte 13"),
        ("folder.toml", "Is a directory"),
        ("large.toml", "more than a megabyte"),
        ("missing.toml", "No such file or directory: give an experiment's name or file"),
    ]:
        with pytest.raises(UsageError, match=message) as error:
            load(str(tmp_path / name))
        assert str(error.value).startswith(str(tmp_path / name))
    message = r"unknown experiment 'hussar': did you mean 'huszar'\? .*; or give a file\.toml"
    with pytest.raises(UsageError, match=message):
        load("hussar")


@pytest.mark.parametrize("parts", [1, 2, 5, 9])
def test_shards_part_the_grid_by_task_and_seed_and_keep_its_order(parts: int) -> None:
    runs = load_plan("default", seeds="0..2").runs()
    shards = [take_shard(runs, f"{part}/{parts}") for part in range(1, parts + 1)]
    assert sorted(itertools.chain(*shards)) == sorted(runs)
    assert all(shard == [run for run in runs if run in shard] for shard in shards)
    blocks = [{(run.name.task, run.name.seed) for run in shard} for shard in shards]
    assert sum(map(len, blocks)) == len(set().union(*blocks)) == 9, "what is compared in pairs is not parted"
    assert max(map(len, blocks)) - min(map(len, blocks)) <= 1
    assert take_shard(runs, None) == runs


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/3", "1/999999"])
def test_a_shard_that_is_none_is_refused_with_the_form(shard: str) -> None:
    with pytest.raises(UsageError, match=r"^--shard '.*': write it like 1/4, the first of four parts$"):
        take_shard([], shard)


def test_a_schedule_that_is_no_name_is_refused_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('question = "?"\ntasks = ["copy"]\n[strategies]\nx = { base = "linear", schedule = [1] }\n')
    with pytest.raises(UsageError, match=r"own: schedule = \[1\]: give a name: constant, ") as error:
        load_plan(str(path)).runs()
    assert "\n" not in str(error.value)
