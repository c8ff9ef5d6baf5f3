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
    """Each task with the first line of its docstring and its own fields."""
    rows = []
    for name, task in TASKS.items():
        about = (task.__doc__ or "").strip().splitlines()[0]
        own = {field: default(info.get_default()) for field, info in task.model_fields.items()}
        fields = ", ".join(f"{field}={value}" for field, value in own.items() if field not in ("name", "digest"))
        rows.append({"name": name, "about": about, "fields": fields})
    return rows


def default(value: object) -> str:
    """A default as `--set` takes it: a range as 4..15, nothing for none."""
    return f"{value.low}..{value.high}" if isinstance(value, Range) else "" if value is None else str(value)


def strategies() -> Rows:
    """Each strategy with its formula, its parts, what it is, and its source."""
    rows = []
    for name, entry in STRATEGIES.items():
        strategy = entry.strategy
        fields = strategy.schedule.model_dump(exclude={"name"}, exclude_none=True)
        parameters = ", ".join(f"{field}={value}" for field, value in fields.items())
        row = {"name": name, "formula": strategy.schedule.formula, "parameters": parameters}
        rows.append(row | {"coin": strategy.coin, "feed": strategy.feed, "about": entry.about, "source": entry.source})
    return rows


def experiments() -> Rows:
    rows = []
    for name in names():
        document = tomllib.loads((folder() / f"{name}.toml").read_text(encoding="utf-8"))
        rows.append({"name": name, "minutes": f"{document.get('minutes', '')}", "question": document["question"]})
    return rows


def metrics() -> Rows:
    return [
        {"name": name, "unit": metric.unit, "better": metric.better, "about": metric.about}
        for name, metric in METRICS.items()
    ]


LISTS: dict[str, Callable[[], Rows]] = {maker.__name__: maker for maker in (tasks, strategies, experiments, metrics)}


def rows_of(what: str) -> Rows:
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
