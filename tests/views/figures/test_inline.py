"""Figures within a page: nothing but what draws gets in, ids do not meet, and every colour has its dark one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from ssrun.analysis.comparison import comparison_in
from ssrun.analysis.evidence import Observations, complete_runs
from ssrun.views.figures.canvas import COLOURS, Canvas, drawable, drawing
from ssrun.views.figures.gallery import pictures
from ssrun.views.figures.inline import ATTRIBUTES, DARK, ELEMENTS, PROPERTIES, inline_svg
from tests.support.hostile import TOKENS, comparison


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    results = comparison(tmp_path_factory.mktemp("hostile"))
    with drawing():
        canvas, observations = Canvas(comparison_in(results), framed=False), Observations(complete_runs(results))
        found = pictures(canvas, observations, print, ("finding", "learning", "positions", "attention"))
        yield {picture.name: inline_svg(picture, f"x-{picture.name}") for picture in found}


def test_only_what_draws_is_kept(drawn: dict[str, str]) -> None:
    for svg in drawn.values():
        for element in ElementTree.fromstring(svg).iter():
            assert element.tag in ELEMENTS
            assert element.attrib.keys() <= {*ATTRIBUTES, *PROPERTIES, "role", "aria-label"}
            assert all(re.fullmatch(r"#[\w-]+", value) for name, value in element.attrib.items() if name == "href")
            assert all("(" not in value for name, value in element.attrib.items() if name in PROPERTIES)


def test_hostile_tokens_stay_text(drawn: dict[str, str]) -> None:
    said = {"".join(element.itertext()) for element in ElementTree.fromstring(drawn["attention"]).iter("text")}
    assert {drawable(token, 9) for token in TOKENS} <= said
    assert "<script" not in drawn["attention"]


def test_references_stay_within_their_figure(drawn: dict[str, str]) -> None:
    ids = {name: set(re.findall(r' id="([^"]+)"', svg)) for name, svg in drawn.items()}
    for name, svg in drawn.items():
        assert {*re.findall(r'href="#([^"]+)"', svg), *re.findall(r"url\(#([^)]+)\)", svg)} == ids[name]
    assert sum(map(len, ids.values())) == len(set.union(*ids.values()))


def test_every_colour_of_a_figure_has_a_dark_one(drawn: dict[str, str]) -> None:
    used = {colour for svg in drawn.values() for colour in re.findall(r'(?:fill|stroke)="(#\w+)"', svg)}
    assert used <= set(DARK)
    assert set(COLOURS) <= set(DARK)
    assert len(set(DARK.values())) == len(DARK)
