"""The commands: parse, call, print. Heavy libraries are imported inside the command that needs them."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from ssrun import __version__

app = typer.Typer(
    help="Scheduled sampling as an instrument: train one LSTM encoder-decoder under different decoding-input "
    "strategies, and compare them with statistics that settle an argument.",
    epilog="Start with:  ssrun compare   (minutes)   or   ssrun train --strategy inverse-sigmoid   (seconds)",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def completed(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Shell completion from names, also of the last of a list with commas."""

    def complete(incomplete: str) -> list[str]:
        *chosen, last = incomplete.split(",")
        return [",".join([*chosen, name]) for name in names() if name.startswith(last)]

    return complete


def task_names() -> Iterable[str]:
    """The tasks."""
    from ssrun.tasks import TASKS

    return TASKS


def strategy_names() -> Iterable[str]:
    """The strategies."""
    from ssrun.strategies import STRATEGIES

    return STRATEGIES


def experiment_names() -> Iterable[str]:
    """The experiments that come with ssrun."""
    from ssrun.experiments import names

    return names()


def metric_names() -> Iterable[str]:
    """The metrics."""
    from ssrun.metrics import METRICS

    return METRICS


Out = Annotated[Path | None, typer.Option("--out", help="Folder for the runs.", show_default="results/<name>")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Any field: model.hidden=128, task.length=4..8. May be repeated."),
]
Steps = Annotated[int | None, typer.Option(help="Optimiser steps a run.", show_default="1000")]
Beam = Annotated[int | None, typer.Option(help="Beam size for the quality metrics; 1 is greedy.", show_default="1")]
CorpusFolder = Annotated[
    Path | None, typer.Option("--corpus", help="Folder of a parallel corpus: train.*, valid.*, test.* (task corpus).")
]
SourceLanguage = Annotated[str | None, typer.Option(help="Ending of the corpus' source files, such as de.")]
TargetLanguage = Annotated[str | None, typer.Option(help="Ending of the corpus' target files, such as en.")]
CheckpointEvery = Annotated[
    int | None, typer.Option(help="Steps between checkpoints; 0 for none.", show_default="a few a run", min=0)
]


def flags(
    settings: list[str] | None,
    steps: int | None,
    beam: int | None,
    corpus: Path | None,
    source_language: str | None,
    target_language: str | None,
) -> dict[str, dict[str, Any]]:
    """The options that change the configuration, as fields by section."""
    from ssrun.config import parse_settings

    layer = parse_settings(settings or [])
    short_forms = {
        ("training", "steps"): steps,
        ("scoring", "beam"): beam,
        ("task", "path"): None if corpus is None else str(corpus),
        ("task", "source_language"): source_language,
        ("task", "target_language"): target_language,
    }
    for (section, field), value in short_forms.items():
        if value is not None:
            layer.setdefault(section, {})[field] = value
    return layer


def emit(text: str) -> None:
    """Data, to stdout."""
    sys.stdout.write(text)
    sys.stdout.flush()


@app.command(
    epilog="Example:  ssrun train --task reverse --strategy inverse-sigmoid --seed 0 --set strategy.half_at=0.3"
)
def train(
    task: Annotated[str, typer.Option(help="What to learn.", autocompletion=completed(task_names))] = "reverse",
    strategy: Annotated[
        str, typer.Option(help="How decoder inputs are chosen.", autocompletion=completed(strategy_names))
    ] = "teacher-forcing",
    seed: Annotated[int, typer.Option(help="Seed of all random streams.")] = 0,
    steps: Steps = None,
    beam: Beam = None,
    settings: Settings = None,
    corpus: CorpusFolder = None,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    out: Out = None,
    checkpoint_every: CheckpointEvery = None,
    as_json: Json = False,
) -> None:
    """Train one run, watched live. The same command again goes on where it stopped, or shows the result."""
    from ssrun import interruption
    from ssrun.config import resolve
    from ssrun.store import RESULTS, Cell, RunFolder, claim, mark

    changes = flags(settings, steps, beam, corpus, source_language, target_language)
    cell = Cell(task, strategy, resolve(task, strategy, seed, [changes]))
    results = out or RESULTS / "train"
    claim(results)
    folder = RunFolder.of(results, cell)
    if folder.complete:
        result = folder.result()
    else:
        from ssrun import live

        interruption.listen()
        mark(results)
        result = live.watch_run(cell, folder, checkpoint_every)
    result = {**result, "run": str(folder.path)}
    if as_json:
        emit(json.dumps(result, allow_nan=False) + "\n")
    else:
        from ssrun.live import print_result

        print_result(result)
    if result["status"] != "complete":
        raise typer.Exit(3)


@app.command(epilog="Example:  ssrun compare --tasks reverse --strategies teacher-forcing,linear --seeds 0..5 --jobs 2")
def compare(
    experiment: Annotated[
        str, typer.Argument(help="An experiment's name, or a TOML file.", autocompletion=completed(experiment_names))
    ] = "default",
    tasks: Annotated[str | None, typer.Option(help="Only these.", autocompletion=completed(task_names))] = None,
    strategies: Annotated[
        str | None, typer.Option(help="Only these.", autocompletion=completed(strategy_names))
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Such as 0..4 or 0,1,2.", show_default="the experiment's")] = None,
    baseline: Annotated[str | None, typer.Option(help="Strategy that the others are compared with.")] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Columns of the table.", autocompletion=completed(metric_names))
    ] = None,
    steps: Steps = None,
    beam: Beam = None,
    settings: Settings = None,
    corpus: CorpusFolder = None,
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    jobs: Annotated[int | None, typer.Option(help="Runs at once.", min=1, max=1024, show_default="one a core")] = None,
    out: Out = None,
    checkpoint_every: CheckpointEvery = None,
    cell_timeout: Annotated[float | None, typer.Option(help="Seconds after which a run counts as hung.", min=1)] = None,
    require_claims: Annotated[bool, typer.Option(help="Exit 4 where a claim disagrees.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the runs and train nothing.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="A tiny version of the same, for CI.")] = False,
    shard: Annotated[str | None, typer.Option(help="Only a part of the runs, such as 1/4; see `ssrun merge`.")] = None,
    as_json: Json = False,
) -> None:
    """Train what is missing of an experiment, and print its table. The same command again trains nothing."""
    from ssrun import interruption
    from ssrun.experiments import chosen, shard_of
    from ssrun.store import RESULTS, claim

    choices: dict[str, Any] = {
        "tasks": tasks,
        "strategies": strategies,
        "seeds": seeds,
        "baseline": baseline,
        "metrics": metrics,
        "smoke": smoke,
    }
    changes = flags(settings, steps, beam, corpus, source_language, target_language)
    plan = chosen(experiment, **choices, flags=changes)
    cells = plan.cells()
    own = shard_of(cells, shard)
    results = out or RESULTS / (f"{plan.name}-smoke" if smoke else plan.name)
    if dry_run:
        emit("".join(f"{results / cell.name}\n" for cell in own))
        return
    claim(results)

    from ssrun import comparing, live

    interruption.listen()
    places = [comparing.Place.of(cell) for cell in cells]
    comparing.remember(results, plan, places, command_of(experiment, choices, changes))
    live.watch_comparison(plan, own, results, jobs or os.cpu_count() or 1, checkpoint_every, cell_timeout)
    document = comparing.document(results)
    comparing.write_tables(results, document)
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
        from ssrun.live import stdout_console
        from ssrun.tables import terminal

        stdout_console().print(terminal(document))
    else:
        from ssrun.formats import TEXTS

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
