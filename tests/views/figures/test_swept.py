"""The figures of a sweep: drawn from the document alone, nothing upon each other, every colour with a dark one."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.text import Text

from ssrun.analysis.budget import WALK, budget_curves
from ssrun.analysis.document import Comparison, read_comparison, text_of
from ssrun.analysis.evidence import Observations
from ssrun.analysis.sweeps import budgets
from ssrun.errors import UsageError
from ssrun.views.figures.canvas import Canvas, Picture, drawing, rendered
from ssrun.views.figures.catalogue import FIGURES
from ssrun.views.figures.gallery import SPECIAL, Wanted, fitting, pictures, write_figures
from ssrun.views.figures.inline import DARK, inline_svg
from tests.support.outcomes import comparison
from tests.support.swept import STRATEGIES, crossing_curves, islands, swept

BUDGETS = {"training.steps": [500, 1000, 2000, 4000]}
MAP = {"training.batch_size": [500, 1000, 2000, 8000], "model.dropout": [0, 0.1, 0.2, 0.4]}


@pytest.fixture(scope="module")
def by_budget() -> Comparison:
    return swept(BUDGETS, crossing_curves, walk_share=1.0)


@pytest.fixture(scope="module")
def over_map() -> Comparison:
    return swept(MAP, islands)


def drawn(document: Comparison, name: str, width: float = 7.0, metrics: tuple[str, ...] = ()) -> Picture:
    with drawing():
        canvas = Canvas(document, width=width, metrics=metrics)
        notes: list[str] = []
        found = list(pictures(canvas, Observations({}), notes.append, [name]))
    assert notes == []
    (picture,) = found
    return picture


def texts(picture: Picture) -> list[Text]:
    """The texts of a figure that say anything."""
    every = [text for text in picture.figure.findobj(Text) if isinstance(text, Text)]
    return [text for text in every if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("width", [7.0, 3.4])
@pytest.mark.parametrize(("name", "document"), [("budget", "by_budget"), ("map", "over_map")])
def test_no_text_lies_upon_another_or_beyond_the_figure(
    name: str, document: str, width: float, request: pytest.FixtureRequest
) -> None:
    with drawing():
        picture = drawn(request.getfixturevalue(document), name, width)
        boxes = {text: text.get_window_extent() for text in texts(picture)}
    found = [text for text in boxes if boxes[text].width > 0]
    assert len(found) > 20
    for text in found:
        box = boxes[text]
        assert -1 <= box.x0 <= box.x1 <= picture.figure.bbox.width + 1, text.get_text()
    for one, other in combinations(found, 2):
        a, b = boxes[one], boxes[other]
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across < 1 or down < 1.5, (one.get_text(), other.get_text())


@pytest.mark.parametrize(("name", "document"), [("budget", "by_budget"), ("map", "over_map")])
def test_a_kept_document_gives_the_same_bytes(
    name: str, document: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = request.getfixturevalue(document)
    (tmp_path / "table.json").write_text(text_of(made), encoding="utf-8")
    (path,) = write_figures(tmp_path, wanted=Wanted((name,), kinds=("svg",)))
    with drawing():
        assert path.read_bytes() == rendered(drawn(read_comparison(tmp_path / "table.json"), name), "svg")
        assert path.read_bytes() == rendered(drawn(made, name), "svg")


@pytest.mark.parametrize(("name", "document"), [("budget", "by_budget"), ("map", "over_map")])
def test_every_colour_has_a_dark_one_and_nothing_is_lost_on_a_page(
    name: str, document: str, request: pytest.FixtureRequest
) -> None:
    with drawing():
        picture = drawn(request.getfixturevalue(document), name)
        svg = inline_svg(picture, "x")
    assert {*re.findall(r'(?:fill|stroke)="(#\w+)"', svg)} <= set(DARK)
    assert "url(#x-" in svg
    assert "pattern" not in svg


def test_lines_dots_and_rings_stand_where_the_numbers_are(by_budget: Comparison) -> None:
    steps, compute = drawn(by_budget, "budget").figure.axes
    curves = budget_curves(by_budget, budgets(by_budget)[0], "bleu")
    lines = [line for line in steps.lines if line.get_markersize() == 4 and len(line.get_xdata()) == 4]
    assert [list(line.get_ydata()) for line in lines] == [[p.mean for p in curve.at_equal_steps] for curve in curves]
    dots = [line for line in steps.lines if line.get_markersize() < 3]
    seeds = [[*point.seeds.values()] for curve in curves for point in curve.at_equal_steps]
    assert [list(line.get_ydata()) for line in dots] == seeds
    assert len(seeds) == 4 * len(STRATEGIES[1:])
    rings = [line for line in steps.lines if line.get_markerfacecolor() == "white"]
    assert [list(line.get_xdata()) for line in rings] == [curve.crossing.at for curve in curves if curve.crossing.at]
    assert len(rings) == 2
    assert max(max(line.get_xdata()) for line in compute.lines if line.get_markersize() == 4) == 2000 * (1 + WALK)
    assert steps.get_xscale() == compute.get_xscale() == "log"


def test_a_map_shows_each_number_with_its_sign_and_hatches_what_is_undecided(over_map: Comparison) -> None:
    picture = drawn(over_map, "map")
    panels = picture.figure.axes
    assert [axis.get_title() for axis in panels] == [*STRATEGIES[1:]]
    for axis in panels:
        said = [text.get_text() for text in axis.texts]
        assert sum(bool(re.fullmatch(r"[+-]\d+\.\d [▲▼·]", text)) for text in said) == 16
        assert len(axis.collections) == sum(text.endswith("·") for text in said)
        assert [label.get_text() for label in axis.get_yticklabels()] == ["500", "1,000", "2,000", "8,000"]
    assert "Holm" in picture.about
    depths = [patch.get_alpha() for axis in panels for patch in axis.patches]
    assert max(depths) == pytest.approx(0.6)


def test_metrics_that_are_asked_for_have_panels_of_their_own(over_map: Comparison) -> None:
    both = drawn(over_map, "map", metrics=("bleu", "free_running_loss"))
    assert len(both.figure.axes) == 2 * len(STRATEGIES[1:])
    document = swept(BUDGETS, crossing_curves, STRATEGIES[:2])
    assert len(drawn(document, "budget", metrics=("bleu", "free_running_loss")).figure.axes) == 4


def test_a_comparison_without_such_a_sweep_is_told_so_only_when_asked(tmp_path: Path, by_budget: Comparison) -> None:
    assert [name for name in FIGURES if name not in fitting(comparison(), FIGURES)] == [*SPECIAL]
    assert [name for name in FIGURES if name not in fitting(by_budget, FIGURES)] == ["survival", "map"]
    (tmp_path / "table.json").write_text(text_of(by_budget), encoding="utf-8")
    notes: list[str] = []
    paths = write_figures(tmp_path, tell=notes.append, wanted=Wanted(metrics=("bleu",), kinds=("svg",)))
    assert [path.stem for path in paths] == ["means", "differences", "budget"]
    assert not any("map" in note for note in notes)
    with pytest.raises(
        UsageError, match=r"--only: map: no task is there at several values of exactly two fields: give"
    ):
        write_figures(tmp_path, wanted=Wanted(("map",)))
