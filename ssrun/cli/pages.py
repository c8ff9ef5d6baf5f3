"""The commands that make results visible: figures, report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ssrun.cli.app import emit
from ssrun.cli.options import Json, example

Results = Annotated[Path, typer.Argument(help="A folder that compare or train wrote.")]


def figures(
    results: Results,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the figures.", show_default="RESULTS/figures"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw the comparison: every figure as SVG, PDF and PNG, its paths to stdout. Needs matplotlib."""
    from ssrun.views.figures.runs import check, write_figures

    check(results)
    say(f"drawing {results} ...")
    skipped: list[str] = []
    paths = write_figures(results, out, skipped.append)
    for line in skipped:
        say(f"left out: {line}")
    if as_json:
        emit(json.dumps({"files": [str(path) for path in paths], "left_out": skipped}) + "\n")
    else:
        emit("".join(f"{path}\n" for path in paths))


def report(
    results: Results,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The HTML file.", show_default="RESULTS/report.html")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make one HTML page of the comparison that needs no network; its path to stdout."""
    from ssrun.views.figures.runs import check
    from ssrun.views.report.page import write_report

    check(results)
    say(f"making the report of {results} ...")
    skipped: list[str] = []
    path = write_report(results, out, skipped.append)
    for line in skipped:
        say(f"left out: {line}")
    if as_json:
        emit(json.dumps({"file": str(path), "bytes": path.stat().st_size, "left_out": skipped}) + "\n")
    else:
        emit(f"{path}\n")


def say(line: str) -> None:
    """One line to stderr."""
    from ssrun.views.tables.cells import visible

    sys.stderr.write(f"{visible(line)}\n")
    sys.stderr.flush()


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog=example("ssrun figures results/default --out pictures"))(figures)
    app.command(epilog=example("ssrun report results/default"))(report)
