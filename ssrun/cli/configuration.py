"""`--show-config`: runs as they are resolved, as a TOML document whose lines `--set` takes, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ssrun.cli.output import answer

if TYPE_CHECKING:
    from ssrun.config.run import RunConfig
    from ssrun.config.spec import RunSpec


def show_run(run: RunSpec, as_json: bool) -> None:
    document = {"seed": run.config.seed, **run.config.settings}
    answer(as_json, document, "".join(lines_of(document)))


def show_cells(runs: Sequence[RunSpec], as_json: bool) -> None:
    """Each strategy on each task once, with the seeds of its runs."""
    configs: dict[tuple[str, str], list[RunConfig]] = {}
    for name, config in runs:
        configs.setdefault(name[:2], []).append(config)
    cells = [
        {"name": "/".join(key), "seeds": [config.seed for config in of_seeds], **settings_of(of_seeds)}
        for key, of_seeds in configs.items()
    ]
    text = "\n".join("[[cells]]\n" + "".join(lines_of(cell)) for cell in cells)
    answer(as_json, {"cells": cells}, text)


def settings_of(configs: Sequence[RunConfig]) -> dict[str, dict[str, Any]]:
    """The fields of runs that differ in their seed alone, and in what is drawn by it."""
    from ssrun.tasks.redrawn import drawn_by

    settings = configs[0].settings
    if (by := drawn_by({config.seed: getattr(config.task, "data_seed", None) for config in configs})) is not None:
        settings["task"]["data_seed"] = by
    return settings


def lines_of(fields: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """A line a field, by its dotted path."""
    from ssrun.config.overrides import written

    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from lines_of(value, f"{above}{name}.")
        else:
            yield f"{above}{name} = {written(value)}\n"
