"""The report: one HTML page of a comparison that asks nothing of the network and runs nothing but its own script.

Everything that a user can name or write is escaped; the page's policy names its one style and its one script by digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ssrun.analysis.comparison import comparison_in
from ssrun.analysis.document import Comparison, Estimate, Row
from ssrun.analysis.evidence import (
    SCANNED,
    Contrast,
    Look,
    Observations,
    Run,
    Runs,
    complete_runs,
    parameters_of,
)
from ssrun.analysis.sweeps import titles
from ssrun.errors import UsageError
from ssrun.metrics import METRICS
from ssrun.system.files import sweep_temporaries, write, writing
from ssrun.system.text import ellipsis, plural, visible
from ssrun.views.figures.canvas import NARROW, Canvas, Picture, drawing
from ssrun.views.figures.catalogue import FIGURES, WIDTH
from ssrun.views.figures.gallery import Tell, fitting, pictures
from ssrun.views.figures.inline import dark_style, inline_svg
from ssrun.views.report.attention import Map, map_of
from ssrun.views.tables.arrivals import is_timed
from ssrun.views.tables.cells import (
    NOT_CONVERGED,
    bootstrapped,
    compared,
    count,
    difference,
    has_bootstrap,
    has_difference,
    mean_cells,
    not_converged,
    number,
    p_holm,
    possible_interval,
    shows_p,
    told_apart,
)
from ssrun.views.tables.claims import claim_lines, is_exploratory
from ssrun.views.tables.footnotes import notes

LOOKS = 54  # of a strategy at an example, on the whole page, where each task has one example at least
OF_PAGE = tuple(name for name in FIGURES if name not in ("means", "attention"))  # tables and examples draw the others
PAD = "\u2007"  # as wide as a digit
WORDS, LETTERS = 100, 60  # of a text, and of a token, that the page shows
SIGNS = {"agree": "✓", "disagree": "✗", "inconclusive": "?"}


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
    observations = Observations(runs)
    left_out: list[str] = []
    illustrations = illustrate(comparison, observations, left_out.append)
    for line in left_out:
        tell(line)
    sheet, program = ((Path(__file__).parent / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    sheet += dark_style()
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
    made = {"illustrations": illustrations, "left_out": left_out, "examples": examples_of(comparison, observations)}
    texts = {"summary": summary(comparison), "notes": notes(comparison, "★"), "training": training(runs)}
    names = titles(comparison)
    return environment.get_template("page.html.jinja").render(
        {**known, **made, **texts},
        policy=f"default-src 'none'; img-src data:; style-src {allowed(sheet)}; script-src {allowed(program)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(sheet),  # noqa: S704 - ours
        script=Markup(program),  # noqa: S704 - ours
        claims=[(claim.verdict, is_exploratory(claim), *claim_lines(claim)) for claim in comparison.claims],
        tables=[(names[task], *table(comparison, rows)) for task, rows in comparison.by_task()],
        reading=[" ".join(part.split()) for part in comparison.reading.split("\n\n") if part.strip()],
        settings=settings(runs),
        environments=[flattened(environment.model_dump()) for environment in comparison.environments],
        runs=[(run, parameters_of(run)) for group in runs.values() for run in group],
        scanned=SCANNED,
    )


class Example(NamedTuple):
    """An example of the page: what every strategy makes of it, and its models on it, with where they look."""

    contrast: Contrast
    looks: list[tuple[Look, Map | None]]


def examples_of(comparison: Comparison, observations: Observations) -> dict[str, list[Example]]:
    """The examples of each task, by title, the typical one first; fewer a task where tasks and strategies are many."""
    a_task = max(1, LOOKS // max(1, len(observations.runs)))
    found = {task: observations.contrasts(task, comparison.baseline)[:a_task] for task in comparison.tasks}
    names = titles(comparison)
    return {
        names[task]: [
            Example(one, [(look, map_of(look.attention)) for look in observations.looks(task, one.example)])
            for one in contrasts
        ]
        for task, contrasts in found.items()
        if contrasts
    }


def training(runs: Runs) -> str:
    """What the training of the runs took; empty where there are none."""
    every = [run for group in runs.values() for run in group]
    if not every:
        return ""
    sizes = sorted(map(parameters_of, every))
    size = f"{sizes[0]:,}" if sizes[0] == sizes[-1] else f"{sizes[0]:,} to {sizes[-1]:,}"
    seconds = sum(run.result.seconds for run in every)
    return (
        f"{plural(len(every), 'complete run')}, {size} parameters a model, {seconds:,.0f} seconds of training in all."
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


class Illustration(NamedTuple):
    """A figure for a wide screen, and the same for a narrow one, its panels under each other."""

    picture: Picture
    wide: Markup
    narrow: Markup


def illustrate(comparison: Comparison, observations: Observations, tell: Tell) -> list[Illustration]:
    """The figures; none where there is no matplotlib."""
    names = fitting(comparison, OF_PAGE)
    try:
        with drawing():
            wide, narrow = (
                {
                    picture.name: (picture, Markup(inline_svg(picture, f"{name}-{picture.name}")))  # noqa: S704 - escaped
                    for picture in pictures(Canvas(comparison, framed=False, width=width), observations, say, names)
                }
                for name, width, say in (("wide", WIDTH, tell), ("narrow", NARROW, silent))
            )
    except UsageError as error:
        tell(f"no figures: {error}")
        return []
    return [Illustration(picture, svg, narrow[name][1]) for name, (picture, svg) in wide.items()]


def silent(note: str) -> None:
    """Says nothing: what could not be drawn wide has been told."""


class NumberCell(NamedTuple):
    """A number of a table, and its interval on a scale of 0 to 100 that its column shares; None for no interval.

    Attributes:
        text: For people.
        value: To sort by.
        middle: Of the number, on the scale.
        left: Of the interval's lower end, as `right` of its upper one.
        best: Of its column.
        p: Of a difference with an interval.
        zero: Of zero, where the scale has it.
    """

    text: str
    value: float
    middle: float | None = None
    left: float | None = None
    right: float | None = None
    best: bool = False
    p: str | None = None
    zero: float | None = None


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        about: What is to be said below the heading.
        first: The order of the first click on it: the best comes first.
        ends: Of the scale of its intervals, as text; None where it has none.
    """

    heading: str
    about: str
    first: str
    ends: tuple[str, str] | None
    cells: list[NumberCell | None]


Line = tuple[Row, str, list[NumberCell | None]]  # with how many runs stand behind it


def table(comparison: Comparison, rows: Sequence[Row]) -> tuple[list[Column], list[Line]]:
    """Columns: runs not converged, where any is; means, differences where there are any, the bootstrap; and lines."""
    columns = [not_converged_column(rows)] if any(row.not_converged for row in rows) else []
    columns += [mean_column(rows, metric) for metric in comparison.columns]
    if has_difference(rows, compared(comparison)):
        columns += [difference_column(comparison, rows, metric) for metric in compared(comparison)]
    if has_bootstrap(comparison):
        columns.append(bootstrap_column(rows))
    return columns, [(row, count(row), [column.cells[index] for column in columns]) for index, row in enumerate(rows)]


def not_converged_column(rows: Sequence[Row]) -> Column:
    cells = [NumberCell(not_converged(row), float(row.not_converged)) for row in rows]
    return Column(NOT_CONVERGED, "runs", "ascending", None, list(cells))


def mean_column(rows: Sequence[Row], metric: str) -> Column:
    estimates = [row.estimates.get(metric) for row in rows]
    if is_timed(rows, metric):
        times = zip(estimates, mean_cells(rows, metric), strict=True)
        sorted_by_mean = [NumberCell(cell.text, found.mean, best=cell.best) if found else None for found, cell in times]
        return Column(METRICS[metric].short, "median, runs that arrived", first_order(metric), None, sorted_by_mean)
    ends = [possible_interval(found, metric) if found else (None, None) for found in estimates]
    scale = Scale.of([*(found.mean for found in estimates if found), *(end for both in ends for end in both)])
    shown = mean_cells(rows, metric)
    texts = aligned([cell.text for cell in shown])
    cells = [
        NumberCell(text, found.mean, scale.at(found.mean), scale.at(low), scale.at(high), cell.best, zero=scale.zero)
        if found
        else None
        for found, (low, high), text, cell in zip(estimates, ends, texts, shown, strict=True)
    ]
    about = {"higher": "more is better", "lower": "less is better", "neither": ""}[METRICS[metric].better]
    return Column(METRICS[metric].short, about, first_order(metric), scale.ends(metric), cells)


def difference_column(comparison: Comparison, rows: Sequence[Row], metric: str) -> Column:
    estimates = [row.estimates.get(metric) for row in rows]
    ends = [(found.difference, found.difference_low, found.difference_high) for found in estimates if found]
    scale = Scale.of([0.0, *(value for values in ends for value in values)])

    def cell(found: Estimate | None) -> NumberCell | None:
        if found is None or found.difference is None:
            return None
        places = (scale.at(found.difference), scale.at(found.difference_low), scale.at(found.difference_high))
        p = p_holm(found) if found.difference_low is not None and shows_p(comparison) else None
        return NumberCell(difference(found, metric), found.difference, *places, p=p, zero=scale.zero)

    heading, about = f"Δ {METRICS[metric].short}", f"from {comparison.baseline}"
    return Column(heading, about, first_order(metric), scale.ends(metric), list(map(cell, estimates)))


def bootstrap_column(rows: Sequence[Row]) -> Column:
    """In how many seeds BLEU differs by the paired bootstrap."""

    def cell(row: Row) -> NumberCell | None:
        counts = told_apart(row)
        return None if counts is None else NumberCell(bootstrapped(row), float(counts[0] - counts[1]))

    return Column("bootstrap", "seeds better, worse", "descending", None, list(map(cell, rows)))


def first_order(metric: str) -> str:
    return "descending" if METRICS[metric].better == "higher" else "ascending"


def aligned(texts: Sequence[str]) -> list[str]:
    """Texts such as `9.1 ±0.2` that, aligned on the right, have their numbers under each other."""
    longest = max((len(text.partition(" ±")[2]) for text in texts), default=0)

    def padded(text: str) -> str:
        mean, _, half = text.partition(" ±")
        if not longest:
            return text
        return f"{mean} {PAD * (longest - len(half))}±{half}" if half else mean + PAD * (longest + 2)

    return list(map(padded, texts))


class Scale(NamedTuple):
    """From the least to the most of a column's values."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Scale:
        known = [value for value in values if value is not None]
        return cls(min(known, default=0.0), max(known, default=0.0))

    def at(self, value: float | None) -> float | None:
        """Where a value lies, from 4 to 96: a mark at an end is not cut off."""
        if value is None:
            return None
        return round(4 + 92 * (value - self.low) / (self.high - self.low), 1) if self.high > self.low else 50.0

    @property
    def zero(self) -> float | None:
        return self.at(0.0) if self.low <= 0 <= self.high else None

    def ends(self, metric: str) -> tuple[str, str] | None:
        return (number(self.low, metric), number(self.high, metric)) if self.high > self.low else None


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
