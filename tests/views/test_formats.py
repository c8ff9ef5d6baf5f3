"""Formats: the same numbers in each of them, and nothing that steers who reads it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ssrun.analysis.document import Comparison, read_comparison
from ssrun.system.documents import canonical
from ssrun.system.files import digest
from ssrun.views.formats import FORMATS, SUFFIXES, TEXTS, text_of, write_tables
from ssrun.views.tables import latex, markdown
from ssrun.views.tables.cells import claim_lines, difference, mean, notes, p_holm
from ssrun.views.tables.plain import COUNTS, VALUES, csv_text
from tests.support.outcomes import comparison, hostile

ESCAPED: dict[str, Callable[[str], str]] = {"markdown": markdown.escaped, "latex": latex.escaped}


@pytest.mark.parametrize("format", ESCAPED)
def test_markdown_and_latex_have_every_mean_difference_p_claim_note_and_published_number(format: str) -> None:
    document = comparison()
    texts = ["1.25", "-4.5", "none", "F1", "MSE", "A 2015, Table 1", "4 of 6", "What to make of it, in two lines."]
    for row in document.rows:
        texts += [mean(row.estimates[metric], metric) for metric in document.metrics]
        if row.strategy != document.baseline:
            differing = {metric: row.estimates[metric] for metric in ("bleu", "free_running_loss")}
            texts += [f"{difference(found, metric)} ({p_holm(found)})" for metric, found in differing.items()]
    for claim in document.claims:
        texts += [claim.verdict, *claim_lines(claim)]
    shown = text_of(document, format)
    assert all(ESCAPED[format](text) in shown for text in [*texts, *notes(document, "bold:")])


def test_csv_has_every_number_in_full() -> None:
    document = comparison()
    lines = list(csv.DictReader(io.StringIO(csv_text(document))))
    assert len(lines) == len(document.rows)
    for line, row in zip(lines, document.rows, strict=True):
        assert (line["task"], line["strategy"]) == (row.task, row.strategy)
        assert {name: int(line[name]) for name in COUNTS} == row.model_dump(include={*COUNTS})
        for metric in document.metrics:
            for name in VALUES:
                cell = line[f"{metric}_{name}"]
                assert (float(cell) if cell else None) == getattr(row.estimates[metric], name)
    assert [line["paper: F1"] for line in lines] == ["1.25", "-", "none"]


@pytest.mark.parametrize(
    ("format", "kept", "bold"),
    [("markdown", r"| \*starred |", "**starred"), ("latex", "& *starred &", r"\textbf{starred")],
)
def test_a_published_value_keeps_its_star_and_is_not_bold(format: str, kept: str, bold: str) -> None:
    text = text_of(hostile(), format)
    assert kept in text
    assert bold not in text


@pytest.mark.parametrize("document", [comparison(), hostile()], ids=["plain", "hostile"])
def test_json_is_the_document_itself_on_one_line(document: Comparison) -> None:
    text = text_of(document, "json")
    fields = json.loads(text)
    assert fields.pop("digest") == digest(canonical(fields))
    assert fields == document.model_dump(mode="json")
    assert text.count("\n") == 1


@pytest.mark.parametrize("format", TEXTS)
def test_no_format_has_a_control_character_but_its_line_ends(format: str) -> None:
    text = text_of(hostile(), format)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", text)


def test_every_format_but_the_terminals_is_written_beside_the_runs(tmp_path: Path) -> None:
    assert set(SUFFIXES) == set(TEXTS) - {"svg"} == set(FORMATS) - {"rich", "svg"}
    write_tables(tmp_path, comparison())
    assert {path.name for path in tmp_path.iterdir()} == {"table.md", "table.csv", "table.json", "table.tex"}
    for format, suffix in SUFFIXES.items():
        assert (tmp_path / f"table.{suffix}").read_text(encoding="utf-8") == text_of(comparison(), format)
    assert read_comparison(tmp_path / "table.json") == comparison()
