"""What `ssrun list` shows: tasks, strategies, experiments and metrics, from where they are defined."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

from rich.table import Table
from rich.text import Text

from ssrun.config.loading import folder, names
from ssrun.metrics import METRICS
from ssrun.strategies import STRATEGIES
from ssrun.tasks import TASKS
from ssrun.tasks.task import Range

Rows = list[dict[str, str]]


def tasks() -> Rows:
    """Each task with the first sentence of its docstring and its own fields."""
    return [
        {
            "name": name,
            "about": (task.__doc__ or "").strip().splitlines()[0],
            "fields": ", ".join(
                f"{field}={default(information.get_default())}"
                for field, information in task.model_fields.items()
                if field not in ("name", "digest")
            ),
        }
        for name, task in TASKS.items()
    ]


def default(value: object) -> str:
    """A default as `--set` takes it: a range as 4..15, nothing for none."""
    return f"{value.low}..{value.high}" if isinstance(value, Range) else "" if value is None else str(value)


def strategies() -> Rows:
    """Each strategy with its formula, its parts, what it is, and its source."""
    return [
        {
            "name": name,
            "formula": entry.strategy.schedule.formula,
            "parameters": ", ".join(
                f"{field}={value}"
                for field, value in entry.strategy.schedule.model_dump(exclude={"name"}).items()
                if value is not None
            ),
            "coin": entry.strategy.coin,
            "feed": entry.strategy.feed,
            "about": entry.about,
            "source": entry.source,
        }
        for name, entry in STRATEGIES.items()
    ]


def experiments() -> Rows:
    """Each experiment with its question and its minutes."""
    rows = []
    for name in names():
        document = tomllib.loads((folder() / f"{name}.toml").read_text(encoding="utf-8"))
        rows.append({"name": name, "minutes": f"{document.get('minutes', '')}", "question": document["question"]})
    return rows


def metrics() -> Rows:
    """Each metric with its unit and which way is better."""
    return [
        {"name": name, "unit": metric.unit, "better": metric.better, "about": metric.about}
        for name, metric in METRICS.items()
    ]


LISTS: dict[str, Callable[[], Rows]] = {
    "tasks": tasks,
    "strategies": strategies,
    "experiments": experiments,
    "metrics": metrics,
}


def rows_of(what: str) -> Rows:
    """The rows of a list."""
    return LISTS[what]()


def table_of(what: str) -> Table:
    """A list for the terminal: names on the left, the rest in lines under each other."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True, style="bold cyan")
    table.add_column()
    for row in rows_of(what):
        name, *rest = row.items()
        lines = [Text.assemble((f"{key}: ", "dim"), value) for key, value in rest if value]
        table.add_row(Text(name[1]), Text("\n").join(lines))
    return table
