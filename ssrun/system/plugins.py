"""Plugins: what packages beside this one add to the registries, by entry points of `ssrun.tasks` and the like.

A plugin is known by the metadata of its package, and its code is imported where its name is looked up on purpose. A
file of one's own is given by `--plugin module:object`. What is read from a store names plugins too: it is `Kept` as it
is, and never makes anything be imported.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from functools import cache, partial, reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import Field

from ssrun.errors import UsageError
from ssrun.system.documents import Document
from ssrun.system.files import digest
from ssrun.system.text import ellipsis, shown_value

Kind = Literal["task", "schedule", "strategy", "metric", "engine"]
GROUPS: dict[Kind, str] = {  # of entry points
    "task": "ssrun.tasks",
    "schedule": "ssrun.schedules",
    "strategy": "ssrun.strategies",
    "metric": "ssrun.metrics",
    "engine": "ssrun.engines",
}
NOUNS: dict[Kind, str] = {  # what an object of each kind is
    "task": "Task",
    "schedule": "Schedule",
    "strategy": "Entry",
    "metric": "OutputMetric",
    "engine": "Engine",
}
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"  # of a plugin: safe as a folder's
SPEC = re.compile(rf"(?:({NAME})=)?([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)", re.ASCII)
Thing = TypeVar("Thing")


class Plugin(Document):
    """Where a part of a run came from, as the run keeps it.

    Attributes:
        object: `module:object`.
        distribution: The package that has it, with its `version`; none of a file that was given by `--plugin`,
        digest: whose sha256 this is.
    """

    kind: Kind
    name: str
    object: str
    distribution: str = Field("", exclude_if=lambda text: not text)
    version: str = Field("", exclude_if=lambda text: not text)
    digest: str = Field("", exclude_if=lambda text: not text)

    @property
    def origin(self) -> str:
        """`mine 1.0`, or `--plugin twins:Twins`."""
        return f"{self.distribution} {self.version}".strip() if self.distribution else f"--plugin {self.object}"

    @property
    def where(self) -> str:
        """What says that there is such a plugin, for an error message."""
        if not self.distribution:
            return f"--plugin {self.object}"
        return f"entry point {self.name} = {self.object} of {GROUPS[self.kind]} ({self.origin})"

    @property
    def remedy(self) -> str:
        """What a person can do besides mending it."""
        return f"uninstall {self.distribution}" if self.distribution else f"leave out --plugin {self.object}"

    @property
    def lacking(self) -> str:
        """What a person does where a run needs it and it is not there."""
        if not self.distribution:
            return f"{self.kind} {self.name!r} comes from a file of one's own: give --plugin {self.object}"
        point = f"entry point {self.name} = {self.object}"
        told = f"{self.kind} {self.name!r} comes from the plugin {self.origin} ({point}), which is not installed"
        return f"{told}: pip install {self.distribution}, or give --plugin module:object"


class Source(NamedTuple):
    """A plugin, and how its object is got; importing it runs its code."""

    plugin: Plugin
    load: Callable[[], Any]


class Registry(Mapping[str, Thing], Generic[Thing]):
    """What there is of a kind, by name: what is built in, then plugins, whose names are known before they are loaded.

    `registry[name]` is for what a person has named: it loads a plugin, and UsageError says what is wrong with one. What
    is read from a store looks into `built_in` alone.
    """

    def __init__(
        self,
        kind: Kind,
        built_in: Mapping[str, Thing],
        takes: Callable[[Any], bool],
        unfit: Callable[[str, Any], str] = lambda name, thing: "",
    ) -> None:
        """A registry of what it `takes`; `unfit` says what is wrong with such an object under a name, if anything."""
        self.kind: Kind = kind
        self.built_in = dict(built_in)
        self.takes = takes
        self.unfit = unfit
        self.given: dict[str, Source] = {}
        self.loaded: dict[str, Thing] = {}

    def __getitem__(self, name: str) -> Thing:
        if name in self.loaded:
            return self.loaded[name]
        sources = self.sources(name)
        if not sources:
            return self.built_in[name]
        first, *others = sources
        where, remedy = first.plugin.where, first.plugin.remedy
        if name in self.built_in:
            raise UsageError(f"{where}: this name is taken by ssrun's own: give it another, or {remedy}")
        if others:
            raise UsageError(f"{where}: this name is taken by {others[0].plugin.where}: {remedy}")
        thing = load(first)
        reason = self.unfit(name, thing) if self.takes(thing) else f"not a {NOUNS[self.kind]} of this name"
        if reason:
            raise UsageError(f"{where}: {reason}: see CONTRIBUTING, or {remedy}")
        self.loaded[name] = thing
        return self.loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self.built_in or name in self.given or name in names_of(self.kind)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.built_in, *sorted({*self.given, *names_of(self.kind)})]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def known(self) -> dict[str, Thing]:
        """What is built in, and what this process has loaded."""
        return {**self.built_in, **self.loaded}

    def sources(self, name: str) -> list[Source]:
        """The plugins of this name: one, if all is well."""
        installed = [source_of(self.kind, point) for point in points()[self.kind] if point.name == name]
        given = self.given.get(name)
        same = given and [source for source in installed if source.plugin.object == given.plugin.object]
        return installed if same or not given else [given, *installed]

    def plugins(self) -> list[Source]:
        """All plugins of this kind."""
        names = dict.fromkeys([*self.given, *(point.name for point in points()[self.kind])])
        return [source for name in names for source in self.sources(name)]

    def origin(self, name: str) -> Plugin | None:
        """Where what a person has named comes from; None where it is built in, or not known."""
        return self.sources(name)[0].plugin if name not in self.built_in and name in self else None

    def status(self, name: str) -> str:
        """`ok`, or what is wrong with the plugins of this name; they are loaded."""
        if not re.fullmatch(NAME, name):
            return "not a name: letters, digits, '.', '_', '-'"
        try:
            self[name]
        except UsageError as error:
            return str(error)
        return "ok"

    def give(self, name: str, source: Source) -> None:
        """Adds what `--plugin` names; UsageError where it does not fit."""
        plugin = source.plugin.model_copy(update={"name": name})
        if not re.fullmatch(NAME, name):
            raise UsageError(f"{plugin.where}: {shown_value(name)} is no name: letters, digits, '.', '_', '-'")
        self.given[name] = source._replace(plugin=plugin)
        self[name]


@cache
def points() -> dict[Kind, list[EntryPoint]]:
    """The entry points of every kind that are installed: metadata, which is read once."""
    found = entry_points()
    return {
        kind: sorted(found.select(group=group), key=lambda point: (point.name, point.value))
        for kind, group in GROUPS.items()
    }


def names_of(kind: Kind) -> set[str]:
    return {point.name for point in points()[kind] if re.fullmatch(NAME, point.name)}


def source_of(kind: Kind, point: EntryPoint) -> Source:
    distribution = version = ""
    with suppress(Exception):  # metadata that is not whole
        distribution, version = str(point.dist and point.dist.name), str(point.dist and point.dist.version)
    named = {"distribution": distribution or "a package without a name", "version": version}
    return Source(Plugin(kind=kind, name=point.name, object=point.value, **named), point.load)


def load(source: Source) -> Any:
    """A plugin's object; what its import prints goes to stderr. UsageError where it cannot be loaded."""
    try:
        with redirect_stdout(sys.stderr):
            return source.load()
    except (Exception, SystemExit) as error:
        told = ellipsis(f"{type(error).__name__}: {error}", 300)
        raise UsageError(
            f"{source.plugin.where}: cannot be loaded ({told}): mend it, or {source.plugin.remedy}"
        ) from error


USED: list[str] = []  # what `use` was given in this process


def use(specs: Sequence[str], registries: Sequence[Registry[Any]]) -> None:
    """Adds the objects of `--plugin`, `module:object` or `name=module:object` each, to the registries that take them.

    A module may lie in the current directory. What this process uses already is left as it is. UsageError where one is
    not written so, is given twice, cannot be imported, is of no kind or has a name that is taken.
    """
    found: list[tuple[Registry[Any], str, Source]] = []
    for spec in specs:
        if specs.count(spec) > 1:
            raise UsageError(f"--plugin {spec} is given twice: give it once")
        if spec in USED:
            continue
        match = SPEC.fullmatch(spec)
        if match is None:
            raise UsageError(f"--plugin {shown_value(spec)}: write it like module:object, such as twins:Twins")
        name, module, path = match.groups()
        plugin = Plugin(kind="task", name=name or "", object=f"{module}:{path}")
        source = Source(plugin, partial(imported, module, path))
        thing = load(source)
        registry = next((each for each in registries if each.takes(thing)), None)
        if registry is None:
            raise UsageError(f"--plugin {spec}: neither a {', '.join(NOUNS.values())}: see CONTRIBUTING")
        marked = {"kind": registry.kind, "digest": digest_of_module(module)}
        source = Source(plugin.model_copy(update=marked), partial(identity, thing))
        found.append((registry, name or own_name(registry.kind, path, thing), source))
    for registry in registries:  # in their order: a strategy may have a schedule that is given too
        for of, name, source in found:
            if of is registry:
                registry.give(name, source)
    USED.extend(spec for spec in specs if spec not in USED)


def identity(thing: Thing) -> Thing:
    return thing


def own_name(kind: Kind, path: str, thing: Any) -> str:
    """What an object calls itself, as a task and a schedule do; or else what it is called in its module."""
    field = getattr(thing, "model_fields", {}).get("name")
    if isinstance(thing, type) and field is not None:
        return str(field.default)
    last = path.rpartition(".")[2].lower()
    return last if kind == "metric" else last.replace("_", "-").strip("-")


def imported(module: str, path: str) -> Any:
    """An object of a module, which may lie in the current directory: first there, as python itself looks."""
    with current_directory_first():
        found = import_module(module)
    return reduce(getattr, path.split("."), found)


@contextmanager
def current_directory_first() -> Iterator[None]:
    """Puts the current directory before all others where modules are sought; after them once that is done.

    There it hides nothing, and what a module imports late is still found.
    """
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)


def digest_of_module(module: str) -> str:
    """The sha256 of a module's file; none where it has no file."""
    with suppress(OSError, TypeError):
        return digest(Path(str(sys.modules[module].__file__)).read_bytes())
    return ""


def below(base: type[Any]) -> Callable[[Any], bool]:
    """Whether an object is a class below this one."""
    return lambda thing: isinstance(thing, type) and issubclass(thing, base) and thing is not base


def unlike_its_name(name: str, thing: type[Any]) -> str:
    """What is wrong with a class whose name is the default of its field `name`; nothing where all is well."""
    field = getattr(thing, "model_fields", {}).get("name")
    noun = next(base.__name__ for base in thing.__mro__ if base.__name__ in NOUNS.values())
    if field is None or field.default != name:
        return f"not a {noun} of this name"
    missing = sorted(getattr(thing, "__abstractmethods__", ()))
    return f"not a whole {noun}: it has no {', '.join(missing)}" if missing else ""
