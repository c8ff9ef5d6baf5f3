"""CSV: every number in full, and nothing that a spreadsheet computes. What the grid holds, Markdown and LaTeX show."""

from __future__ import annotations

import csv
import io
import re

from ssrun.views.tables.plain import COUNTS, VALUES, csv_text
from tests.support.outcomes import comparison, hostile


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


def test_no_cell_of_the_csv_is_a_formula() -> None:
    cells = [cell for line in csv.reader(io.StringIO(csv_text(hostile()))) for cell in line]
    texts = [cell for cell in cells if not re.fullmatch(r"[-+]?[\d.]+(e[-+]\d+)?|-", cell)]
    assert not [cell for cell in texts if cell[:1] in ("=", "+", "-", "@")]
    assert any(cell.startswith("'=cmd") for cell in texts)
