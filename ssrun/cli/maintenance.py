"""The commands that take care of results: verify, merge, clean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssrun.cli import options
from ssrun.cli.driving import concluded, print_comparison
from ssrun.cli.output import answer, emit, tell
from ssrun.errors import StoreError
from ssrun.system import signals
from ssrun.system.text import plural, visible

app = typer.Typer()


@options.command(app, "ssrun verify results/default")
def verify(
    results: Annotated[Path, typer.Argument(help="A folder of results, or one run's folder.")],
    as_json: options.Json = False,
) -> None:
    """Check stored files and recompute the scores. BLEU and both errors must come out of the stored text again."""
    from rich.progress import track

    from ssrun.analysis.comparison import faults_beside
    from ssrun.runs.verification import faults_of, to_verify
    from ssrun.views.terminal.console import is_live, stderr_console

    signals.listen()
    folders = to_verify(results)
    complete = [folder for folder in folders if folder.trained]
    faults = list(faults_beside(results))
    console = stderr_console()
    for folder in track(complete, "verifying", console=console, transient=True, disable=not is_live(console)):
        signals.check()
        faults += faults_of(folder)
    unfinished = len(folders) - len(complete)
    text = "".join(f"{visible(fault)}\n" for fault in faults)
    text += f"{len(complete)} complete runs checked, {unfinished} unfinished, {len(faults)} faults\n"
    answer(as_json, {"complete": len(complete), "unfinished": unfinished, "faults": faults}, text)
    if faults:
        raise StoreError(f"{len(faults)} faults: remove what they name and run the comparison again")


@options.command(app, "ssrun merge shard-1 shard-2 --out results/default")
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Folders of results of one experiment, such as shards.")],
    out: Annotated[Path, typer.Option("--out", help="Where the whole is to lie.")],
    as_json: options.Json = False,
) -> None:
    """Bring shards together; the table equals the unsharded one."""
    from ssrun.runs import maintenance

    signals.listen()
    copied = maintenance.merge(folders, out)
    comparison = concluded(out)
    tell(f"{copied} runs copied to {out}")
    print_comparison(comparison, "json" if as_json else "rich")
    if comparison.faults:
        raise typer.Exit(3)


@options.command(app, "ssrun clean results/default-smoke")
def clean(
    results: Annotated[
        Path | None, typer.Argument(help="A comparison's folder, or a store of runs.", show_default="results/runs")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a comparison, or the runs that no comparison wants, after asking: what ssrun made, and nothing else."""
    from ssrun.runs.maintenance import removable, remove
    from ssrun.runs.results_folder import RESULTS, RUNS

    path = results or RESULTS / RUNS
    what = removable(path)
    files = len(what.paths)
    told = f"{plural(len(what.runs), 'run')}, {plural(files, 'file')}, {what.bytes / 1e6:.1f} MB under {visible(path)}"
    tell(told)
    if files and (yes or typer.confirm("Remove them?", err=True)):
        removed = remove(removable(path))  # again: much may happen while somebody thinks
        emit(f"{plural(removed, 'file')} removed\n")
