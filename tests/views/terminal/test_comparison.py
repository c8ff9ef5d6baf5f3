"""The comparison on a terminal: every number within its width, and nothing that steers the terminal."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from ssrun.analysis.document import Comparison
from ssrun.views.tables.cells import claim_lines, difference, mean, notes, p_holm
from ssrun.views.terminal.comparison import svg, terminal
from tests.support.outcomes import HOSTILE, compared, comparison, hostile


def printed(document: Comparison, width: int = 120, color: bool = False) -> str:
    """The document as a terminal of this width shows it."""
    console = Console(width=width, force_terminal=color, highlight=False, color_system="256" if color else None)
    with console.capture() as capture:
        console.print(terminal(document))
    return capture.get()


def test_the_terminal_shows_every_mean_difference_p_claim_note_and_published_number() -> None:
    document, text = comparison(), printed(comparison(), 160)
    for row in document.rows:
        for metric in document.metrics:
            assert mean(row.estimates[metric], metric) in text
        for metric in ("bleu", "free_running_loss"):
            assert difference(row.estimates[metric], metric) in text
            assert p_holm(row.estimates[metric]) in text
    flat = " ".join(text.split())
    for claim in document.claims:
        assert all(" ".join(line.split()) in flat for line in claim_lines(claim))
        assert re.search(rf"{claim.verdict}  {re.escape(claim.text)}", text)
    assert all(line in flat for line in notes(document, "*"))
    assert all(value in text for value in ("1.25", "-4.5", "none", "paper: F1", "paper: MSE", "A 2015, Table 1"))
    assert "4 of 6" in text
    assert "What to make of it, in two lines." in flat


def test_the_best_of_a_task_has_a_star_and_not_colour_alone() -> None:
    text = printed(compared({"a": {"bleu": [10.0, 11.0]}, "b": {"bleu": [20.0, 21.0]}}, metrics=["bleu"]))
    assert re.search(r"^b +2 +\*20\.5", text, re.MULTILINE)
    assert not re.search(r"^a .*\*", text, re.MULTILINE)
    assert "; * best mean of the task; " in text


def test_the_tables_stand_closer_rather_than_wrap_where_the_terminal_is_narrow() -> None:
    metrics = ["bleu", "exact_match", "free_running_loss", "teacher_forced_loss"]
    values: dict[str, dict[str, list[float | str]]] = {
        name: {metric: [10.0, 29.0, 96.0] for metric in metrics} for name in ("teacher-forcing", "always-sampling")
    }
    document = compared(values, metrics=metrics)
    lines = {width: printed(document, width).splitlines() for width in (75, 120)}
    for width, title in ((75, "t, n = 3"), (120, "t")):
        (line,) = (line for line in lines[width] if line.startswith("teacher-forcing "))
        assert all(mean(document.rows[0].estimates[metric], metric) in line for metric in metrics)
        assert title in (line.strip() for line in lines[width])
    assert "of 3" not in " ".join(lines[75])
    for metric in metrics:
        values["always-sampling"][metric] = [1.0, "failed", 2.0]
    assert "2 of 3" in printed(compared(values, metrics=metrics), 75)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for document in (comparison(), hostile()):
        assert max(map(len, printed(document, width).split("\n"))) <= width


def test_what_a_person_wrote_stands_there_as_written_and_steers_nothing() -> None:
    text = printed(hostile(), 400)
    for words in (*filter(str.isprintable, HOSTILE), r"\x1b]0;x\x07"):
        assert words in text
    assert {sign for sign in text if not sign.isprintable()} == {"\n"}
    coloured = printed(hostile(), 400, color=True)
    assert set(re.findall(r"\x1b(?!\[[0-9;]*m)", coloured)) == set()


def test_the_picture_has_the_table_and_asks_no_other_host_for_a_font() -> None:
    values = {"a": {"bleu": [1.0, 2.0]}, "b": {"bleu": [3.0, 4.0]}}
    picture = svg(compared(values, question="Does @font-face {x} stay?"))
    assert "@font-face&#160;{x}&#160;stay?" in picture
    assert "*3.5&#160;±6.4" in picture
    assert "url(http" not in picture
    assert picture.count("@font-face") == 1
