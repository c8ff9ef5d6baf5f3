"""Writes the runs of a comparison to one of the places that take them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ssrun.analysis.document import Comparison
from ssrun.errors import StoreError
from ssrun.system import signals
from ssrun.views.exports import Target
from ssrun.views.exports.records import are_kept, records
from ssrun.views.terminal.console import is_live, stderr_console


class Exported(NamedTuple):
    """What became of an export.

    Attributes:
        paths: Where it lies.
        written: Runs that were written, and those that were `there` already.
        left_out: Of each that was not, which, and why.
        look: The command that shows it, if there is one.
    """

    paths: list[str]
    written: int
    there: int
    left_out: list[str]
    look: str


def exported(results: Path, comparison: Comparison, wanted: Comparison, target: Target, where: Path | str) -> Exported:
    """Writes the runs that are wanted, of all of a comparison, to where they are not yet.

    Raises:
        UsageError: There can be no such place.
        StoreError: It cannot be written, or a run is damaged.
        Interrupted: A signal came; the runs that are there are whole.
    """
    from rich.progress import track

    if are_kept(results) and not {"failed", "missing", "diverged"}.intersection(target.statuses):
        raise StoreError(f"{results}: kept without its runs, whose outputs this needs: run its command again")
    console = stderr_console()
    labels = {(run.task, run.strategy) for run in wanted.runs}
    written, left_out = [], []
    with target.opened(where) as export:
        signals.listen()  # not before the imports, which look at no flag
        found = records(results, comparison)
        total = len(comparison.runs)
        for record in track(found, "exporting", total, console=console, transient=True, disable=not is_live(console)):
            signals.check()
            values = record.values
            if (values.task, values.strategy) not in labels:
                continue
            if values.status not in target.statuses:
                left_out.append(f"{record.title}: {values.status}{record.reason and f' ({record.reason})'}")
                continue
            written.append(export.put(record))
        paths, look = list(export.paths), export.look
    return Exported(paths, sum(written), written.count(False), left_out, look)
