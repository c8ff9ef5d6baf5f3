"""The report: one HTML page of a comparison that asks nothing of the network and runs nothing but its own script.

Everything that a user can name or write is escaped; the page's policy names its one style and its one script by digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ssrun import __version__
from ssrun.analysis import comparison as comparing
from ssrun.analysis import evidence as inspecting
from ssrun.analysis.evidence import Contrast, Runs
from ssrun.metrics import METRICS
from ssrun.system.files import sweep_temporaries, write, writing
from ssrun.views.report.inline_svg import inline_figures
from ssrun.views.tables.cells import (
    Document,
    Row,
    best,
    by_task,
    claim_lines,
    columns,
    compared,
    count,
    difference,
    mean,
    notes,
    p_value,
    visible,
)

EXAMPLES = 3  # a task
WORDS, LETTERS = 100, 60  # of a text, and of a token, that the page shows
SIGNS = {"agree": "✓", "disagree": "✗", "inconclusive": "?"}

Part = dict[str, Any]


def write_report(results: Path, out: Path | None = None, tell: Callable[[str], None] = lambda note: None) -> Path:
    """Writes the page and returns where; the same results give the same bytes.

    Args:
        results: A folder of a comparison, or of its tables alone.
        out: The file; `report.html` in the results unless told.
        tell: Takes a line on each part that could not be made.

    Raises:
        StoreError: The results are damaged, or there are none.
    """
    document = comparing.document(results)
    runs = inspecting.complete(results)
    path = out or results / "report.html"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    sweep_temporaries(path.parent)
    write(path, page(document, runs, str(results), tell).encode("utf-8", "backslashreplace"))
    return path


def page(document: Document, runs: Runs, folder: str, tell: Callable[[str], None]) -> str:
    """The page as text."""
    missing: list[str] = []
    drawn, rules = inline_figures(document, runs, missing.append)
    for line in missing:
        tell(line)
    telling = {task: inspecting.contrasts(inspecting.of_one_seed(runs, task), EXAMPLES) for task in tasks_of(document)}
    sheet, program = resource("page.css") + rules, resource("page.js")
    environment = Environment(
        loader=PackageLoader("ssrun.views.report", ""),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cut"] = cut
    return environment.get_template("page.html.jinja").render(
        version=__version__,
        policy=f"default-src 'none'; img-src data:; style-src {digest(sheet)}; script-src {digest(program)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(sheet),  # noqa: S704 - ours
        script=Markup(program),  # noqa: S704 - ours
        document=document,
        folder=folder,
        summary=summary(document),
        claims=[
            {"verdict": claim["verdict"], "sign": SIGNS[claim["verdict"]], "text": text, "evidence": found}
            for claim in document["claims"]
            for text, found in [claim_lines(claim)]
        ],
        tables=[table(document, task, rows) for task, rows in by_task(document)],
        notes=[note.replace("* best", "★ best") for note in notes(document)],
        reading=[" ".join(part.split()) for part in document["reading"].split("\n\n") if part.strip()],
        figures=drawn,
        missing=missing,
        contrasts=[shortened(task, one) for task, of_task in telling.items() for one in of_task],
        explorers=[explorer(runs, task, of_task[0]) for task, of_task in telling.items() if of_task],
        settings=settings(runs),
        environments=[flat(one) for one in document["environments"]],
        runs=[run for of in runs.values() for run in of],
    )


def resource(name: str) -> str:
    """A file of the package, as text."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """How a content policy names an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def shown(value: Any) -> Any:
    """Every value that the template prints: text without control characters; markup of our own as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def cut(text: object) -> str:
    """A text that is not longer than the page shows."""
    text = str(text)
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


def tasks_of(document: Document) -> list[str]:
    """The tasks, in order."""
    return [task for task, _ in by_task(document)]


def summary(document: Document) -> str:
    """The size of the comparison, and how its claims fared, in a sentence or two."""

    def some(number: int, noun: str, nouns: str) -> str:
        return f"{number} {noun if number == 1 else nouns}"

    strategies = len({row["strategy"] for row in document["rows"]})
    text = (
        f"{some(strategies, 'strategy', 'strategies')} on {some(len(tasks_of(document)), 'task', 'tasks')}, "
        f"{some(len(document['seeds']), 'seed', 'seeds')} each: "
        f"{some(sum(row['n'] for row in document['rows']), 'complete run', 'complete runs')}."
    )
    verdicts = Counter(claim["verdict"] for claim in document["claims"])
    told = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in SIGNS if verdicts[verdict])
    return f"{text} {some(len(document['claims']), 'claim', 'claims')}: {told}." if told else text


def table(document: Document, task: str, rows: Sequence[Row]) -> Part:
    """One task's table: its columns, and rows of cells with their intervals' places on the column's scale."""
    metrics, differences = columns(document), compared(document)
    if not any(row.get(metric, {}).get("difference") is not None for row in rows for metric in differences):
        differences = []
    headings = [{"heading": METRICS[metric].short, "about": direction(metric)} for metric in metrics]
    headings += [
        {"heading": f"Δ {METRICS[metric].short}", "about": f"from {document['baseline']}"} for metric in differences
    ]
    means = [interval_cells(rows, metric, ("mean", "low", "high")) for metric in metrics]
    means += [
        interval_cells(rows, metric, ("difference", "difference_low", "difference_high")) for metric in differences
    ]
    return {
        "task": task,
        "caption": f"{task}: mean ± half a 95 % interval over seeds, drawn below each number.",
        "columns": headings,
        "rows": [
            {"strategy": row["strategy"], "n": row["n"], "count": count(row), "cells": cells}
            for row, cells in zip(rows, zip(*means, strict=True) if means else [()] * len(rows), strict=True)
        ],
    }


def direction(metric: str) -> str:
    """Which way is better."""
    return {"higher": "more is better", "lower": "less is better", "neither": ""}[METRICS[metric].better]


def interval_cells(rows: Sequence[Row], metric: str, keys: tuple[str, str, str]) -> list[Part | None]:
    """A column's cells: text, value to sort by, and places 0-100 on a scale that the column shares."""
    found = [[row.get(metric, {}).get(key) for key in keys] for row in rows]
    values = [value for one in found for value in one if value is not None]
    if not values:
        return [None] * len(rows)
    is_difference = keys[0] == "difference"
    low, high = min(values), max(values)
    if is_difference:
        low, high = min(low, 0), max(high, 0)

    def place(value: float | None) -> float | None:
        return None if value is None else round(4 + 92 * (value - low) / (high - low), 1) if high > low else 50.0

    cells: list[Part | None] = []
    for row, (value, left, right) in zip(rows, found, strict=True):
        if value is None:
            cells.append(None)
            continue
        text = difference(row, metric) if is_difference else mean(row, metric)
        p = p_value(row[metric]["p_holm"]) if is_difference and left is not None else None
        is_best = not is_difference and value == best(rows, metric)
        places = {"place": place(value), "left": place(left), "right": place(right)}
        cells.append(
            {"text": text, "p": p, "value": value, "best": is_best, "zero": place(0) if is_difference else None}
            | places
        )
    return cells


def shortened(task: str, contrast: Contrast) -> Part:
    """A contrast as the page shows it."""
    return {
        "task": task,
        "number": contrast.number,
        "seed": contrast.seed,
        "source": contrast.example.source[:WORDS],
        "reference": contrast.example.target[:WORDS],
        "others": len(contrast.example.others),
        "outputs": [output._replace(tokens=output.tokens[:WORDS]) for output in contrast.outputs],
    }


def explorer(runs: Runs, task: str, contrast: Contrast) -> Part:
    """One example under each strategy, position by position."""
    walks = inspecting.walks(inspecting.of_one_seed(runs, task), contrast.example)
    return {
        "task": task,
        "number": contrast.number,
        "seed": contrast.seed,
        "source": contrast.example.source[:WORDS],
        "gold": [position.gold for position in walks[0].trained[:WORDS]],
        "walks": [
            {
                "strategy": walk.strategy,
                "epsilon": walk.epsilon,
                "positions": list(zip(walk.trained, walk.used, strict=True))[:WORDS],
            }
            for walk in walks
        ],
    }


def flat(document: Any, path: str = "") -> list[tuple[str, str]]:
    """The fields of nested objects as (dotted path, text)."""
    if not isinstance(document, dict):
        return [(path, document if isinstance(document, str) else json.dumps(document))]
    return [pair for key in document for pair in flat(document[key], f"{path}.{key}" if path else str(key))]


def settings(runs: Runs) -> list[Part]:
    """The resolved configuration: what all runs share, then what goes by task, by strategy, or by both; no seed."""
    configs: dict[tuple[str, str], dict[str, str]] = {}
    for key, (run, *_) in runs.items():
        fields = dict(flat(run.config.model_dump(mode="json", exclude={"seed": True, "task": {"path"}})))
        resolved = {f"strategy.schedule.{name} (resolved)": f"{k:.6g}" for name, k in run.result["schedule"].items()}
        configs[key] = fields | resolved
    names = list(dict.fromkeys(name for fields in configs.values() for name in fields))
    parts: list[tuple[str, Callable[[tuple[str, str]], str]]] = [
        ("All runs", lambda key: "value"),
        ("By task", lambda key: key[0]),
        ("By strategy", lambda key: key[1]),
        ("By task and strategy", lambda key: f"{key[0]}, {key[1]}"),
    ]
    shown_parts = []
    for title, of in parts:
        groups = list(dict.fromkeys(map(of, configs)))
        same: list[tuple[str, list[str]]] = []
        for name in list(names):
            values: dict[str, set[str]] = {group: set() for group in groups}
            for key, config in configs.items():
                values[of(key)].add(config.get(name, "-"))
            if all(len(of_group) == 1 for of_group in values.values()):
                same.append((name, [next(iter(values[group])) for group in groups]))
                names.remove(name)
        if same:
            shown_parts.append({"title": title, "names": groups, "fields": same})
    return shown_parts
