"""The commands: parse, call, print. Heavy libraries are imported inside the command that needs them."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ssrun import __version__
from ssrun.cli.options import (
    Beam,
    CheckpointEvery,
    CorpusFolder,
    Json,
    Out,
    Settings,
    SourceLanguage,
    Steps,
    TargetLanguage,
    Tensorboard,
    completed,
    corpus_is_used,
    example,
    experiment_names,
    flags,
    metric_names,
    strategy_names,
    task_names,
)

app = typer.Typer(
    help="Scheduled sampling as an instrument: train one LSTM encoder-decoder under different decoding-input "
    "strategies, and compare them with statistics that settle an argument.",
    epilog="\b\nStart with:\n  ssrun train --strategy inverse-sigmoid    one run, in seconds\n"
    "  ssrun compare                             the table, in minutes",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help fits 80 columns, where boxes cut option names off
)


@contextmanager
def mirrored(asked: bool, results: Path) -> Iterator[Any]:
    """A mirror for TensorBoard beside the runs, where it is asked for."""
    if not asked:
        yield None
        return
    from ssrun.runs.folder import must_be_no_link
    from ssrun.views.tensorboard import Mirror

    must_be_no_link(results / "tensorboard")
    mirror = Mirror(results / "tensorboard")
    try:
        yield mirror
    finally:
        mirror.close()


def emit(text: str) -> None:
    """Data, to stdout."""
    sys.stdout.write(text)
    sys.stdout.flush()


@app.command(epilog=example("ssrun train --strategy inverse-sigmoid --set strategy.half_at=0.3"))
def train(
    task: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="What to learn; see `ssrun list tasks`.", autocompletion=completed(task_names)
        ),
    ] = "reverse",
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How decoder inputs are chosen; see `ssrun list strategies`.",
            autocompletion=completed(strategy_names),
        ),
    ] = "teacher-forcing",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of all random streams.")] = 0,
    steps: Steps = None,
    beam: Beam = None,
    settings: Settings = None,
    corpus: CorpusFolder = None,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    out: Out = None,
    checkpoint_every: CheckpointEvery = None,
    tensorboard: Tensorboard = False,
    as_json: Json = False,
) -> None:
    """Train one run, watched live. The same command again goes on where it stopped, or shows the result."""
    from ssrun.config.run import resolve
    from ssrun.config.spec import Cell
    from ssrun.runs.folder import RESULTS, RunFolder, claim, mark

    changes = flags(settings, steps, beam, corpus, source_language, target_language)
    corpus_is_used(changes, [task])
    cell = Cell(task, strategy, resolve(task, strategy, seed, [changes]))
    results = out or RESULTS / "train"
    claim(results)
    folder = RunFolder.of(results, cell)
    with mirrored(tensorboard, results) as mirror:
        if folder.complete:
            folder.sweep()
            result = folder.result()
        else:
            from ssrun.views.terminal import console as live

            cell.config.task.check()
            mark(results)
            result = live.watch_run(cell, folder, checkpoint_every, mirror)
        if mirror:
            mirror.fill(cell, folder)
    result = {**result, "run": str(folder.path)}
    if as_json:
        emit(json.dumps(result, allow_nan=False) + "\n")
    else:
        from ssrun.views.terminal.console import print_result

        print_result(result)
    if result["status"] != "complete":
        raise typer.Exit(3)


@app.command(epilog=example("ssrun compare --tasks copy,reverse --strategies teacher-forcing,linear"))
def compare(
    experiment: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT",
            help="A name of `ssrun list experiments`, or a TOML file.",
            autocompletion=completed(experiment_names),
        ),
    ] = "default",
    tasks: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="These tasks, with commas.", autocompletion=completed(task_names)),
    ] = None,
    strategies: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="These strategies, with commas.", autocompletion=completed(strategy_names)),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="SEEDS", help="Such as 0..4 or 0,1,2.", show_default="the experiment's")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Strategy that the others are compared with.", autocompletion=completed(strategy_names)
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Columns of the table, with commas; see `ssrun list metrics`.",
            autocompletion=completed(metric_names),
        ),
    ] = None,
    steps: Steps = None,
    beam: Beam = None,
    settings: Settings = None,
    corpus: CorpusFolder = None,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Runs at once.", min=1, max=1024, show_default="one a core")
    ] = None,
    out: Out = None,
    checkpoint_every: CheckpointEvery = None,
    tensorboard: Tensorboard = False,
    cell_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time after which a run counts as hung.", min=1)
    ] = None,
    require_claims: Annotated[bool, typer.Option("--require-claims", help="Exit 4 where a claim disagrees.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the runs and train nothing.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="A tiny version of the same, for CI.")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only a part of the runs, such as 1/4; see `ssrun merge`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train what is missing of an experiment, and print its table. The same command again trains nothing."""
    from ssrun.config.loading import load_plan, take_shard
    from ssrun.runs.folder import RESULTS, RunFolder, claim
    from ssrun.system import signals as interruption

    choices: dict[str, Any] = {
        "tasks": tasks,
        "strategies": strategies,
        "seeds": seeds,
        "baseline": baseline,
        "metrics": metrics,
        "smoke": smoke,
    }
    changes = flags(settings, steps, beam, corpus, source_language, target_language)
    plan = load_plan(experiment, **choices, overrides=changes)
    corpus_is_used(changes, [entry.get("base", name) for name, entry in plan.experiment.tasks.items()])
    cells = plan.cells()
    for grid_task in dict.fromkeys(cell.config.task for cell in cells):
        grid_task.check()
    own = take_shard(cells, shard)
    results = out or RESULTS / (f"{plan.name}-smoke" if smoke else plan.name)
    if dry_run:
        paths = [str(results / cell.name) for cell in own]
        emit(json.dumps(paths, ensure_ascii=False) + "\n" if as_json else "".join(f"{path}\n" for path in paths))
        return
    claim(results)

    from ssrun.analysis import comparison as comparing
    from ssrun.runs.manifest import Place, remember
    from ssrun.views import keeping
    from ssrun.views.terminal import console as live

    interruption.listen()
    places = [Place.of(cell) for cell in cells]
    command = command_of(experiment, choices, changes)
    remember(results, plan, places, command)
    with mirrored(tensorboard, results) as mirror:
        live.watch_comparison(
            plan.experiment, own, results, jobs or os.cpu_count() or 1, checkpoint_every, cell_timeout, mirror
        )
        for cell in own if mirror else ():
            mirror.fill(cell, RunFolder.of(results, cell))
    live.watch_bootstrap(results, places, plan.experiment.baseline)
    document = comparing.document_of(results, plan.experiment, places, command)
    keeping.write_tables(results, document)
    show_document(document, "json" if as_json else "rich")
    mine = {(cell.task, cell.strategy, cell.seed) for cell in own}
    if any((fault["task"], fault["strategy"], fault["seed"]) in mine for fault in document["faults"]):
        raise typer.Exit(3)
    if require_claims and any(claim["verdict"] == "disagree" for claim in document["claims"]):
        from ssrun.errors import ClaimError

        raise ClaimError("a claim that was asked for did not hold: see 'disagree' above")


def command_of(experiment: str, choices: dict[str, Any], changes: dict[str, dict[str, Any]]) -> str:
    """The command that gives these numbers: without what cannot change them (jobs, folders, formats, shards)."""
    words = ["ssrun", "compare"] if experiment == "default" else ["ssrun", "compare", experiment]
    for name, value in choices.items():
        if value is True:
            words.append(f"--{name}")
        elif value not in (None, False):
            words += [f"--{name}", str(value)]
    for section, fields in sorted(changes.items()):
        for field, value in sorted(fields.items()):
            words += ["--set", f"{section}.{field}={str(value).lower() if isinstance(value, bool) else value}"]
    return shlex.join(words)


def show_document(document: dict[str, Any], format: str) -> None:
    """A comparison's document to stdout."""
    if format == "rich":
        from ssrun.views.tables.cells import terminal
        from ssrun.views.terminal.console import stdout_console

        stdout_console().print(terminal(document))
    else:
        from ssrun.views.formats import TEXTS

        emit(TEXTS[format](document))


def version(value: bool) -> None:
    """Prints the version and ends."""
    if value:
        emit(f"ssrun {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="A traceback with every error.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""
