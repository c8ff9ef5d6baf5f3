"""Promises 1, 2 and 4: a run that was stopped, killed or started elsewhere ends with the same bytes."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from ssrun.config.resolution import resolve
from ssrun.runs.execution import prepare
from tests.support.commands import ended, process, say, ssrun_killed
from tests.support.faults import Fault, die_at_write, fault, lose_key, lose_moments, stop_after
from tests.support.runs import EVALUATE, EVERYTHING_ON, SIZES, STEPS, UNTAUGHT, straight, train, train_to_the_same_end
from tests.support.snapshots import fingerprint, run_folder

LINEAR = ("--strategy=linear", *EVERYTHING_ON)


def stopped(folder: Path, step: int, *options: str) -> None:
    """Starts or resumes a run, and stops it after a step."""
    train(folder, *options, faults=[fault(stop_after, step=step)]).must(143)
    assert list(run_folder(folder / "runs").glob(f"checkpoint-{step:010}.json"))


EACH_WAY = ("inverse-sigmoid", "confidence-aware", "gumbel-st", "professor-forcing", "minimum-risk")


@pytest.mark.parametrize(
    "strategy", [*EACH_WAY, *(pytest.param(name, marks=pytest.mark.slow) for name in UNTAUGHT if name not in EACH_WAY)]
)
def test_a_run_stopped_and_resumed_again_and_again_equals_an_uninterrupted_one(tmp_path: Path, strategy: str) -> None:
    """R1: stopped at the first step, in an evaluation, amid, at the last but one, and in the last evaluation."""
    options = (f"--strategy={strategy}", *EVERYTHING_ON)
    options += () if strategy in UNTAUGHT else ("--set=strategy.initial=drawn",)
    for step in (1, EVALUATE, 17, STEPS - 1, STEPS):
        stopped(tmp_path, step, *options)
    train_to_the_same_end(tmp_path, *options)


@pytest.mark.parametrize(
    "model", ["body=gru", "body=transformer", "norm=batch", "output=negative-sampling", "output=hierarchical"]
)
def test_a_run_of_another_model_stopped_and_resumed_equals_an_uninterrupted_one(tmp_path: Path, model: str) -> None:
    """R1: a batch norm's running statistics are a part of the state."""
    options = ("--strategy=linear", f"--set=model.{model}")
    for step in (3, 17):
        stopped(tmp_path, step, *options)
    train_to_the_same_end(tmp_path, *options)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", UNTAUGHT)
def test_a_run_stopped_at_any_step_equals_an_uninterrupted_one(tmp_path: Path, strategy: str) -> None:
    """R1, each step by itself."""
    options = (f"--strategy={strategy}", *EVERYTHING_ON)
    for step in (1, 2, 4, 5, 6, 10, 17, STEPS - 1, STEPS):
        stopped(tmp_path, step, *options)
        train_to_the_same_end(tmp_path, *options)
        shutil.rmtree(tmp_path / "runs")
    say(f"R1 {strategy}: 9 stops, 9 resumed runs equal to the uninterrupted one")


def corpus(folder: Path) -> Path:
    """A small parallel corpus."""
    draw = random.Random(0)
    folder.mkdir()
    for split, size in (("train", 30), ("valid", 5), ("test", 5)):
        lines = [" ".join(draw.choices("abcdef", k=draw.randint(2, 5))) for _ in range(size)]
        (folder / f"{split}.tsv").write_text("".join(f"{line}\t{line.upper()}\n" for line in lines), encoding="utf-8")
    return folder


def test_a_run_stopped_at_an_epochs_edge_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    """R1: 30 pairs in batches of 8, so that epochs end within the fourth, eighth ... step."""
    folder = corpus(tmp_path / "corpus")
    options = ("--task=corpus", f"--corpus={folder}", *LINEAR)
    for step in (3, 4, 8):
        stopped(tmp_path, step, *options)
    train_to_the_same_end(tmp_path, *options)


@pytest.mark.parametrize(
    "lost",
    [fault(lose_moments), fault(lose_key, purpose="dropout"), fault(lose_key, purpose="coin")],
    ids=["the optimiser's moments", "the dropout masks' key", "the coins' key"],
)
def test_a_resume_that_loses_state_would_be_noticed(tmp_path: Path, lost: Fault) -> None:
    """R1, its control: without any one part of the state the hash differs."""
    stopped(tmp_path, 10, *LINEAR)
    train(tmp_path, *LINEAR, faults=[lost]).must(0)
    assert fingerprint(run_folder(tmp_path / "runs")) != straight(*LINEAR)


def test_two_fresh_processes_agree_whatever_threads_and_hash_seeds_they_are_given(tmp_path: Path) -> None:
    """R2, R4: this one is asked for two threads and another hash seed."""
    other = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "PYTHONHASHSEED": "7"}
    ended(process(["train", "--task=copy", *SIZES, *LINEAR, "--out=runs"], tmp_path, environment=other)).must(0)
    assert fingerprint(run_folder(tmp_path / "runs")) == straight(*LINEAR)


def test_all_strategies_begin_with_the_same_weights_and_see_the_same_batches() -> None:
    """R5."""
    seen = []
    for strategy in UNTAUGHT:
        small = {"task": {"validation_pairs": 10, "test_pairs": 10}, "model": {"hidden": 8}}
        parts = prepare(resolve("reverse", strategy, 3, [small]))
        batches = [parts.batches.at(step) for step in (0, 1, 99, 100)]
        sides = [side for batch in batches for side in (batch.source, batch.target)]
        weights = [weight for name, weight in parts.model.state_dict().items() if not name.startswith("discriminator.")]
        seen.append([*weights, *sides])
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], other, strict=True))


def test_how_often_a_run_is_evaluated_or_kept_changes_no_weight(tmp_path: Path) -> None:
    """R6."""
    weights = []
    for number, (evaluate, keep) in enumerate([(1, 1), (7, 0), (1000, 5)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        train(folder, *LINEAR, f"--set=training.evaluate_every={evaluate}", f"--checkpoint-every={keep}").must(0)
        weights.append((run_folder(folder / "runs") / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] == weights[2]


KILLED = (*LINEAR, "--checkpoint-every=1")


@pytest.mark.parametrize(("seed", "kills"), [(8, 4), pytest.param(88, 20, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(tmp_path: Path, seed: int, kills: int) -> None:
    """R8: killed so often at moments of the time it takes, resumed, begun anew where it came to its end."""
    start = time.monotonic()
    train(tmp_path, *KILLED).must(0)
    span, draw = time.monotonic() - start, random.Random(seed)
    shutil.rmtree(tmp_path / "runs")
    sent, alive, ends = 0, 0, 0
    while alive < kills:
        moment = draw.uniform(0.02, span)
        done, _ = ssrun_killed("train", "--task=copy", *SIZES, "--out=runs", *KILLED, folder=tmp_path, after=moment)
        assert "Traceback" not in done.err
        assert done.code in (0, 128 + signal.SIGKILL)
        sent, alive = sent + 1, alive + (done.code != 0)
        if done.code == 0 or alive == kills:
            train_to_the_same_end(tmp_path, *KILLED)
            shutil.rmtree(tmp_path / "runs")
            ends += 1
    say(f"R8: {sent} SIGKILLs at random moments, {kills} met the run alive; {ends} times to the same end; nothing left")


@pytest.mark.parametrize(
    "number", [1, 2, 9, *(pytest.param(number, marks=pytest.mark.slow) for number in range(3, 60) if number != 9)]
)
def test_a_run_killed_at_any_write_ends_with_the_same_bytes(tmp_path: Path, number: int) -> None:
    """R8, promise 3: dies at its n-th fsync or rename, n from 1 to beyond the last."""
    train(tmp_path, *LINEAR, faults=[fault(die_at_write, number=number)]).must(0, 137)
    train_to_the_same_end(tmp_path, *LINEAR)


def test_metrics_that_end_in_half_a_line_or_in_nuls_are_cut_where_the_run_goes_on(tmp_path: Path) -> None:
    """R22."""
    for torn in (b'{"step": 15, "eps', b"\0" * 4096, b'{"step": 15}\n{"st', b"\0" * 100 + b"\n"):
        stopped(tmp_path, 12, *LINEAR)
        with (run_folder(tmp_path / "runs") / "metrics.jsonl").open("ab") as file:
            file.write(torn)
        train_to_the_same_end(tmp_path, *LINEAR)
        shutil.rmtree(tmp_path / "runs")
