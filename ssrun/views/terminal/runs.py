"""What `ssrun list runs` shows: the runs of a store, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ssrun.runs.inventory import Stored
from ssrun.system.text import plural, visible

HEADINGS = ("strategy", "other than the defaults", "steps", "status", "size", "used by")


def runs_table(runs: Sequence[Stored]) -> Table:
    """A run a row; sizes in kilobytes."""
    table = Table(box=None, pad_edge=False, caption_justify="left")
    table.add_column("run", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading)
    table.caption = f"{plural(len(runs), 'run')}, {sum(run.size for run in runs) / 1e6:.1f} MB"
    for run in runs:
        changes = " ".join(f"{path}={value}" for path, value in run.changes.items())
        steps = f"{run.steps}/{run.of}"
        used_by = ", ".join(run.used_by) or "-"
        size = f"{run.size / 1e3:.0f} kB"
        cells = (run.place, run.strategy, changes, steps, run.status, size, used_by)
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table
