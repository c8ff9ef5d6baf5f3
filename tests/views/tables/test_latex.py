"""LaTeX: a table that compiles whatever its text says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ssrun.analysis.document import Comparison
from ssrun.views.tables.latex import accented, latex
from tests.support.outcomes import comparison, hostile


def test_the_best_means_are_bold() -> None:
    assert re.search(r"& c & 4 of 6 & \\textbf\{\d+\.\d \$\\pm\$\d\.\d\} &", latex(comparison()))


def test_a_task_is_named_once_above_its_strategies() -> None:
    begun = [line.split(" & ")[:2] for line in latex(comparison()).splitlines() if line.count(" & ") > 2]
    assert begun == [["task", "strategy"], ["t", "a"], ["", "b"], ["", "c"]]


def test_what_is_a_command_is_escaped_and_accents_are_kept() -> None:
    assert accented("á") == r"\'{a}"
    assert (accented("Ž"), accented("ñ"), accented("ç")) == (r"\v{Z}", r"\~{n}", r"\c{c}")
    assert accented("漢") == "?"
    text = latex(hostile())
    assert text.isascii()
    assert r"a\_b\$\%\&\textbackslash{} \{x\} \textasciitilde{}\textasciicircum{}\# \#1" in text
    assert r"Husz\'{a}r $\pm$ $\Delta$ $\varepsilon$ ? ?" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("document", [comparison(), hostile()], ids=["plain", "hostile"])
def test_latex_compiles(document: Comparison, tmp_path: Path) -> None:
    start = r"\documentclass[landscape]{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "page.tex").write_text(start + latex(document) + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 1000
