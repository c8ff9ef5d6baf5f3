"""The commands on one run: train, explain, inject, decode. Heavy libraries are imported inside them."""

from __future__ import annotations

import math
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssrun.cli import options
from ssrun.cli.configuration import show_run
from ssrun.cli.driving import follow, mirrored
from ssrun.cli.output import answer_view, emit, emit_json, tell
from ssrun.errors import UsageError
from ssrun.system import signals
from ssrun.system.text import visible

if TYPE_CHECKING:
    from ssrun.analysis.explanation import Position
    from ssrun.config.spec import RunName
    from ssrun.runs.folder import RunFolder

app = typer.Typer()


@options.command(app, "ssrun train --strategy inverse-sigmoid --set strategy.half_at=0.3")
def train(
    task: Annotated[str, options.names_option("tasks", "What to learn; see `ssrun list tasks`.", "NAME")] = "reverse",
    strategy: Annotated[
        str, options.names_option("strategies", "How decoder inputs are chosen; see `ssrun list strategies`.", "NAME")
    ] = "teacher-forcing",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of all random streams.")] = 0,
    steps: options.Steps = None,
    beam: options.Beam = None,
    settings: options.Settings = None,
    corpus: options.CorpusFolder = None,
    source_language: options.SourceLanguage = None,
    target_language: options.TargetLanguage = None,
    out: options.Out = None,
    checkpoint_every: options.CheckpointEvery = None,
    tensorboard: options.Tensorboard = False,
    show_config: options.ShowConfig = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train one run, watched live. The same command again goes on where it stopped, or shows the result."""
    from ssrun.config.run import resolve
    from ssrun.config.spec import RunSpec
    from ssrun.runs.events import Update
    from ssrun.runs.folder import RunFolder
    from ssrun.runs.results_folder import RESULTS, claim_results, mark

    overrides = options.overrides_of(settings, steps, beam, corpus, source_language, target_language)
    options.corpus_must_be_used(overrides, [task])
    run = RunSpec.of(task, strategy, resolve(task, strategy, seed, [overrides]))
    if show_config:
        show_run(run, as_json)
        return
    results = out or RESULTS / "train"
    claim_results(results)
    folder = RunFolder.of(results, run.name)
    with mirrored(tensorboard, results, [run.name]) as mirror:
        if folder.complete:
            folder.sweep()
        else:
            from ssrun.runs.execution import execute
            from ssrun.views.terminal.progress import watch_run

            signals.listen()  # not before the imports, which look at no flag
            run.config.task.check()
            mark(results)
            with watch_run(run.name, quiet) as view:
                follow((Update(run.name, event) for event in execute(run, folder, checkpoint_every)), view, *mirror)
    result = folder.result()
    if as_json:
        emit_json({**result.model_dump(mode="json"), "run": str(folder.path)})
    else:
        from ssrun.views.terminal.run import print_result

        print_result(result, folder.path)
    if result.status != "complete":
        raise typer.Exit(3)
    if not (as_json or quiet):
        path, all_runs = shlex.quote(str(folder.path)), shlex.quote(str(results))
        tell(f"next: ssrun explain {path}; ssrun inject {path}; ssrun report {all_runs}")


@options.command(app, "ssrun explain results/train --step 100 --example 3")
def explain(
    run: options.Run,
    step: Annotated[
        int | None,
        typer.Option(help="Training step to replay and look at, from 0.", show_default="the trained model", min=0),
    ] = None,
    example: Annotated[int, typer.Option(help="Of the step's batch, or of the test set; from 0.", min=0)] = 0,
    as_json: options.Json = False,
) -> None:
    """Show gold, coin, fed and predicted token, position by position; or what the trained model says."""
    folder = options.run_folder_at(run)
    if step is None:
        explain_trained_model(folder, example, as_json)
    else:
        explain_training_step(folder, step, example, as_json)


def explain_trained_model(folder: RunFolder, index: int, as_json: bool) -> None:
    from ssrun.analysis.explanation import explain_trained
    from ssrun.runs.trained import load_trained
    from ssrun.views.terminal.run import sides_view

    signals.listen()
    run = folder.spec()
    trained = load_trained(folder)
    examples = run.config.task.prepared().held_out("test")
    if index >= len(examples):
        raise UsageError(f"--example {index}: the test set has {len(examples)} pairs: give 0 to {len(examples) - 1}")
    source = list(examples[index].source)
    sides = explain_trained(trained, examples[index])
    both = {"forced": rows_of(sides.teacher_forced), "free": rows_of(sides.free_running)}
    document = {**labels_of(folder, run.name), "example": index, "source": source, **both}
    answer_view(as_json, document, sides_view, run.name.title, index, len(examples), source, sides)


def explain_training_step(folder: RunFolder, step: int, index: int, as_json: bool) -> None:
    import torch
    from rich.progress import Progress

    from ssrun.analysis.explanation import explain_step
    from ssrun.system.environment import environment
    from ssrun.views.terminal.console import is_live, stderr_console
    from ssrun.views.terminal.run import step_view

    signals.listen()
    run = folder.spec()
    run.config.task.prepared()
    console = stderr_console()
    if not is_live(console):
        tell(f"replaying training up to step {step}")
    with Progress(console=console, transient=True, disable=not is_live(console)) as bar:
        replay = bar.add_task("replaying training", total=step)
        view = explain_step(run.config, step, index, lambda done: bar.update(replay, completed=done))
    if folder.environment() not in (None, environment(torch.get_num_threads())):
        tell("trained on another machine or other versions: the replay may differ in the last digits")
    fields = {**view._asdict(), "loss": finite(view.loss), "positions": rows_of(view.positions)}
    document = {**labels_of(folder, run.name), "example": index, **fields}
    answer_view(as_json, document, step_view, run.name.title, index, view)


@options.command(app, "ssrun inject results/train --position 2")
def inject(
    run: options.Run,
    position: Annotated[
        int | None,
        typer.Option(help="Of the swapped target token, from 0.", show_default="the middle of each target", min=0),
    ] = None,
    pairs: Annotated[int | None, typer.Option(help="Test pairs, from the first.", show_default="all", min=1)] = None,
    as_json: options.Json = False,
) -> None:
    """Put one wrong token into the true prefix, and show how long the model takes to recover."""
    from ssrun.analysis.error_recovery import recovery
    from ssrun.runs.trained import load_trained
    from ssrun.views.terminal.run import recovery_view

    folder = options.run_folder_at(run)
    signals.listen()
    trained = load_trained(folder)
    spec = folder.spec()
    spec.config.task.prepared()
    measured = recovery(trained, position, pairs)
    offsets = [offset._asdict() for offset in measured.offsets]
    document = {**labels_of(folder, spec.name), **measured._asdict(), "offsets": offsets}
    answer_view(as_json, document, recovery_view, spec.name.title, measured)


@options.command(app, "echo 'a b c d' | ssrun decode results/train")
def decode(
    run: options.Run,
    beam: Annotated[
        int | None, typer.Option(metavar="K", help="Beam size; 1 is greedy.", show_default="the run's", min=1, max=256)
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Use a trained model on lines from stdin. Tokens stand between spaces; an output a line goes to stdout."""
    from ssrun.runs.trained import load_trained, translate

    trained = load_trained(options.run_folder_at(run))
    outputs = []
    for line_number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            source = tuple(filter(None, line.decode().rstrip("\n").split(" ")))
        except UnicodeDecodeError:
            raise UsageError(f"stdin:{line_number}: invalid UTF-8: convert the text to UTF-8") from None
        if not source:
            raise UsageError(f"stdin:{line_number}: an empty line: give at least one token")
        output = translate(trained, source, beam)
        if as_json:
            outputs.append({"source": list(source), "output": list(output)})
        else:
            emit(visible(" ".join(output)) + "\n")
    if as_json:
        emit_json(outputs)


def labels_of(folder: RunFolder, name: RunName) -> dict[str, Any]:
    return {"run": str(folder.path), "task": name.task, "strategy": name.strategy, "seed": name.seed}


def rows_of(positions: list[Position]) -> list[dict[str, Any]]:
    """Positions as strict JSON: a probability that is no number becomes null."""
    return [{**position._asdict(), "p_gold": finite(position.p_gold)} for position in positions]


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
