"""The commands on one run: train, explain, inject, decode, nearest. Heavy libraries are imported inside them."""

from __future__ import annotations

import math
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ssrun.cli import options
from ssrun.cli.configuration import show_run
from ssrun.cli.driving import follow
from ssrun.cli.output import answer_view, emit, emit_json, tell
from ssrun.errors import SsrunError, UsageError
from ssrun.system import signals
from ssrun.system.devices import check_device
from ssrun.system.text import plural, visible

if TYPE_CHECKING:
    from ssrun.analysis.explanation import Position
    from ssrun.runs.inventory import Found

app = typer.Typer()


@options.command(app, "ssrun train --strategy inverse-sigmoid --set strategy.half_at=0.3")
def train(
    task: Annotated[
        str | None,
        options.names_option(
            "tasks", "What to learn; see `ssrun list tasks`.", "NAME", "reverse; with --corpus, corpus"
        ),
    ] = None,
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
    name: options.Name = None,
    out: options.Out = None,
    checkpoint_every: options.CheckpointEvery = None,
    device: options.Device = "cpu",
    plugins: options.Plugins = None,
    show_config: options.ShowConfig = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train one run, watched live. The same command again goes on where it stopped, or shows the result."""
    from ssrun.config.resolution import resolve
    from ssrun.config.spec import RunSpec
    from ssrun.runs.events import Update
    from ssrun.runs.folder import RunFolder
    from ssrun.runs.manifest import add_single_run
    from ssrun.runs.results_folder import SINGLE_RUNS, destination

    options.use_plugins(plugins)
    task = task or ("reverse" if corpus is None else "corpus")
    overrides = options.overrides_of(settings, steps, beam, corpus, source_language, target_language)
    options.corpus_must_be_used(overrides, [task])
    with options.lacking_plugins_told(out):
        run = RunSpec.of(task, strategy, resolve(task, strategy, seed, [overrides]))
    options.plugins_must_be_used(plugins, [run.config])
    if show_config:
        show_run(run, as_json)
        return
    run.config.task.check()
    check_device(device)
    where = destination("train", SINGLE_RUNS, own=True, name=name, out=out)
    if run.config.is_looked_at_first:
        from ssrun.runs import teachers

        teachers.check([run.config], where.store)
    folder = RunFolder.of(where.store, run.name)
    add_single_run(where, run.name)
    if folder.complete:
        folder.sweep()
    else:
        from ssrun.runs.execution import execute
        from ssrun.views.terminal.progress import watch_run

        signals.listen()  # not before the imports, which look at no flag
        with watch_run(run.name, quiet) as view:
            events = execute(run.config, folder, checkpoint_every, device)
            follow((Update(run.name, event) for event in events), view)
    result, scored = folder.result(), folder.scored()
    if as_json:
        scores = scored.scores.model_dump(mode="json", exclude={"run", "files"}) if scored else {}
        labels = {"task": task, "strategy": strategy, "seed": seed, "run": str(folder.path)}
        emit_json({**result.model_dump(mode="json"), **scores, **labels})
    else:
        from ssrun.views.terminal.run import print_result

        print_result(result, scored, folder.path)
    if result.status != "complete":
        raise typer.Exit(3)
    if not (as_json or quiet):
        path, all_runs = shlex.quote(str(folder.path)), shlex.quote(str(where.path))
        tell(f"next: ssrun explain {path}; ssrun inject {path}; ssrun report {all_runs}")


@options.command(app, "ssrun explain results/default --task translation --strategy linear --seed 0")
def explain(
    run: options.Run,
    task: options.OfTask = None,
    strategy: options.OfStrategy = None,
    seed: options.OfSeed = None,
    step: Annotated[
        int | None,
        typer.Option(help="Training step to replay and look at, from 0.", show_default="the trained model", min=0),
    ] = None,
    example: Annotated[int, typer.Option(help="Of the step's batch, or of the test set; from 0.", min=0)] = 0,
    plugins: options.Plugins = None,
    as_json: options.Json = False,
) -> None:
    """Show gold, coin, fed and predicted token, position by position; or what the trained model says."""
    options.use_plugins(plugins)
    found = options.run_at(run, task, strategy, seed)
    if step is None:
        explain_trained_model(found, example, as_json)
    else:
        explain_training_step(found, step, example, as_json)


def explain_trained_model(found: Found, index: int, as_json: bool) -> None:
    from ssrun.analysis.explanation import explain_trained
    from ssrun.runs.teachers import teacher_of
    from ssrun.runs.trained import load_trained
    from ssrun.views.terminal.run import sides_view

    signals.listen()
    trained, examples = load_trained(found.folder), found.folder.test_pairs()
    trained = trained._replace(config=found.folder.live_config())
    if index >= len(examples):
        raise UsageError(f"--example {index}: the test set has {len(examples)} pairs: give 0 to {len(examples) - 1}")
    source = list(examples[index].source)
    teacher = None
    try:
        teacher = teacher_of(trained.config, trained.vocabularies, found.folder.store)
    except SsrunError as error:
        tell(f"shown without its labels: {error}")
    sides = explain_trained(trained, examples[index], teacher)
    both = {"forced": rows_of(sides.teacher_forced), "free": rows_of(sides.free_running)}
    document = {**labels_of(found), "example": index, "source": source, **both}
    answer_view(as_json, document, sides_view, found.name.title, index, len(examples), source, sides)


def explain_training_step(found: Found, step: int, index: int, as_json: bool) -> None:
    import torch
    from rich.progress import Progress

    from ssrun.analysis.explanation import explain_step
    from ssrun.system.environment import environment
    from ssrun.views.terminal.console import is_live, stderr_console
    from ssrun.views.terminal.run import step_view

    signals.listen()
    config = found.folder.live_config()
    config.task.prepared()
    console = stderr_console()
    if not is_live(console):
        tell(f"replaying training up to step {step}")
    with Progress(console=console, transient=True, disable=not is_live(console)) as bar:
        replay = bar.add_task("replaying training", total=step)
        view = explain_step(config, step, index, lambda done: bar.update(replay, completed=done), found.folder.store)
    here = environment(torch.get_num_threads(), torch.device("cpu"), config.plugins)
    if any(made_in.unlike(here) for made_in in found.folder.environments()):
        tell("trained on another machine or other versions: the replay may differ in the last digits")
    fields = {**view._asdict(), "loss": finite(view.loss), "positions": rows_of(view.positions)}
    document = {**labels_of(found), "example": index, **fields}
    answer_view(as_json, document, step_view, found.name.title, index, view)


@options.command(app, "ssrun inject results/train --position 2")
def inject(
    run: options.Run,
    task: options.OfTask = None,
    strategy: options.OfStrategy = None,
    seed: options.OfSeed = None,
    position: Annotated[
        int | None,
        typer.Option(help="Of the swapped target token, from 0.", show_default="the middle of each target", min=0),
    ] = None,
    pairs: Annotated[int | None, typer.Option(help="Test pairs, from the first.", show_default="all", min=1)] = None,
    as_json: options.Json = False,
) -> None:
    """Put one wrong token into the true prefix, and show how long the model takes to recover."""
    from ssrun.runs.trained import load_trained
    from ssrun.seq2seq.error_recovery import recovery
    from ssrun.views.terminal.run import recovery_view

    found = options.run_at(run, task, strategy, seed)
    signals.listen()
    trained = load_trained(found.folder)
    measured = recovery(trained.model, trained.vocabularies, found.folder.test_pairs()[:pairs], position)
    offsets = [offset._asdict() for offset in measured.offsets]
    document = {**labels_of(found), **measured._asdict(), "offsets": offsets}
    answer_view(as_json, document, recovery_view, found.name.title, measured)


@options.command(app, "echo 'a b c d' | ssrun decode results/train")
def decode(
    run: options.Run,
    task: options.OfTask = None,
    strategy: options.OfStrategy = None,
    seed: options.OfSeed = None,
    beam: Annotated[
        int | None, typer.Option(metavar="K", help="Beam size; 1 is greedy.", show_default="the run's", min=1, max=256)
    ] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Its log p in nats before each output, and a tab.")] = False,
    n_best: Annotated[
        int | None,
        typer.Option(metavar="K", help="The K best outputs of each line, its number before them.", min=1, max=256),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Use a trained model on lines from stdin. Tokens stand between spaces; an output a line goes to stdout."""
    from ssrun.runs.trained import load_trained, translations

    trained = load_trained(options.run_at(run, task, strategy, seed).folder)
    kept = beam or trained.config.scoring.beam
    if n_best is not None and n_best > kept:
        raise UsageError(f"--n-best {n_best}: the beam keeps {kept}: add --beam {n_best}")
    documents: list[dict[str, Any]] = []
    unknown = 0
    for line_number, line in enumerate(sys.stdin.buffer, start=1):
        source = source_of(line, line_number)
        if source and not trained.has_source:
            raise UsageError(f"stdin:{line_number}: this model has no source: give empty lines, one an output")
        found = translations(trained, source, beam)[: n_best or 1] if source or not trained.has_source else []
        lost = trained.vocabularies.source.unknown(source)
        unknown += len(lost)
        if as_json:
            outputs = [{"output": list(output), "log_p": log_p} for output, log_p in found]
            best = outputs[0] if outputs else {"output": [], "log_p": None}
            documents.append({"source": list(source), **best, "unknown": lost})
            if n_best is not None:
                documents[-1]["n_best"] = outputs
        else:
            number = f"{line_number}\t" if n_best is not None else ""
            lines = [(f"{log_p:.4f}\t" if scores else "") + visible(" ".join(output)) for output, log_p in found]
            emit("".join(f"{number}{text}\n" for text in lines or [""]))
    if as_json:
        emit_json(documents)
    if unknown:
        tell(f"{plural(unknown, 'unknown word')} became <unk>")


@options.command(app, "ssrun nearest results/train chat --side target")
def nearest(
    run: options.Run,
    word: Annotated[str, typer.Argument(help="A word of the run's vocabulary; with subwords, a piece.")],
    task: options.OfTask = None,
    strategy: options.OfStrategy = None,
    seed: options.OfSeed = None,
    side: Annotated[Literal["source", "target"], typer.Option(help="Whose embeddings.")] = "target",
    count: Annotated[int, typer.Option(metavar="K", help="How many words.", min=1)] = 10,
    as_json: options.Json = False,
) -> None:
    """Show the words whose vectors a trained model holds most alike, with their cosines."""
    from ssrun.analysis.neighbours import neighbours
    from ssrun.runs.trained import load_trained

    found = options.run_at(run, task, strategy, seed)
    alike = neighbours(load_trained(found.folder), word, side, count)
    document = {**labels_of(found), "word": word, "side": side, "nearest": [each._asdict() for each in alike]}
    if as_json:
        emit_json(document)
    else:
        emit("".join(f"{each.cosine:6.3f}  {visible(each.word)}\n" for each in alike))


def source_of(line: bytes, number: int) -> tuple[str, ...]:
    """The words of a line of stdin, none where it is empty; UsageError where it is no text that a corpus could hold."""
    from ssrun.tasks.corpus import sentence

    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if not line.strip(b" "):
        return ()
    try:
        text = sentence(line, first=number == 1)
    except ValueError as error:
        raise UsageError(f"stdin:{number}: {error}") from None
    if "\t" in text:
        raise UsageError(f"stdin:{number}: a tab within the line: put spaces between words")
    return tuple(filter(None, text.split(" ")))


def labels_of(found: Found) -> dict[str, Any]:
    name = found.name
    return {"run": str(found.folder.path), "task": name.task, "strategy": name.strategy, "seed": name.seed}


def rows_of(positions: list[Position]) -> list[dict[str, Any]]:
    """Positions as strict JSON: a probability that is no number becomes null."""
    return [{**position._asdict(), "p_gold": finite(position.p_gold)} for position in positions]


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
