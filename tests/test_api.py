"""The Python door: instant to open, and the same numbers as the commands give."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pandas as pd
import pytest

import ssrun
from ssrun.errors import StoreError, UsageError
from tests.support.commands import Done
from tests.support.in_process import python
from tests.support.runs import SMALL

SETTINGS = {f"{section}.{field}": value for section, fields in SMALL.items() for field, value in fields.items()}


def test_the_door_is_instant_and_everything_behind_it_is_documented() -> None:
    heavy = "{'torch', 'pandas', 'pydantic', 'numpy'} & sys.modules.keys()"
    assert python("-c", f"import sys, ssrun\nprint({heavy}, ssrun.__version__)").stdout.startswith("set()")
    for name in set(ssrun.__all__) - {"__version__"}:
        thing = getattr(ssrun, name)
        assert inspect.getdoc(thing), name
        assert name in dir(ssrun)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        ssrun.lode  # noqa: B018


def test_a_comparison_is_loaded_as_tidy_frames_that_agree_with_its_table(compared: tuple[Path, Done]) -> None:
    results = ssrun.load(compared[0])
    runs = results.runs
    assert len(runs) == len(runs[["task", "strategy", "seed"]].drop_duplicates()) == 8
    assert set(runs.status) == {"complete"}
    table = json.loads(compared[1].out)
    for row in table["rows"]:
        chosen = runs[(runs.task == row["task"]) & (runs.strategy == row["strategy"])]
        assert chosen.bleu.mean() == pytest.approx(row["bleu"]["mean"])
    of_bleu = results.rows[results.rows.metric == "bleu"]
    assert of_bleu["mean"].tolist() == [row["bleu"]["mean"] for row in table["rows"]]
    assert results.curves.groupby(["task", "strategy", "seed"]).size().min() >= 2
    assert results.claims.empty


def test_tables_that_are_kept_are_loaded_without_runs(compared: tuple[Path, Done], tmp_path: Path) -> None:
    (tmp_path / "table.json").write_bytes((compared[0] / "table.json").read_bytes())
    kept = ssrun.load(tmp_path)
    pd.testing.assert_frame_equal(kept.runs, ssrun.load(compared[0]).runs)
    with pytest.raises(StoreError, match="only tables are kept here"):
        kept.curves  # noqa: B018


def test_training_gives_a_model_that_translates_and_scores(tmp_path: Path) -> None:
    results = ssrun.train("copy", "linear", settings=SETTINGS, out=tmp_path / "one")
    model = results.model("copy", "linear")
    source = "a b c d"
    assert model.translate(source) == model.translate(source.split(), beam=1)
    assert model.encode(source).states.shape == (1, 5, model.config.model.hidden)
    assert model.score(source, "a b") < 0
    assert model.score(source, model.translate(source, beam=8)) >= model.score(source, "z z z z z")
    with pytest.raises(UsageError, match="no run of copy, linear, seed 5"):
        results.model("copy", "linear", 5)
    with pytest.raises(UsageError, match=r"modle\.hidden: unknown section"):
        ssrun.train(settings={"modle.hidden": 3})


def test_comparing_is_what_the_command_does(tmp_path: Path) -> None:
    strategies = ["teacher-forcing", "linear"]
    results = ssrun.compare(
        tasks=["copy"], strategies=strategies, seeds=[0], settings=SETTINGS, jobs=1, out=tmp_path / "two"
    )
    assert results.runs.strategy.tolist() == strategies
    assert (tmp_path / "two" / "table.md").is_file()
