"""The commands that see inside one run: explain, schedule, inject. Heavy libraries are imported inside them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssrun.cli.app import emit
from ssrun.cli.options import Json, Run, completed, example, the_run

if TYPE_CHECKING:
    from ssrun.runs.folder import RunFolder
    from ssrun.strategies.strategy import Strategy


def explain(
    run: Run,
    step: Annotated[
        int | None,
        typer.Option(help="Training step to replay and look at, from 0.", show_default="the trained model", min=0),
    ] = None,
    example: Annotated[int, typer.Option(help="Of the step's batch, or of the test set; from 0.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Show gold, coin, fed and predicted token, position by position; or what the trained model says."""
    from ssrun.analysis import explanation as explaining
    from ssrun.errors import UsageError
    from ssrun.system import signals as interruption

    folder = the_run(run)
    interruption.listen()
    cell = folder.cell()
    facts = {"run": str(folder.path), "task": cell.task, "strategy": cell.strategy, "seed": cell.seed}
    title = f"{cell.task} / {cell.strategy} / seed {cell.seed}"
    if step is None:
        from ssrun.runs.trained import load_trained

        trained = load_trained(folder)
        examples = cell.config.task.prepared().held_out("test")
        if example >= len(examples):
            last = len(examples) - 1
            raise UsageError(f"--example {example}: the test set has {len(examples)} pairs: give 0 to {last}")
        source = list(examples[example].source)
        sides = explaining.explain_trained(trained, examples[example])
        if as_json:
            both = {"forced": rows(sides.teacher_forced), "free": rows(sides.free_running)}
            emit_document({**facts, "example": example, "source": source, **both})
        else:
            from ssrun.views.terminal.console import stdout_console
            from ssrun.views.terminal.run import sides_view

            console = stdout_console()
            plain = console.options.ascii_only
            console.print(sides_view(title, example, len(examples), source, sides, plain))
        return

    from ssrun.views.terminal.console import stdout_console
    from ssrun.views.terminal.run import step_view

    cell.config.task.prepared()
    with replaying(step) as tell:
        view = explaining.explain_step(cell.config, step, example, tell)
    elsewhere(folder)
    if as_json:
        document = {**view._asdict(), "loss": finite(view.loss), "positions": rows(view.positions)}
        emit_document({**facts, "example": example, **document})
    else:
        console = stdout_console()
        console.print(step_view(title, example, view, console.options.ascii_only))


@contextmanager
def replaying(steps: int) -> Iterator[Callable[[int], None]]:
    """Tells on stderr how a replay goes, once it takes over a second: a bar on a terminal, a line elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ssrun.views.terminal.console import is_live, stderr_console

    console, since = stderr_console(), time.monotonic()
    columns = (TextColumn("replaying training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task("", total=steps)
    told = False

    def tell(done: int) -> None:
        nonlocal told
        bar.update(task, completed=done)
        if not told and time.monotonic() - since > 1:
            told = True
            if is_live(console):
                bar.start()
            else:
                console.out(f"replaying training up to step {steps}")

    try:
        yield tell
    finally:
        if bar.live.is_started:  # or it would leave an empty line
            bar.stop()


def elsewhere(folder: RunFolder) -> None:
    """Says on stderr where a replay may differ from the training in its last digits."""
    from ssrun.system.environment import environment
    from ssrun.system.files import read_json

    path = folder.path / "environment.json"
    if path.is_file() and read_json(path) != environment().model_dump(mode="json"):
        from ssrun.views.terminal.console import stderr_console

        stderr_console().out("trained on another machine or other versions: the replay may differ in the last digits")


def schedule_names() -> list[str]:
    """The strategies, and the schedules that are no strategy's name."""
    from ssrun.strategies import STRATEGIES
    from ssrun.strategies.schedules import SCHEDULES

    return list(dict.fromkeys([*STRATEGIES, *SCHEDULES]))


def schedule(
    name: Annotated[str, typer.Argument(help="A strategy or a schedule.", autocompletion=completed(schedule_names))],
    steps: Annotated[
        int | None, typer.Option(help="Optimiser steps of the run.", show_default="1000", min=1, max=1_000_000_000)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="half_at=0.3, k=50, end=0.1 ... May be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw epsilon, the probability of feeding the true token, over a run; with its k, half point and mean."""
    from ssrun.config.run import TrainingConfig
    from ssrun.strategies import STRATEGIES
    from ssrun.strategies.trajectory import Trajectory
    from ssrun.views.terminal.schedule import schedule_view

    strategy = strategy_of(name, settings or [])
    found = Trajectory.of(strategy.schedule, steps or TrainingConfig().steps)
    if as_json:
        fields = strategy.schedule.model_dump()
        emit_document({**fields, **found._asdict(), "name": name, "schedule": fields["name"]})
    else:
        from ssrun.views.terminal.console import stdout_console

        console = stdout_console()
        about = STRATEGIES[name].about if name in STRATEGIES else ""
        console.print(schedule_view(f"{name}, {found.steps:,} steps", found, about, console.options.ascii_only))


def strategy_of(name: str, settings: list[str]) -> Strategy:
    """A strategy by its own name or its schedule's, with fields set as `half_at=0.3` or `strategy.half_at=0.3`."""
    from ssrun.config.overrides import parse_settings
    from ssrun.config.run import validated
    from ssrun.errors import UsageError, unknown
    from ssrun.strategies import STRATEGIES, Strategy, variant
    from ssrun.strategies.schedules import SCHEDULES
    from ssrun.system.text import shown_value

    if name not in schedule_names():
        raise UsageError(unknown("strategy or schedule", name, schedule_names()))
    changes: dict[str, Any] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        field = path.strip().removeprefix("strategy.")
        if not equals or not field or "." in field:
            raise UsageError(f"--set {shown_value(setting)}: write it like --set half_at=0.3")
        if field in ("coin", "feed"):
            raise UsageError(f"--set {field}: epsilon does not depend on it: leave it out")
        changes |= parse_settings([f"strategy.{field}={value}"])["strategy"]
    if name not in STRATEGIES and name in SCHEDULES:
        changes = {"schedule": name, **changes}
    return validated(Strategy, variant(name if name in STRATEGIES else "teacher-forcing", changes))


def inject(
    run: Run,
    position: Annotated[
        int | None,
        typer.Option(help="Of the swapped target token, from 0.", show_default="the middle of each target", min=0),
    ] = None,
    pairs: Annotated[int | None, typer.Option(help="Test pairs, from the first.", show_default="all", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Put one wrong token into the true prefix, and show how long the model takes to recover."""
    from ssrun.analysis.error_recovery import recovery
    from ssrun.runs.trained import load_trained
    from ssrun.system import signals as interruption

    folder = the_run(run)
    interruption.listen()
    trained = load_trained(folder)
    cell = folder.cell()
    cell.config.task.prepared()
    found = recovery(trained, position, pairs)
    if as_json:
        facts = {"run": str(folder.path), "task": cell.task, "strategy": cell.strategy, "seed": cell.seed}
        emit_document({**facts, **found._asdict(), "offsets": [offset._asdict() for offset in found.offsets]})
    else:
        from ssrun.views.terminal.console import stdout_console
        from ssrun.views.terminal.run import recovery_view

        console = stdout_console()
        title = f"{cell.task} / {cell.strategy} / seed {cell.seed}"
        console.print(recovery_view(title, found, console.options.ascii_only))


def rows(positions: list[Any]) -> list[dict[str, Any]]:
    """Positions as strict JSON: a probability that is no number becomes null."""
    return [{**position._asdict(), "p_gold": finite(position.p_gold)} for position in positions]


def finite(value: float) -> float | None:
    """The value, or None where it is not a number."""
    return value if math.isfinite(value) else None


def emit_document(document: dict[str, Any]) -> None:
    """One strict JSON document, to stdout."""
    emit(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog=example("ssrun explain results/train --step 100 --example 3"))(explain)
    app.command(epilog=example("ssrun schedule inverse-sigmoid --steps 1000 --set half_at=0.3"))(schedule)
    app.command(epilog=example("ssrun inject results/train --position 2"))(inject)
