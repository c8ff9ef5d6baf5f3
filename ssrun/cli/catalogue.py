"""The commands on what there is: list, schedule. They need no results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssrun.cli import options
from ssrun.cli.output import answer_view, emit, emit_json
from ssrun.errors import UsageError, unknown
from ssrun.system.text import shown_value

if TYPE_CHECKING:
    from ssrun.strategies import Strategy

app = typer.Typer()


@options.command(app, "ssrun list strategies", "list")
def list_(
    what: Annotated[
        str,
        options.name_argument(
            "lists",
            "tasks, strategies, experiments, metrics, fields (of --set), experiment-fields (of a TOML file), plugins, "
            "or the runs in a store.",
        ),
    ] = "strategies",
    store: Annotated[
        Path | None, typer.Option(help="Of runs: a folder of runs.", metavar="DIR", show_default="results/runs")
    ] = None,
    names: Annotated[bool, typer.Option("--names", help="The names alone, one a line.")] = False,
    plugins: options.Plugins = None,
    as_json: options.Json = False,
) -> None:
    """Show what there is, with formulas and sources; what can be set, with defaults. In a pipe, a line an entry."""
    from ssrun.views.terminal.catalogue import LISTS, lines_of, names_of, rows_of, table_of
    from ssrun.views.terminal.console import stdout_console

    options.use_plugins(plugins)
    if what == "runs":
        list_runs(store, names, as_json)
        return
    if store:
        raise UsageError("--store: of `ssrun list runs` alone: leave it out")
    if what not in LISTS:
        raise UsageError(unknown("list", what, options.names("lists")))
    if names and as_json:
        raise UsageError("--names and --json: give one of them")
    if as_json:
        emit_json(rows_of(what))
    elif names:
        emit("".join(f"{name}\n" for name in names_of(what)))
    elif (console := stdout_console()).is_terminal:
        console.print(table_of(what))
    else:
        emit(lines_of(what))


def list_runs(store: Path | None, names: bool, as_json: bool) -> None:
    from ssrun.runs.inventory import stored_runs
    from ssrun.runs.results_folder import RESULTS, RUNS
    from ssrun.views.terminal.console import stdout_console
    from ssrun.views.terminal.runs import runs_lines, runs_table

    runs = stored_runs(store or RESULTS / RUNS)
    if as_json:
        emit_json([run._asdict() for run in runs])
    elif names:
        emit("".join(f"{run.place}\n" for run in runs))
    elif (console := stdout_console()).is_terminal:
        console.print(runs_table(runs))
    else:
        emit(runs_lines(runs))


@options.command(app, "ssrun schedule inverse-sigmoid --steps 1000 --set half_at=0.3")
def schedule(
    name: Annotated[
        str, options.name_argument("schedules", "A strategy or a schedule; several, with commas, in one drawing.")
    ],
    steps: Annotated[
        int | None, typer.Option(help="Optimiser steps of the run.", show_default="1000", min=1, max=1_000_000_000)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="half_at=0.3, k=50, end=0.1 ... May be repeated.",
            autocompletion=options.completed_settings("strategy."),
        ),
    ] = None,
    plugins: options.Plugins = None,
    as_json: options.Json = False,
) -> None:
    """Draw epsilon, the probability of feeding the true token, over a run; with its k, half point and mean."""
    from ssrun.config.run import TrainingConfig
    from ssrun.strategies import STRATEGIES, parameters
    from ssrun.strategies.trajectory import Trajectory
    from ssrun.views.terminal.schedule import SIGNS, overlay_view, schedule_view

    options.use_plugins(plugins)
    names = [part.strip() for part in name.split(",")]
    if len(names) > len(SIGNS):
        raise UsageError(f"{len(names)} curves: one drawing has room for {len(SIGNS)}")
    changes = changes_of(settings or [])
    strategies = {known: strategy_of(known, changes, len(names) > 1) for known in names}
    if len(strategies) < len(names):
        raise UsageError(f"{name}: a name is given twice: give it once")
    if idle := [field for field in changes if not any(field in parameters(kind) for kind in strategies.values())]:
        raise UsageError(f"--set {idle[0]}: none of these schedules has such a field: see `ssrun list fields`")
    of_run = steps or TrainingConfig().steps
    curves = [(known, Trajectory.of_strategy(kind, of_run)) for known, kind in strategies.items()]
    if len({(curve.steps, curve.unit) for _, curve in curves}) > 1:
        raise UsageError(f"{name}: one drawing has one axis: give those of one clock and horizon")
    documents = [
        {**(fields := of_epsilon(strategies[known])), **curve._asdict(), "name": known, "schedule": fields["name"]}
        for known, curve in curves
    ]
    if len(curves) > 1:
        answer_view(as_json, documents, overlay_view, curves)
        return
    ((name, trajectory),) = curves
    about = STRATEGIES[name].about if name in STRATEGIES else ""
    title = f"{name}, {of_run:,} steps" + (f": {trajectory.steps:,} positions" if trajectory.unit != "step" else "")
    answer_view(as_json, documents[0], schedule_view, title, trajectory, about)


def of_epsilon(strategy: Strategy) -> dict[str, Any]:
    """The fields that epsilon depends on: the schedule's, and those of its clock where it has another than the step."""
    from ssrun.strategies.strategy import OF_EPSILON

    clock = strategy.model_dump(include={*OF_EPSILON}, exclude_defaults=True)
    return {**strategy.schedule.model_dump(), **clock}


def changes_of(settings: list[str]) -> dict[str, Any]:
    """Fields of a schedule, set as `half_at=0.3` or `strategy.half_at=0.3`."""
    from ssrun.config.overrides import parse_settings
    from ssrun.strategies import Strategy
    from ssrun.strategies.strategy import OF_EPSILON

    changes: dict[str, Any] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        field = path.strip().removeprefix("strategy.")
        if not equals or not field or "." in field:
            raise UsageError(f"--set {shown_value(setting)}: write it like --set half_at=0.3")
        if field in Strategy.model_fields and field not in ("schedule", *OF_EPSILON):
            raise UsageError(f"--set {field}: epsilon does not depend on it: leave it out")
        changes |= parse_settings([f"strategy.{field}={value}"])["strategy"]
    return changes


def strategy_of(name: str, changes: dict[str, Any], among_others: bool) -> Strategy:
    """A strategy by its own name or its schedule's, with these changes; among others, with those that it has."""
    from ssrun.config.run import validated
    from ssrun.strategies import SCHEDULES, STRATEGIES, Strategy, variant
    from ssrun.strategies.schedules import Constant
    from ssrun.strategies.strategy import OF_EPSILON

    known = options.names("schedules")
    if name not in known:
        raise UsageError(unknown("strategy or schedule", name, known))
    kind = SCHEDULES[STRATEGIES[name].strategy.schedule.name if name in STRATEGIES else name]
    of_kind = (*kind.model_fields, *(OF_EPSILON if kind is not Constant else ()))
    own = {field: value for field, value in changes.items() if not among_others or field in of_kind}
    base = {} if name in STRATEGIES else {"schedule": name}
    return validated(Strategy, variant(name if name in STRATEGIES else "teacher-forcing", base | own))
