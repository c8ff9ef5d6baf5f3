"""The commands on what there is: list, schedule. They need no results."""

from __future__ import annotations

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
            "lists", "tasks, strategies, experiments, metrics, fields (of --set) or experiment-fields (of a TOML file)."
        ),
    ] = "strategies",
    names: Annotated[bool, typer.Option("--names", help="The names alone, one a line.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show what there is, with formulas and sources; what can be set, with defaults. In a pipe, a line an entry."""
    from ssrun.views.terminal.catalogue import LISTS, lines_of, names_of, rows_of, table_of
    from ssrun.views.terminal.console import stdout_console

    if what not in LISTS:
        raise UsageError(unknown("list", what, LISTS))
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


@options.command(app, "ssrun schedule inverse-sigmoid --steps 1000 --set half_at=0.3")
def schedule(
    name: Annotated[str, options.name_argument("schedules", "A strategy or a schedule.")],
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
    as_json: options.Json = False,
) -> None:
    """Draw epsilon, the probability of feeding the true token, over a run; with its k, half point and mean."""
    from ssrun.config.run import TrainingConfig
    from ssrun.strategies import STRATEGIES
    from ssrun.strategies.trajectory import Trajectory
    from ssrun.views.terminal.schedule import schedule_view

    strategy = strategy_of(name, settings or [])
    trajectory = Trajectory.of(strategy.schedule, steps or TrainingConfig().steps)
    fields = strategy.schedule.model_dump()
    document = {**fields, **trajectory._asdict(), "name": name, "schedule": fields["name"]}
    about = STRATEGIES[name].about if name in STRATEGIES else ""
    answer_view(as_json, document, schedule_view, f"{name}, {trajectory.steps:,} steps", trajectory, about)


def strategy_of(name: str, settings: list[str]) -> Strategy:
    """A strategy by its own name or its schedule's, with fields set as `half_at=0.3` or `strategy.half_at=0.3`."""
    from ssrun.config.overrides import parse_settings
    from ssrun.config.run import validated
    from ssrun.strategies import STRATEGIES, Strategy, variant

    known = options.names("schedules")
    if name not in known:
        raise UsageError(unknown("strategy or schedule", name, known))
    changes: dict[str, Any] = {} if name in STRATEGIES else {"schedule": name}
    for setting in settings:
        path, equals, value = setting.partition("=")
        field = path.strip().removeprefix("strategy.")
        if not equals or not field or "." in field:
            raise UsageError(f"--set {shown_value(setting)}: write it like --set half_at=0.3")
        if field in ("coin", "feed"):
            raise UsageError(f"--set {field}: epsilon does not depend on it: leave it out")
        changes |= parse_settings([f"strategy.{field}={value}"])["strategy"]
    return validated(Strategy, variant(name if name in STRATEGIES else "teacher-forcing", changes))
