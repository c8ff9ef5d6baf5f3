"""A run's name and `run.json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssrun.config.run import resolve
from ssrun.config.spec import RunDocument, RunSpec, label, read_run
from ssrun.errors import StoreError, UsageError

RUN = RunSpec.of("mine", "slow", resolve("reverse", "linear", 7))


def document() -> dict[str, Any]:
    return json.loads(RunDocument.of(RUN).model_dump_json())


def test_a_runs_name_says_its_folder_and_its_title() -> None:
    assert RUN.name.path == f"mine/slow/seed-7-{RUN.config.id[:10]}"
    assert RUN.name.title == "mine / slow / seed 7"


def test_a_run_comes_back_from_its_document() -> None:
    assert document().keys() == {"store", "run", "task", "strategy", "seed", "config"}
    assert read_run(document(), Path("run.json")) == RUN


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fields: fields.pop("config"), "'config': Field required; remove the run's folder"),
        (lambda fields: fields.update(task="../x"), "'task': .*remove the run's folder"),
        (lambda fields: fields.update(strategy="a/b"), "'strategy': .*remove the run's folder"),
        (lambda fields: fields.update(seed=8), "the configuration does not match its id; remove the run's folder"),
        (lambda fields: fields.update(run="0" * 64), "the configuration does not match its id"),
        (lambda fields: fields["config"]["model"].update(hidden=65), "the configuration does not match its id"),
        (lambda fields: fields["config"]["model"].update(hidden=0), "'config.model.hidden': .*greater than or equal"),
        (lambda fields: fields["config"].update(more=1), "'config.more': Extra inputs"),
        (lambda fields: fields.update(store=2), "written by a newer ssrun"),
    ],
)
def test_a_document_that_is_no_runs_is_refused(change: Callable[[dict[str, Any]], Any], words: str) -> None:
    fields = document()
    change(fields)
    with pytest.raises(StoreError, match=f"^run.json: .*{words}"):
        read_run(fields, Path("run.json"))


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a" * 65, "ä", "a\n", None, 3])
def test_a_name_that_could_lead_elsewhere_is_no_label(name: object) -> None:
    with pytest.raises(UsageError, match="cannot name a folder"):
        label(name)
