"""The commands on results: show, claims, figures, report. They train nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ssrun.cli import options
from ssrun.cli.driving import print_comparison
from ssrun.cli.output import answer, emit, tell
from ssrun.errors import StoreError, UsageError, unknown
from ssrun.metrics import METRICS
from ssrun.views.figures.catalogue import FIGURES, KINDS, LEAST, MOST, OF_METRICS, WIDTH

app = typer.Typer()

Results = Annotated[Path, typer.Argument(help="A folder that compare or train wrote.")]


@options.command(app, "ssrun show results/default --format latex --metrics bleu,exposure_gap")
def show(
    results: Results,
    format: Annotated[
        str, options.names_option("formats", "rich, markdown, csv, runs, json, latex, tabular or svg.", None)
    ] = "rich",
    metrics: Annotated[options.Names, options.names_option("metrics", "These columns, with commas.")] = None,
    tasks: Annotated[options.Names, options.names_option("tasks", "These tasks, with commas.")] = None,
    strategies: Annotated[options.Names, options.names_option("strategies", "These strategies, with commas.")] = None,
    caption: Annotated[
        str | None, typer.Option(metavar="TEXT", help="With latex: the caption.", show_default="the question")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help="With latex: for \\ref.", show_default="tab:<experiment>")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Print a comparison's table again, or a part of it, without training."""
    from ssrun.analysis.comparison import comparison_in
    from ssrun.analysis.selection import selected

    if as_json and format not in ("rich", "json"):
        raise UsageError(f"--json and --format {format}: give one of them")
    formats = options.names("formats")
    if format not in formats:
        raise UsageError(f"--format: {unknown('format', format, formats)}")
    for option, given in (("--caption", caption), ("--label", label)):
        if given is not None and (as_json or format != "latex"):
            raise UsageError(f"{option}: a table has one with --format latex alone")
    must_be_folder(results)
    comparison = selected(comparison_in(results), *map(options.joined, (metrics, tasks, strategies)))
    if format == "latex":
        from ssrun.views.tables.latex import latex

        emit(latex(comparison, caption, label))
    else:
        print_comparison(comparison, "json" if as_json else format)


@options.command(app, "ssrun figures results/default --only learning --format pdf --width 3.3")
def figures(
    results: Results,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the figures.", show_default="RESULTS/figures"),
    ] = None,
    only: Annotated[
        options.Names,
        options.names_option("figures", "Figures by name; all unless told: of a sweep too, budget and map."),
    ] = None,
    metric: Annotated[
        options.Names,
        options.names_option(
            "metrics", "Metrics that `means`, `differences`, `budget`, `map`, `learning` show; alone, only these."
        ),
    ] = None,
    format: Annotated[
        options.Names, options.names_option("picture formats", "svg, pdf or png; all unless told.")
    ] = None,
    no_caption: Annotated[
        bool, typer.Option("--no-caption", help="Without title and caption, for a page that has its own.")
    ] = False,
    width: Annotated[
        float,
        typer.Option(metavar="INCHES", help="Of every figure; panels that do not fit go below.", min=LEAST, max=MOST),
    ] = WIDTH,
    as_json: options.Json = False,
) -> None:
    """Draw the comparison: every figure as SVG, PDF and PNG, its paths to stdout. Needs matplotlib."""
    if metric:
        learn_metrics(results)
    names = options.chosen("--only", "figure", FIGURES, only)
    metrics = options.chosen("--metric", "metric", METRICS, metric)
    kinds = options.chosen("--format", "format", KINDS, format) or KINDS
    for name in names if metrics else []:
        if name not in OF_METRICS:
            raise UsageError(f"--metric: figure {name!r} has its own: give it with {', '.join(OF_METRICS)}")

    from ssrun.views.figures.gallery import Wanted, write_figures

    must_be_folder(results)
    tell(f"drawing {results} ...")
    left_out: list[str] = []
    wanted = Wanted(names, metrics, kinds, not no_caption, width)
    paths = [str(path) for path in write_figures(results, out, left_out.append, wanted)]
    for line in left_out:
        tell(f"left out: {line}")
    answer(as_json, {"files": paths, "left_out": left_out}, "".join(f"{path}\n" for path in paths))


@options.command(app, "ssrun report results/default --open")
def report(
    results: Results,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The HTML file.", show_default="RESULTS/report.html")
    ] = None,
    in_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: options.Json = False,
) -> None:
    """Make one HTML page of the comparison that needs no network; its path to stdout."""
    import webbrowser

    from ssrun.views.report.page import write_report

    must_be_folder(results)
    tell(f"making the report of {results} ...")
    left_out: list[str] = []
    path = write_report(results, out, left_out.append)
    for line in left_out:
        tell(f"left out: {line}")
    answer(as_json, {"file": str(path), "bytes": path.stat().st_size, "left_out": left_out}, f"{path}\n")
    if in_browser and not webbrowser.open(path.resolve().as_uri()):
        tell(f"no browser to open {path} with")


@options.command(app, "ssrun claims results > results/README.md")
def claims(
    results: Annotated[Path, typer.Argument(help="The folder that holds the folders of results.")] = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Every claim of every comparison with its verdict, as a Markdown page; `results/README.md` is one."""
    from ssrun.views.tables.claims_page import claims_page, comparisons_in

    comparisons = comparisons_in(results)
    rows = [
        {"experiment": comparison.experiment, **claim.model_dump(mode="json")}
        for comparison in comparisons
        for claim in comparison.claims
    ]
    answer(as_json, rows, claims_page(comparisons))


def learn_metrics(results: Path) -> None:
    """Lets METRICS have those of plugins that these results are of."""
    from ssrun.analysis.document import read_comparison
    from ssrun.runs.manifest import read_manifest
    from ssrun.runs.results_folder import TABLE

    with suppress(StoreError):  # which is told where they are read
        read_manifest(results) if (results / "experiment.json").is_file() else read_comparison(results / TABLE)


def must_be_folder(results: Path) -> None:
    if not results.is_dir():
        raise StoreError(f"{results}: no such folder: give one that `ssrun compare` wrote, such as results/default")
