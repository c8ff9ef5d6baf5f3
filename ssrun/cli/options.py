"""What several commands share: option types with their help, completion, and options as configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ssrun.runs.folder import RunFolder

NAMED = 3  # runs that a message lists


def example(command: str) -> str:
    """An epilog with a command that can be copied: the backspace keeps its line whole."""
    return f"\b\nExample:\n  {command}"


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
    from ssrun.config.loading import names

    return names()


def metric_names() -> Iterable[str]:
    """The metrics."""
    from ssrun.metrics import METRICS

    return METRICS


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


def flags(
    settings: list[str] | None,
    steps: int | None,
    beam: int | None,
    corpus: Path | None,
    source_language: str | None,
    target_language: str | None,
) -> dict[str, dict[str, Any]]:
    """The options that change the configuration, as fields by section."""
    from ssrun.config.overrides import parse_settings
    from ssrun.errors import UsageError
    from ssrun.system.text import shown_value

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
            told = layer.setdefault(section, {}).setdefault(field, value)
            if told != value:
                raise UsageError(
                    f"{section}.{field} is given twice, as {shown_value(value)} and as {shown_value(told)}: give one"
                )
    return layer


def corpus_is_used(layer: dict[str, dict[str, Any]], tasks: Iterable[str]) -> None:
    """Refuses --corpus and the languages where no task is a corpus.

    Raises:
        UsageError: It is so.
    """
    from ssrun.errors import UsageError

    if "corpus" not in tasks and not {"path", "source_language", "target_language"}.isdisjoint(layer.get("task", {})):
        raise UsageError("--corpus: no task here is a corpus: add --task corpus (train) or --tasks corpus (compare)")


def the_run(path: Path) -> RunFolder:
    """The run that a folder is, or the only one in it.

    Raises:
        StoreError: There is none.
        UsageError: There are several.
    """
    from ssrun.errors import StoreError, UsageError
    from ssrun.runs.folder import RunFolder, runs

    found = runs(path) if path.is_dir() else []
    for pattern in ("seed-*/run.json", "*/seed-*/run.json"):  # a strategy's folder, a task's
        found = found or [RunFolder(file.parent) for file in sorted(path.glob(pattern))]
    if not found:
        raise StoreError(f"{path}: no run here: give a run's folder such as results/train/reverse/linear/seed-0-...")
    if len(found) > 1:
        first = ", ".join(str(folder.path) for folder in found[:NAMED])
        raise UsageError(f"{path}: holds {len(found)} runs: give one of them: {first}{' ...' * (len(found) > NAMED)}")
    return found[0]
