"""What `ssrun list` shows: what there is, from where it is defined; rows as JSON has them, and words for people."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from ssrun.config.loading import folder, names
from ssrun.config.settable import Setting, experiment_fields, settings
from ssrun.metrics import METRICS
from ssrun.strategies import STRATEGIES
from ssrun.strategies.parts import COINS, FEEDS, GRADIENTS, LOSSES, Part
from ssrun.system.text import visible
from ssrun.tasks import TASKS
from ssrun.tasks.task import Range

SHOWN_APART = ("coin", "feed", "label")  # parts of a strategy, each with a place of its own in the list
Row = dict[str, Any]
Rows = list[Row]


def tasks() -> Rows:
    """Each task with the first line of its docstring and its own fields."""
    rows = []
    for name, task in TASKS.items():
        about = (task.__doc__ or "").strip().splitlines()[0]
        own = {field: default(info.get_default()) for field, info in task.model_fields.items()}
        fields = {field: value for field, value in own.items() if field not in ("name", "digest")}
        rows.append({"name": name, "about": about, "fields": fields})
    return rows


def default(value: Any) -> Any:
    """A default as `--set` takes it: a range as 4..15."""
    return f"{value.low}..{value.high}" if isinstance(value, Range) else value


def strategies() -> Rows:
    """Each strategy with its formula, its parts, what it is, and its source."""
    rows = []
    for name, entry in STRATEGIES.items():
        strategy = entry.strategy
        parameters = strategy.schedule.model_dump(exclude={"name"}, exclude_none=True)
        parameters |= strategy.model_dump(exclude={"schedule", *SHOWN_APART}, exclude_defaults=True)
        row = {"name": name, "formula": strategy.formula, "parameters": parameters}
        row |= {part: getattr(strategy, part) for part in SHOWN_APART} | {"loss": LOSSES[strategy.label]}
        row |= {"true": ruled(COINS[strategy.coin]), "replaced by": ruled(FEEDS[strategy.feed])}
        row |= {"gradient": GRADIENTS[strategy.gradient]}
        rows.append(row | {"about": entry.about, "source": entry.source})
    return rows


def ruled(part: Part) -> str:
    return f"{part.rule} ({part.source})"


def experiments() -> Rows:
    rows = []
    for name in names():
        document = tomllib.loads((folder() / f"{name}.toml").read_text(encoding="utf-8"))
        rows.append({"name": name, "minutes": document.get("minutes"), "question": document["question"]})
    return rows


def metrics() -> Rows:
    shown = ("unit", "better", "range", "about", "formula", "source")
    return [{"name": name, **{part: getattr(metric, part) for part in shown}} for name, metric in METRICS.items()]


def fields() -> Rows:
    """Each field that `--set` reaches."""
    return [row_of(setting) for setting in settings()]


def fields_of_experiments() -> Rows:
    """Each key of an experiment's file."""
    return [row_of(setting) for setting in experiment_fields()]


def row_of(setting: Setting) -> Row:
    return {"name": setting.path, **{name: value for name, value in setting._asdict().items() if name != "path"}}


LISTS: dict[str, Callable[[], Rows]] = {
    "tasks": tasks,
    "strategies": strategies,
    "experiments": experiments,
    "metrics": metrics,
    "fields": fields,
    "experiment-fields": fields_of_experiments,
}


def rows_of(what: str) -> Rows:
    return LISTS[what]()


def names_of(what: str) -> list[str]:
    """The names alone, each once."""
    return list(dict.fromkeys(row["name"] for row in rows_of(what)))


def words_of(row: Row) -> dict[str, str]:
    """A row for people, without what is empty; of a field, what it takes is said together."""
    if "type" in row:
        takes = [words(row["choices"]), row["type"] if row["type"] != "choice" else "", row["range"]]
        fields = {"about": row["about"], "takes": ", ".join(filter(None, takes)), "default": words(row["default"])}
        other = ", ".join(f"{name}: {words(value)}" for name, value in row["defaults"].items())
        row = {"name": row["name"], **fields, "default of": other, "of": row["of"]}
    return {key: text for key, value in row.items() if (text := words(value))}


def words(value: Any) -> str:
    """A value as people write it: `a=1, b=2`, `a, b`, nothing for none."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={words(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(words, value))
    return "" if value is None else str(value)


def lines_of(what: str) -> str:
    """A list for a pipe: a line an entry, its name first, then what is known of it, with tabs between."""
    lines = []
    for row in rows_of(what):
        name, *rest = words_of(row).items()
        lines.append("\t".join([name[1], *(f"{key}: {visible(text)}" for key, text in rest)]) + "\n")
    return "".join(lines)


def table_of(what: str) -> Table:
    """A list for the terminal: names on the left, the rest in lines under each other."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True, style="bold cyan")
    table.add_column()
    for row in rows_of(what):
        name, *rest = words_of(row).items()
        lines = [Text.assemble((f"{key}: ", "dim"), text) for key, text in rest]
        table.add_row(Text(name[1]), Text("\n").join(lines))
    return table
