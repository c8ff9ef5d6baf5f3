"""Tables of a sweep: budgets and maps, in Markdown and on a terminal, with what their signs mean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console

from ssrun.analysis.budget import Crossing
from ssrun.analysis.document import Comparison, read_comparison, text_of
from ssrun.views.tables.latex import latex
from ssrun.views.tables.markdown import markdown
from ssrun.views.tables.swept import blocks, crossing_words
from ssrun.views.terminal.comparison import terminal
from tests.support.outcomes import comparison
from tests.support.swept import crossing_curves, islands, swept

TRIO = ("teacher-forcing", "uniform", "exponential")
BUDGETS = {"training.steps": [500, 1000, 2000, 4000]}
MAP = {"training.batch_size": [500, 8000], "model.dropout": [0, 0.4]}


def printed(document: Comparison, width: int) -> str:
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(terminal(document))
    return capture.get()


def test_a_comparison_without_a_sweep_has_no_such_table() -> None:
    assert blocks(comparison()) == []


def test_the_table_of_budgets_has_a_line_a_strategy_and_a_column_a_budget() -> None:
    (block,) = blocks(swept(BUDGETS, crossing_curves, TRIO))
    (table,) = block.tables
    assert table.title == "reverse: difference in BLEU from teacher-forcing by budget"
    budgets = ["500 steps", "1,000 steps", "2,000 steps", "4,000 steps"]
    assert table.headings == ["strategy", *budgets, "n", "crosses zero at"]
    uniform, exponential = table.lines
    for line in table.lines:
        assert all(re.fullmatch(r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]", cell) for cell in line[1:5])
        assert line[5] == "6"
    assert re.fullmatch(r"no crossing \(\d+ %\)", uniform[6])
    assert re.fullmatch(r"[\d,]+ \[[\d,]+, [\d,]+\] \(\d+ %\)", exponential[6])
    (note,) = block.notes
    assert note.startswith("crosses zero at: steps")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Crossing([1240.4, 3000], 980, 1900, 0.97), "1,240 [980, 1,900] (97 %), 3,000"),
        (Crossing([], 980, 1900, 0.12), "no crossing (12 %)"),
        (Crossing([], None, None, 0), "no crossing (0 %)"),
        (Crossing([1240], None, None, None), "1,240"),
        (Crossing([], None, None, None), "no crossing"),
    ],
)
def test_a_crossing_in_words(found: Crossing, words: str) -> None:
    assert crossing_words(found) == words


def test_a_map_has_a_sign_a_square_and_says_what_it_means() -> None:
    (block,) = blocks(swept(MAP, islands, ("teacher-forcing", "inverse-sigmoid")))
    (table,) = block.tables
    assert table.title == "reverse: difference in BLEU from teacher-forcing, batch_size by dropout"
    assert table.headings == ["strategy", "batch_size", "dropout 0", "dropout 0.4"]
    assert [line[:2] for line in table.lines] == [["inverse-sigmoid", "500"], ["inverse-sigmoid", "8,000"]]
    assert re.fullmatch(r"\+\d\.\d ▲", table.lines[0][2])
    assert all(re.fullmatch(r"[+-]\d\.\d ·", table.lines[1][column]) for column in (2, 3))
    assert "▲ better, ▼ worse, · undecided" in block.notes[0]


def test_a_budget_may_be_a_side_of_a_map() -> None:
    document = swept({"training.learning_rate": [0.02, 0.008], **BUDGETS}, crossing_curves, TRIO)
    by_budget, over = blocks(document)
    assert [table.title.partition(":")[0] for table in by_budget.tables] == [
        "reverse, learning_rate 0.02",
        "reverse, learning_rate 0.008",
    ]
    assert over.tables[0].headings[2:] == ["500 steps", "1,000 steps", "2,000 steps", "4,000 steps"]


@pytest.mark.parametrize("sweep", [BUDGETS, MAP])
def test_every_view_has_the_tables_and_names_the_setting(sweep: dict[str, list[float]], tmp_path: Path) -> None:
    document = swept(sweep, crossing_curves if sweep is BUDGETS else islands, TRIO)
    (tmp_path / "table.json").write_text(text_of(document), encoding="utf-8")
    assert markdown(read_comparison(tmp_path / "table.json")) == markdown(document)
    name = "reverse, 1,000 steps" if sweep is BUDGETS else "reverse, batch_size 500, dropout 0.4"
    shown = {"markdown": markdown(document).replace("\\", ""), "terminal": printed(document, 400)}
    for text in shown.values():
        assert name in " ".join(text.split())
        for block in blocks(document):
            for table in block.tables:
                assert table.title in text
                assert all(cell in text for line in table.lines for cell in line)
            assert all(note in text for note in block.notes)
    assert name in latex(document).replace("\\_", "_")
    for line in re.findall(r"(?:^\|.*\|\n)+", markdown(document), re.MULTILINE):
        assert len({row.count("|") for row in line.replace(r"\|", "").splitlines()}) == 1


@pytest.mark.parametrize("sweep", [BUDGETS, MAP])
def test_eighty_columns_are_enough(sweep: dict[str, list[float]]) -> None:
    document = swept(sweep, crossing_curves if sweep is BUDGETS else islands)
    text = printed(document, 80)
    assert max(map(len, text.splitlines())) <= 80
    for block in blocks(document):
        for table in block.tables:
            assert table.title in text.splitlines()
            for line in table.lines:
                assert all(any(cell in shown for shown in text.splitlines()) for cell in line)
