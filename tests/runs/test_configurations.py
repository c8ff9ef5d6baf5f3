"""Configurations read run after run: as each would be read alone, and none is taken for another's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssrun.errors import StoreError
from ssrun.runs.configurations import Configurations
from ssrun.runs.folder import RunFolder
from tests.support.runs import small_run


def begun(store: Path, seed: int, strategy: str = "linear") -> RunFolder:
    run = small_run(strategy, seed)
    folder = RunFolder.of(store, run.name)
    folder.make()
    folder.start(run.config)
    return folder


def test_runs_of_other_seeds_and_strategies_are_read_as_they_are(tmp_path: Path) -> None:
    folders = [begun(tmp_path, seed, strategy) for seed in (0, 5, 2) for strategy in ("linear", "teacher-forcing")]
    configurations = Configurations()
    found = [configurations.read(folder) for folder in folders]
    assert [every.of_seed(seed) for every, seed in found] == [folder.weights_config() for folder in folders]
    assert len({id(every) for every, _ in found}) == 2, "of every seed one is validated"


@pytest.mark.parametrize(
    ("field", "value"), [("seed", 7), ("seed", True), ("seed", "1"), ("seed", -1), ("seed", 2**31), ("seed", None)]
)
def test_a_configuration_that_is_not_its_runs_is_refused_though_one_like_it_is_known(
    tmp_path: Path, field: str, value: object
) -> None:
    configurations = Configurations()
    configurations.read(begun(tmp_path, 0))
    folder = begun(tmp_path, 1)
    document = json.loads((folder.path / "run.json").read_text())
    document["config"][field] = value
    (folder.path / "run.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match=r"run\.json: damaged"):
        configurations.read(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"config": 1}', '{"config": {"seed": 1}, "run": "x"}', "{", "NaN"])
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    folder = begun(tmp_path, 0)
    (folder.path / "run.json").write_text(text)
    with pytest.raises(StoreError, match=r"run\.json: damaged"):
        Configurations().read(folder)
