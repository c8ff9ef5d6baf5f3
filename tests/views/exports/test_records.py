"""What is exported of a run: everything, and under a name that leads nowhere else."""

from __future__ import annotations

import csv
import re
from pathlib import Path, PurePosixPath

import pytest

from ssrun.analysis.comparison import comparison_in
from ssrun.analysis.document import RunValues
from ssrun.metrics import METRICS
from ssrun.views.exports.records import Record, folder_name, records
from tests.promises.test_hostile import NAMES
from tests.support.commands import Done
from tests.support.outcomes import evaluation


def record(task: str = "copy", evaluations: tuple[object, ...] = (), **more: object) -> Record:
    values = RunValues(
        task=task, strategy="linear", seed=0, status="complete", settings={}, metrics={"bleu": 0.1 + 0.2}
    )
    return Record(values, "0123456789", {"experiment": "x"}, evaluations=evaluations, **more)


def test_the_test_metrics_are_the_numbers_of_runs_csv(
    compared: tuple[Path, Done], compared_records: list[Record]
) -> None:
    with (compared[0] / "runs.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 8
    for line, found in zip(lines, compared_records, strict=True):
        assert [line[name] for name in ("task", "strategy", "seed", "status")] == [
            found.labels[name] for name in ("task", "strategy", "seed", "status")
        ]
        assert {name: float(line[name]) for name in METRICS if line.get(name)} == found.metrics


def test_a_run_is_told_with_its_ids_and_its_whole_configuration(compared_records: list[Record]) -> None:
    for found in compared_records:
        config = found.folder.config()
        assert found.weights == config.weights_id
        assert found.name.endswith(f"seed-{config.seed}-{config.weights_id[:10]}-{config.scoring.id[:10]}")
        assert found.parameters["model.hidden"] == 8
        assert found.parameters["scoring.beam"] == 1
        assert found.parameters["seed"] == config.seed
        assert {"task.path", "strategy.teacher"}.isdisjoint(found.parameters)
    assert len({found.name for found in compared_records}) == 8


def test_curves_of_a_part_of_the_pairs_stand_apart_from_those_of_all() -> None:
    whole, part = evaluation(20, free_running=2.0), evaluation(10, free_running=3.0).model_copy(update={"pairs": 50})
    (_, first), (_, second) = record(evaluations=(part, whole)).curves()
    assert first["validation-first-50/free_running_loss"] == 3.0
    assert second["validation/free_running_loss"] == 2.0
    assert not [name for name in first if name.startswith("validation/")]
    assert {name.split("/")[0] for name in second} == {"training", "validation"}


def test_what_changes_of_a_run_changes_its_digest_and_not_its_name() -> None:
    other = record(evaluations=(evaluation(10, free_running=2.0),), reason="x")
    assert record().digest == record().digest != other.digest
    assert record().name == other.name


@pytest.mark.parametrize("label", [*NAMES, "a-b", "\ud800", "x" * 64], ids=ascii)
def test_no_label_leads_out_of_the_folder(label: str) -> None:
    name = record(task=label).name
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}/linear/seed-0-0123456789", name)
    assert ".." not in PurePosixPath(name).parts


def test_labels_that_look_alike_stay_apart() -> None:
    assert len({folder_name(label) for label in ("a b", "a/b", "a-b", "a\nb", "../a-b")}) == 5


def test_kept_tables_give_their_numbers_and_no_curves(kept: Path) -> None:
    found = list(records(kept, comparison_in(kept)))
    assert found
    assert all(one.metrics and not one.evaluations and one.folder is None for one in found)
    assert len({one.name for one in found}) == len(found)
