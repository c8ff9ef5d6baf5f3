"""Formats: the same numbers in each of them, and each of them whole whatever its text says."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssrun.system.documents import canonical
from ssrun.system.files import digest
from ssrun.views.formats import FORMATS, SUFFIXES, TEXTS, accented, csv_text, json_text, latex, markdown
from ssrun.views.tables.cells import claim_lines, difference, mean, notes, p_value
from tests.support.outcomes import HOSTILE, document, hostile


def unescaped_markdown(text: str) -> str:
    return re.sub(r"\\([\\`*_{}\[\]<>#|&$~])", r"\1", text)


def unescaped_latex(text: str) -> str:
    words = {r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"$\pm$": "±",
             r"$\Delta$": "Δ", r"$\varepsilon$": "ε", r"\textless{}": "<", r"\textgreater{}": ">", r"\textbar{}": "|",
             "{[}": "[", "{]}": "]"}  # fmt: skip
    pattern = "|".join([*map(re.escape, words), r"\\[&%$#_{}]"])
    return re.sub(pattern, lambda match: words.get(match.group(), match.group()[1:]), text)


PLAIN: dict[str, Callable[[str], str]] = {"markdown": unescaped_markdown, "latex": unescaped_latex}


@pytest.mark.parametrize("name", PLAIN)
def test_markdown_and_latex_have_every_mean_difference_p_claim_note_and_published_number(name: str) -> None:
    found = document()
    text = PLAIN[name](TEXTS[name](found))
    for row in found["rows"]:
        for metric in found["metrics"]:
            assert mean(row, metric) in text
        for metric in ("bleu", "free_running_loss"):
            if row["strategy"] != found["baseline"]:
                assert f"{difference(row, metric)} ({p_value(row[metric]['p_holm'])})" in text
    for each in found["claims"]:
        assert each["verdict"] in text
        assert all(line in text for line in claim_lines(each))
    assert all(line in text for line in notes(found))
    assert all(value in text for value in ("1.25", "-4.5", "none", "F1", "MSE", "A 2015, Table 1", "4 of 6"))
    assert "What to make of it, in two lines." in text


def test_csv_has_every_number_in_full() -> None:
    found = document()
    rows = list(csv.DictReader(io.StringIO(csv_text(found))))
    assert len(rows) == len(found["rows"])
    for line, row in zip(rows, found["rows"], strict=True):
        assert (line["task"], line["strategy"]) == (row["task"], row["strategy"])
        assert [int(line[key]) for key in ("n", "of", "diverged", "failed", "missing")] == [
            row[key] for key in ("n", "of", "diverged", "failed", "missing")
        ]
        for metric in found["metrics"]:
            for key in ("mean", "low", "high", "difference", "difference_low", "difference_high", "p", "p_holm"):
                cell, value = line[f"{metric}_{key}"], row[metric].get(key)
                assert (float(cell) if cell else None) == value
    assert [line["paper: F1"] for line in rows] == ["1.25", "-", "none"]


def test_json_is_the_document_itself() -> None:
    found = json.loads(json_text(document()))
    assert found.pop("digest") == digest(canonical(document()))
    assert found == document()
    assert json_text(document()).count("\n") == 1


def test_the_best_is_bold_where_there_is_bold() -> None:
    assert re.search(r"\| t \| b \| 6 \| \d+\.\d ±\d\.\d \|", markdown(document()))
    assert re.search(r"\| t \| c \| 4 of 6 \| \*\*\d+\.\d ±\d\.\d\*\* \|", markdown(document()))
    assert re.search(r"& c & 4 of 6 & \\textbf\{\d+\.\d \$\\pm\$\d\.\d\} &", latex(document()))


@pytest.mark.parametrize("found", [document(), hostile()], ids=["plain", "hostile"])
def test_every_markdown_table_has_as_many_cells_in_each_line(found: dict[str, Any]) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", markdown(found), re.MULTILINE)
    assert len(tables) == 2
    for table in tables:
        lines = table.splitlines()
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines}) == 1
        assert re.fullmatch(r"\|(?: ---:? \|)+", lines[1])


def test_markdown_holds_no_html_no_link_and_no_code_of_anybodys() -> None:
    text = "\n".join(line for line in markdown(hostile()).splitlines() if not line.startswith("    "))
    assert not re.search(r"(?<!\\)[<`]", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert unescaped_markdown(text).count("<script>alert(1)</script>") >= 4


@pytest.mark.parametrize("name", TEXTS)
def test_no_format_has_a_control_character_but_its_line_ends(name: str) -> None:
    text = TEXTS[name](hostile())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)


def test_hostile_json_reads_back_as_it_was() -> None:
    found = json.loads(json_text(hostile()))
    assert found.pop("digest") == digest(canonical(found))
    assert found == hostile()


def test_no_cell_of_the_csv_is_a_formula() -> None:
    cells = [cell for line in csv.reader(io.StringIO(csv_text(hostile()))) for cell in line]
    texts = [cell for cell in cells if not re.fullmatch(r"[-+]?[\d.]+(e[-+]\d+)?|-", cell)]
    assert not [cell for cell in texts if cell[:1] in ("=", "+", "-", "@")]
    assert any(cell.startswith("'=cmd") for cell in texts)


def test_latex_escapes_what_is_a_command_and_keeps_accents() -> None:
    assert accented("á") == r"\'{a}"
    assert (accented("Ž"), accented("ñ"), accented("ç")) == (r"\v{Z}", r"\~{n}", r"\c{c}")
    assert accented("漢") == "?"
    text = latex(hostile())
    assert text.isascii()
    assert r"a\_b\$\%\&\textbackslash{} \{x\} \textasciitilde{}\textasciicircum{}\# \#1" in text
    assert r"Husz\'{a}r $\pm$ $\Delta$ $\varepsilon$ ? ?" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("found", [document(), hostile()], ids=["plain", "hostile"])
def test_latex_compiles(found: dict[str, Any], tmp_path: Path) -> None:
    page = r"\documentclass[landscape]{article}\usepackage{booktabs}\begin{document}" + latex(found) + r"\end{document}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 1000


def test_every_format_but_the_terminals_is_written_beside_the_runs() -> None:
    assert set(SUFFIXES) == set(TEXTS) - {"svg"} == set(FORMATS) - {"rich", "svg"}
    assert len(set(SUFFIXES.values())) == len(SUFFIXES)
    assert len(HOSTILE) > 10
