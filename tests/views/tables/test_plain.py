"""CSV: every number in full. What the grid holds, Markdown and LaTeX show."""

from __future__ import annotations

import csv
import io

from ssrun.views.tables.plain import COUNTS, VALUES, csv_text
from tests.support.outcomes import comparison


def test_csv_has_every_number_in_full() -> None:
    document = comparison()
    lines = list(csv.DictReader(io.StringIO(csv_text(document))))
    assert len(lines) == len(document.rows)
    for line, row in zip(lines, document.rows, strict=True):
        assert (line["task"], line["strategy"]) == (row.task, row.strategy)
        assert {name: int(line[name]) for name in COUNTS} == row.model_dump(include={*COUNTS})
        for metric in document.metrics:
            for name in VALUES:
                cell = line[f"{metric}_{name}"]
                assert (float(cell) if cell else None) == getattr(row.estimates[metric], name)
    assert [line["paper: F1"] for line in lines] == ["1.25", "-", "none"]
