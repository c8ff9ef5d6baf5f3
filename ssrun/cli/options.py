"""What several commands share: option types with their help, completion, and options as configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperOption

from ssrun.errors import StoreError, UsageError, unknown
from ssrun.system.devices import DEVICES
from ssrun.system.text import plural, shown_value

if TYPE_CHECKING:
    from ssrun.config.run import RunConfig
    from ssrun.runs.inventory import Found

Function = TypeVar("Function", bound=Callable[..., Any])
Names = list[str] | None
GONE = {"--tensorboard": "it is a command of its own, after the runs: ssrun export RESULTS --to tensorboard"}


class Command(TyperCommand):
    """A command that refuses an option given twice, of which typer would drop the first.

    Of an option that there is not, it says which setting may be meant.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            try:
                _, _, given = self.make_parser(ctx).parse_args(list(args))
            except Exception as error:
                if not any(parameter.name == "settings" for parameter in self.params):
                    raise
                option, near = getattr(error, "option_name", None), getattr(error, "possibilities", None)
                if option in GONE:
                    raise UsageError(f"No such option: {option}: {GONE[option]}") from None
                setting = setting_meant(option, args, bool({*(near or ())} - {"--help"})) if option else None
                if setting is None:
                    raise
                raise UsageError(f"No such option: {option}: did you mean --set {setting}?") from None
            for option in given:
                if isinstance(option, TyperOption) and not option.multiple and given.count(option) > 1:
                    raise UsageError(f"{option.opts[0]} is given twice: give it once")
        return super().parse_args(ctx, args)


def command(app: typer.Typer, example: str, name: str | None = None) -> Callable[[Function], Function]:
    """Registers a command, whose help ends with an example that can be copied: the backspace keeps its line whole."""
    return app.command(name, cls=Command, epilog=f"\b\nExample:\n  {example}")


def joined(lists: Names) -> str | None:
    """Lists with commas, of an option that was given several times, as one."""
    return ",".join(lists) if lists else None


KINDS = {  # of names, each with its module and what there holds them
    "devices": ("ssrun.system.devices", "DEVICES"),
    "engines": ("ssrun.engines", "ENGINES"),
    "experiments": ("ssrun.config.loading", "names"),
    "exports": ("ssrun.views.exports", "TARGETS"),
    "figures": ("ssrun.views.figures.catalogue", "FIGURES"),
    "formats": ("ssrun.views.formats", "FORMATS"),
    "lists": ("ssrun.views.terminal.catalogue", "LISTS"),
    "metrics": ("ssrun.tasks.output_metrics", "metric_names"),
    "picture formats": ("ssrun.views.figures.catalogue", "KINDS"),
    "schedules": ("ssrun.strategies", "schedule_names"),
    "strategies": ("ssrun.strategies", "STRATEGIES"),
    "tasks": ("ssrun.tasks", "TASKS"),
}


def names(kind: str) -> Iterable[str]:
    """What there is of a kind; imported when it is asked for, for help needs none of it."""
    module, attribute = KINDS[kind]
    found = getattr(import_module(module), attribute)
    known: Iterable[str] = found() if callable(found) else found
    return (*known, "runs") if kind == "lists" else known


def completed(kind: str) -> Callable[[str], list[str]]:
    """Shell completion from names of this kind, also of the last of a list with commas."""

    def complete(incomplete: str) -> list[str]:
        *chosen, last = incomplete.split(",")
        return [",".join([*chosen, name]) for name in names(kind) if name.startswith(last)]

    return complete


def names_option(kind: str, help: str, metavar: str | None = "NAMES", default: bool | str = True) -> Any:
    return typer.Option(metavar=metavar, help=help, autocompletion=completed(kind), show_default=default)


def completed_settings(section: str = "") -> Callable[[str], list[str]]:
    """Completion of `model.attention=dot`: of paths, and after the `=` of choices; within a section, of its fields."""

    def complete(incomplete: str) -> list[str]:
        from ssrun.config.settable import settings

        path, equals, values = incomplete.partition("=")
        found = [setting for setting in settings() if setting.path.startswith(section)]
        if not equals:
            paths = dict.fromkeys(setting.path.removeprefix(section) for setting in found)
            return [f"{known}=" for known in paths if known.startswith(path)]
        *chosen, last = values.split(",")
        choices = [choice for setting in found if setting.path == section + path for choice in setting.choices]
        return [f"{path}={','.join([*chosen, choice])}" for choice in choices if choice.startswith(last)]

    return complete


def setting_meant(option: str, arguments: Sequence[str], others_are_near: bool) -> str | None:
    """The setting that an unknown option may mean, by its field's name or initials: `--lr 3`, and near ones."""
    from ssrun.config.settable import settings

    wanted = option.lstrip("-").replace("-", "_")
    by_name: dict[str, str] = {}
    for setting in settings():
        field = setting.path.partition(".")[2]
        initials = "".join(word[0] for word in field.split("_"))
        by_name.setdefault(field, setting.path)
        by_name.setdefault(initials if len(initials) > 1 else field, setting.path)
    near = [wanted] if wanted in by_name else get_close_matches(wanted, by_name, n=1, cutoff=0.75)
    if not near or (near != [wanted] and others_are_near):
        return None
    following = [argument for argument in arguments if argument.startswith(option)][:1]
    at = arguments.index(following[0]) + 1 if following else len(arguments)
    value = following[0].partition("=")[2] if following else ""
    return f"{by_name[near[0]]}={value or ''.join(arguments[at : at + 1]) or '...'}"


def chosen(option: str, noun: str, known: Iterable[str], lists: Names) -> list[str]:
    """The names of lists with commas, each once.

    Raises:
        UsageError: One is not known.
    """
    given = [name.strip() for name in (joined(lists) or "").split(",")] if lists else []
    for name in given:
        if name not in known:
            raise UsageError(f"{option}: {unknown(noun, name, known)}")
    return list(dict.fromkeys(given))


def name_argument(kind: str, help: str, metavar: str | None = None) -> Any:
    return typer.Argument(metavar=metavar, help=help, autocompletion=completed(kind))


Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="A folder of its own, runs and all.",
        show_default="results/<name>, runs in results/runs",
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Folder below results.", show_default="by what is asked for"),
]
Run = Annotated[Path, typer.Argument(help="A run's folder, or the folder of a comparison.")]
OfTask = Annotated[
    str | None, typer.Option("--task", metavar="NAME", help="Of the comparison's runs, that of this task.")
]
OfStrategy = Annotated[str | None, typer.Option("--strategy", metavar="NAME", help="The same, of this strategy.")]
OfSeed = Annotated[int | None, typer.Option("--seed", metavar="N", help="The same, of this seed.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Any field of `ssrun list fields`: model.hidden=128, task.length=4..8. May be repeated.",
        autocompletion=completed_settings(),
    ),
]
Steps = Annotated[
    int | None, typer.Option(metavar="N", help="Optimiser steps a run.", show_default="1000, or the experiment's")
]
Beam = Annotated[
    int | None, typer.Option(metavar="K", help="Beam size for the quality metrics; 1 is greedy.", show_default="1")
]
CorpusFolder = Annotated[
    Path | None,
    typer.Option(
        "--corpus",
        metavar="PATH",
        help="Task corpus, autoencoder: folder of train.*, valid.*, test.*; language-model: a text; series: a CSV.",
    ),
]
SourceLanguage = Annotated[
    str | None, typer.Option(metavar="EXT", help="Ending of the corpus' source files, such as de.")
]
TargetLanguage = Annotated[
    str | None, typer.Option(metavar="EXT", help="Ending of the corpus' target files, such as en.")
]
OF_CORPUS = {"path": "--corpus", "source_language": "--source-language", "target_language": "--target-language"}
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="MODULE:OBJECT",
        help="Use a task, schedule, strategy, metric or engine of a file here. May be repeated.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; warnings and errors are told all the same.")]
ShowConfig = Annotated[
    bool, typer.Option("--show-config", help="Print the configuration as it is resolved, as TOML; train nothing.")
]
CheckpointEvery = Annotated[
    int | None,
    typer.Option(metavar="N", help="Steps between checkpoints; 0 for none.", show_default="a few a run", min=0),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help=f"What computes: {', '.join(DEVICES)}. Numbers are those of one kind of device.",
        autocompletion=completed("devices"),
    ),
]


def overrides_of(
    settings: Settings,
    steps: Steps,
    beam: Beam,
    corpus: CorpusFolder,
    source: SourceLanguage,
    target: TargetLanguage,
    sweep: bool = False,
) -> dict[str, dict[str, Any]]:
    """The options that change the configuration, as fields by section; a field may be swept where there is a sweep."""
    from ssrun.config.overrides import parse_settings

    overrides = parse_settings(settings or [], sweep)
    short_forms = {
        ("training", "steps"): steps,
        ("scoring", "beam"): beam,
        ("task", "path"): None if corpus is None else str(corpus),
        ("task", "source_language"): source,
        ("task", "target_language"): target,
    }
    for (section, field), value in short_forms.items():
        if value is not None:
            told = overrides.setdefault(section, {}).setdefault(field, value)
            if told != value:
                both = f"{shown_value(value)} and as {shown_value(told)}"
                raise UsageError(f"{section}.{field} is given twice, as {both}: give one")
    return overrides


def use_plugins(specs: Plugins) -> tuple[str, ...]:
    """Uses what `--plugin` names, and returns it."""
    if specs:
        from ssrun.engines.plugins import use

        use(specs)
    return tuple(specs or ())


def plugins_must_be_used(specs: Plugins, configs: Iterable[RunConfig]) -> None:
    """Raises UsageError where `--plugin` names something that none of these runs needs."""
    if specs:
        from ssrun.engines.plugins import must_be_used

        must_be_used(specs, configs)


@contextmanager
def lacking_plugins_told(out: Path | None) -> Iterator[None]:
    """Where a name is unknown that runs of a store have from a plugin, says which one is not installed."""
    try:
        yield
    except UsageError as error:
        from ssrun.runs.inventory import plugins_in
        from ssrun.runs.results_folder import RESULTS, RUNS

        stores = dict.fromkeys((out or RESULTS, RESULTS))
        for plugin in (plugin for store in stores for plugin in plugins_in(store / RUNS)):
            if f"unknown {plugin.kind} {plugin.name!r}" in str(error):
                raise UsageError(plugin.lacking) from None
        raise


def corpus_must_be_used(overrides: dict[str, dict[str, Any]], tasks: Iterable[str]) -> None:
    """Raises UsageError where --corpus or a language is given and no task reads such files."""
    from ssrun.tasks import TASKS

    given = [option for field, option in OF_CORPUS.items() if field in overrides.get("task", {})]
    known = {field for task in tasks if task in TASKS for field in TASKS[task].model_fields} if given else set()
    for field, option in OF_CORPUS.items():
        if option in given and field not in known:
            remedy = "add --task corpus (train) or --tasks corpus (compare)"
            raise UsageError(f"{option}: no task here is a corpus: {remedy}")


def run_at(path: Path, task: str | None, strategy: str | None, seed: int | None) -> Found:
    """The run that a folder is, or the only one in it, or in its comparison, with these labels.

    Raises:
        StoreError: There is none.
        UsageError: There are several.
    """
    from ssrun.runs.inventory import runs_at

    asked = {"--task": task, "--strategy": strategy, "--seed": seed}
    found = runs_at(path)
    if not found:
        raise StoreError(f"{path}: no run here: give a run's folder, or a comparison's such as results/default")
    wanted = [
        run for run in found if all(value in (None, own) for value, own in zip(asked.values(), run.name, strict=False))
    ]
    if len(wanted) == 1:
        return wanted[0]
    given = " ".join(f"{option} {value}" for option, value in asked.items() if value is not None)
    choices = {option: dict.fromkeys(run.name[n] for run in wanted or found) for n, option in enumerate(asked)}
    told = "; ".join(f"{option} {', '.join(map(str, named))}" for option, named in choices.items() if len(named) > 1)
    if not wanted:
        raise UsageError(f"{path}: no run with {given}: there are {told or plural(len(found), 'run')}")
    more = f"give one of each: {told}" if told else f"give its folder, such as {wanted[0].folder.path}"
    raise UsageError(f"{path}: holds {len(wanted)} runs{f' with {given}' if given else ''}: {more}")
