"""A run that learns from another: which one, what is refused before training, and what is kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from ssrun.config.loading import load_plan
from ssrun.config.resolution import resolve
from ssrun.config.spec import RunSpec
from ssrun.errors import StoreError, UsageError
from ssrun.runs.execution import execute, prepare
from ssrun.runs.folder import RunFolder
from ssrun.runs.teachers import check
from ssrun.runs.trained import load_trained
from ssrun.seq2seq.training import adam, train
from tests.support.commands import ssrun
from tests.support.faults import fault, stop_after
from tests.support.runs import SIZES, experiment, finished, train_to_the_same_end
from tests.support.runs import train as train_small

SMALL: dict[str, dict[str, Any]] = {
    "task": {"symbols": 5, "length": "4..5", "validation_pairs": 10, "test_pairs": 10},
    "model": {"hidden": 8, "embedding": 8},
    "training": {"steps": 6, "batch_size": 4},
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    wide = {**SMALL, "model": {"hidden": 12, "embedding": 8}}
    run = RunSpec.of("copy", "teacher-forcing", resolve("copy", "teacher-forcing", 5, [wide]))
    return finished(tmp_path_factory.mktemp("results"), run)


def student(teacher: Path | str, task: str = "copy", **strategy: object) -> Any:
    return resolve(task, "distillation", 0, [SMALL, {"strategy": {"teacher": str(teacher), **strategy}}])


def test_what_decides_the_teachers_weights_decides_the_students_and_its_folder_does_not(teacher: RunFolder) -> None:
    config = student(teacher.path)
    assert config.strategy.teacher_id == teacher.weights_config().weights_id
    moved = config.strategy.model_copy(update={"teacher": "elsewhere"})
    other = config.strategy.model_copy(update={"teacher_id": "0" * 64})
    assert config.model_copy(update={"strategy": moved}).id == config.id
    assert config.model_copy(update={"strategy": other}).id != config.id


def test_a_student_learns_the_teachers_distribution(teacher: RunFolder, tmp_path: Path) -> None:
    config = student(teacher.path, value=1.0, beta=0.0)
    parts = prepare(config)
    first = next(train(parts.model, adam(parts.model, config), parts.batches, config, teacher=parts.teacher))
    fresh, master = prepare(config), load_trained(teacher).model
    batch = fresh.batches.at(0)
    inputs = first.inputs.tokens
    with torch.no_grad():
        p, q = (
            model.decode(model.encode(batch.source, batch.lengths), inputs).softmax(-1)
            for model in (master, fresh.model)
        )
    divergence = (p * (p.clamp_min(1e-30) / q.clamp_min(1e-30)).log()).sum(-1)[batch.target != 0].mean()
    assert first.loss == pytest.approx(float(divergence), rel=1e-4)
    assert list(execute(config, RunFolder(tmp_path / "run")))[-1].kind == "finished"


def test_a_teacher_that_is_none_is_refused_in_one_line(teacher: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="label teacher needs a trained run"):
        resolve("copy", "distillation", 0, [SMALL])
    with pytest.raises(UsageError, match="no run is there"):
        student(tmp_path)
    with pytest.raises(UsageError, match="it has learned copy, not reverse"):
        student(teacher.path, "reverse")
    with pytest.raises(UsageError, match="another run than"):
        student(teacher.path, teacher_id="0" * 64)
    for field, value in (("teacher", "x"), ("beta", 0.3), ("teacher_temperature", 2.0)):
        with pytest.raises(UsageError, match="needs label = 'teacher'"):
            resolve("copy", "dagger", 0, [SMALL, {"strategy": {field: value}}])


def test_a_teacher_of_another_vocabulary_is_refused(teacher: RunFolder) -> None:
    changed = {"task": {"symbols": 6}, "strategy": {"teacher": str(teacher.path)}}
    config = resolve("copy", "distillation", 0, [SMALL, changed])
    with pytest.raises(UsageError, match="its vocabulary is not this task's"):
        check([config], teacher.store)


def test_a_teacher_that_is_another_run_by_now_is_told_of(teacher: RunFolder) -> None:
    config = student(teacher.path)
    other = config.strategy.model_copy(update={"teacher_id": "1" * 64})
    with pytest.raises(StoreError, match="another run by now"):
        prepare(config.model_copy(update={"strategy": other}))


@pytest.mark.parametrize(("damage", "code"), [("gone", 5), ("flipped", 5), ("untrained", 5)])
def test_a_damaged_teacher_ends_the_command_before_training(tmp_path: Path, damage: str, code: int) -> None:
    ssrun("train", "--task=copy", *SIZES, "--out=wide", folder=tmp_path).must(0)
    (run,) = (tmp_path / "wide" / "runs" / "copy").iterdir()
    if damage == "gone":
        (run / "model.safetensors").unlink()
    elif damage == "flipped":
        content = bytearray((run / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (run / "model.safetensors").write_bytes(content)
    else:
        (run / "result.json").unlink()
    learn = ("train", "--task=copy", "--strategy=distillation", *SIZES, f"--set=strategy.teacher={run}")
    done = ssrun(*learn, "--out=narrow", folder=tmp_path)
    done.must(code)
    assert len(done.err.splitlines()) == 1
    assert not list((tmp_path / "narrow").glob("runs/*/*/checkpoint*"))


GRID = """
tasks = ["copy"]
seeds = [0, 1]
metrics = ["bleu"]
[strategies]
teacher-forcing = {}
student = { base = "distillation", teacher = "wide" }
wide = { base = "teacher-forcing", model.hidden = 24 }
"""


def test_a_strategy_of_the_experiment_teaches_the_run_of_its_own_seed_and_is_trained_first(tmp_path: Path) -> None:
    sizes = "[task]\nsymbols = 5\nlength = '4..6'\nvalidation_pairs = 10\ntest_pairs = 20\n[training]\nsteps = 8\n"
    experiment(tmp_path, GRID + sizes)
    done = ssrun("compare", "grid.toml", "--jobs=1", "--out=r", folder=tmp_path)
    done.must(0)
    assert "of 2 teachers 0 complete" in done.err
    assert "of 6 runs 2 complete" in done.err
    plan = load_plan(str(tmp_path / "grid.toml"))
    runs = {(run.name.strategy, run.name.seed): run for run in plan.runs()}
    assert {run.name.strategy for run in plan.teachers(plan.runs())} == {"wide"}
    for seed in (0, 1):
        learned = runs["student", seed].config.strategy
        assert learned.teacher_id == runs["wide", seed].config.weights_id
        assert learned.teacher == runs["wide", seed].name.place
    said = ssrun("explain", "r", "--task=copy", "--strategy=student", "--seed=0", folder=tmp_path)
    said.must(0)
    assert "label" in said.out
    ssrun("explain", "r", "--task=copy", "--strategy=student", "--seed=1", "--step=5", folder=tmp_path).must(0)


def test_a_teacher_that_has_a_teacher_is_refused(tmp_path: Path) -> None:
    chain = 'again = { base = "distillation", teacher = "student" }\n'
    experiment(tmp_path, GRID + chain)
    with pytest.raises(UsageError, match="it has one itself"):
        load_plan(str(tmp_path / "grid.toml")).runs()


def test_a_strategy_that_learns_from_another_of_the_experiment_is_not_tuned_with_it(tmp_path: Path) -> None:
    experiment(tmp_path, GRID + '[tune]\nseeds = [9]\n[tune.grid]\n"training.learning_rate" = [1e-3, 2e-3]\n')
    with pytest.raises(UsageError, match="tune them apart"):
        load_plan(str(tmp_path / "grid.toml")).trials()


def test_a_student_that_is_stopped_and_goes_on_ends_with_the_same_bytes(teacher: RunFolder, tmp_path: Path) -> None:
    sizes = [f"--set=task.{name}={value}" for name, value in SMALL["task"].items()]
    options = ("--strategy=distillation", f"--set=strategy.teacher={teacher.path}", *sizes)
    train_small(tmp_path, *options, faults=[fault(stop_after, step=9)]).must(143)
    train_to_the_same_end(tmp_path, *options)


SMALL_GRID = (
    GRID + "[task]\nsymbols = 5\nlength = '4..6'\nvalidation_pairs = 10\ntest_pairs = 20\n[training]\nsteps = 8\n"
)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a comparison of two seeds, in `results/grid`."""
    folder = tmp_path_factory.mktemp("taught")
    experiment(folder, SMALL_GRID)
    ssrun("compare", "grid.toml", "--jobs=1", folder=folder).must(0)
    return folder


def copied(taught: Path, to: Path) -> Path:
    shutil.copytree(taught, to / "copy")
    return to / "copy"


def run_of(folder: Path, strategy: str, seed: int = 0) -> Path:
    plan = load_plan(str(folder / "grid.toml"))
    (found,) = (run for run in plan.runs() if run.name[1:3] == (strategy, seed))
    return folder / "results" / "runs" / found.name.place


def test_added_seeds_have_their_teachers_though_no_claim_is_on_them(tmp_path: Path) -> None:
    experiment(tmp_path, SMALL_GRID)
    plan = load_plan(str(tmp_path / "grid.toml"))
    added = plan.runs_of([2], [("copy", "student")])
    (wide,) = plan.teachers(added)
    assert wide.name[:3] == ("copy", "wide", 2)
    assert added[0].config.strategy.teacher_id == wide.config.weights_id


def test_a_field_of_the_teachers_labels_is_set_for_those_that_have_one(taught: Path) -> None:
    overrides = {"strategy": {"beta": 0.25}}
    runs = load_plan(str(taught / "grid.toml"), overrides=overrides).runs()
    assert {(run.name.strategy, run.config.strategy.beta) for run in runs} == {
        ("teacher-forcing", 0.5),
        ("wide", 0.5),
        ("student", 0.25),
    }
    with pytest.raises(UsageError, match=r"strategy\.beta: unknown field"):
        load_plan(str(taught / "grid.toml"), strategies="teacher-forcing,wide", overrides=overrides).runs()


def test_a_damaged_teacher_of_the_experiment_ends_the_command_before_training(taught: Path, tmp_path: Path) -> None:
    folder = copied(taught, tmp_path)
    weights = run_of(folder, "wide") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    shutil.rmtree(run_of(folder, "student"))
    done = ssrun("compare", "grid.toml", "--jobs=1", folder=folder).must(5)
    assert len(done.err.splitlines()) == 1
    assert not run_of(folder, "student").exists()


def test_a_student_is_explained_and_reported_without_its_teacher(taught: Path, tmp_path: Path) -> None:
    folder = copied(taught, tmp_path)
    shutil.rmtree(run_of(folder, "wide"))
    said = ssrun("explain", run_of(folder, "student"), folder=folder).must(0)
    assert "shown without its labels" in said.err
    assert "put it back" in said.err
    assert ssrun("explain", run_of(folder, "student"), "--step=3", folder=folder).must(5).err.count("\n") <= 2


def test_a_teacher_is_found_from_within_the_store_and_after_a_move(taught: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(taught / "results", moved)
    run = moved / "runs" / run_of(taught, "student").relative_to(taught / "results" / "runs")
    said = ssrun("explain", run.name, folder=run.parent).must(0)
    assert "without its labels" not in said.err


def test_clean_keeps_the_teacher_of_a_run_that_is_wanted(tmp_path: Path) -> None:
    ssrun("train", "--task=copy", *SIZES, "--name=wide", "--set=model.hidden=12", folder=tmp_path).must(0)
    (wide,) = (tmp_path / "results" / "runs" / "copy").iterdir()
    learn = ("train", "--task=copy", "--strategy=distillation", *SIZES, f"--set=strategy.teacher={wide}")
    ssrun(*learn, "--name=narrow", folder=tmp_path).must(0)
    ssrun("clean", "results/wide", "--yes", folder=tmp_path).must(0)
    ssrun("clean", "results/runs", "--yes", folder=tmp_path).must(0)
    assert (wide / "model.safetensors").is_file()
    ssrun("clean", "results/narrow", "--yes", folder=tmp_path).must(0)
    ssrun("clean", "results/runs", "--yes", folder=tmp_path).must(0)
    assert not wide.exists()
