"""The registries of all kinds together: what `--plugin` adds to them, and what there is of plugins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ssrun.config.run import RunConfig
from ssrun.engines import ENGINES
from ssrun.errors import UsageError
from ssrun.strategies import SCHEDULES, STRATEGIES
from ssrun.system import plugins
from ssrun.system.plugins import Plugin, Registry
from ssrun.tasks import OUTPUT_METRICS, TASKS

REGISTRIES: tuple[Registry[Any], ...] = (SCHEDULES, TASKS, STRATEGIES, OUTPUT_METRICS, ENGINES)


def use(specs: Sequence[str]) -> None:
    """Uses what `--plugin` names, from now on; a process that trains such runs does this first. UsageError as there."""
    plugins.use(specs, REGISTRIES)


def must_be_used(specs: Sequence[str], configs: Iterable[RunConfig]) -> None:
    """Raises UsageError where `--plugin` names something that none of these runs needs; engines are no run's affair."""
    needed = {plugin.object for config in configs for plugin in needs(config)} if specs else set()
    for registry in (SCHEDULES, TASKS, STRATEGIES, OUTPUT_METRICS):
        for name, source in registry.given.items():
            if source.plugin.object not in needed:
                told = f"--plugin {source.plugin.object}: no run here needs the {registry.kind} {name!r}"
                raise UsageError(f"{told}: name it too, or leave it out")


def needs(config: RunConfig) -> list[Plugin]:
    """The plugins that a run is made of, scored by, or was named by."""
    schedules = [STRATEGIES[config.base].strategy.schedule.name] if config.base else []
    own = [SCHEDULES.origin(name) for name in schedules] + [
        OUTPUT_METRICS.origin(name) for name in config.scoring.metrics
    ]
    return [*config.plugins, *filter(None, own)]


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
