"""A run's name, its place in a store, and `run.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssrun.config.resolution import resolve
from ssrun.config.spec import PLACE, RunDocument, RunSpec, label, place
from ssrun.errors import StoreError, UsageError
from ssrun.system.documents import canonical, read_as

CONFIG = resolve("reverse", "linear", 7)
RUN = RunSpec.of("mine", "slow", CONFIG)


def document() -> dict[str, Any]:
    return json.loads(
        RunDocument(run=CONFIG.weights_id, config=CONFIG).model_dump_json(exclude={"config": {"scoring"}})
    )


def test_a_run_lies_where_its_weights_say_whatever_it_is_called_and_however_it_is_scored() -> None:
    assert RUN.name.place == f"reverse/linear-7-{CONFIG.weights_id[:10]}"
    assert RUN.name.title == "mine / slow / seed 7"
    scored = RunSpec.of("reverse", "linear", resolve("reverse", "linear", 7, [{"scoring": {"beam": 4}}]))
    assert (scored.name.place, scored.name.scoring) == (RUN.name.place, scored.config.scoring.id[:10])
    assert scored.name.scoring != RUN.name.scoring
    assert scored.config.id != CONFIG.id
    for changes in (
        {"model": {"hidden": 8}},
        {"training": {"steps": 9}},
        {"strategy": {"half_at": 0.3}},
        {"task": {"test_pairs": 9}},
    ):
        assert place(resolve("reverse", "inverse-sigmoid", 7, [changes])) != place(
            resolve("reverse", "inverse-sigmoid", 7)
        )
    assert place(resolve("reverse", "linear", 8)) != RUN.name.place


def test_every_place_is_one_that_a_manifest_may_name() -> None:
    assert re.fullmatch(PLACE, RUN.name.place)
    for wrong in ("../x", "a", "a/../b", "/a/b", "a/b/c", "a/.b"):
        assert not re.fullmatch(PLACE, wrong)


def test_a_run_without_labels_is_called_after_its_strategy_or_else_its_schedule() -> None:
    assert RunSpec.unlabelled(resolve("copy", "uniform", 1)).name[:3] == ("copy", "uniform", 1)
    assert RunSpec.unlabelled(resolve("copy", "linear", 1, [{"strategy": {"end": 0.5}}])).name[:2] == ("copy", "linear")
    assert (
        RunSpec.unlabelled(resolve("copy", "uniform", 1, [{"strategy": {"value": 0.25}}])).name.strategy == "constant"
    )


def test_a_run_comes_back_from_its_document() -> None:
    assert document().keys() == {"store", "run", "config"}
    assert read_as(Path("run.json"), document(), RunDocument, "").config == CONFIG


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fields: fields.pop("config"), "'config': Field required"),
        (lambda fields: fields["config"].update(seed=8), "the configuration does not match its id"),
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
        read_as(Path("run.json"), json.loads(canonical(fields)), RunDocument, "remove the run's folder")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a" * 65, "ä", "a\n", None, 3])
def test_a_name_that_could_lead_elsewhere_is_no_label(name: object) -> None:
    with pytest.raises(UsageError, match="cannot name a folder"):
        label(name)
