"""Tables: every number as a person reads it, and nothing that steers the terminal it is read on."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ssrun.analysis.comparison import summary
from ssrun.views.tables.cells import (
    best,
    claim_lines,
    count,
    difference,
    mean,
    notes,
    number,
    p_value,
    terminal,
    visible,
)
from tests.support.outcomes import claim, document, experiment, hostile, outcomes


def printed(found: dict[str, Any], width: int = 120, color: bool = False) -> str:
    """The document as a terminal of this width shows it."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=color, highlight=False, color_system="256" if color else None
    )
    console.print(terminal(found))
    return file.getvalue()


def of(values: dict[str, dict[str, list[Any]]], **fields: Any) -> dict[str, Any]:
    seeds = max(len(of_seeds) for metrics in values.values() for of_seeds in metrics.values())
    return summary(experiment(tuple(values), seeds, **fields), outcomes(values), "ssrun compare planted", [])


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
    assert number(value, metric) == text


def test_a_cell_is_the_mean_and_half_the_width_of_its_interval() -> None:
    row = {
        "bleu": {
            "mean": 93.04,
            "low": 91.04,
            "high": 95.04,
            "difference": -1.26,
            "difference_low": -2.0,
            "difference_high": 0.04,
        }
    }
    assert mean(row, "bleu") == "93.0 ±2.0"
    assert difference(row, "bleu") == "-1.3 [-2.0, +0.0]"
    alone = {
        "bleu": {
            "mean": 93.04,
            "low": None,
            "high": None,
            "difference": 1.0,
            "difference_low": None,
            "difference_high": None,
        }
    }
    assert (mean(alone, "bleu"), difference(alone, "bleu")) == ("93.0", "+1.0")
    assert (mean({}, "bleu"), difference({}, "bleu")) == ("-", "-")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (1.0, "1.000"), (0.03125, "0.031"), (0.001, "0.001"), (0.0009, "<0.001")]
)
def test_a_p_value_is_never_printed_as_zero(value: float | None, text: str) -> None:
    assert p_value(value) == text


def test_the_best_is_the_highest_or_the_lowest_as_the_metric_says_and_none_where_all_are_equal() -> None:
    rows = [
        {"bleu": {"mean": value}, "free_running_loss": {"mean": value}, "replaced": {"mean": value}} for value in (1, 2)
    ]
    assert (best(rows, "bleu"), best(rows, "free_running_loss"), best(rows, "replaced")) == (2, 1, None)
    assert best([rows[0], rows[0]], "bleu") is None
    assert best([{}], "bleu") is None


def test_a_row_says_how_many_of_its_runs_are_behind_it() -> None:
    assert (count({"n": 3, "of": 3}), count({"n": 2, "of": 5})) == ("3", "2 of 5")


def test_the_terminal_shows_every_mean_difference_p_claim_note_and_published_number() -> None:
    found, text = document(), printed(document(), 160)
    for row in found["rows"]:
        for metric in found["metrics"]:
            assert mean(row, metric) in text
        for metric in ("bleu", "free_running_loss"):
            assert difference(row, metric) in text
            assert p_value(row[metric].get("p_holm")) in text
    flat = " ".join(text.split())
    for each in found["claims"]:
        assert all(" ".join(line.split()) in flat for line in claim_lines(each))
        assert re.search(rf"{each['verdict']}  {re.escape(each['text'])}", text)
    assert all(line in flat for line in notes(found))
    assert all(value in text for value in ("1.25", "-4.5", "none", "paper: F1", "paper: MSE", "A 2015, Table 1"))
    assert "4 of 6" in text
    assert "What to make of it, in two lines." in flat


def test_the_best_of_a_task_has_a_star_and_not_colour_alone() -> None:
    text = printed(of({"a": {"bleu": [10.0, 11.0]}, "b": {"bleu": [20.0, 21.0]}}, metrics=["bleu"]))
    assert re.search(r"^b +2 +\*20\.5", text, re.MULTILINE)
    assert not re.search(r"^a .*\*", text, re.MULTILINE)


def test_the_notes_say_what_cannot_be_known_from_so_few_seeds() -> None:
    one = notes(of({"a": {"bleu": [1.0]}, "b": {"bleu": [2.0]}}))
    assert one[0] == "One seed: no interval, no p; a difference may be luck. Use --seeds 0..5 for evidence."
    five = " ".join(notes(of({"a": {"bleu": [1.0] * 5}, "b": {"bleu": [2.0] * 5}})))
    assert "with 5 seeds no p can be below 0.0625" in five


def test_the_notes_count_what_failed_and_name_the_first() -> None:
    values = {"a": {"bleu": [1.0, 2.0, 3.0]}, "b": {"bleu": ["failed", "failed", "missing"]}}
    lines = notes(of(values))
    assert "2 failed, counted and not averaged; first: t/b seed 0: failed of b" in lines
    assert "1 missing, counted and not averaged; first: t/b seed 2" in lines


def test_a_claim_is_shown_with_its_source_its_margin_and_its_evidence() -> None:
    values = {"a": {"bleu": [1.0, 2.0, 3.0]}, "b": {"bleu": [6.0, 7.5, 8.0]}}
    sentence, found = claim_lines(of(values, claims=[claim("a < b", by=1.5)])["claims"][0])
    assert sentence == "a < b, it is said. (somebody)"
    assert found == "bleu: a < b by at least 1.5: difference -5.2 [-5.9, -4.4], p = 0.250, n = 3"
    nothing = {"a": {"bleu": ["failed", "failed"]}, "b": {"bleu": [1.0, 2.0]}}
    assert claim_lines(of(nothing, claims=[claim("a < b")])["claims"][0])[1] == "bleu: a < b: no pair of complete runs"


def test_the_tables_stand_closer_rather_than_wrap_where_the_terminal_is_narrow() -> None:
    values = {
        name: {
            metric: [10.0, 29.0, 96.0] for metric in ("bleu", "exact_match", "free_running_loss", "teacher_forced_loss")
        }
        for name in ("teacher-forcing", "always-sampling")
    }
    found = of(values, metrics=["bleu", "exact_match", "free_running_loss", "teacher_forced_loss"])
    lines = {width: printed(found, width).splitlines() for width in (75, 120)}
    for width, title in ((75, "t, n = 3"), (120, "t")):
        (row,) = (line for line in lines[width] if line.startswith("teacher-forcing "))
        assert all(mean(found["rows"][0], metric) in row for metric in found["metrics"])
        assert title in (line.strip() for line in lines[width])
    assert "of 3" not in " ".join(lines[75])
    values["always-sampling"]["bleu"] = values["always-sampling"]["exact_match"] = [1.0, "failed", 2.0]
    assert "2 of 3" in printed(of(values, metrics=found["metrics"]), 75)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for found in (document(), hostile()):
        assert max(map(len, printed(found, width).split("\n"))) <= width


def test_what_a_person_wrote_stands_there_as_written_and_steers_nothing() -> None:
    text = printed(hostile(), 400)
    for sign in (
        "[/] [bold]b[/bold]",
        "<script>alert(1)</script>",
        r"a_b$%&\ {x} ~^# #1",
        "| a | b |",
        "[0] - first",
        "漢",
    ):
        assert sign in text
    assert r"\x1b]0;x\x07" in text
    controls = {sign for sign in text if not sign.isprintable()} - {"\n"}
    assert controls == set()
    coloured = printed(hostile(), 400, color=True)
    assert set(re.findall(r"\x1b(?!\[[0-9;]*m)", coloured)) == set()


@given(st.text())
def test_visible_text_has_no_control_character_and_keeps_all_others(text: str) -> None:
    shown = visible(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown)
    if text.isprintable():
        assert shown == text
