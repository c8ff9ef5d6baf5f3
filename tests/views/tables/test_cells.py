"""Cells: every number as a person reads it, and what must be known to read it."""

from __future__ import annotations

import pytest

from ssrun.analysis.document import BootstrapPair, Estimate
from ssrun.views.tables import cells
from tests.support.outcomes import claim, compared, comparison, row


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (93.0499, "bleu", "93.0"),
        (0.12345, "free_running_loss", "0.123"),
        (None, "bleu", "-"),
        (400.4, "steps_to_reach", "400"),
    ],
)
def test_a_number_has_its_metrics_decimals(value: float | None, metric: str, text: str) -> None:
    assert cells.number(value, metric) == text


def test_a_mean_has_half_the_width_of_its_interval_and_a_difference_the_whole_of_it() -> None:
    estimate = Estimate(mean=93.04, low=91.04, high=95.04, difference=-1.26, difference_low=-2.0, difference_high=0.04)
    assert cells.mean(estimate, "bleu") == "93.0 ±2.0"
    assert cells.difference(estimate, "bleu") == "-1.3 [-2.0, +0.0]"
    alone = Estimate(mean=93.04, low=None, high=None, difference=1.0)
    assert (cells.mean(alone, "bleu"), cells.difference(alone, "bleu")) == ("93.0", "+1.0")
    assert (cells.mean(None, "bleu"), cells.difference(None, "bleu")) == ("-", "-")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (1.0, "1.000"), (0.03125, "0.031"), (0.001, "0.001"), (0.0009, "<0.001")]
)
def test_a_p_value_is_never_printed_as_zero(value: float | None, text: str) -> None:
    assert cells.p_value(value) == text


def test_the_best_is_the_highest_or_the_lowest_as_the_metric_says_and_none_where_all_are_equal() -> None:
    metrics = ("bleu", "free_running_loss", "replaced")
    rows = [row(**dict.fromkeys(metrics, Estimate(mean=value, low=None, high=None))) for value in (1.0, 2.0)]
    marked = {metric: [cells.mean_cell(rows, found, metric).best for found in rows] for metric in metrics}
    assert marked == {"bleu": [False, True], "free_running_loss": [True, False], "replaced": [False, False]}
    assert not cells.mean_cell([rows[0], rows[0]], rows[0], "bleu").best
    assert cells.mean_cell([row()], row(), "bleu") == ("-", False)


def test_a_row_says_how_many_of_its_runs_are_behind_it() -> None:
    assert (cells.count(row(n=3, of=3)), cells.count(row(n=2, of=5))) == ("3", "2 of 5")


def test_a_row_says_in_how_many_seeds_the_bootstrap_tells_it_from_the_baseline() -> None:
    pairs = [BootstrapPair(seed=seed, difference=1.0, p=p) for seed, p in enumerate((0.049, 0.05, 0.001))]
    assert cells.bootstrapped(row(bleu=Estimate(mean=1.0, low=None, high=None, bootstrap=pairs))) == "2/3"
    assert cells.bootstrapped(row(bleu=Estimate(mean=1.0, low=None, high=None))) == cells.bootstrapped(row()) == "-"


def test_the_notes_say_how_this_table_marks_the_best() -> None:
    for mark in ("*", "★", "bold:"):
        assert f"; {mark} best mean of the task; " in cells.notes(comparison(), mark)[0]


def test_the_notes_say_what_cannot_be_known_from_so_few_seeds() -> None:
    one = cells.notes(compared({"a": {"bleu": [1.0]}, "b": {"bleu": [2.0]}}), "*")
    assert one[0] == "One seed: no interval, no p; a difference may be luck. Use --seeds 0..5 for evidence."
    five = " ".join(cells.notes(compared({"a": {"bleu": [1.0] * 5}, "b": {"bleu": [2.0] * 5}}), "*"))
    assert "with 5 seeds no p can be below 0.0625" in five


def test_the_notes_count_what_failed_and_name_the_first() -> None:
    values = {"a": {"bleu": [1.0, 2.0, 3.0]}, "b": {"bleu": ["failed", "failed", "missing"]}}
    lines = cells.notes(compared(values), "*")
    assert "2 failed, counted and not averaged; first: t/b seed 0: failed of b" in lines
    assert "1 missing, counted and not averaged; first: t/b seed 2" in lines


def test_a_claim_is_shown_with_its_source_its_margin_and_its_evidence() -> None:
    values = {"a": {"bleu": [1.0, 2.0, 3.0]}, "b": {"bleu": [6.0, 7.5, 8.0]}}
    sentence, evidence = cells.claim_lines(compared(values, claims=[claim("a < b", by=1.5)]).claims[0])
    assert sentence == "a < b, it is said. (somebody)"
    assert evidence == "bleu: a < b by at least 1.5: difference -5.2 [-5.9, -4.4], p = 0.250, n = 3"
    nothing = compared({"a": {"bleu": ["failed", "failed"]}, "b": {"bleu": [1.0, 2.0]}}, claims=[claim("a < b")])
    assert cells.claim_lines(nothing.claims[0])[1] == "bleu: a < b: no pair of complete runs"
