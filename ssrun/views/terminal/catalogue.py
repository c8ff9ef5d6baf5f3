"""What `ssrun list` shows: what there is, from where it is defined; rows as JSON has them, and words for people."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from ssrun.config.loading import folder, names
from ssrun.config.settable import Setting, experiment_fields, settings
from ssrun.engines import plugins
from ssrun.metrics import BUILT_IN, METRICS, Metric
from ssrun.strategies import STRATEGIES, Entry
from ssrun.strategies.parts import COINS, FEEDS, GRADIENTS, Part
from ssrun.system.plugins import Registry
from ssrun.system.text import visible
from ssrun.tasks import OUTPUT_METRICS, TASKS, Task
from ssrun.tasks.task import Range

SHOWN_APART = ("coin", "feed", "label")  # parts of a strategy, each with a place of its own in the list
Row = dict[str, Any]
Rows = list[Row]


def tasks() -> Rows:
    """Each task with the first line of its docstring and its own fields."""
    return rows_by_name(TASKS, task_row, {"fields": {}})


def task_row(task: type[Task]) -> Row:
    about = next(iter((task.__doc__ or "").strip().splitlines()), "")
    own = {field: default(info.get_default(call_default_factory=True)) for field, info in task.model_fields.items()}
    fields = {field: value for field, value in own.items() if field not in ("name", "digest")}
    return {"about": about, "fields": fields}


def rows_by_name(registry: Registry[Any], row_of: Callable[[Any], Row], empty: Row) -> Rows:
    """A row for each of a registry's; a plugin's says where it is from, or why it cannot be used: then it is empty."""
    rows: Rows = []
    for name in registry:
        origin = registry.origin(name)
        if (status := registry.status(name) if origin else "ok") != "ok":
            rows.append({"name": name, "about": f"cannot be used: {status}", **empty})
        else:
            known = registry.built_in[name] if origin is None else registry[name]
            rows.append({"name": name, **row_of(known), **({"plugin": origin.origin} if origin else {})})
    return rows


def default(value: Any) -> Any:
    """A default as `--set` takes it: a range as 4..15."""
    return f"{value.low}..{value.high}" if isinstance(value, Range) else value


def strategies() -> Rows:
    """Each strategy with its formula, its parts, what it is, and its source."""
    parts = ("formula", "parameters", *SHOWN_APART, "loss", "true", "replaced by", "gradient", "source")
    return rows_by_name(STRATEGIES, strategy_row, dict.fromkeys(parts))


def strategy_row(entry: Entry) -> Row:
    strategy = entry.strategy
    parameters = strategy.schedule.model_dump(exclude={"name"}, exclude_none=True)
    parameters |= strategy.model_dump(exclude={"schedule", *SHOWN_APART}, exclude_defaults=True)
    row: Row = {"formula": strategy.formula, "parameters": parameters}
    row |= {part: getattr(strategy, part) for part in SHOWN_APART} | {"loss": strategy.loss}
    row |= {"true": ruled(COINS[strategy.coin]), "replaced by": ruled(FEEDS[strategy.feed])}
    return row | {"gradient": GRADIENTS[strategy.gradient], "about": entry.about, "source": entry.source}


def ruled(part: Part) -> str:
    return f"{part.rule} ({part.source})"


def experiments() -> Rows:
    rows = []
    for name in names():
        document = tomllib.loads((folder() / f"{name}.toml").read_text(encoding="utf-8"))
        rows.append({"name": name, "minutes": document.get("minutes"), "question": document["question"]})
    return rows


def metrics() -> Rows:
    built_in = [{"name": name, **metric_row(METRICS[name])} for name in METRICS if name in BUILT_IN]
    parts = ("unit", "better", "range", "formula", "source")
    own = rows_by_name(OUTPUT_METRICS, lambda found: metric_row(found.metric), dict.fromkeys(parts))
    return [*built_in, *own]


def metric_row(metric: Metric) -> Row:
    return {part: getattr(metric, part) for part in ("unit", "better", "range", "about", "formula", "source")}


def fields() -> Rows:
    """Each field that `--set` reaches."""
    return [row_of(setting) for setting in settings(load=True)]


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
    "plugins": plugins.rows,
}


def rows_of(what: str) -> Rows:
    return LISTS[what]()


def names_of(what: str) -> list[str]:
    """The names alone, each once; plugins are not loaded for them."""
    known: dict[str, Iterable[str]] = {"tasks": TASKS, "strategies": STRATEGIES}
    known |= {"metrics": dict.fromkeys([*METRICS, *OUTPUT_METRICS]), "plugins": plugins.names()}
    return list(dict.fromkeys(known[what] if what in known else (row["name"] for row in rows_of(what))))


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
        lines.append("\t".join([visible(name[1]), *(f"{key}: {visible(text)}" for key, text in rest)]) + "\n")
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
