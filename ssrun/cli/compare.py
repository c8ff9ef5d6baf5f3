"""The command that makes a table: compare. Heavy libraries are imported inside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssrun.cli import options
from ssrun.cli.configuration import show_cells
from ssrun.cli.driving import concluded, follow, print_comparison
from ssrun.cli.output import answer, tell
from ssrun.errors import ClaimError, UsageError
from ssrun.system import signals
from ssrun.system.text import plural, shell_word, visible

if TYPE_CHECKING:
    from ssrun.config.plan import Plan
    from ssrun.config.spec import RunSpec
    from ssrun.engines import Engine, Options
    from ssrun.runs.results_folder import Destination

app = typer.Typer()
MOST_SEEDS = 32  # of a comparison that adds seeds until its claims are decided


@options.command(app, "ssrun compare --tasks copy,reverse --strategies teacher-forcing,linear")
def compare(
    experiment: Annotated[
        str, options.name_argument("experiments", "A name of `ssrun list experiments`, or a TOML file.", "EXPERIMENT")
    ] = "default",
    tasks: Annotated[options.Names, options.names_option("tasks", "These tasks, with commas.")] = None,
    strategies: Annotated[options.Names, options.names_option("strategies", "These strategies, with commas.")] = None,
    seeds: Annotated[
        options.Names, typer.Option(metavar="SEEDS", help="Such as 0..4 or 0,1,2.", show_default="the experiment's")
    ] = None,
    baseline: Annotated[
        str | None, options.names_option("strategies", "Strategy that the others are compared with.", "NAME")
    ] = None,
    metrics: Annotated[
        options.Names, options.names_option("metrics", "Columns of the table, with commas; see `ssrun list metrics`.")
    ] = None,
    steps: options.Steps = None,
    beam: options.Beam = None,
    settings: options.Settings = None,
    corpus: options.CorpusFolder = None,
    source_language: options.SourceLanguage = None,
    target_language: options.TargetLanguage = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", metavar="N", help="Runs at once.", min=1, max=100_000, show_default="one a core"),
    ] = None,
    engine: Annotated[
        str, options.names_option("engines", "Where runs go: local processes, or a ray cluster.", "NAME")
    ] = "local",
    engine_option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of the engine, such as num_cpus=1, num_gpus=0.25. May be repeated."),
    ] = None,
    name: options.Name = None,
    out: options.Out = None,
    checkpoint_every: options.CheckpointEvery = None,
    device: options.Device = "cpu",
    plugins: options.Plugins = None,
    cell_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time after which a run counts as hung.", min=1)
    ] = None,
    require_claims: Annotated[bool, typer.Option("--require-claims", help="Exit 4 unless every claim agrees.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the runs and train nothing.")] = False,
    show_config: options.ShowConfig = False,
    quiet: options.Quiet = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="A tiny version of the same, for CI.")] = False,
    until_decided: Annotated[
        bool,
        typer.Option("--until-decided", help="Add seeds for undecided claims, at planned looks that share the 5 %."),
    ] = False,
    most: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seeds at most, with --until-decided.", min=3, max=100_000, show_default="32"),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only a part of the runs, such as 1/4; see `ssrun merge`.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Train what is missing of an experiment, and print its table. The same command again trains nothing."""
    from ssrun.analysis.procedure import carry_out
    from ssrun.config.loading import load, load_plan, take_shard
    from ssrun.config.overrides import parse_values
    from ssrun.engines import Options, engine_for
    from ssrun.runs.results_folder import destination

    used = options.use_plugins(plugins)
    asked = options.joined(tasks)
    if corpus is not None and not asked and "corpus" not in load(experiment).task_kinds:
        asked = "corpus"
    grid = {"tasks": asked, "strategies": options.joined(strategies), "seeds": options.joined(seeds)}
    if most is not None and not until_decided:
        raise UsageError(f"--most {most}: it is for --until-decided: give both")
    if until_decided and shard:
        raise UsageError("--shard: --until-decided looks at all runs to know which come next: give one of them")
    choices: dict[str, Any] = {**grid, "baseline": baseline, "metrics": options.joined(metrics), "smoke": smoke}
    choices["most"] = (most or MOST_SEEDS) if until_decided else None
    overrides = options.overrides_of(settings, steps, beam, corpus, source_language, target_language, sweep=True)
    with options.lacking_plugins_told(out):
        plan = load_plan(experiment, **choices, overrides=overrides)
        options.corpus_must_be_used(overrides, plan.experiment.task_kinds)
        if require_claims and not plan.experiment.claims:
            told = f"no claim of {plan.name} is on these tasks and strategies"
            raise UsageError(f"--require-claims: {told}: leave it out")
        runs = plan.runs()
    options.plugins_must_be_used(plugins, [run.config for run in runs])
    if show_config and dry_run:
        raise UsageError("--show-config and --dry-run: give one of them")
    if show_config:
        show_cells(take_shard(runs, shard), as_json)
        return
    for task in dict.fromkeys(run.config.task for run in runs):
        task.check()
    asked_for = [run for trial in plan.trials() for run in trial.runs] + take_shard(runs, shard)
    place = destination(plan.stem, plan.id, plan.own, name, out)
    if any(run.config.is_looked_at_first for run in asked_for):
        from ssrun.runs import teachers

        teachers.check([run.config for run in asked_for], place.store)
    if dry_run:
        show_places(asked_for, place, as_json)
        return

    own = parse_values("--engine-option", engine_option or [])
    engine_options = Options(jobs, checkpoint_every, cell_timeout, device, used, own)
    train = partial(train_missing, place, plan, engine_for(engine, engine_options), engine_options, quiet)
    command = command_of(experiment, choices, overrides, used)
    labels = {name[:3] for name in carry_out(plan, place, command, train, shard)}
    comparison = concluded(place.path, quiet)
    print_comparison(comparison, "json" if as_json else "rich")
    if not labels.isdisjoint((fault.task, fault.strategy, fault.seed) for fault in comparison.faults):
        raise typer.Exit(3)
    if require_claims and any(claim.verdict != "agree" for claim in comparison.claims):
        raise ClaimError("a claim that was asked for did not hold: see 'disagree' and 'inconclusive' above")


def show_places(runs: Sequence[RunSpec], place: Destination, as_json: bool) -> None:
    """Where the runs lie, or would, and how many are done."""
    from ssrun.runs.folder import RunFolder

    paths = [str(place.store / run.name.place) for run in runs]
    answer(as_json, paths, "".join(f"{path}\n" for path in paths))
    done = sum(RunFolder.of(place.store, run.name).complete for run in runs)
    tell(f"{done} of {len(runs)} runs are done")


def train_missing(
    place: Destination,
    plan: Plan,
    engine: Engine,
    engine_options: Options,
    quiet: bool,
    runs: Sequence[RunSpec],
    noun: str,
) -> None:
    from ssrun.analysis.comparison import complete_runs
    from ssrun.runs.folder import RunFolder
    from ssrun.runs.results_folder import incomplete
    from ssrun.views.terminal.progress import watch_comparison

    signals.listen()  # not before the imports, which look at no flag
    names = [run.name for run in runs]
    todo = incomplete(place.store, runs)
    trained = sum(RunFolder.of(place.store, run.name).trained for run in todo)
    told = (
        f"results in {visible(place.path)}: of {plural(len(runs), noun)} {len(runs) - len(todo)} complete, "
        f"{trained} to score, {len(todo) - trained} to train"
    )
    if not quiet:
        tell(told)
    if todo:
        complete = partial(complete_runs, place.store, names)
        at_once = engine.at_once(engine_options)
        title = plan.name if noun == "run" else f"{plan.name}: {noun}s"
        shown = plan.experiment.model_copy(update={"name": title})
        with watch_comparison(shown, names, len(todo), complete, at_once, quiet) as view:
            follow(engine.run(todo, place.store, engine_options), view)


def command_of(
    experiment: str, choices: dict[str, Any], overrides: dict[str, dict[str, Any]], plugins: Sequence[str] = ()
) -> str:
    """The command that gives these numbers: without what cannot change them (jobs, folders, formats, shards)."""
    from ssrun.config.overrides import given

    words = ["ssrun", "compare"] if experiment == "default" else ["ssrun", "compare", experiment]
    for name, value in choices.items():
        if name == "most" and value:
            words.append("--until-decided")
        if value is True:
            words.append(f"--{name}")
        elif value not in (None, False):
            words += [f"--{name}", str(value)]
    for section, fields in sorted(overrides.items()):
        for field, value in sorted(fields.items()):
            words += ["--set", f"{section}.{field}={given(value)}"]
    for plugin in plugins:
        words += ["--plugin", plugin]
    return " ".join(map(shell_word, words))
