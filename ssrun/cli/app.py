"""The program: what is common to all commands, and the commands of every file beside this one, in the help's order."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from ssrun.cli import catalogue, compare, export, maintenance, results, run
from ssrun.cli.output import emit

app = typer.Typer(
    help="Scheduled sampling as an instrument: train one small encoder-decoder under different decoding-input "
    "strategies, and compare them with statistics that settle an argument.",
    epilog="\b\nStart with:\n  ssrun train --strategy inverse-sigmoid    one run, in seconds\n"
    "  ssrun compare                             the table, in minutes",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help fits 80 columns, where boxes cut option names off
)
for commands in (run, compare, results, export, catalogue, maintenance):
    app.add_typer(commands.app)


def version(value: bool) -> None:
    if value:
        emit(f"ssrun {metadata.version('ssrun')}\n")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="A traceback with every error.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""
