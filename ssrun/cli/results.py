"""The commands that use results: show, list, decode, verify, merge, clean."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ssrun.cli.app import emit, show_document
from ssrun.cli.options import Json, Run, completed, example, the_run


def formats() -> Iterable[str]:
    """The formats of a table."""
    from ssrun.views.formats import FORMATS

    return FORMATS


def show(
    results: Annotated[Path, typer.Argument(help="A folder that compare or train wrote.")],
    format: Annotated[
        str, typer.Option(help="rich, markdown, csv, json, latex or svg.", autocompletion=completed(formats))
    ] = "rich",
    as_json: Json = False,
) -> None:
    """Print a comparison's table again, without training."""
    from ssrun.errors import StoreError, UsageError, unknown
    from ssrun.views.formats import FORMATS

    if as_json and format not in ("rich", "json"):
        raise UsageError(f"--json and --format {format}: give one of them")
    chosen_format = "json" if as_json else format
    if chosen_format not in FORMATS:
        raise UsageError(f"--format: {unknown('format', chosen_format, FORMATS)}")
    if not results.is_dir():
        raise StoreError(f"{results}: no such folder: give one that `ssrun compare` wrote, such as results/default")

    from ssrun.analysis import comparison as comparing

    show_document(comparing.document(results), chosen_format)


def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="tasks, strategies, experiments or metrics.",
            autocompletion=completed(lambda: ("tasks", "strategies", "experiments", "metrics")),
        ),
    ] = "strategies",
    as_json: Json = False,
) -> None:
    """Show what there is, with formulas and sources."""
    from ssrun.views.terminal.catalogue import LISTS, rows_of, table_of

    if what not in LISTS:
        from ssrun.errors import UsageError, unknown

        raise UsageError(unknown("list", what, LISTS))
    if as_json:
        emit(json.dumps(rows_of(what), ensure_ascii=False) + "\n")
    else:
        from ssrun.views.terminal.console import stdout_console

        stdout_console().print(table_of(what))


def decode(
    run: Run,
    beam: Annotated[
        int | None,
        typer.Option(metavar="K", help="Beam size; 1 is greedy.", show_default="the run's", min=1, max=256),
    ] = None,
    as_json: Json = False,
) -> None:
    """Use a trained model on lines from stdin. Tokens stand between spaces; an output a line goes to stdout."""
    from ssrun.errors import UsageError
    from ssrun.runs.trained import load_trained, translate
    from ssrun.views.tables.cells import visible

    trained = load_trained(the_run(run))
    outputs = []
    for count, line in enumerate(sys.stdin.buffer, start=1):
        try:
            source = tuple(filter(None, line.decode().rstrip("\n").split(" ")))
        except UnicodeDecodeError:
            raise UsageError(f"stdin:{count}: invalid UTF-8: convert the text to UTF-8") from None
        if not source:
            raise UsageError(f"stdin:{count}: an empty line: give at least one token")
        output = translate(trained, source, beam)
        if as_json:
            outputs.append({"source": list(source), "output": list(output)})
        else:
            emit(visible(" ".join(output)) + "\n")
    if as_json:
        emit(json.dumps(outputs, ensure_ascii=False) + "\n")


def verify(
    results: Annotated[Path, typer.Argument(help="A folder of results, or one run's folder.")],
    as_json: Json = False,
) -> None:
    """Check stored files and recompute the scores. BLEU and both errors must come out of the stored text again."""
    from rich.progress import track

    from ssrun.errors import StoreError
    from ssrun.runs.verification import faults_beside, faults_of, missing, to_verify
    from ssrun.system import signals as interruption
    from ssrun.views.tables.cells import visible
    from ssrun.views.terminal.console import is_live, stderr_console

    interruption.listen()
    folders, console = to_verify(results), stderr_console()
    count, faults = sum(folder.complete for folder in folders), list(faults_beside(results))
    for folder in track(folders, "verifying", console=console, transient=True, disable=not is_live(console)):
        interruption.check()
        faults += faults_of(folder, results) if folder.complete else []
    unfinished = missing(results, folders)
    if as_json:
        emit(json.dumps({"complete": count, "unfinished": unfinished, "faults": faults}) + "\n")
    else:
        emit("".join(f"{visible(fault)}\n" for fault in faults))
        emit(f"{count} complete runs checked, {unfinished} unfinished, {len(faults)} faults\n")
    if faults:
        raise StoreError(f"{len(faults)} faults: remove what they name and run the comparison again")


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Folders of results of one experiment, such as shards.")],
    out: Annotated[Path, typer.Option("--out", help="Where the whole is to lie.")],
    as_json: Json = False,
) -> None:
    """Bring shards together; the table equals the unsharded one."""
    from ssrun.analysis import comparison as comparing
    from ssrun.runs.maintenance import merge as bring_together
    from ssrun.runs.manifest import recall
    from ssrun.system import signals as interruption
    from ssrun.views import keeping
    from ssrun.views.terminal.console import watch_bootstrap

    interruption.listen()
    copied = bring_together(folders, out)
    experiment, places, _ = recall(out)
    watch_bootstrap(out, places, experiment.baseline)
    document = comparing.document(out)
    keeping.write_tables(out, document)
    sys.stderr.write(f"{copied} runs copied to {out}\n")
    show_document(document, "json" if as_json else "rich")
    if document["faults"]:
        raise typer.Exit(3)


def clean(
    results: Annotated[Path, typer.Argument(help="A folder of results.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a folder of results, after asking. It shows what goes: what ssrun wrote there, and nothing else."""
    from ssrun.runs.maintenance import ours, remove
    from ssrun.views.tables.cells import visible

    paths = ours(results)
    files = [path for path in paths if not path.is_dir() or path.is_symlink()]
    for path in files:
        emit(f"{visible(path)}\n")
    if yes or typer.confirm(f"Remove these {len(files)} files?", err=True):
        sys.stderr.write(f"{remove(paths)} files removed\n")


def claims(
    results: Annotated[Path, typer.Argument(help="The folder that holds the folders of results.")] = Path("results"),
    as_json: Json = False,
) -> None:
    """Every claim of every comparison with its verdict, as a Markdown page; `results/README.md` is one."""
    from ssrun.views.tables.claims_page import documents, page

    found = documents(results)
    if as_json:
        every = [{"experiment": document["experiment"], **claim} for document in found for claim in document["claims"]]
        emit(json.dumps(every, ensure_ascii=False) + "\n")
    else:
        emit(page(found))


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog=example("ssrun show results/default --format markdown"))(show)
    app.command("list", epilog=example("ssrun list strategies"))(list_)
    app.command(epilog=example("echo 'a b c d' | ssrun decode results/train"))(decode)
    app.command(epilog=example("ssrun verify results/default"))(verify)
    app.command(epilog=example("ssrun merge shard-1 shard-2 --out results/default"))(merge)
    app.command(epilog=example("ssrun clean results/default-smoke"))(clean)
    app.command(epilog=example("ssrun claims results > results/README.md"))(claims)
