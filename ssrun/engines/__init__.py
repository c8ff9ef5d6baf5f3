"""Where runs go. Every engine does the same: takes runs, brings them to their ends, and tells what happens to each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from ssrun.config.spec import RunSpec
from ssrun.errors import UsageError, unknown
from ssrun.runs.events import Update
from ssrun.system.plugins import Registry

BUILT_IN = {"local": "ssrun.engines.local"}  # modules with a function `run`, which is an Engine


def is_engine(thing: Any) -> bool:
    """Whether this is a function, or a module with one called `run`, that can be called as an Engine is."""
    try:
        signature(getattr(thing, "run", thing)).bind("runs", "store", "options")
    except (TypeError, ValueError):
        return False
    return not isinstance(thing, type)


ENGINES: Registry[Any] = Registry("engine", BUILT_IN, is_engine)


class Options(NamedTuple):
    """What an engine is told besides the runs; `jobs` of them go on at once.

    Checkpoints come every so many steps: None for a few a training, 0 for none. A run counts as hung where it has no
    end within `cell_timeout` seconds, from its start or, where it is trained with shorter ones, from the end of the
    last of these: never sooner than by itself; None for no limit. `plugins` are what `--plugin` named: whatever trains
    the runs uses them too (see `ssrun.engines.plugins`).
    """

    jobs: int
    checkpoint_every: int | None = None
    cell_timeout: float | None = None
    plugins: tuple[str, ...] = ()


class Engine(Protocol):
    """Brings runs to their ends, in a store; no run's end takes another along."""

    def __call__(self, runs: Sequence[RunSpec], store: Path, options: Options) -> Iterator[Update]:
        """Tells what happens, and of every run at last `Finished` or `Failed`, noted in its folder as well.

        Runs that one training gives (see `ssrun.runs.chains`) are trained together: of them the one that ends next is
        Started and tells its steps. Interrupted where a signal came; every run has stopped, its checkpoint written.
        """


def load_engine(name: str) -> Engine:
    """The engine of this name, UsageError where there is none; what it needs is imported only now."""
    if name not in ENGINES:
        raise UsageError(unknown("engine", name, ENGINES))
    found = ENGINES[name]
    engine = import_module(found) if isinstance(found, str) else found
    return cast("Engine", getattr(engine, "run", engine))
