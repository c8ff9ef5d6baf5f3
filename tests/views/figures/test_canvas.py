"""The style of all figures: one look for each strategy, texts as themselves, nothing left behind in matplotlib."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from ssrun.analysis.document import Comparison, read_comparison
from ssrun.strategies import STRATEGIES
from ssrun.views.figures.canvas import COLOURS, Canvas, drawable, drawing, provenance, styles
from ssrun.views.figures.comparison import gap

TABLE = Path(__file__).parents[3] / "results" / "default" / "table.json"


@pytest.fixture(scope="module")
def kept() -> Comparison:
    return read_comparison(TABLE)


def test_every_strategy_has_a_style_that_no_other_has_in_colour_line_and_marker_together() -> None:
    names = [*STRATEGIES, *(f"own-{index}" for index in range(20))]
    found = styles(names)
    assert list(found) == names
    assert len({(style.colour, str(style.dash), style.marker) for style in found.values()}) == len(names)
    eight = [found[name] for name in list(STRATEGIES)[:8]]
    assert len({style.colour for style in eight}) == len({style.marker for style in eight}) == len(COLOURS) == 8
    few = styles(["linear", "own-0", "own-1"])
    assert few["linear"] == found["linear"]
    assert len({style.colour for style in few.values()}) == 3


def test_what_is_no_character_of_a_picture_is_shown_as_its_escape() -> None:
    assert drawable("a\x00b\ufffec\ud800d\u202e") == r"a\x00b\ufffec\ud800d\u202e"
    assert drawable("abcdef", 4) == "abc…"


def test_a_caption_tells_unequal_numbers_of_seeds(kept: Comparison) -> None:
    assert provenance(kept, []).startswith("n = 8 seeds per strategy and task. ssrun compare")
    rows = [kept.rows[0].model_copy(update={"n": 1}), *kept.rows[1:]]
    unequal = kept.model_copy(update={"rows": rows})
    assert provenance(unequal, []).startswith("n = 1 to 8 seeds per strategy and task. ssrun compare")


def test_a_caption_has_the_signature_of_bleu_where_bleu_is_shown(kept: Comparison) -> None:
    assert "tok:none" in provenance(kept, ["exact_match", "bleu"])
    assert "BLEU" not in provenance(kept, ["exact_match"])


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with drawing():
        assert mpl.rcParams["text.parse_math"] is False
    assert dict(mpl.rcParams) == before


def test_a_page_figure_has_no_title_of_its_own(kept: Comparison) -> None:
    with drawing():
        framed, bare = gap(Canvas(kept)), gap(Canvas(kept, framed=False))
    assert framed.figure.get_suptitle() == framed.title
    assert " ".join(framed.figure.get_supxlabel().split()) == f"{framed.about} {framed.source}"
    assert (bare.figure.get_suptitle(), bare.figure.get_supxlabel()) == ("", "")


def test_nothing_in_a_figure_lies_on_anything_else_or_outside(kept: Comparison) -> None:
    with drawing():
        canvas = Canvas(kept)
        figure, _ = canvas.panels({"one": ["heading"], "two": ["heading"]}, 1.5, narrowest=2.0, scales={})
        canvas.legend(figure)
        canvas.picture("name", "A title of many words " * 6, "What it shows. " * 12, figure)
        parts = [axis.get_tightbbox() for axis in figure.axes]
        parts += [part.get_window_extent() for part in (*figure.texts, *figure.subfigs[0].legends)]
    stacked = sorted(parts, key=lambda box: -box.y0)
    assert len(stacked) == 5
    assert all(lower.y1 <= upper.y0 for upper, lower in pairwise(stacked))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in stacked)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in stacked)


@pytest.mark.parametrize(("width", "columns"), [(7.0, 3), (5.0, 2), (3.4, 1)])
def test_panels_that_do_not_fit_stand_under_each_other(kept: Comparison, width: float, columns: int) -> None:
    headings = ["a", "b", "c"]
    with drawing():
        canvas = Canvas(kept, width=width)
        figure, ((first, *others),) = canvas.panels({"t": headings}, 1.5, 2.0, dict.fromkeys(headings, "nats"))
        canvas.picture("name", "Title", "About.", figure)
        boxes = [axis.get_position() for axis in (first, *others)]
    assert len({round(box.x0, 3) for box in boxes}) == columns
    assert figure.get_figwidth() == width
    assert min(box.width for box in boxes) * width > 1.2
    assert [axis.get_title() for axis in (first, *others)] == headings
    assert all(axis.get_shared_y_axes().joined(axis, first) for axis in others)
    labels = [axis.get_ylabel() for axis in (first, *others)]
    assert labels == ["nats" if index % columns == 0 else "" for index in range(3)]
