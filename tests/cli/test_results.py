"""show, figures, report: the same table again in every format, and paths of what is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssrun.views.figures.gallery import Wanted
from ssrun.views.formats import FILES, FORMATS, write_tables
from tests.support.commands import Done
from tests.support.in_process import document, ssrun
from tests.support.outcomes import comparison


def test_show_prints_what_compare_printed_and_the_files_beside_the_runs(compared: tuple[Path, Done]) -> None:
    results, done = compared
    assert ssrun("show", results, "--json") == Done(0, done.out, "")
    for name, file in FILES.items():
        table = (results / file).read_text(encoding="utf-8")
        assert ssrun("show", results, "--format", name) == Done(0, table, "")
    told = document("show", results)
    assert {run["status"] for run in told["runs"]} == {"complete"}
    assert len(told["steps"]) == 1
    table = ssrun("show", results).out
    assert f"{told['steps'][0]:,} steps a run" in table
    assert all(name in table for name in ("teacher-forcing", "inverse-sigmoid", "reverse", "captions", "BLEU", "±"))


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "json"])
def test_a_part_of_it_is_shown_in_every_format(format: str, tmp_path: Path) -> None:
    write_tables(tmp_path, comparison())
    chosen = ("--metrics", "exposure_gap", "--metrics", "free_running_loss", "--tasks", "t", "--strategies", "b,a")
    whole, part = (ssrun("show", tmp_path, "--format", format, *more).must(0).out for more in ((), chosen))
    gap, loss = ("exposure_gap", "free_running_loss") if format in ("csv", "runs") else ("gap", "loss")
    assert "bleu" in whole.lower()
    assert "bleu" not in part.lower()
    assert gap in part
    assert loss in part
    told = document("show", tmp_path, *chosen)
    assert told["metrics"] == ["exposure_gap", "free_running_loss"]
    assert [row["strategy"] for row in told["rows"]] == ["b", "a"]


def test_a_caption_and_a_label_are_latex_and_refused_elsewhere(tmp_path: Path) -> None:
    write_tables(tmp_path, comparison())
    given = ("--caption", "Mine & yours", "--label", "tab:mine")
    text = ssrun("show", tmp_path, "--format", "latex", *given).must(0).out
    assert r"{Mine \& yours}" in text
    assert r"\label{tab:mine}" in text
    for option in (given[:2], given[2:]):
        for format in ("rich", "tabular", "markdown"):
            assert option[0] in ssrun("show", tmp_path, "--format", format, *option).must(2).err
        assert option[0] in ssrun("show", tmp_path, "--json", *option).must(2).err
    assert "--label" in ssrun("show", tmp_path, "--format", "latex", "--label", "a}b").must(2).err
    assert "did you mean 'bleu'?" in ssrun("show", tmp_path, "--metrics", "blue").must(2).err


def test_a_single_run_is_shown_too(trained: tuple[Path, Done]) -> None:
    told = document("show", trained[0])
    assert [(row["strategy"], row["n"]) for row in told["rows"]] == [("inverse-sigmoid", 1)]


def test_figures_and_report_print_what_they_wrote_and_tell_what_they_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = "recovery: no \x1b[2J corpus"

    def write_report(results: Path, out: Path | None, tell: Any) -> Path:
        tell(left_out)
        path = out or results / "page"
        path.write_text("page")
        return path

    def write_figures(results: Path, out: Path | None, tell: Any, wanted: Wanted) -> list[Path]:
        assert wanted == Wanted([], [])
        return [write_report(results, out, tell)]

    monkeypatch.setattr("ssrun.views.report.page.write_report", write_report)
    monkeypatch.setattr("ssrun.views.figures.gallery.write_figures", write_figures)
    for command in ("report", "figures"):
        done = ssrun(command, tmp_path, "--out", tmp_path / command).must(0)
        assert done.out == f"{tmp_path / command}\n"
        assert done.err.endswith("left out: recovery: no \\x1b[2J corpus\n")
        assert "no such folder" in ssrun(command, tmp_path / "none").must(5).err
    path = str(tmp_path / "page")
    assert document("report", tmp_path) == {"file": path, "bytes": 4, "left_out": [left_out]}
    assert document("figures", tmp_path) == {"files": [path], "left_out": [left_out]}


def test_claims_are_gathered_from_the_folders_of_results(tmp_path: Path) -> None:
    committed = Path(__file__).parents[2] / "results"
    page = ssrun("claims", committed).must(0).out
    claims = document("claims", committed)
    assert [line.split()[1].strip("*") for line in page.splitlines() if line.startswith("| **")] == [
        claim["verdict"] for claim in claims
    ]
    assert "no tables here" in ssrun("claims", tmp_path).must(5).err


def test_figures_are_told_what_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Wanted] = []
    monkeypatch.setattr("ssrun.views.figures.gallery.write_figures", lambda *given: asked.append(given[3]) or [])
    chosen = ("--only", "learning", "--only", "means", "--metric", "bleu,exact_match", "--format", "svg,pdf")
    ssrun("figures", tmp_path, *chosen, "--no-caption", "--width", "3.4").must(0)
    assert asked == [Wanted(["learning", "means"], ["bleu", "exact_match"], ["svg", "pdf"], False, 3.4)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "finding,atention"), "--only: unknown figure 'atention': did you mean 'attention'?"),
        (("--metric", "blue"), "--metric: unknown metric 'blue': did you mean 'bleu'?"),
        (("--format", "jpng"), "--format: unknown format 'jpng': did you mean 'png'?"),
        (("--only", "gap", "--metric", "bleu"), "--metric: figure 'gap' has its own"),
        (("--width", "1"), "--width"),
        (("--only", ""), "--only: unknown figure ''"),
    ],
)
def test_a_figure_that_cannot_be_meant_is_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = ssrun("figures", tmp_path, *arguments).must(2)
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("there_is_one", [True, False])
def test_the_report_is_opened_in_a_browser_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there_is_one: bool
) -> None:
    page = tmp_path / "page.html"
    page.write_text("page")
    opened: list[str] = []
    monkeypatch.setattr("ssrun.views.report.page.write_report", lambda *given: page)
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or there_is_one)
    done = ssrun("report", tmp_path, "--open").must(0)
    assert opened == [page.as_uri()]
    assert ("no browser to open" in done.err) != there_is_one
    ssrun("report", tmp_path).must(0)
    assert len(opened) == 1
