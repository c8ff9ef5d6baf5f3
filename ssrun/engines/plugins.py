"""The registries of all kinds together: what `--plugin` adds to them, and what there is of plugins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssrun.engines import ENGINES
from ssrun.strategies import SCHEDULES, STRATEGIES
from ssrun.system import plugins
from ssrun.system.plugins import Registry
from ssrun.tasks import OUTPUT_METRICS, TASKS

REGISTRIES: tuple[Registry[Any], ...] = (SCHEDULES, TASKS, STRATEGIES, OUTPUT_METRICS, ENGINES)


def use(specs: Sequence[str]) -> None:
    """Uses what `--plugin` names, from now on; a process that trains such runs does this first. UsageError as there."""
    plugins.use(specs, REGISTRIES)


def names() -> list[str]:
    """The names of all plugins, which are not loaded."""
    return [source.plugin.name for registry in REGISTRIES for source in registry.plugins()]


def rows() -> list[dict[str, str]]:
    """Every plugin that is installed, or used: what it is, where it comes from, and what is wrong with it if anything.

    To say that, each is loaded.
    """
    found = [(registry, source.plugin) for registry in REGISTRIES for source in registry.plugins()]
    return [
        {
            "name": plugin.name,
            "kind": plugin.kind,
            "object": plugin.object,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "status": registry.status(plugin.name),
        }
        for registry, plugin in found
    ]
