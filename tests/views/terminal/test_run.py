"""What people see of one run: readable at 80 columns, hostile tokens as themselves, signs that say what colours say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from ssrun.analysis.explanation import Position, Sides, StepView
from ssrun.seq2seq.error_recovery import Offset, Recovery
from ssrun.views.terminal.run import excess_bar, print_result, recovery_view, shown, sides_view, step_view
from tests.support.outcomes import diverged, finished

TOKENS = ("[/]", "[red]x", "\x1b[31mred", "<script>alert(1)</script>", "漢字漢字漢字漢字漢字", "a\u202eb", "|", "``")
COINS = ("true", "model", "random", "-")
POSITIONS = [
    Position(
        index, token, COINS[index % 4], token, index % 4 == 1, token, index % 3 == 0, index % 2 == 1, 0.5, {token: 1.0}
    )
    for index, token in enumerate(TOKENS)
]
OFFSETS = [Offset(offset, 5, 10.0, 10.0 + offset, float(offset), 50.0) for offset in range(50)]
TITLE, SOURCE = "corpus / uniform / seed 0", TOKENS * 9


def printed(name: str, plain: bool = False) -> str:
    """A view of this name, as a wide terminal shows it."""
    views = {
        "step": step_view(TITLE, 3, StepView(20, 30, 0.5, 1.25, 8, SOURCE, POSITIONS), plain),
        "sides": sides_view(TITLE, 3, 30, SOURCE, Sides(POSITIONS, POSITIONS), plain),
        "recovery": recovery_view(TITLE, Recovery(None, 1234, 1, 600, 100, 2.5, 3, OFFSETS), plain),
    }
    console = Console(width=120, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(views[name])
    return capture.get()


@pytest.mark.parametrize("plain", [False, True], ids=["utf-8", "ascii"])
@pytest.mark.parametrize("name", ["step", "sides", "recovery"])
def test_no_line_is_longer_than_80_columns_and_ascii_is_ascii(name: str, plain: bool) -> None:
    text = printed(name, plain)
    assert max(map(cell_len, text.splitlines())) <= 80
    assert text.isascii() or not plain
    assert {sign for sign in text if not sign.isprintable()} == {"\n"}


@pytest.mark.parametrize("name", ["step", "sides"])
def test_hostile_tokens_show_as_themselves(name: str) -> None:
    text = printed(name)
    for token in ("[/]", "[red]x", r"\x1b[31mred", "<script>alert…", r"a\u202eb", "漢字漢字漢字 …", "``"):
        assert token in text


def test_signs_say_what_colours_say() -> None:
    lines = printed("step").splitlines()
    heading = next(index for index, line in enumerate(lines) if line.split()[:2] == ["t", "coin"])
    for position, row in zip(POSITIONS, lines[heading + 1 :], strict=False):
        signs = ("*" * position.replaced, "x" * position.wrong + "r" * position.repeated)
        token = shown(position.gold, False, 14)
        words = [str(position.position), position.coin, token, signs[0], token, signs[1], token, "0.50"]
        assert row.split() == " ".join(words).split()


def test_what_is_counted_is_counted_in_words() -> None:
    told = "4 of 7 coins did not say true, and 2 of them changed the token. 3 errors in 8 positions."
    assert told in " ".join(printed("step").split())
    assert "Fed gold: 3 errors, the first at 0.  Fed its own: 3 errors, the first at 0." in printed("sides")
    text = " ".join(printed("recovery").split())
    assert "600 of 1234 recover (100 of them never differ); 634 do not before the target ends." in text
    assert "1 pair left out: too short" in text
    assert "10 offsets more: see --json" in text


def test_a_token_is_cut_by_cells_and_not_by_characters() -> None:
    assert shown("漢字漢字", False, 7) == "漢字漢…"
    assert shown("漢字漢字", False, 8) == "漢字漢字"
    assert shown("abcdef", True, 5) == "ab..."
    assert shown("é\x07", True, 20) == r"\xe9\x07"


def test_bars_are_five_points_a_cell() -> None:
    assert [excess_bar(points, False) for points in (100, 7.5, 0.7, 0, -3)] == ["█" * 20, "█▌", "▏", "", ""]
    assert [excess_bar(points, True) for points in (100, 7.6, 0.7, -3)] == ["#" * 20, "##", "", ""]


def test_a_result_is_printed_with_its_units_and_where_it_lies(capsys: pytest.CaptureFixture[str]) -> None:
    scored = finished(bleu=12.345, exposure_gap=0.98765, schedule={"k": 3.14159}, facts={"pairs": 7}).scored
    assert scored
    print_result(scored.result, scored, Path("results/[/]/x\x1b"))
    text = capsys.readouterr().out
    assert re.search(r"bleu +12\.3 +0-100: corpus BLEU", text)
    assert re.search(r"exposure_gap +0\.988 +nats: free_running_loss - teacher_forced_loss", text)
    assert re.search(r"^k +3\.142 ", text, re.MULTILINE)
    assert re.search(r"pairs +7 +of the data", text)
    assert text.endswith("run        results/[/]/x\\x1b\n")
    print_result(diverged("loss is [/] nan"), None, Path("r"))
    assert "diverged  loss is [/] nan" in capsys.readouterr().out


def test_offsets_that_few_pairs_reach_stand_in_brackets() -> None:
    offsets = [Offset(offset, pairs, 10.0, 20.0, 10.0, 50.0) for offset, pairs in enumerate((100, 5, 4))]
    console = Console(width=80, color_system=None)
    for shown_offsets, brackets in ((offsets, 1), (offsets[:2], 0)):
        with console.capture() as capture:
            console.print(recovery_view(TITLE, Recovery(None, 100, 0, 60, 10, 2.5, 1, shown_offsets)))
        text = capture.get()
        assert [line.split()[1] for line in text.splitlines() if "(4)" in line] == ["(4)"] * brackets
        assert ("In brackets" in text) == bool(brackets)
