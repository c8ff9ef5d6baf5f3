"""The comparison on a terminal: every number within its width, and nothing that steers the terminal."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from ssrun.analysis.document import Comparison
from ssrun.views.tables.cells import difference, mean, p_holm
from ssrun.views.tables.claims import claim_lines
from ssrun.views.tables.footnotes import notes
from ssrun.views.terminal.comparison import INDENT, svg, terminal
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
    with_p = printed(document.model_copy(update={"smallest_p": 0.01}), 160)
    assert all(p_holm(row.estimates["bleu"]) in with_p for row in document.rows[1:])
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
    assert "; * best mean of the task." in text


def test_the_tables_stand_closer_and_then_below_each_other_where_the_terminal_is_narrow() -> None:
    metrics = ["bleu", "exact_match", "free_running_loss", "teacher_forced_loss"]
    values: dict[str, dict[str, list[float | str]]] = {
        name: {metric: [50.0, 51.0, 52.0] for metric in metrics} for name in ("teacher-forcing", "always-sampling")
    }
    document = compared(values, metrics=metrics, baseline="none")
    lines = {width: printed(document, width).splitlines() for width in (50, 65, 120)}
    for width, title, tables in ((50, "t, n = 3", 2), (65, "t, n = 3", 1), (120, "t", 1)):
        shown = [line for line in lines[width] if line.startswith("teacher-forcing ")]
        assert len(shown) == tables
        assert all(mean(document.rows[0].estimates[metric], metric) in " ".join(shown) for metric in metrics)
        assert [line.strip() for line in lines[width]].count(title) == tables
    assert "of 3" not in " ".join(lines[65])
    for metric in metrics:
        values["always-sampling"][metric] = [50.0, "failed", 51.0]
    assert "2 of 3" in printed(compared(values, metrics=metrics), 65)


@pytest.mark.parametrize("width", [60, 70, 80])
def test_claims_are_indented_as_a_whole_and_no_interval_is_broken(width: int) -> None:
    text = printed(comparison(), width)
    (_, below) = text.split("Claims\n")
    claims = below.split("\n\n")[0].splitlines()
    assert all(re.match(rf" *(agree|disagree|inconclusive)  \S| {{{INDENT}}}\S", line) for line in claims)
    assert len(claims) > 2 * len(comparison().claims)
    assert not [line for line in text.splitlines() if line.count("[") != line.count("]") or line.endswith("n =")]
    flat = " ".join(text.split())
    assert all(" ".join(line.split()) in flat for found in comparison().claims for line in claim_lines(found))


def test_p_stands_beside_its_difference_whatever_the_width() -> None:
    document = comparison().model_copy(update={"smallest_p": 0.01})
    for width in (40, 50, 60, 200):
        headings = [line.split() for line in printed(document, width).splitlines() if line.startswith("strategy ")]
        assert sum(line.count("p") for line in headings) == 2
        assert all(
            line[place - 1] in ("BLEU", "loss")
            for line in headings
            for place in [*range(len(line))]
            if line[place] == "p"
        )


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
    assert "*3.5&#160;[0,&#160;9.9]" in picture
    assert "url(http" not in picture
    assert picture.count("@font-face") == 1
