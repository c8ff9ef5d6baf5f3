"""Markdown: tables that stay tables whatever their text says."""

from __future__ import annotations

import re

import pytest

from ssrun.analysis.document import Comparison
from ssrun.views.tables.markdown import markdown
from tests.support.outcomes import comparison, hostile


def test_the_best_means_are_bold() -> None:
    text = markdown(comparison())
    assert re.search(r"\| t \| b \| 6 \| \d+\.\d ±\d\.\d \|", text)
    assert re.search(r"\| t \| c \| 4 of 6 \| \*\*\d+\.\d ±\d\.\d\*\* \|", text)


@pytest.mark.parametrize("document", [comparison(), hostile()], ids=["plain", "hostile"])
def test_every_table_has_as_many_cells_in_each_line(document: Comparison) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", markdown(document), re.MULTILINE)
    assert len(tables) == 2
    for table in tables:
        lines = table.splitlines()
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines}) == 1
        assert re.fullmatch(r"\|(?: ---:? \|)+", lines[1])


def test_no_html_no_link_and_no_code_of_anybodys() -> None:
    text = "\n".join(line for line in markdown(hostile()).splitlines() if not line.startswith("    "))
    assert not re.search(r"(?<!\\)[<`]", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert text.count(r"\<script\>alert(1)\</script\>") >= 4
