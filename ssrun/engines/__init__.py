"""Where runs go. Every engine does the same: takes runs, brings them to their ends, and tells what happens to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from ssrun.config.run import validated
from ssrun.config.spec import RunSpec
from ssrun.errors import UsageError, unknown
from ssrun.runs.events import Update
from ssrun.system.devices import CPU
from ssrun.system.fields import Fields
from ssrun.system.plugins import Registry

BUILT_IN = {"local": "ssrun.engines.local", "ray": "ssrun.engines.ray"}  # modules, each an Engine
Asked = TypeVar("Asked", bound=Fields)


def is_engine(thing: Any) -> bool:
    """Whether this has what an Engine has."""
    return not isinstance(thing, type) and all(callable(getattr(thing, name, None)) for name in PARTS)


PARTS = ("check", "at_once", "run")
ENGINES: Registry[Any] = Registry("engine", BUILT_IN, is_engine)


class NoOptions(Fields):
    """The options of an engine that has none of its own."""


class Options(NamedTuple):
    """What an engine is told besides the runs, each of which is computed on a `device`.

    So many `jobs` go on at once; None for as many as there is room for. Checkpoints come every so many steps: None for
    a few a training, 0 for none. A run counts as hung where it has no end within `cell_timeout` seconds, from its start
    or, where it is trained with shorter ones, from the end of the last of these: never sooner than by itself; None for
    no limit. `plugins` are what `--plugin` named: whatever trains the runs uses them too (see `ssrun.engines.plugins`).
    `own` are options of the engine's own, by name.
    """

    jobs: int | None = None
    checkpoint_every: int | None = None
    cell_timeout: float | None = None
    device: str = CPU
    plugins: tuple[str, ...] = ()
    own: Mapping[str, Any] = MappingProxyType({})

    def of_engine(self, kind: type[Asked]) -> Asked:
        """The engine's own options; UsageError where there is no such option, or it has no such value."""
        return validated(kind, dict(self.own), "--engine-option ")


class Engine(Protocol):
    """Brings runs to their ends, in a store; no run's end takes another along."""

    def check(self, options: Options) -> None:
        """UsageError where the engine lacks what it needs here, or cannot do what it is told."""

    def at_once(self, options: Options) -> str:
        """How many runs go on at once, for people."""

    def run(self, runs: Sequence[RunSpec], store: Path, options: Options) -> Iterator[Update]:
        """Tells what happens, and of every run at last `Finished` or `Failed`, noted in its folder as well.

        Runs that one training gives (see `ssrun.runs.chains`) are trained together: of them the one that ends next is
        Started and tells its steps. Interrupted where a signal came; every run has stopped, its checkpoint written.
        """


def engine_for(name: str, options: Options) -> Engine:
    """The engine of this name, checked: UsageError where there is none, or it cannot do what it is told."""
    engine = load_engine(name)
    engine.check(options)
    return engine


def load_engine(name: str) -> Engine:
    """The engine of this name, UsageError where there is none; what it needs is imported only now."""
    if name not in ENGINES:
        raise UsageError(unknown("engine", name, ENGINES))
    found = ENGINES[name]
    return cast("Engine", import_module(found) if isinstance(found, str) else found)
