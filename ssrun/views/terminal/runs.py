"""What `ssrun list runs` shows: the runs of a store, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ssrun.runs.inventory import Stored
from ssrun.system.text import plural, visible

HEADINGS = ("run", "strategy", "other than the defaults", "steps", "status", "size", "used by")


def runs_table(runs: Sequence[Stored]) -> Table:
    """A run a row; sizes in kilobytes."""
    table = Table(box=None, pad_edge=False, caption_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=heading == "run")
    table.caption = f"{plural(len(runs), 'run')}, {sum(run.size for run in runs) / 1e6:.1f} MB"
    for run in runs:
        table.add_row(*map(Text, cells_of(run)))
    return table


def runs_lines(runs: Sequence[Stored]) -> str:
    """A run a line, tabs between, for pipes."""
    return "".join("\t".join(cells_of(run)) + "\n" for run in runs)


def cells_of(run: Stored) -> list[str]:
    changes = " ".join(f"{path}={value}" for path, value in run.changes.items())
    used_by = ", ".join(run.used_by) or "-"
    size = f"{run.size / 1e3:.0f} kB"
    cells = (run.place, run.strategy, changes, f"{run.steps}/{run.of}", run.status, size, used_by)
    return list(map(visible, cells))
