"""The Python door: what the commands do, from Python, and their results as data frames and models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from ssrun.analysis.comparison import comparison_in, conclude
from ssrun.analysis.document import Comparison
from ssrun.analysis.procedure import carry_out
from ssrun.config.loading import load_plan
from ssrun.config.overrides import by_section
from ssrun.config.resolution import resolve
from ssrun.config.run import RunConfig
from ssrun.config.spec import RunSpec
from ssrun.engines import Engine, Options, engine_for
from ssrun.errors import StoreError, UsageError
from ssrun.metrics import METRICS
from ssrun.runs import teachers
from ssrun.runs.inventory import Found, runs_at
from ssrun.runs.manifest import add_single_run
from ssrun.runs.results_folder import SINGLE_RUNS, Destination, destination, incomplete
from ssrun.runs.trained import Trained, load_trained, translate
from ssrun.seq2seq.batches import collate
from ssrun.seq2seq.decoder_inputs import teacher_forced_inputs
from ssrun.seq2seq.model import Memory
from ssrun.system.devices import CPU
from ssrun.tasks import Tokens
from ssrun.views.formats import write_tables

Text = str | Sequence[str]  # tokens, or a line with spaces between them
Settings = Mapping[str, Any]  # by path, such as {"model.hidden": 128}


@dataclass(frozen=True)
class Model:
    """A trained model of a run."""

    trained: Trained

    @property
    def config(self) -> RunConfig:
        return self.trained.config

    @property
    def module(self) -> nn.Module:
        """The network, as torch knows it."""
        return self.trained.model

    def _source(self, text: Text) -> Tokens:
        """Its tokens: none of a model without a source, and else some."""
        if not self.trained.has_source and text:
            raise UsageError("this model has no source: give an empty one")
        return tokens_of(text) if self.trained.has_source else ()

    @torch.no_grad()
    def encode(self, source: Text) -> Memory:
        """What the decoder sees of a source: its states [1, S, H], and the decoder's first state."""
        batch = collate([(self.trained.vocabularies.source.encode(self._source(source)), [])])
        return self.trained.model.encode(batch.source)

    def translate(self, source: Text, beam: int | None = None) -> Tokens:
        """The output for a source: greedy for a beam of 1, by default as the run was scored."""
        return translate(self.trained, self._source(source), beam)

    @torch.no_grad()
    def score(self, source: Text, target: Text) -> float:
        """Log p(target and its end | source), in nats: at most 0."""
        ids = self.trained.vocabularies
        words = tuple(target.split()) if isinstance(target, str) else tuple(target)
        batch = collate([(ids.source.encode(self._source(source)), ids.target.encode(words))])
        logits = self.trained.model.decode(self.encode(source), teacher_forced_inputs(batch.target))
        return -float(nn.functional.cross_entropy(logits.transpose(1, 2), batch.target, reduction="sum"))


@dataclass(frozen=True)
class Results:
    """A comparison, or the single runs that `train` gathered: its numbers as data frames, its models.

    Attributes:
        path: The folder.
        comparison: The document that all tables are made from.
    """

    path: Path
    comparison: Comparison

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a run: labels, whether it converged and reached the score, the settings that vary, every metric."""
        runs = self.comparison.runs
        labels = [run.model_dump(include={"task", "strategy", "seed", "status"}) for run in runs]
        labels = [
            {**own, "converged": run.converged, "reached": run.reached} for own, run in zip(labels, runs, strict=True)
        ]
        settings = sorted({name for run in runs for name in run.settings})
        metrics = [name for name in METRICS if any(name in run.metrics for run in runs)]
        rows = [{**own, **run.settings, **run.metrics} for own, run in zip(labels, runs, strict=True)]
        return pd.DataFrame(
            rows, columns=["task", "strategy", "seed", "status", "converged", "reached", *settings, *metrics]
        )

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row a task, strategy and metric: mean, interval, paired difference from the baseline, p."""
        rows = []
        for row in self.comparison.rows:
            for metric, estimate in row.estimates.items():
                numbers = estimate.model_dump(exclude={"bootstrap"})
                rows.append({"task": row.task, "strategy": row.strategy, "metric": metric, "n": row.n, **numbers})
        return pd.DataFrame(rows)

    @cached_property
    def claims(self) -> pd.DataFrame:
        """One row a claim: its verdict, difference, interval and p."""
        return pd.DataFrame([claim.model_dump(exclude={"comparisons"}) for claim in self.comparison.claims])

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row an evaluation: task, strategy, seed, step, losses and metrics on the validation set.

        Raises:
            StoreError: The runs are not here: only the tables are kept.
        """
        rows = []
        for name, folder in self._found():
            labels = {"task": name.task, "strategy": name.strategy, "seed": name.seed}
            rows += [{**labels, **dict(evaluation)} for evaluation in folder.evaluations()]
        return pd.DataFrame(rows)

    def model(self, task: str, strategy: str, seed: int = 0) -> Model:
        """The trained model of a run.

        Raises:
            UsageError: There is no run with these labels.
            StoreError: The runs are not here, or the run is not complete, or damaged.
        """
        for name, folder in self._found():
            if name[:3] == (task, strategy, seed):
                return Model(load_trained(folder))
        raise UsageError(f"{self.path}: no run of {task}, {strategy}, seed {seed}: see .runs for those there are")

    def _found(self) -> list[Found]:
        found = runs_at(self.path)
        if not found:
            raise StoreError(f"{self.path}: only tables are kept here: train its runs with `ssrun compare`")
        return found


def load(path: str | os.PathLike[str]) -> Results:
    """A comparison's results, also where only its tables are kept.

    Raises:
        StoreError: There are none, or they are damaged.
    """
    folder = Path(path)
    return Results(folder, comparison_in(folder))


def train(
    task: str = "reverse",
    strategy: str = "teacher-forcing",
    seed: int = 0,
    *,
    settings: Settings | None = None,
    device: str = CPU,
    name: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Results:
    """Trains one run, or finds it trained; the results of the folder where `ssrun train` would gather it.

    Args:
        task: A name of `ssrun list tasks`.
        strategy: A name of `ssrun list strategies`.
        seed: Of all random streams, from 0.
        settings: Fields by path, such as {"training.steps": 200}; see `ssrun list fields`.
        device: What computes: `cpu`, `cuda` or `mps`.
        name: Folder below `results`; `train` where it is not given.
        out: A folder of its own, runs and all, in place of it.

    Raises:
        UsageError: There is no such task, strategy or field, or the folder holds something else.
        StoreError: The run failed, or diverged, or something cannot be written.
        Interrupted: A signal came, where `ssrun.system.signals.listen` was called.
    """
    run = RunSpec.of(task, strategy, resolve(task, strategy, seed, [by_section(settings or {})]))
    run.config.task.check()
    place = destination("train", SINGLE_RUNS, own=True, name=name, out=None if out is None else Path(out))
    teachers.check([run.config], place.store)
    add_single_run(place, run.name)
    options = Options(jobs=1, device=device)
    bring_to_end([run], place, options, engine_for("local", options))
    return load(place.path)


def compare(
    experiment: str = "default",
    *,
    tasks: Iterable[str] | None = None,
    strategies: Iterable[str] | None = None,
    seeds: str | Iterable[int] | None = None,
    baseline: str | None = None,
    metrics: Iterable[str] | None = None,
    settings: Settings | None = None,
    smoke: bool = False,
    most: int | None = None,
    jobs: int | None = None,
    engine: str = "local",
    engine_options: Mapping[str, Any] | None = None,
    device: str = CPU,
    name: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Results:
    """Trains what is missing of an experiment and writes its tables, as `ssrun compare` does.

    Args:
        experiment: A name of `ssrun list experiments`, or a TOML file.
        tasks: These alone; likewise strategies, seeds ("0..4" or numbers) and metrics.
        strategies: See tasks.
        seeds: See tasks.
        baseline: The strategy that the others are compared with.
        metrics: Columns of the table.
        settings: Fields by path, such as {"model.hidden": 128}.
        smoke: A tiny version of the same.
        most: Seeds at most, where seeds are added until the claims are decided; None: those of the experiment.
        jobs: Runs at once; one a core where it is not given, or what the cluster has room for.
        engine: Where runs go: `local` or `ray`.
        engine_options: Options of that engine by name, such as {"num_cpus": 1}.
        device: What computes: `cpu`, `cuda` or `mps`.
        name: Folder below `results`, by what is asked for where it is not given.
        out: A folder of its own, runs and all, in place of it.

    Raises:
        UsageError: Something that is asked for does not exist, or the folder holds another comparison.
        StoreError: Something that is kept is damaged, or cannot be written.
        Interrupted: A signal came, where `ssrun.system.signals.listen` was called.
    """
    lists = {"tasks": tasks, "strategies": strategies, "metrics": metrics}
    choices: dict[str, Any] = {kind: ",".join(given) for kind, given in lists.items() if given is not None}
    if seeds is not None:
        choices["seeds"] = seeds if isinstance(seeds, str) else ",".join(map(str, seeds))
    overrides = by_section(settings or {})
    plan = load_plan(experiment, **choices, baseline=baseline, smoke=smoke, overrides=overrides, most=most)
    runs = plan.runs()
    for each in dict.fromkeys(run.config.task for run in runs):
        each.check()
    place = destination(plan.stem, plan.id, plan.own, name, None if out is None else Path(out))
    teachers.check([run.config for run in runs], place.store)
    options = Options(jobs, device=device, own=engine_options or {})
    chosen = engine_for(engine, options)

    def train_missing(runs: Sequence[RunSpec], _: str) -> None:
        bring_to_end(runs, place, options, chosen)

    carry_out(plan, place, f"ssrun.compare({experiment!r}, ...)", train_missing)
    results = Results(place.path, conclude(place.path))
    write_tables(place.path, results.comparison)
    return results


def bring_to_end(runs: Sequence[RunSpec], place: Destination, options: Options, engine: Engine) -> None:
    for _ in engine.run(incomplete(place.store, runs), place.store, options):
        pass


def tokens_of(text: Text) -> Tokens:
    tokens = tuple(text.split()) if isinstance(text, str) else tuple(text)
    if not tokens:
        raise UsageError("no token: give at least one")
    return tokens
