"""What packages beside this one add to its registries, by entry points of a group: `ssrun.tasks` and the like.

Each kind in a module of its own: a schedule's is imported before there are tasks and strategies.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from ssrun.errors import UsageError


def of_kind(group: str, kind: type[Any], taken: Iterable[str]) -> dict[str, Any]:
    """The objects of a group by name: each is a `kind`, or a class below it that has this name itself.

    Raises:
        UsageError: One cannot be loaded, is of another kind, or has a name that is taken.
    """
    found: dict[str, Any] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        where = f"entry point {point.name} = {point.value} of {group}"
        if point.name in {*taken, *found}:
            raise UsageError(f"{where}: this name is taken: give it another")
        try:
            thing = point.load()
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise UsageError(f"{where}: cannot be loaded ({told}): mend its package, or uninstall it") from None
        if isinstance(thing, type):
            fields = getattr(thing, "model_fields", {})
            fits = issubclass(thing, kind) and fields["name"].default == point.name
        else:
            fits = isinstance(thing, kind)
        if not fits:
            raise UsageError(f"{where}: not a {kind.__name__} of this name: see CONTRIBUTING, or uninstall its package")
        found[point.name] = thing
    return found
