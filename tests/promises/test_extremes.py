"""What a configuration accepts, training can do: the extremes of every field, drawn together and trained."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from ssrun.tasks import TASKS
from tests.promises.test_hostile import ALIKE
from tests.support import in_process
from tests.support.commands import say
from tests.support.runs import UNTAUGHT

TINY, HUGE = 5e-324, 1e308
FIELDS: dict[str, list[Any]] = {
    "model.hidden": [1, 2, 17],
    "model.embedding": [1, 5],
    "model.layers": [1, 2, 8],
    "model.attention": ["none", "dot", "general", "aligned"],
    "model.dropout": [0, 0.5, 0.999999],
    "training.batch_size": [1, 2, 7],
    "training.learning_rate": [TINY, 1e-3, 1e9, HUGE],
    "training.clip": [TINY, 1, HUGE],
    "training.evaluate_every": [1, 2, 1000],
    "scoring.beam": [1, 2, 256],
    "scoring.length_penalty": [0, 0.5, 10],
    "strategy.coin": ["token", "sequence", "batch"],
    "strategy.feed": ["sample", "argmax", "uniform-token"],
    "strategy.schedule": ["constant", "linear", "exponential", "inverse-sigmoid", "switch", "cycle"],
    "strategy.k": [0, TINY, 0.5, 0.9999999999999999, 1, 1.0000000000000002, 1e12, HUGE, -1],
    "strategy.half_at": [TINY, 1e-9, 1, 1000],
    "strategy.start": [0, 0.5, 1],
    "strategy.end": [0, 0.5, 1],
    "strategy.over": [TINY, 1e-9, 1, 1000],
    "strategy.value": [0, 0.5, 1],
    "task.length": ["1..1", "1..2", "30..40"],
    "task.symbols": [2, 4, 26],
    "task.pairs": [1, 2, 50],
    "task.colours": [2, 8],
    "task.shapes": [2, 6],
    "task.references": [1, 64],
    "task.modifiers": [0, 4],
    "task.degree": [2, 10],
    "task.path_length": [4, 20],
    "task.nodes": [7, 200],
    "task.labels": [2, 26],
    "task.change": [0, 1],
    "task.corruption": [0, 1],
    "task.minimum_frequency": [1, 2],
    "task.maximum_length": [1, 3],
}
RUNS = {
    "task": st.sampled_from(sorted(TASKS)),
    "strategy": st.sampled_from(sorted(UNTAUGHT)),
    "run_seed": st.sampled_from([0, 1, 2**31 - 1]),
    "steps": st.integers(1, 3),
    "pairs": st.sampled_from([1, 4]),
    "fields": st.dictionaries(st.sampled_from(sorted(FIELDS)), st.integers(0, 99), max_size=5),
}


def one_run(folder: Path, task: str, strategy: str, run_seed: int, steps: int, pairs: int, fields: Any) -> str:
    """Trains, verifies and explains one run; what became of it: refused, complete or diverged."""
    text = folder / "text"
    if not text.exists():
        text.mkdir()
        for split in ("train", "valid", "test"):
            (text / f"{split}.tsv").write_text("a b c\tc b a\nb\tb\nd a\ta d\nc c\tc c\n", encoding="utf-8")
    results = folder / "runs"
    shutil.rmtree(results, ignore_errors=True)  # of one that failed
    sets = {"training.steps": steps, "task.validation_pairs": pairs, "task.test_pairs": pairs}
    for path, number in fields.items():
        if not path.startswith("task.") or path.removeprefix("task.") in TASKS[task].model_fields:
            sets[path] = FIELDS[path][number % len(FIELDS[path])]
    more = ["--corpus", text] if task == "corpus" else []
    more += [f"--set={path}={value}" for path, value in sets.items()]
    options = ("--task", task, "--strategy", strategy, "--seed", run_seed, "--out", results)
    ended = in_process.ssrun("train", *options, *more).must(0, 2, 3)
    if ended.code == 2:
        assert all(line.startswith("ssrun: ") for line in ended.err.splitlines()), ended.err
        assert not results.exists()
        return "refused"
    inside = [["explain"], ["explain", "--step=0"], ["inject"]] if ended.code == 0 else []
    for command, *options_of in (["verify"], ["show"], *inside):
        in_process.ssrun(command, results, *options_of).must(0, *([2] if command == "inject" else []))
    shutil.rmtree(results)
    return "complete" if ended.code == 0 else "diverged"


@settings(max_examples=15, **ALIKE)
@given(**RUNS)
def test_extreme_runs_complete_diverge_or_are_refused(tmp_path_factory: pytest.TempPathFactory, **run: Any) -> None:
    """R30: the fast half; nothing that is accepted fails in training."""
    one_run(tmp_path_factory.getbasetemp(), **run)


@pytest.mark.slow
def test_five_hundred_extreme_runs_complete_diverge_or_are_refused(tmp_path: Path) -> None:
    """R30."""
    ends: Counter[str] = Counter()

    @seed(30)
    @settings(max_examples=500, **{**ALIKE, "derandomize": False})
    @given(**RUNS)
    def check(**run: Any) -> None:
        ends[one_run(tmp_path, **run)] += 1

    check()
    say(f"R30: {ends.total()} runs of extreme configurations trained: {dict(ends)}; none failed")
    assert ends["complete"] > 200
    assert ends["refused"] > 20
