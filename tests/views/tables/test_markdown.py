"""Markdown: tables that stay tables whatever their text says."""

from __future__ import annotations

import re

import pytest

from ssrun.analysis.document import Comparison
from ssrun.views.tables.claims_page import claims_page
from ssrun.views.tables.markdown import code, escaped, markdown, paragraph
from tests.support.outcomes import comparison, hostile


def test_the_best_means_are_bold() -> None:
    text = markdown(comparison())
    assert re.search(r"\| t \| b \| 6 \| \d+\.\d ±\d\.\d \|", text)
    assert re.search(r"\| t \| c \| 4 of 6 \| \*\*\d+\.\d ±\d\.\d\*\* \|", text)


@pytest.mark.parametrize("document", [comparison(), hostile()], ids=["plain", "hostile"])
def test_every_table_has_as_many_cells_in_each_line(document: Comparison) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", markdown(document), re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        lines = table.splitlines()
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines}) == 1
        assert re.fullmatch(r"\|(?: ---:? \|)+", lines[1])


def test_no_html_no_link_and_no_code_of_anybodys() -> None:
    text = "\n".join(line for line in markdown(hostile()).splitlines() if not line.startswith("    "))
    assert not re.search(r"(?<!\\)[<`]", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert text.count(r"\<script\>alert(1)\</script\>") >= 4


@pytest.mark.parametrize(
    "text", ["plain", "a ` b", "`", "``` x", "a`", "`\n\n<script>alert(1)</script>\n\n`", "\x1b[2J"]
)
def test_no_text_closes_its_code(text: str) -> None:
    shown = code(text)
    fence = re.match("`+", shown)
    assert fence is not None
    assert shown.endswith(fence[0])
    assert fence[0] not in re.findall("`+", shown[len(fence[0]) : -len(fence[0])])
    assert shown.isprintable()


def test_the_claims_page_has_no_markup_of_anybodys() -> None:
    forged = hostile().model_copy(update={"command": "`\n\n<script>alert(1)</script> [a](b)\n\n`", "experiment": "<b>"})
    page = claims_page([forged])
    (again,) = (line for line in page.splitlines() if line.startswith("Again: "))
    assert again == r"Again: `` `\n\n<script>alert(1)</script> [a](b)\n\n` ``"
    rest = page.replace(again, "")
    assert not re.search(r"(?<!\\)<|(?<!\\)\]\(", rest)
    assert r"## \<b\>" in rest


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- a - b", r"\- a - b"),
        ("1. a 2. b", r"1\. a 2. b"),
        ("2) a", r"2\) a"),
        ("    + a", r"\+ a"),
        ("=== a", r"\=== a"),
        ("2.5 a", r"2\.5 a"),
        ("What? 1. a", "What? 1. a"),
    ],
)
def test_a_paragraph_begins_no_list_and_no_line(text: str, shown: str) -> None:
    assert paragraph(text) == shown


def test_an_address_is_no_link() -> None:
    assert escaped("see https://a.b/c and www.a.b: 1.5") == r"see https\://a.b/c and www\.a.b: 1.5"
