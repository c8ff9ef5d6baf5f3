"""What drives a comparison, for the commands that do: views that follow it, and the table at its end."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ssrun.cli.output import emit

if TYPE_CHECKING:
    from ssrun.analysis.document import Comparison
    from ssrun.runs.events import Update
    from ssrun.views.terminal.progress import View


def follow(updates: Iterable[Update], *views: View) -> None:
    """Takes every update, and so drives what makes them; shows it."""
    for update in updates:
        for view in views:
            view.update(update)


def concluded(results: Path, quiet: bool = False) -> Comparison:
    """The comparison in this folder, from its runs; its bootstraps and its tables are now beside them."""
    from ssrun.analysis.comparison import conclude
    from ssrun.views.formats import write_tables
    from ssrun.views.terminal.progress import tell_bootstrap

    comparison = conclude(results, partial(tell_bootstrap, quiet=quiet))
    write_tables(results, comparison)
    return comparison


def print_comparison(comparison: Comparison, format: str) -> None:
    if format == "rich":
        from ssrun.views.terminal.comparison import terminal
        from ssrun.views.terminal.console import stdout_console

        stdout_console().print(terminal(comparison))
    else:
        from ssrun.views.formats import text_of

        emit(text_of(comparison, format))
