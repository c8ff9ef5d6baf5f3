"""LaTeX: tables that compile whatever their text says, and fit on a page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ssrun.analysis.document import Comparison, read_comparison
from ssrun.errors import UsageError
from ssrun.views.tables.claims import claim_lines
from ssrun.views.tables.latex import accented, latex, tabular, typeset
from tests.support.outcomes import compared, comparison, hostile

RESULTS = Path(__file__).parents[3] / "results"
KEPT = ("default", "bengio-table-1", "bengio-table-3")
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def compiled(folder: Path, body: str, times: int = 1) -> str:
    """What LaTeX says of a page of an ordinary article with this body."""
    start = r"\documentclass[11pt]{article}\usepackage{booktabs}\begin{document}"
    (folder / "page.tex").write_text(f"{start}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    for _ in range(times):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "page.pdf").stat().st_size > 1000
    return (folder / "page.log").read_text(encoding="utf-8", errors="replace")


def test_the_best_means_are_bold() -> None:
    assert re.search(r"^c & 4 of 6 & \$\\mathbf\{\d+\.\d\} \\pm \d\.\d\$ &", latex(comparison()), re.MULTILINE)


def test_a_task_is_named_once_above_its_strategies() -> None:
    means, differences = re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", latex(comparison()), re.DOTALL)
    for table, strategies in ((means, ["a", "b", "c"]), (differences, ["b", "c"])):
        assert table.count(r"{\emph{t}}") == 1
        below = table.split(r"\emph{t}")[1]
        assert [line.split(" & ")[0] for line in below.splitlines() if " & " in line] == strategies


def test_numbers_are_mathematics_so_that_a_minus_is_a_minus() -> None:
    shown = {text: typeset(text).text for text in ("-4.5", "1,000", "<0.001", "-", "5+ 2- of 8", "none", "a-b")}
    assert list(shown.values()) == ["$-4.5$", "$1,000$", "$<0.001$", "--", "5$+$ 2$-$ of 8", "none", "a-b"]
    document = compared({"a": {"bleu": [60.0, 62.0]}, "b": {"bleu": [50.0, 53.0]}, "c": {"bleu": [1.0, 2.0]}})
    assert r"$-9.5 \pm 6.4$" in latex(document)
    assert r"c & $1.5^{+6.4}_{-1.5}$" in latex(document)


def test_a_table_has_a_label_and_captions_of_its_own_and_its_notes_apart_below_it() -> None:
    text = latex(comparison())
    assert re.findall(r"\\label\{(.*?)\}", text) == ["tab:planted", "tab:planted-differences"]
    assert r"\caption[planted]{Which is better?}" in text
    assert r"\caption[planted: differences from a]{Which is better? Differences from a.}" in text
    mine = latex(comparison(), "50 % & more", "tab:my-own_1")
    assert r"\caption[planted]{50 \% \& more}" in mine
    assert r"\label{tab:my-own_1}" in mine
    for note in (r"95 \% t-interval over seeds (n = 6; 1,000 steps a run)", "BLEU: nrefs:1"):
        assert text.index(r"\end{tabular}") < text.index(note) < text.index(r"\end{table}")


@pytest.mark.parametrize("label", ["", "a b", "tab:{x}", "50%", "é", "a\n"])
def test_a_label_that_latex_would_not_take_is_refused(label: str) -> None:
    with pytest.raises(UsageError, match="--label"):
        latex(comparison(), label=label)


def test_claims_and_the_reading_are_comments() -> None:
    *_, end = latex(comparison()).split(r"\end{table}")
    lines = end.strip().splitlines()
    assert all(line.startswith("% ") for line in lines)
    expected = [f"% {claim.verdict}: {' -- '.join(claim_lines(claim))}" for claim in comparison().claims]
    assert lines == [*expected, "% What to make of it, in two lines."]
    for line in latex(hostile()).rpartition(r"\end{table}")[2].strip().splitlines():
        assert line.startswith("% ")


def test_the_tabular_alone_is_in_no_float_and_has_no_notes() -> None:
    text = tabular(comparison())
    assert text.count(r"\begin{tabular}") == 1
    assert text.rstrip().endswith(r"\end{tabular}")
    assert not any(word in text for word in (r"\begin{table}", r"\caption", r"\label", "interval"))


def test_what_is_a_command_is_escaped_and_accents_are_kept() -> None:
    assert accented("á") == r"\'{a}"
    assert (accented("Ž"), accented("ñ"), accented("ç")) == (r"\v{Z}", r"\~{n}", r"\c{c}")
    assert accented("漢") == "?"
    text = latex(hostile())
    assert text.isascii()
    assert r"a\_b\$\%\&\textbackslash{} \{x\} \textasciitilde{}\textasciicircum{}\# \#1" in text
    assert r"Husz\'{a}r $\pm$ $\Delta$ $\varepsilon$ ? ?" in text


@needs_latex
@pytest.mark.parametrize("document", [comparison(), hostile()], ids=["plain", "hostile"])
def test_latex_compiles(document: Comparison, tmp_path: Path) -> None:
    compiled(tmp_path, latex(document))
    compiled(tmp_path, tabular(document))


@needs_latex
def test_the_kept_tables_fit_on_a_page_and_can_be_referred_to(tmp_path: Path) -> None:
    tables = "".join(latex(read_comparison(RESULTS / name / "table.json")) for name in KEPT)
    references = " ".join(rf"\ref{{tab:{name}{part}}}" for name in KEPT for part in ("", "-differences"))
    log = compiled(tmp_path, f"{references}\n\n{tables}\n\\clearpage\\listoftables", times=2)
    assert not [points for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log) if float(points) > 10]
    assert not re.search(r"undefined|multiply defined|Float too large", log)
