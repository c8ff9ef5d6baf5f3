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


def formats() -> Iterable[str]:
    """The formats of a table."""
    from ssrun.tables import FORMATS

    return FORMATS


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


def command_line() -> str:
    """This command, as it can be typed again."""
    return shlex.join(["ssrun", *sys.argv[1:]])


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
    as_json: Json = False,
) -> None:
    """Train what is missing of an experiment, and print its table. The same command again trains nothing."""
    from ssrun import interruption
    from ssrun.experiments import chosen
    from ssrun.store import RESULTS, claim

    plan = chosen(
        experiment,
        tasks=tasks,
        strategies=strategies,
        seeds=seeds,
        baseline=baseline,
        metrics=metrics,
        smoke=smoke,
        flags=flags(settings, steps, beam, corpus, source_language, target_language),
    )
    cells = plan.cells()
    results = out or RESULTS / (f"{plan.name}-smoke" if smoke else plan.name)
    if dry_run:
        emit("".join(f"{results / cell.name}\n" for cell in cells))
        return
    claim(results)

    from ssrun import comparing, live

    interruption.listen()
    comparing.remember(results, plan, [comparing.Place.of(cell) for cell in cells], command_line())
    live.watch_comparison(plan, cells, results, jobs or os.cpu_count() or 1, checkpoint_every, cell_timeout)
    document = comparing.document(results)
    comparing.write_tables(results, document)
    show_document(document, "json" if as_json else "rich")
    if document["faults"]:
        raise typer.Exit(3)
    if require_claims and any(claim["verdict"] == "disagree" for claim in document["claims"]):
        from ssrun.errors import ClaimError

        raise ClaimError("a claim that was asked for did not hold: see 'disagree' above")


@app.command(epilog="Example:  ssrun show results/default --format markdown")
def show(
    results: Annotated[Path, typer.Argument(help="A folder that compare or train wrote.")],
    format: Annotated[
        str, typer.Option(help="rich, markdown, csv, json or latex.", autocompletion=completed(formats))
    ] = "rich",
    as_json: Json = False,
) -> None:
    """Print a comparison's table again, without training."""
    from ssrun.errors import StoreError, UsageError, unknown
    from ssrun.tables import FORMATS

    chosen_format = "json" if as_json else format
    if chosen_format not in FORMATS:
        raise UsageError(f"--format: {unknown('format', chosen_format, FORMATS)}")
    if not results.is_dir():
        raise StoreError(f"{results}: no such folder: give one that `ssrun compare` wrote, such as results/default")

    from ssrun import comparing

    show_document(comparing.document(results), chosen_format)


def show_document(document: dict[str, Any], format: str) -> None:
    """A comparison's document to stdout."""
    from ssrun import tables

    if format == "rich":
        from ssrun.live import stdout_console

        stdout_console().print(tables.terminal(document))
    else:
        emit(tables.TEXTS[format](document))


@app.command("list", epilog="Example:  ssrun list strategies")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="tasks, strategies, experiments or metrics.",
            autocompletion=completed(lambda: ("tasks", "strategies", "experiments", "metrics")),
        ),
    ] = "strategies",
    as_json: Json = False,
) -> None:
    """What there is: each with what it means, its formula and its source."""
    from ssrun.listing import LISTS, rows_of, table_of

    if what not in LISTS:
        from ssrun.errors import UsageError, unknown

        raise UsageError(unknown("list", what, LISTS))
    if as_json:
        emit(json.dumps(rows_of(what), ensure_ascii=False) + "\n")
    else:
        from ssrun.live import stdout_console

        stdout_console().print(table_of(what))


@app.command(epilog="Example:  echo 'a b c d' | ssrun decode results/train/reverse/inverse-sigmoid/seed-0-1a2b3c4d5e")
def decode(
    run: Annotated[Path, typer.Argument(help="The folder of a complete run.")],
    beam: Beam = None,
    as_json: Json = False,
) -> None:
    """Use a trained model: sources from stdin, one a line, tokens between spaces; outputs to stdout."""
    from ssrun.errors import UsageError
    from ssrun.running import load_trained, translate
    from ssrun.store import RunFolder
    from ssrun.tables import visible

    if beam is not None and not 1 <= beam <= 256:
        raise UsageError(f"--beam {beam}: give a number from 1 to 256")
    trained = load_trained(RunFolder(run))
    outputs = []
    for count, line in enumerate(sys.stdin.buffer, start=1):
        try:
            source = tuple(filter(None, line.decode().rstrip("\n").split(" ")))
        except UnicodeDecodeError:
            raise UsageError(f"stdin:{count}: invalid UTF-8: convert the text to UTF-8") from None
        if not source:
            raise UsageError(f"stdin:{count}: an empty line: give at least one token")
        output = translate(trained, source, beam)
        if as_json:
            outputs.append({"source": list(source), "output": list(output)})
        else:
            emit(visible(" ".join(output)) + "\n")
    if as_json:
        emit(json.dumps(outputs, ensure_ascii=False) + "\n")


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
