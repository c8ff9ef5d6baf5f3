"""What several commands share: option types with their help, completion, and options as configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperOption

from ssrun.errors import StoreError, UsageError, unknown
from ssrun.metrics import METRICS
from ssrun.system.text import shown_value

if TYPE_CHECKING:
    from ssrun.runs.folder import RunFolder

NAMED = 3  # runs that a message lists
Function = TypeVar("Function", bound=Callable[..., Any])
Names = list[str] | None


class Command(TyperCommand):
    """A command that refuses an option given twice, of which typer would drop the first."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(list(args))
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


def names(kind: str) -> Iterable[str]:
    """What there is of a kind; imported when it is asked for, for help needs none of it."""
    if kind == "formats":
        from ssrun.views.formats import FORMATS

        return FORMATS
    if kind in ("figures", "picture formats"):
        from ssrun.views.figures.catalogue import FIGURES, KINDS

        return {"figures": FIGURES, "picture formats": KINDS}[kind]
    from ssrun.config import loading
    from ssrun.strategies import SCHEDULES, STRATEGIES
    from ssrun.tasks import TASKS

    known: dict[str, Iterable[str]] = {"tasks": TASKS, "strategies": STRATEGIES, "experiments": loading.names()}
    known["metrics"] = METRICS
    return {**known, "lists": known, "schedules": dict.fromkeys([*STRATEGIES, *SCHEDULES])}[kind]


def completed(kind: str) -> Callable[[str], list[str]]:
    """Shell completion from names of this kind, also of the last of a list with commas."""

    def complete(incomplete: str) -> list[str]:
        *chosen, last = incomplete.split(",")
        return [",".join([*chosen, name]) for name in names(kind) if name.startswith(last)]

    return complete


def names_option(kind: str, help: str, metavar: str | None = "NAMES") -> Any:
    return typer.Option(metavar=metavar, help=help, autocompletion=completed(kind))


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
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for the runs.", show_default="results/<name>")
]
Run = Annotated[Path, typer.Argument(help="A run's folder, or a folder of results with one run.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Any field: model.hidden=128, task.length=4..8. May be repeated."),
]
Steps = Annotated[
    int | None, typer.Option(metavar="N", help="Optimiser steps a run.", show_default="1000, or the experiment's")
]
Beam = Annotated[
    int | None, typer.Option(metavar="K", help="Beam size for the quality metrics; 1 is greedy.", show_default="1")
]
CorpusFolder = Annotated[
    Path | None,
    typer.Option("--corpus", metavar="DIR", help="With task corpus: the folder of train.*, valid.* and test.*"),
]
SourceLanguage = Annotated[
    str | None, typer.Option(metavar="EXT", help="Ending of the corpus' source files, such as de.")
]
TargetLanguage = Annotated[
    str | None, typer.Option(metavar="EXT", help="Ending of the corpus' target files, such as en.")
]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Mirror the metrics for TensorBoard, to `tensorboard` beside the runs.")
]
CheckpointEvery = Annotated[
    int | None,
    typer.Option(metavar="N", help="Steps between checkpoints; 0 for none.", show_default="a few a run", min=0),
]


def overrides_of(
    settings: Settings, steps: Steps, beam: Beam, corpus: CorpusFolder, source: SourceLanguage, target: TargetLanguage
) -> dict[str, dict[str, Any]]:
    """The options that change the configuration, as fields by section."""
    from ssrun.config.overrides import parse_settings

    overrides = parse_settings(settings or [])
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


def corpus_must_be_used(overrides: dict[str, dict[str, Any]], tasks: Iterable[str]) -> None:
    """Raises UsageError where --corpus or a language is given and no task is a corpus."""
    of_corpus = {"path", "source_language", "target_language"}
    if "corpus" not in tasks and not of_corpus.isdisjoint(overrides.get("task", {})):
        raise UsageError("--corpus: no task here is a corpus: add --task corpus (train) or --tasks corpus (compare)")


def run_folder_at(path: Path) -> RunFolder:
    """The run that a folder is, or the only one in it.

    Raises:
        StoreError: There is none.
        UsageError: There are several.
    """
    from ssrun.runs.folder import RunFolder
    from ssrun.runs.results_folder import run_folders

    folders = run_folders(path) if path.is_dir() else []
    for pattern in ("seed-*/run.json", "*/seed-*/run.json"):  # a strategy's folder, a task's
        folders = folders or [RunFolder(file.parent) for file in sorted(path.glob(pattern))]
    if not folders:
        raise StoreError(f"{path}: no run here: give a run's folder such as results/train/reverse/linear/seed-0-...")
    if len(folders) > 1:
        shown = ", ".join(str(folder.path) for folder in folders[:NAMED])
        more = " ..." if len(folders) > NAMED else ""
        raise UsageError(f"{path}: holds {len(folders)} runs: give one of them: {shown}{more}")
    return folders[0]
