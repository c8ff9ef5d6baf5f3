"""The report: one HTML page of a comparison that asks nothing of the network and runs nothing but its own script.

Everything that a user can name or write is escaped; the page's policy names its one style and its one script by digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ssrun.analysis.comparison import comparison_in
from ssrun.analysis.document import Comparison, Estimate, Row
from ssrun.analysis.evidence import Run, Runs, complete_runs, contrasts, runs_of_one_seed, walks
from ssrun.errors import UsageError
from ssrun.metrics import METRICS
from ssrun.system.files import sweep_temporaries, write, writing
from ssrun.system.text import ellipsis, plural, visible
from ssrun.views.figures.canvas import Canvas, Picture, drawing, provenance, rendered
from ssrun.views.figures.gallery import Tell, pictures
from ssrun.views.tables import cells
from ssrun.views.tables.cells import claim_lines, compared, count, difference, has_difference, notes

EXAMPLES = 3  # a task
WORDS, LETTERS = 100, 60  # of a text, and of a token, that the page shows
SIGNS = {"agree": "✓", "disagree": "✗", "inconclusive": "?"}
UNSEEN = (  # of a picture: what takes room and shows nothing
    re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>", re.DOTALL),
    re.compile(r' transform="rotate\(-0 [^"]*"'),
    re.compile(r"(?<=\.\d\d)\d+(?=[^<>]*>)"),  # within tags: less than a hundredth of a point
    re.compile(r"\s+(?=\s|<)"),
)


def write_report(results: Path, out: Path | None = None, tell: Tell = lambda note: None) -> Path:
    """Writes the page and returns where; the same results give the same bytes.

    Args:
        results: A folder of a comparison, or of its tables alone.
        out: The file; `report.html` in the results unless told.
        tell: Takes a line on each part that could not be made.

    Raises:
        StoreError: The results are damaged, or there are none.
    """
    comparison = comparison_in(results)
    runs = complete_runs(results)
    path = out or results / "report.html"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write(path, page(comparison, runs, str(results), tell).encode("utf-8", "backslashreplace"))
    if out is None:
        sweep_temporaries(results, [path.name])
    return path


def page(comparison: Comparison, runs: Runs, folder: str, tell: Tell) -> str:
    left_out: list[str] = []
    illustrations = illustrate(comparison, runs, left_out.append)
    for line in left_out:
        tell(line)
    candidates = {task: runs_of_one_seed(runs, task) for task in comparison.tasks}
    examples = {task: found for task, group in candidates.items() if (found := contrasts(group, EXAMPLES))}
    sheet, program = ((Path(__file__).parent / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.loader = PackageLoader("ssrun.views.report", "")
    environment.finalize = harmless
    environment.filters["cut"] = partial(ellipsis, longest=LETTERS)
    known = {
        "version": metadata.version("ssrun"),
        "words": WORDS,
        "signs": SIGNS,
        "comparison": comparison,
        "folder": folder,
    }
    made = {"illustrations": illustrations, "left_out": left_out, "examples": examples, "settings": settings(runs)}
    texts = {"summary": summary(comparison), "notes": notes(comparison, "★"), "provenance": provenance(comparison)}
    return environment.get_template("page.html.jinja").render(
        {**known, **made, **texts},
        policy=f"default-src 'none'; img-src data:; style-src {allowed(sheet)}; script-src {allowed(program)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(sheet),  # noqa: S704 - ours
        script=Markup(program),  # noqa: S704 - ours
        claims=[(claim.verdict, *claim_lines(claim)) for claim in comparison.claims],
        tables=[(task, *table(comparison, rows)) for task, rows in comparison.by_task()],
        reading=[" ".join(part.split()) for part in comparison.reading.split("\n\n") if part.strip()],
        explorers=[(task, found[0], walks(candidates[task], found[0].example)) for task, found in examples.items()],
        environments=[flattened(environment.model_dump()) for environment in comparison.environments],
        runs=[run for group in runs.values() for run in group],
    )


def allowed(text: str) -> str:
    """How a content policy names an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def harmless(value: Any) -> Any:
    """Every value that the template prints: text without control characters; markup of our own as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def summary(comparison: Comparison) -> str:
    """The size of the comparison, and how its claims fared, in a sentence or two."""
    text = (
        f"{plural(len(comparison.strategies), 'strategy', 'strategies')} on {plural(len(comparison.tasks), 'task')}, "
        f"{plural(len(comparison.seeds), 'seed')} each: "
        f"{plural(sum(row.n for row in comparison.rows), 'complete run')}."
    )
    verdicts = Counter[str](claim.verdict for claim in comparison.claims)
    fared = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in SIGNS if verdicts[verdict])
    return f"{text} {plural(len(comparison.claims), 'claim')}: {fared}." if fared else text


def illustrate(comparison: Comparison, runs: Runs, tell: Tell) -> list[tuple[Picture, str, int, int]]:
    """The figures with the address that is the image itself, and its CSS pixels; none where there is no matplotlib."""
    illustrations = []
    try:
        with drawing():
            for picture in pictures(Canvas(comparison, framed=False), runs, tell):
                svg = rendered(picture, "svg").decode()
                for pattern in UNSEEN:
                    svg = pattern.sub("", svg)
                address = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
                width, height = (round(96 * inches) for inches in picture.figure.get_size_inches())
                illustrations.append((picture, address, width, height))
    except UsageError as error:
        tell(f"no figures: {error}")
    return illustrations


class NumberCell(NamedTuple):
    """A number of a table, and its interval on a scale of 0 to 100 that its column shares; None for no interval.

    Attributes:
        text: For people.
        value: To sort by.
        middle: Of the number, on the scale.
        left: Of the interval's lower end, as `right` of its upper one.
        best: Of its column.
        beside: What else is known of a difference: its p, its bootstrap.
        zero: Of no difference.
    """

    text: str
    value: float
    middle: float | None
    left: float | None
    right: float | None
    best: bool = False
    beside: str = ""
    zero: float | None = None


Line = tuple[Row, str, list[NumberCell | None]]  # with how many runs stand behind it


def table(comparison: Comparison, rows: Sequence[Row]) -> tuple[list[tuple[str, str]], list[Line]]:
    """Columns, each a heading and what is to be said of it: means, then differences where there are any; and lines."""
    differences = compared(comparison) if has_difference(rows, compared(comparison)) else []
    directions = {"higher": "more is better", "lower": "less is better", "neither": ""}
    columns = [(METRICS[metric].short, directions[METRICS[metric].better]) for metric in comparison.columns]
    columns += [(f"Δ {METRICS[metric].short}", f"from {comparison.baseline}") for metric in differences]
    found = [mean_cells(rows, metric) for metric in comparison.columns]
    found += [difference_cells(comparison, rows, metric) for metric in differences]
    return columns, [(row, count(row), [column[index] for column in found]) for index, row in enumerate(rows)]


def mean_cells(rows: Sequence[Row], metric: str) -> list[NumberCell | None]:
    estimates = [row.estimates.get(metric) for row in rows]
    ends = [cells.possible_interval(found, metric) if found else (None, None) for found in estimates]
    at = scale([*(found.mean for found in estimates if found), *(end for both in ends for end in both)])
    return [
        NumberCell(text, found.mean, at(found.mean), at(low), at(high), is_best) if found else None
        for found, (low, high), (text, is_best) in zip(estimates, ends, cells.mean_cells(rows, metric), strict=True)
    ]


def difference_cells(comparison: Comparison, rows: Sequence[Row], metric: str) -> list[NumberCell | None]:
    estimates = [row.estimates.get(metric) for row in rows]
    ends = [(found.difference, found.difference_low, found.difference_high) for found in estimates if found]
    at = scale([0.0, *(value for values in ends for value in values)])

    def cell(row: Row, found: Estimate | None) -> NumberCell | None:
        if found is None or found.difference is None:
            return None
        places = (at(found.difference), at(found.difference_low), at(found.difference_high))
        beside = [f"p {cells.p_holm(found)}"] if cells.shows_p(comparison) and found.difference_low is not None else []
        beside += [f"bootstrap {cells.bootstrapped(row)}"] if found.bootstrap else []
        return NumberCell(difference(found, metric), found.difference, *places, beside=", ".join(beside), zero=at(0.0))

    return [cell(*both) for both in zip(rows, estimates, strict=True)]


def scale(values: Sequence[float | None]) -> Callable[[float | None], float | None]:
    """Where a value lies between the least and the most of these, from 4 to 96: a mark at an end is not cut off."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)

    def at(value: float | None) -> float | None:
        if value is None:
            return None
        return round(4 + 92 * (value - low) / (high - low), 1) if high > low else 50.0

    return at


class Settings(NamedTuple):
    """A part of the configuration: its fields, each with its value in every group of runs."""

    title: str
    groups: list[str]
    fields: dict[str, list[str]]


def settings(runs: Runs) -> list[Settings]:
    """The resolved configuration: what all runs share, then what goes by task, by strategy, or by both; no seed."""
    if not runs:
        return []
    names = ["All runs", "By task", "By strategy", "By task and strategy"]
    labels = [("value", task, strategy, f"{task}, {strategy}") for task, strategy in runs]
    index = pd.MultiIndex.from_tuples(labels, names=names)
    frame = pd.DataFrame([resolved(group[0]) for group in runs.values()], index=index).fillna("-")
    parts = []
    for title in names:
        groups = frame.groupby(level=title, sort=False)
        shared = frame.columns[groups.nunique().eq(1).all()]
        values = groups.first()
        if len(shared):
            parts.append(Settings(title, values.index.tolist(), {field: values[field].tolist() for field in shared}))
        frame = frame.drop(columns=shared)
    return parts


def resolved(run: Run) -> dict[str, str]:
    """A run's configuration as text by dotted path, without its seed and the place of its corpus."""
    fields = flattened(run.config.model_dump(mode="json", exclude={"seed": True, "task": {"path"}}))
    schedule = {f"strategy.schedule.{name} (resolved)": f"{value:.6g}" for name, value in run.result.schedule.items()}
    return fields | schedule


def flattened(fields: Any, path: str = "") -> dict[str, str]:
    """The fields of nested objects as text by dotted path."""
    if not isinstance(fields, dict):
        return {path: fields if isinstance(fields, str) else json.dumps(fields)}
    parts = (flattened(value, f"{path}.{name}" if path else name) for name, value in fields.items())
    return {name: text for part in parts for name, text in part.items()}
