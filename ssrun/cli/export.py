"""The command that brings results to other tools: export. It trains nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ssrun.cli import options
from ssrun.cli.output import answer, tell
from ssrun.cli.results import Results, must_be_folder
from ssrun.errors import UsageError, unknown
from ssrun.system.files import must_be_no_link
from ssrun.system.text import plural
from ssrun.views.exports import TARGETS, Target

app = typer.Typer()


@options.command(app, "ssrun export results/default --to tensorboard")
def export(
    results: Results,
    to: Annotated[str, options.names_option("exports", f"{', '.join(TARGETS)}.", "NAME")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for it.",
            show_default="RESULTS/<name>; RESULTS for mlflow.db; for wandb, $WANDB_DIR/wandb where that is set",
        ),
    ] = None,
    uri: Annotated[
        str | None,
        typer.Option(
            "--uri",
            metavar="URI",
            help="With mlflow, instead: a database or server, such as sqlite:///mlflow.db.",
            show_default="$MLFLOW_TRACKING_URI where that is set",
        ),
    ] = None,
    tasks: Annotated[options.Names, options.names_option("tasks", "These tasks, with commas.")] = None,
    strategies: Annotated[options.Names, options.names_option("strategies", "These strategies, with commas.")] = None,
    as_json: options.Json = False,
) -> None:
    """Write the runs for a tracker or another tool, from their files; again, only what is not there."""
    from ssrun.analysis.comparison import comparison_in
    from ssrun.analysis.selection import selected
    from ssrun.views.exports.exporting import exported
    from ssrun.views.exports.records import are_kept

    if to not in TARGETS:
        raise UsageError(f"--to: {unknown('export', to, TARGETS)}")
    target = TARGETS[to]
    if uri is not None and not target.has_uri:
        raise UsageError(f"--uri: {to} lies in a folder: give --out DIR")
    if uri is not None and out is not None:
        raise UsageError("--uri and --out: give one of them")
    must_be_folder(results)
    target.must_be_there(to)
    comparison = comparison_in(results)
    wanted = selected(comparison, None, options.joined(tasks), options.joined(strategies))
    where = place(results, to, target, out if uri is None else uri)
    tell(f"exporting {plural(len(wanted.runs), 'run')} of {results} to {to} ...")
    if to == "wandb" and (mode := os.environ.get("WANDB_MODE", "offline")) != "offline":
        tell(f"WANDB_MODE={mode}: not followed, for runs are written offline; `wandb sync` brings them to a server")
    if are_kept(results):
        tell("kept without its runs: no curves, and only the settings in which they differ")
    done = exported(results, comparison, wanted, target, where)
    for line in done.left_out:
        tell(f"left out: {line}")
    document = {"to": to, **done._asdict()}
    answer(as_json, document, "".join(f"{path}\n" for path in done.paths))
    look = f": {done.look}" if done.look else ""
    tell(f"{plural(done.written, 'run')} written, {done.there} there already{look}")


def place(results: Path, to: str, target: Target, given: Path | str | None) -> Path | str:
    """The folder or the URI: the user's, or that of the tracker's own variable, or one below the results."""
    if given is not None:
        return given
    if target.has_uri and (own := os.environ.get("MLFLOW_TRACKING_URI")):
        return own
    if to == "wandb" and (own := os.environ.get("WANDB_DIR")):
        return Path(own) / "wandb"
    folder = results / target.folder
    must_be_no_link(folder)
    return folder
