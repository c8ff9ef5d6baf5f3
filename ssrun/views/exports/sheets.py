"""CSV: `runs.csv`, a line a run with its whole configuration, and `curves.csv`, a line a number of an evaluation."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssrun.errors import StoreError
from ssrun.metrics import METRICS
from ssrun.system.files import must_be_no_link, read_bytes, sweep_temporaries, write
from ssrun.views.exports.places import held
from ssrun.views.exports.records import FLAGS, Record
from ssrun.views.tables.sheets import sheet

LIMIT = 2**33  # bytes of a file that is compared
CURVES = ("task", "strategy", "seed", "run", "step", "set", "metric", "value")


@contextmanager
def opened(out: Path) -> Iterator[Sheets]:
    """The two files, which are written when all runs are in them; an interrupted export leaves the old ones."""
    with held(out):
        sheets = Sheets(out)
        yield sheets
        sheets.write()


class Sheets:
    """Both sheets: the records that were put."""

    look = ""

    def __init__(self, out: Path) -> None:
        self._files = {out / "runs.csv": runs_sheet, out / "curves.csv": curves_sheet}
        self.paths = [str(path) for path in self._files]
        self._records: list[Record] = []
        sweep_temporaries(out, [path.name for path in self._files])
        self._known = {line["run"]: line["digest"] for line in lines_of(out / "runs.csv", "digest")}
        lines_of(out / "curves.csv", "metric")

    def put(self, record: Record) -> bool:
        """Takes a run; it counts as there where the file has a line of it, as it is now."""
        self._records.append(record)
        return self._known.get(record.name) != record.digest

    def write(self) -> None:
        """Writes what has changed, the curves first: a run counts as there by its line in the other file."""
        for path, text_of in reversed(self._files.items()):
            text = text_of(self._records).encode()
            if not path.is_file() or read_bytes(path, LIMIT) != text:
                write(path, text)


def lines_of(path: Path, column: str) -> list[dict[str, str]]:
    """The lines of a file that was written before; StoreError where it has no such column, and so is not ours."""
    must_be_no_link(path)
    if not path.exists():
        return []
    lines = csv.DictReader(io.StringIO(read_bytes(path, LIMIT).decode(errors="replace"), newline=""))
    if not {"run", column}.issubset(lines.fieldnames or ()):
        raise StoreError(f"{path}: not of an export: move it away or give another --out DIR")
    return list(lines)


def runs_sheet(records: list[Record]) -> str:
    """What tells a run and how it ended, the settings of all, every metric."""
    settings = list(dict.fromkeys(name for record in records for name in record.parameters if name != "seed"))
    metrics = [metric for metric in METRICS if any(metric in record.metrics for record in records)]

    def line(record: Record) -> list[object]:
        values = record.values
        told = [values.task, values.strategy, values.seed, values.status, *(getattr(values, flag) for flag in FLAGS)]
        told += [record.reason, record.name, record.weights, record.digest]
        told += [record.parameters.get(name) for name in settings]
        return [*told, *(record.metrics.get(name) for name in metrics)]

    labels = ["task", "strategy", "seed", "status", *FLAGS, "reason", "run", "weights", "digest"]
    return sheet([*labels, *settings, *metrics], map(line, records))


def curves_sheet(records: list[Record]) -> str:
    """Long: of every evaluation every number; `set` says on which pairs, or `training`."""

    def lines() -> Iterator[list[object]]:
        for record in records:
            values = record.values
            for step, numbers in record.curves():
                for name, value in numbers.items():
                    yield [values.task, values.strategy, values.seed, record.name, step, *name.split("/"), value]

    return sheet(CURVES, lines())
