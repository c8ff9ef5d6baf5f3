"""Sweeps: what a task is a setting of, in words and in order, whether computed or read back from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.analysis.document import Comparison, read_comparison, text_of
from ssrun.analysis.selection import selected
from ssrun.analysis.sweeps import Axis, budgets, in_common, planes, titles
from tests.support.outcomes import comparison
from tests.support.swept import swept

PAIR = ("teacher-forcing", "linear")
BUDGETS = {"training.steps": [500, 1000]}
MAP = {"training.learning_rate": [0.02, 0.008], "training.steps": [2000, 500]}


def made(sweep: dict[str, list[object]], tasks: tuple[str, ...] = ("reverse",)) -> Comparison:
    return swept(sweep, lambda *_: 1.0, PAIR, seeds=2, tasks=tasks)


def test_a_task_says_its_settings_and_its_budget_last() -> None:
    assert [*titles(made(BUDGETS)).values()] == ["reverse, 500 steps", "reverse, 1,000 steps"]
    found = titles(made({"training.steps": [500], "model.attention": ["none", "dot"]}))
    assert [*found.values()] == ["reverse, attention none, 500 steps", "reverse, attention dot, 500 steps"]
    assert titles(comparison()) == {"t": "t"}


def test_where_tasks_differ_in_their_budget_each_says_its_own() -> None:
    document = comparison()
    (task,) = document.tasks
    rows = [row.model_copy(update={"steps": [800]}) for row in document.rows]
    longer = [row.model_copy(update={"task": "longer", "steps": [2400]}) for row in document.rows]
    both = document.model_copy(update={"rows": [*rows, *longer], "steps": [800, 2400]})
    assert titles(both) == {task: f"{task}, 800 steps", "longer": "longer, 2,400 steps"}
    assert titles(both.model_copy(update={"rows": rows, "steps": [800]})) == {task: task}


def test_no_title_steers_a_terminal() -> None:
    document = made({"model.hidden": [5, 6]})
    forged = {
        task: cell.model_copy(update={"settings": {"model.hidden": "\x1b[2J"}}) for task, cell in document.cells.items()
    }
    assert all(title.isprintable() for title in titles(document.model_copy(update={"cells": forged})).values())


def test_a_series_is_a_task_at_several_budgets_all_else_equal() -> None:
    (both, none) = budgets(made({**BUDGETS, "model.dropout": [0, 0.2]}))
    assert both.tasks == {500: "reverse-steps-500-dropout-0", 1000: "reverse-steps-1000-dropout-0"}
    assert (both.title, none.title) == ("reverse, dropout 0", "reverse, dropout 0.2")
    assert [series.title for series in budgets(made(BUDGETS, ("reverse", "copy")))] == ["reverse", "copy"]
    assert [*budgets(made({"training.steps": [2000, 500]}))[0].tasks] == [500, 2000]
    assert budgets(made({"training.steps": [500]})) == budgets(made({"model.hidden": [5, 6]})) == []
    assert budgets(comparison()) == []


def test_a_plane_has_the_first_fields_values_as_rows_in_the_order_given() -> None:
    (plane,) = planes(made(MAP))
    assert (plane.rows, plane.columns) == (Axis("learning_rate", ["0.02", "0.008"]), Axis("steps", ["2,000", "500"]))
    assert plane.tasks["0.008", "2,000"] == "reverse-learning-rate-0.008-steps-2000"
    assert len(plane.tasks) == 4
    (other,) = planes(made(dict(reversed(MAP.items()))))
    assert (other.rows, other.columns) == (plane.columns, plane.rows)


@pytest.mark.parametrize("sweep", [{}, BUDGETS, {**MAP, "model.hidden": [5, 6]}])
def test_another_number_of_fields_makes_no_plane(sweep: dict[str, list[object]]) -> None:
    assert planes(made(sweep)) == []


def test_a_field_of_which_one_value_is_left_is_no_axis() -> None:
    document = made(MAP)
    assert planes(selected(document, tasks=",".join(document.tasks[:2]))) == []
    part = selected(document, tasks=document.tasks[0])
    assert set(part.cells) == {document.tasks[0]}


@pytest.mark.parametrize("sweep", [BUDGETS, MAP, {**BUDGETS, "model.dropout": [0.2, 0]}])
def test_what_is_read_back_from_a_file_has_the_same_order(sweep: dict[str, list[object]], tmp_path: Path) -> None:
    document = made(sweep, ("reverse", "copy"))
    (tmp_path / "table.json").write_text(text_of(document), encoding="utf-8")
    again = read_comparison(tmp_path / "table.json")
    assert again == document
    assert repr((titles(again), budgets(again), planes(again))) == repr(
        (titles(document), budgets(document), planes(document))
    )


def test_what_all_settings_have_alike_is_said_once() -> None:
    document = made(BUDGETS, ("reverse", "copy"))
    reverse, again, copy, another = document.tasks
    assert in_common(document, {reverse: 1, again: 1, copy: 2, another: 3}) == {
        "reverse": 1,
        "copy, 500 steps": 2,
        "copy, 1,000 steps": 3,
    }
    assert in_common(document, {again: 1}) == {"reverse": 1}
    assert in_common(comparison(), {"t": 1}) == {"t": 1}
