"""What can be set, from the models that own the fields: each with its range, its default and what it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from ssrun.config.experiment import Experiment
from ssrun.config.overrides import RUN_SECTIONS
from ssrun.config.run import BODY_DEFAULTS, RunConfig
from ssrun.strategies import SCHEDULES, STRATEGIES, Entry, Strategy
from ssrun.system.plugins import Registry
from ssrun.tasks import TASKS, Task

Thing = TypeVar("Thing")


class Setting(NamedTuple):
    """A field that can be set.

    Attributes:
        path: What stands before the `=`; in an experiment's file its key.
        of: The tasks or schedules that have it so; empty where all have it.
        type: `integer`, `number`, `text`, `boolean`, `range` (such as 4..15), `choice`, `list` or `table`.
        range: The least and the largest value, such as `>= 1, <= 8192`; empty where there is none.
        choices: The values that there are, of a `choice`; of another type those beside it.
        default: None where it is none, or differs from strategy to strategy.
        defaults: The defaults that differ, by the task, the body or the strategy whose they are.
        about: What it means.
    """

    path: str
    of: tuple[str, ...]
    type: str
    range: str
    choices: tuple[str, ...]
    default: Any
    defaults: Mapping[str, Any] | None
    about: str


TYPES = {"string": "text", "array": "list", "object": "table"}
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
Schema = Mapping[str, Any]


def settings(load: bool = False) -> list[Setting]:
    """Every field that `--set` reaches: the task's, the strategy's, and those of the other sections.

    Of plugins too where they are to be loaded, as far as they can be.
    """
    tasks, strategies, schedules = (known(registry, load) for registry in (TASKS, STRATEGIES, SCHEDULES))
    run = RunConfig.model_json_schema()
    names = {name: entry.strategy.schedule.name for name, entry in strategies.items()}
    about = run["$defs"]["Strategy"]["properties"]["schedule"]["description"]
    schedule = Setting("strategy.schedule", (), "choice", "", tuple(SCHEDULES), None, names, about)
    found = [
        *shared(setting for name, task in tasks.items() for setting in of_model(task, "task.", (name,))),
        schedule,
        *(setting for setting in of_model(Strategy, "strategy.") if setting.path != schedule.path),
        *shared(setting for name, kind in schedules.items() for setting in of_model(kind, "strategy.", (name,))),
    ]
    for section in RUN_SECTIONS:
        found += within(resolved(run["properties"][section], run), run, f"{section}.")
    return [setting._replace(defaults=setting.defaults or defaults_of(setting, tasks, strategies)) for setting in found]


def known(registry: Registry[Thing], load: bool) -> dict[str, Thing]:
    """What is built in, and of plugins what is loaded; or all that can be loaded."""
    return {name: registry[name] for name in registry if registry.status(name) == "ok"} if load else registry.known


def experiment_fields() -> list[Setting]:
    """Every key of an experiment's file; the fields of its tables `task` to `scoring` are those of `settings`."""
    return of_model(Experiment, "")


def of_model(kind: type[BaseModel], above: str, of: tuple[str, ...] = ()) -> list[Setting]:
    schema = kind.model_json_schema()
    return [setting for setting in within(schema, schema, above, of) if setting.path != f"{above}name"]


def within(model: Schema, document: Schema, above: str, of: tuple[str, ...] = ()) -> Iterator[Setting]:
    """The fields of a model, each with those of the model that it holds, as JSON schema tells them."""
    for name, field in model["properties"].items():
        kinds = [resolved(kind, document) for kind in field.get("anyOf", [field])]
        kind, *others = (kind for kind in kinds if kind.get("type") != "null")
        choices = tuple(choice for each in (kind, *others) for choice in choices_of(each))
        told = str(kind.get("type", "any"))
        type_name = "choice" if choices_of(kind) else TYPES.get(told, told)
        bounds = ", ".join(f"{sign} {kind[bound]:,.12g}" for bound, sign in BOUNDS.items() if bound in kind)
        default = field.get("default")
        if type_name == "range" and default is not None:
            default = "..".join(map(str, default))
        yield Setting(above + name, of, type_name, bounds, choices, default, {}, field.get("description", ""))
        inner = resolved(kind.get("items", kind), document)
        if "properties" in inner:
            yield from within(inner, document, f"{above}{name}.")


def choices_of(kind: Schema) -> list[str]:
    found: list[str] = kind.get("enum", [kind["const"]] if "const" in kind else [])
    return found


def resolved(part: Schema, document: Schema) -> Schema:
    found: Schema = document["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part
    return found


def shared(found: Iterable[Setting]) -> list[Setting]:
    """Fields that several have the same, once, with all who have them."""
    merged: dict[str, Setting] = {}
    for setting in found:
        alike = repr(setting._replace(of=()))
        known = merged.get(alike, setting._replace(of=()))
        merged[alike] = known._replace(of=(*known.of, *setting.of))
    order = list(dict.fromkeys(setting.path for setting in merged.values()))
    return sorted(merged.values(), key=lambda setting: order.index(setting.path))


def defaults_of(setting: Setting, tasks: Mapping[str, type[Task]], strategies: Mapping[str, Entry]) -> dict[str, Any]:
    """The defaults of a task, a body or a strategy that are not the field's own."""
    section, _, field = setting.path.partition(".")
    if section != "strategy":
        owners = {**{name: task.defaults for name, task in tasks.items()}, **BODY_DEFAULTS}
        return {name: defaults[setting.path] for name, defaults in owners.items() if setting.path in defaults}
    found = {}
    for name, entry in strategies.items():
        schedule = entry.strategy.schedule
        owner = schedule if setting.of else entry.strategy
        if not setting.of or schedule.name in setting.of:
            found[name] = getattr(owner, field)
    return {name: value for name, value in found.items() if value != setting.default}
