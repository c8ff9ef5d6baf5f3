"""Convergence: a loss that still falls is told from one that is flat, noisy or too short to judge."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from rich.console import Console

from ssrun.analysis.comparison import summarise
from ssrun.analysis.convergence import has_converged, training_loss
from ssrun.runs.result import Evaluation
from ssrun.views.formats import FILES, text_of
from ssrun.views.report.page import table
from ssrun.views.terminal.comparison import terminal
from tests.support.outcomes import comparison, evaluation, experiment, outcomes

STEPS = 1000


def evaluations(loss: Callable[[int], float], steps: int = STEPS, every: int = 50) -> list[Evaluation]:
    """Evaluations whose training loss is that of the middle of the steps since the one before."""
    return [
        evaluation(step).model_copy(update={"training_loss": loss(step - every // 2)})
        for step in range(every, steps + 1, every)
    ]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda step: 1.0, True),
        (lambda step: 2.0 - step / STEPS, False),  # by 0.2 a fifth
        (lambda step: 2.0 - min(step, 600) / STEPS, True),  # no longer
        (lambda step: 1.0 + step / STEPS, True),  # an objective that grows harder
        (lambda step: 10.0 - step / STEPS, True),  # by 2 % alone
        (lambda step: 0.1 - 0.09 * step / STEPS, True),  # by 0.018 nats alone
        (lambda step: 0.12 - 0.11 * step / STEPS, False),  # by 0.022
    ],
    ids=["flat", "falls", "fell-before", "rises", "falls-relatively-little", "falls-absolutely-little", "falls-enough"],
)
def test_a_loss_falls_where_the_last_fifth_is_lower_by_more_than_both_thresholds(
    loss: Callable[[int], float], expected: bool
) -> None:
    assert has_converged(evaluations(loss), STEPS) is expected


def test_noise_about_a_flat_loss_is_flagged_in_under_two_percent_of_runs() -> None:
    noise = random.Random(0)
    flat = [evaluations(lambda step: noise.gauss(0.6, 0.018)) for _ in range(1000)]  # real runs: 0.011
    assert sum(has_converged(run, STEPS) is False for run in flat) < 20


def test_too_few_evaluations_are_not_judged_and_a_run_that_its_patience_ended_has_converged() -> None:
    falling = evaluations(lambda step: 2.0 - step / STEPS)
    assert has_converged(falling[:9], 450) is None
    assert has_converged([], STEPS) is None
    assert has_converged(falling[:12], STEPS) is True
    assert has_converged(falling[:12], 600) is False


def test_an_evaluation_counts_by_the_steps_that_it_tells_of() -> None:
    uneven = [evaluation(step).model_copy(update={"training_loss": loss}) for step, loss in [(10, 1.0), (40, 3.0)]]
    assert training_loss(uneven, 0, 40) == pytest.approx(2.5)
    assert training_loss(uneven, 5, 20) == pytest.approx((5 * 1.0 + 10 * 3.0) / 15)
    often = sorted([*evaluations(lambda step: 1.0, every=50), *evaluations(lambda step: 1.0)[:2]], key=lambda e: e.step)
    assert training_loss(often, 0, STEPS) == pytest.approx(1.0)


def test_rows_count_the_complete_runs_that_had_not_converged_and_every_table_says_it() -> None:
    values: dict[str, dict[str, list[float | str]]] = {
        "a": {"bleu": [1.0, 2.0, 3.0]},
        "b": {"bleu": [1.0, "failed", 2.0]},
    }
    frame = outcomes(values)
    frame["converged"] = [True, None, True, False, None, False]
    frame.loc[5, "steps"] = 500
    found = summarise(experiment(seeds=3), frame, "c", [])
    assert [(row.not_converged, row.steps) for row in found.rows] == [(0, [1000]), (2, [500, 1000])]
    assert [run.converged for run in found.runs] == [True, None, True, False, None, False]
    for format in ("markdown", "latex"):
        assert "2 of 2" in text_of(found, format)
    with (console := Console(width=80)).capture() as capture:
        console.print(terminal(found))
    assert "2 of 2" in capture.get()
    columns, _ = table(found, found.rows)
    assert [cell.text for cell in columns[0].cells if cell] == ["-", "2 of 2"]
    assert "t,b,bleu,2,3,0,1,0,2," in text_of(found, "csv")
    assert "t,b,2,complete,False,2.0" in text_of(found, "runs")


@pytest.mark.parametrize("format", FILES)
def test_where_all_converged_no_table_speaks_of_it(format: str) -> None:
    assert "converged" not in text_of(comparison(), format)
