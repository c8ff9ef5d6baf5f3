"""Figures: all of them in three formats, the same bytes each time, any token as itself; without runs or matplotlib."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ssrun.analysis import comparison as comparing
from ssrun.analysis.evidence import complete, contrasts, curve, marked, of_one_seed, over_training
from ssrun.errors import StoreError
from ssrun.strategies import STRATEGIES as KNOWN
from ssrun.tasks.corpus import read_split
from ssrun.views.figures.canvas import COLOURS, Easel, clean, evidence, looks, style
from ssrun.views.figures.runs import KINDS, figures, write_figures
from tests.support.hostile import STRATEGIES, TOKENS, comparison, tables_alone

NAMES = ("finding", "differences", "gap", "learning", "schedules", "positions", "recovery", "attention")
FROM_TABLES = NAMES[:3]
WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None
from typer import Typer
from ssrun.cli import pages as cli_pages
from ssrun.errors import SsrunError
app = Typer()
cli_pages.register(app)
try:
    app(sys.argv[1:], standalone_mode=False)
except SsrunError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def without_matplotlib(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command where matplotlib cannot be imported."""
    command = [sys.executable, "-c", WITHOUT_MATPLOTLIB, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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
    return [text for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")
            for text in ["".join(element.itertext())]]  # fmt: skip


def test_every_figure_is_there_in_three_formats(results: Path, written: list[Path]) -> None:
    assert written == [results / "figures" / f"{name}.{kind}" for name in NAMES for kind in KINDS]
    for path in written:
        begins = {".svg": b"<?xml", ".pdf": b"%PDF-1.", ".png": b"\x89PNG"}[path.suffix]
        assert path.read_bytes().startswith(begins)


def test_the_same_results_give_the_same_bytes_in_another_process_with_other_settings(
    results: Path, written: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nfont.family: serif\ntext.parse_math: True\n")
    program = (
        "import sys; from pathlib import Path; from ssrun.views.figures.runs import write_figures; "
        "write_figures(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    command = [sys.executable, "-c", program, str(results), str(tmp_path / "again")]
    subprocess.run(command, check=True, env=environment)
    for path in written:
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("name", NAMES)
def test_title_n_command_and_signature_stand_in_every_figure(results: Path, written: list[Path], name: str) -> None:
    text = " ".join(" ".join(words(results / "figures" / f"{name}.svg")).split())
    document = comparing.document(results)
    assert "n = 2 seeds" in text
    assert "ssrun compare Is <script>alert(2)</script> [/] \\x1b[2J" in text
    assert document["signatures"]["corpus"][0] in text.replace(" ", "")
    title = ElementTree.parse(results / "figures" / f"{name}.svg").findtext("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title in text


def test_hostile_tokens_show_as_themselves_on_an_attention_map(results: Path, written: list[Path]) -> None:
    said = set(words(results / "figures" / "attention.svg"))
    shown = {clean(token, 9) for token in TOKENS}
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


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no results here"):
        write_figures(tmp_path)


def test_without_a_corpus_at_hand_only_the_recovery_is_left_out(results: Path) -> None:
    text = results.parent / "text"
    text.rename(text.with_name("away"))
    read_split.cache_clear()
    try:
        notes: list[str] = []
        with style():
            drawn = [one.name for one in figures(Easel(comparing.document(results)), complete(results), notes.append)]
    finally:
        text.with_name("away").rename(text)
    assert drawn == [name for name in NAMES if name != "recovery"]
    assert [note.partition(":")[0] for note in notes] == ["recovery"]


def test_without_matplotlib_figures_say_how_to_get_it_and_exit_2(results: Path) -> None:
    done = without_matplotlib("figures", results)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == "figures need matplotlib: pip install 'ssrun[plot]'"


def test_every_strategy_has_a_look_that_no_other_has_in_colour_line_and_marker_together() -> None:
    names = [*KNOWN, *(f"own-{number}" for number in range(20))]
    found = looks(names)
    assert list(found) == names
    assert len({(look.colour, str(look.dash), look.marker) for look in found.values()}) == len(names)
    eight = [found[name] for name in list(KNOWN)[:8]]
    assert len({look.colour for look in eight}) == len({look.marker for look in eight}) == len(COLOURS) == 8
    assert looks(["linear", "own-0"])["linear"] == found["linear"]


def test_what_is_no_character_of_a_page_is_shown_as_its_escape() -> None:
    assert clean("a\x00b\ufffec\ud800d\u202e") == r"a\x00b\ufffec\ud800d\u202e"
    assert clean("abcdef", 4) == "abc…"


def test_evidence_tells_unequal_numbers_of_seeds(results: Path) -> None:
    document = comparing.document(results)
    document["rows"][0]["n"] = 1
    assert evidence(document).startswith("n = 1 to 2 seeds per strategy and task. ssrun compare ")


def test_the_style_leaves_matplotlib_as_it_was() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["text.parse_math"] is False
    assert dict(mpl.rcParams) == before


def test_a_page_figure_has_no_title_of_its_own(results: Path) -> None:
    from ssrun.views.figures.comparison import gap

    document = comparing.document(results)
    with style():
        framed, bare = gap(Easel(document)).figure, gap(Easel(document, framed=False)).figure
    assert len(framed.texts) == len(bare.texts) + 2


def test_a_curve_is_the_mean_and_the_range_at_the_shared_places() -> None:
    found = curve([[(1, 2.0), (2, 4.0), (3, 0.0)], [(1, 4.0), (2, 8.0)]])
    assert found == ([1, 2], [3.0, 6.0], [2.0, 4.0], [4.0, 8.0])


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    found = curve([[(step, float(step)) for step in range(1, 10_001)]])
    assert len(found.x) <= 200
    assert found.x[-1] == 10_000
    assert found.mean == found.x


def test_curves_over_training_are_those_of_the_stored_evaluations(results: Path) -> None:
    runs = complete(results)["reverse", "always-sampling"]
    found = over_training(runs, "free_running_loss")
    assert found.x == [6, 12, 18, 24]
    last = [run.folder.metrics()[-1]["free_running_loss"] for run in runs]
    assert found.mean[-1] == pytest.approx(sum(last) / 2)
    assert (found.low[-1], found.high[-1]) == (min(last), max(last))


@pytest.mark.parametrize(
    ("output", "references", "marks", "missing"),
    [
        ("a b c", ["a b c"], "...", 0),
        ("a x c", ["a b c"], ".x.", 0),
        ("a c", ["a b c"], "..", 1),
        ("a b b c", ["a b c"], "..x.", 0),
        ("", ["a b"], "", 2),
        ("x y", ["a b c"], "xx", 1),
        ("c b", ["a b", "c d"], "x.", 0),
        ("c d e", ["a b", "c d"], "..x", 0),
    ],
)
def test_wrong_tokens_are_those_outside_the_alignment(
    output: str, references: list[str], marks: str, missing: int
) -> None:
    found = marked("s", tuple(output.split()), [tuple(reference.split()) for reference in references])
    assert "".join("x" if wrong else "." for _, wrong in found.tokens) == marks
    assert found.missing == missing
    assert found.right == (output in references)


def test_examples_shown_first_are_those_that_differ(results: Path) -> None:
    runs = of_one_seed(complete(results), "reverse")
    assert [(run.strategy, run.seed) for run in runs] == [(strategy, 0) for strategy in STRATEGIES]
    chosen = contrasts(runs, 3)
    every = contrasts(runs, 40)
    kinds = [len({tuple(output.tokens) for output in contrast.outputs}) for contrast in every]
    assert chosen == every[:3]
    assert len(every) == 40
    assert kinds[0] == max(kinds)


def test_there_are_no_examples_without_runs(tmp_path: Path) -> None:
    assert contrasts([], 3) == []
    assert complete(tmp_path) == {}
