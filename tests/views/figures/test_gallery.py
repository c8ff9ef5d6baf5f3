"""Figures: all of them in three formats, the same bytes each time, any token as itself; without runs or matplotlib."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ssrun.analysis.comparison import comparison_in
from ssrun.analysis.document import Comparison
from ssrun.analysis.evidence import Observations, complete_runs
from ssrun.analysis.pairing import differences_of, values_of
from ssrun.errors import UsageError
from ssrun.tasks.corpus import read_split
from ssrun.views.figures.canvas import Canvas, Picture, drawable, drawing
from ssrun.views.figures.catalogue import FIGURES, KINDS, OF_METRICS, OF_RUNS
from ssrun.views.figures.gallery import FROM_RUNS, SPECIAL, Wanted, fitting, pictures, write_figures
from ssrun.views.figures.survival import survival
from tests.support import outcomes
from tests.support.hostile import TOKENS, comparison, tables_alone

NAMES = tuple(name for name in FIGURES if name not in SPECIAL or name == "survival")  # what a hostile comparison has
FROM_TABLES = tuple(name for name in NAMES if name not in OF_RUNS)
WITH_BLEU = ("finding", "means", "differences", "learning")
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


def test_a_figure_of_times_to_a_score_is_there_only_where_there_is_one_to_reach() -> None:
    assert "survival" not in fitting(outcomes.comparison(), FIGURES)
    with drawing(), pytest.raises(UsageError, match=r"give the experiment one: \[reach\] metric, value"):
        survival(Canvas(outcomes.comparison()))


def test_a_survival_curve_steps_down_where_runs_arrive_and_has_a_cross_where_one_did_not() -> None:
    with drawing():
        picture = survival(Canvas(outcomes.timed({"a": [(100, True), (300, True), (1000, False), (1000, False)]})))
        (axis,) = picture.figure.subfigs[0].axes
        curve, crosses, middle = axis.lines[1:4]
    assert curve.get_drawstyle() == "steps-post"
    assert curve.get_xydata().tolist() == [[0, 1], [100, 0.75], [300, 0.5], [1000, 0.5]]
    assert crosses.get_xydata().tolist() == [[1000, 0.5]]
    assert middle.get_xydata().tolist() == [[300, 0.5]]
    assert picture.title == "When the runs reach BLEU >= 90"


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes_in_another_process_with_other_settings(
    results: Path, written: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nfont.family: serif\ntext.parse_math: True\n")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    command = [sys.executable, "-m", "ssrun", "figures", str(results), "--out", str(tmp_path / "again")]
    subprocess.run([*command, "--only", "finding,learning,attention"], check=True, env=environment)
    again = [path for path in written if path.stem in ("finding", "learning", "attention")]
    assert len(again) == 3 * len(KINDS)
    for path in again:
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("name", NAMES)
def test_title_n_command_and_signature_stand_in_every_figure(results: Path, written: list[Path], name: str) -> None:
    text = " ".join(" ".join(words(results / "figures" / f"{name}.svg")).split())
    assert "n = 2 seeds" in text
    assert "ssrun compare Is <script>alert(2)</script> [/] \\x1b[2J" in text
    signature = comparison_in(results).signatures["corpus"][0]
    assert (signature in text.replace(" ", "")) == (name in WITH_BLEU)
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
    wanted = Wanted(kinds=("svg",))
    paths = write_figures(tables_alone(results, tmp_path / "tables"), tmp_path / "out", notes.append, wanted)
    assert [path.name for path in paths] == [f"{name}.svg" for name in FROM_TABLES]
    assert len(notes) == 1
    assert notes[0].startswith("learning, schedules, positions, recovery, attention")
    for path in paths:
        assert path.read_bytes() == (results / "figures" / path.name).read_bytes()


def test_without_a_corpus_at_hand_everything_is_drawn(results: Path) -> None:
    text = results.parent / "text"
    text.rename(text.with_name("away"))
    read_split.cache_clear()
    try:
        notes: list[str] = []
        with drawing():
            canvas = Canvas(comparison_in(results))
            observations = Observations(complete_runs(results))
            drawn = [picture.name for picture in pictures(canvas, observations, notes.append, ("gap", "recovery"))]
    finally:
        text.with_name("away").rename(text)
    assert (drawn, notes) == (["gap", "recovery"], [])


def test_without_matplotlib_figures_say_how_to_get_it(results: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_MATPLOTLIB, str(results), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "figures need matplotlib: pip install 'ssrun[plot]'\n"
    assert not (tmp_path / "out").exists()


def drawn(results: Path, *names: str, without_runs: bool = False, **options: Any) -> list[Picture]:
    """The figures of these names, on a canvas with these options."""
    comparison = comparison_in(results)
    if without_runs:
        comparison = comparison.model_copy(update={"runs": []})
    with drawing():
        return list(pictures(Canvas(comparison, **options), Observations(complete_runs(results)), print, names))


def test_the_catalogue_names_what_the_gallery_draws() -> None:
    assert tuple(FROM_RUNS) == OF_RUNS
    assert {*FROM_TABLES, *OF_RUNS, *SPECIAL} == set(FIGURES) >= set(OF_METRICS)


def test_what_is_wanted_is_written_and_nothing_else(results: Path, tmp_path: Path) -> None:
    wanted = Wanted(("learning", "gap"), (), ("svg",), caption=False, width=3.4)
    paths = write_figures(results, tmp_path / "out", wanted=wanted)
    assert [path.name for path in paths] == ["gap.svg", "learning.svg"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["gap.svg", "learning.svg"]
    for path in paths:
        assert ElementTree.parse(path).getroot().get("width") == f"{3.4 * 72:g}pt"
        assert not any("seeds per strategy" in word or "Exposure gap" in word for word in words(path))


def test_metrics_alone_draw_the_figures_of_metrics_with_them(results: Path, tmp_path: Path) -> None:
    paths = write_figures(results, tmp_path / "out", wanted=Wanted(metrics=("exact_match",), kinds=("svg",)))
    assert [path.stem for path in paths] == ["means", "differences", "learning"]
    for path in paths:
        said = " ".join(words(path))
        assert "exact" in said
        assert "BLEU" not in said


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted(metrics=("validity",)), "--metric: unknown metric 'validity'"),
        (Wanted(figures=("learning",)), "--only: learning: they need the runs"),
        (Wanted(figures=("budget",)), "--only: budget: no task is there at several budgets: give some, such as"),
        (Wanted(figures=("map",)), "--only: map: no task is there at several values of exactly two fields"),
    ],
)
def test_what_is_asked_for_by_name_and_is_not_there_is_refused(
    results: Path, tmp_path: Path, wanted: Wanted, message: str
) -> None:
    alone = tables_alone(results, tmp_path / "tables")
    with pytest.raises(UsageError, match=message):
        write_figures(alone, tmp_path / "out", wanted=wanted)
    assert not (tmp_path / "out").exists()


def test_learning_shows_the_quality_beside_the_losses(results: Path) -> None:
    (picture,) = drawn(results, "learning")
    panels = {axis.get_title(): axis for axis in picture.figure.axes if axis.get_title()}
    assert list(panels) == ["fed the true tokens", "fed its own tokens", "BLEU", "exact"]
    (run, *_) = complete_runs(results)["corpus", "teacher-forcing"]
    assert all(line.get_xdata()[-1] == run.evaluations[-1].step for line in panels["BLEU"].lines)


@pytest.mark.parametrize("name", [name for name in FROM_TABLES if name != "survival"])
def test_every_seed_has_its_dot_where_the_document_has_its_runs(results: Path, name: str) -> None:
    def dots(picture: Picture) -> list[tuple[float, ...]]:
        small = [line for axis in picture.figure.axes for line in axis.lines if line.get_markersize() < 3]
        return [tuple(line.get_xdata()) for line in small]

    found = dots(*drawn(results, name))
    assert found
    assert all(len(values) == 2 for values in found)
    assert dots(*drawn(results, name, without_runs=True)) == []


def test_dots_are_what_means_and_differences_are_made_of(results: Path) -> None:
    document: Comparison = comparison_in(results)
    for row in document.rows:
        for metric, estimate in row.estimates.items():
            values = values_of(document, row.task, row.strategy, metric)
            assert sum(values.values()) / len(values) == pytest.approx(estimate.mean, abs=1e-12)
            if estimate.difference is not None:
                pairs = differences_of(document, row.task, row.strategy, metric).values()
                assert sum(pairs) / len(pairs) == pytest.approx(estimate.difference, abs=1e-12)


def test_both_losses_of_the_finding_have_their_interval_and_qualities_one_axis(results: Path) -> None:
    (picture,) = drawn(results, "finding")
    axes = picture.figure.axes
    qualities, losses = axes[::2], axes[1::2]
    assert len({axis.get_xlim() for axis in qualities}) == 1
    assert len({axis.get_xlim()[0] for axis in losses}) == 1
    rows = 3  # strategies
    intervals = [line for line in losses[0].lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
    assert len(intervals) == 2 * rows
    assert len(losses[0].patches) == rows  # the gap is a box, and no line


def test_a_quality_that_is_an_error_is_not_called_better_to_the_right(results: Path) -> None:
    document = comparison_in(results).model_copy(update={"metrics": ["next_step_error", "free_running_loss"]})
    with drawing():
        (picture,) = pictures(Canvas(document), Observations({}), print, ["finding"])
    said = [text.get_text() for axis in picture.figure.axes for text in (axis.title, axis.xaxis.label)]
    assert "next-step (%)" in said
    assert not any("right is better" in text for text in said)
