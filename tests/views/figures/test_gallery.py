"""Figures: all of them in three formats, the same bytes each time, any token as itself; without runs or matplotlib."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ssrun.analysis.comparison import comparison_in
from ssrun.analysis.evidence import complete_runs
from ssrun.tasks.corpus import read_split
from ssrun.views.figures.canvas import Canvas, drawable, drawing
from ssrun.views.figures.gallery import KINDS, pictures, write_figures
from tests.support.hostile import TOKENS, comparison, tables_alone

NAMES = ("finding", "differences", "gap", "learning", "schedules", "positions", "recovery", "attention")
FROM_TABLES = NAMES[:3]
WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None
from pathlib import Path
from ssrun.errors import UsageError
from ssrun.views.figures.gallery import write_figures
try:
    write_figures(Path(sys.argv[1]), Path(sys.argv[2]))
except UsageError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return comparison(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def written(results: Path) -> list[Path]:
    notes: list[str] = []
    paths = write_figures(results, tell=notes.append)
    assert notes == []
    return paths


def words(path: Path) -> list[str]:
    """The texts of an SVG."""
    elements = ElementTree.parse(path).iter()
    return ["".join(element.itertext()) for element in elements if element.tag.endswith("}text")]


def test_every_figure_is_there_in_three_formats(results: Path, written: list[Path]) -> None:
    assert written == [results / "figures" / f"{name}.{kind}" for name in NAMES for kind in KINDS]
    for path in written:
        begins = {".svg": b"<?xml", ".pdf": b"%PDF-1.", ".png": b"\x89PNG"}[path.suffix]
        assert path.read_bytes().startswith(begins)


def test_the_same_results_give_the_same_bytes_in_another_process_with_other_settings(
    results: Path, written: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nfont.family: serif\ntext.parse_math: True\n")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    command = [sys.executable, "-m", "ssrun", "figures", str(results), "--out", str(tmp_path / "again")]
    subprocess.run(command, check=True, env=environment)
    for path in written:
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("name", NAMES)
def test_title_n_command_and_signature_stand_in_every_figure(results: Path, written: list[Path], name: str) -> None:
    text = " ".join(" ".join(words(results / "figures" / f"{name}.svg")).split())
    assert "n = 2 seeds" in text
    assert "ssrun compare Is <script>alert(2)</script> [/] \\x1b[2J" in text
    assert comparison_in(results).signatures["corpus"][0] in text.replace(" ", "")
    title = ElementTree.parse(results / "figures" / f"{name}.svg").findtext("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title in text


def test_hostile_tokens_show_as_themselves_on_an_attention_map(results: Path, written: list[Path]) -> None:
    said = set(words(results / "figures" / "attention.svg"))
    shown = {drawable(token, 9) for token in TOKENS}
    assert {"<script>…", "[/]", "=1+1", r"a_b$%&\\", "'\"><b", "$x^2$", r"\x1b]0;x…", r"\u202eri…"} == shown
    assert shown <= said


def test_no_svg_holds_a_script_a_date_or_another_address(written: list[Path]) -> None:
    for path in written:
        if path.suffix == ".svg":
            tags = {str(element.tag).rpartition("}")[2] for element in ElementTree.parse(path).iter()}
            assert not tags & {"script", "image", "foreignObject", "a", "date"}


def test_tables_alone_give_the_finding_and_what_else_they_can(results: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    paths = write_figures(tables_alone(results, tmp_path / "tables"), tmp_path / "out", notes.append)
    assert [path.name for path in paths] == [f"{name}.{kind}" for name in FROM_TABLES for kind in KINDS]
    assert len(notes) == 1
    assert notes[0].startswith("learning, schedules, positions, recovery, attention")
    for path in paths:
        assert path.read_bytes() == (results / "figures" / path.name).read_bytes()


def test_without_a_corpus_at_hand_only_the_recovery_is_left_out(results: Path) -> None:
    text = results.parent / "text"
    text.rename(text.with_name("away"))
    read_split.cache_clear()
    try:
        notes: list[str] = []
        with drawing():
            canvas = Canvas(comparison_in(results))
            drawn = [picture.name for picture in pictures(canvas, complete_runs(results), notes.append)]
    finally:
        text.with_name("away").rename(text)
    assert drawn == [name for name in NAMES if name != "recovery"]
    assert [note.partition(":")[0] for note in notes] == ["recovery"]


def test_without_matplotlib_figures_say_how_to_get_it(results: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_MATPLOTLIB, str(results), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "figures need matplotlib: pip install 'ssrun[plot]'\n"
    assert not (tmp_path / "out").exists()
