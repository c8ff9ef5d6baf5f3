"""Formats: the same numbers in each of them, and nothing that steers who reads it."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from ssrun.analysis.document import Comparison, read_comparison
from ssrun.system.documents import canonical
from ssrun.system.files import digest
from ssrun.views import tables
from ssrun.views.formats import FILES, FORMATS, TEXTS, text_of, write_tables
from ssrun.views.tables.cells import difference, mean, p_holm
from ssrun.views.tables.claims import claim_lines
from ssrun.views.tables.footnotes import notes
from ssrun.views.tables.markdown import escaped, markdown
from ssrun.views.tables.sheets import COUNTS, VALUES, computes_nothing, estimates_sheet, runs_sheet
from tests.support.outcomes import compared, comparison, hostile


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_markdown_has_every_mean_difference_p_claim_note_and_published_number() -> None:
    document = comparison()
    texts = ["1.25", "-4.5", "none", "F1", "MSE", "A 2015, Table 1", "4 of 6", "What to make of it, in two lines."]
    for row in document.rows:
        texts += [mean(row.estimates[metric], metric) for metric in document.metrics]
        if row.strategy != document.baseline:
            texts += [difference(row.estimates[metric], metric) for metric in ("bleu", "free_running_loss")]
    for claim in document.claims:
        texts += [claim.verdict, *claim_lines(claim)]
    shown = markdown(document)
    assert all(escaped(text) in shown for text in [*texts, *notes(document, "bold:")])
    with_p = document.model_copy(update={"smallest_p": 0.01})
    assert all(f"({p_holm(row.estimates['bleu'])})" in markdown(with_p) for row in document.rows[1:])


def test_the_sheet_of_estimates_has_every_number_in_full_and_one_a_cell() -> None:
    document = comparison()
    lines = read(estimates_sheet(document))
    expected = [(row, metric) for row in document.rows for metric in document.metrics]
    for line, (row, metric) in zip(lines, expected, strict=True):
        assert (line["task"], line["strategy"], line["metric"]) == (row.task, row.strategy, metric)
        assert {name: int(line[name]) for name in COUNTS} == row.model_dump(include={*COUNTS})
        for name in VALUES:
            assert (float(line[name]) if line[name] else None) == getattr(row.estimates[metric], name)
    numbers = [cell for line in lines for name, cell in line.items() if name not in ("task", "strategy", "metric")]
    assert all(re.fullmatch(r"(-?\d+(\.\d+)?(e-\d+)?)?", cell) for cell in numbers)


def test_a_strategy_without_a_complete_run_has_its_lines_without_numbers() -> None:
    lines = read(estimates_sheet(compared({"a": {"bleu": [1.0, 2.0]}, "b": {"bleu": ["failed", "missing"]}})))
    assert [(line["strategy"], line["metric"], line["mean"], line["failed"]) for line in lines] == [
        ("a", "bleu", "1.5", "0"),
        ("b", "bleu", "", "1"),
    ]
    assert len(read(estimates_sheet(compared({"a": {"bleu": ["failed"]}})))) == 2


def test_the_sheet_of_runs_has_every_run_with_its_status_settings_and_metrics() -> None:
    document = compared({"a": {"bleu": [1.0, 2.5]}, "b": {"bleu": [3.0, "failed"]}})
    runs = [run.model_copy(update={"settings": {"model.hidden": 8 * n}}) for n, run in enumerate(document.runs, 1)]
    lines = read(runs_sheet(document.model_copy(update={"runs": runs})))
    assert list(lines[0]) == ["task", "strategy", "seed", "status", "model.hidden", "bleu"]
    assert [list(line.values()) for line in lines] == [
        ["t", "a", "0", "complete", "8", "1.0"],
        ["t", "a", "1", "complete", "16", "2.5"],
        ["t", "b", "0", "complete", "24", "3.0"],
        ["t", "b", "1", "failed", "32", ""],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "x\r=1", "x\n=1", "＝1", "＋1", "－1", "＠x"])  # noqa: RUF001
def test_no_text_of_a_sheet_is_a_formula(text: str) -> None:
    fields = compared({"a": {"bleu": [1.0, 2.0]}}).model_dump(mode="json")
    for part in (*fields["rows"], *fields["runs"]):
        part |= {"task": text, "strategy": text}
    fields["runs"][0]["settings"] = {text: text}
    forged = Comparison.model_validate(fields)
    for sheet in (estimates_sheet(forged), runs_sheet(forged)):
        assert sheet.count("\n") == 1 + len(read(sheet))
        texts = [cell for line in csv.reader(io.StringIO(sheet)) for cell in line]
        begun = [cell[:1] for cell in texts if not re.fullmatch(r"-\d+\.\d+", cell)]
        assert not {*begun} & {*"=+-@\t\r＝＋－＠"}  # noqa: RUF001
        assert "\r" not in sheet
    assert (computes_nothing("linear"), computes_nothing("")) == ("linear", "")


@pytest.mark.parametrize(
    ("format", "kept", "bold"),
    [("markdown", r"| \*starred |", "**starred"), ("latex", "& *starred ", r"\mathbf{starred")],
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


@pytest.mark.parametrize("format", [name for name in TEXTS if name != "svg"])
def test_the_best_of_a_task_is_sought_once_however_many_rows_there_are(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sought: list[str] = []
    monkeypatch.setattr(tables.cells, "best", lambda rows, metric: sought.append(metric))
    whole = comparison()
    rows = [row.model_copy(update={"strategy": f"s{index}"}) for index in range(100) for row in whole.rows]
    text_of(whole.model_copy(update={"rows": rows}), format)
    assert len(sought) in (0, len(whole.metrics))


def test_the_formats_that_are_written_beside_the_runs(tmp_path: Path) -> None:
    assert set(FORMATS) - set(FILES) == {"rich", "svg", "tabular"}
    write_tables(tmp_path, comparison())
    names = {"table.md", "table.csv", "table.json", "table.tex", "runs.csv"}
    assert {path.name for path in tmp_path.iterdir()} == names == set(FILES.values())
    for format, name in FILES.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text_of(comparison(), format)
    assert read_comparison(tmp_path / "table.json") == comparison()
