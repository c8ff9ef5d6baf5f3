"""Runs -> one data frame, a row a run -> the comparison: means, intervals, paired differences, verdicts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ssrun.analysis import bootstrap
from ssrun.analysis.bootstrap import Bootstraps
from ssrun.analysis.claims import at_steps, judge, judge_at_looks, looked_before, with_standing
from ssrun.analysis.data_seeds import data_seeds
from ssrun.analysis.document import (
    Arrival,
    Comparison,
    Fault,
    GridCell,
    Row,
    RunValues,
    Tuning,
    read_comparison,
)
from ssrun.analysis.looks import looks
from ssrun.analysis.outcomes import Outcomes, in_pairs, scored_pairs, steps_of, times_of, values_by_seed, varying
from ssrun.analysis.robustness import robust
from ssrun.analysis.statistics import all_paired, holm, mean_interval, paired
from ssrun.analysis.survival import summaries
from ssrun.config.claims import Operand
from ssrun.config.experiment import Experiment
from ssrun.config.spec import RunName
from ssrun.errors import StoreError
from ssrun.metrics import METRICS, TO_REACH
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import Manifest, manifests_in, read_manifest
from ssrun.runs.result import Scored
from ssrun.runs.results_folder import is_marked, read_mark, store_at
from ssrun.system import signals
from ssrun.system.environment import Environment
from ssrun.tasks.output_metrics import descriptions


def comparison_in(results: Path) -> Comparison:
    """The comparison in this folder: from its runs, or where only its tables are kept, from them.

    Raises:
        StoreError: Something that it rests on is missing or damaged.
    """
    kept = results / "table.json"
    if not (results / "experiment.json").is_file() and kept.is_file():
        return read_comparison(kept)
    return compare_runs(results, read_manifest(results))


def conclude(results: Path, watch: Callable[[Iterable[tuple[int, int]]], object] = list) -> Comparison:
    """The comparison in this folder, from its runs; its bootstraps are made, and lie beside it.

    Args:
        results: The folder.
        watch: Takes how many bootstraps are done, of how many, and so drives what makes them.

    Raises:
        StoreError: Something that it rests on is missing or damaged.
        Interrupted: A signal came.
    """
    return compare_runs(results, read_manifest(results), watch)


def compare_runs(
    results: Path, manifest: Manifest, watch: Callable[[Iterable[tuple[int, int]]], object] | None = None
) -> Comparison:
    """The comparison of these runs; with `watch`, as `conclude` has it, its bootstraps are made first.

    Raises:
        StoreError: Something that it rests on is damaged.
        Interrupted: A signal came.
    """
    experiment, mark = manifest.experiment, read_mark(results)
    if experiment.tune and not manifest.tuning:
        raise StoreError(f"{results}: its tuning is not finished: run its command again")
    store = store_at(results, mark.runs)
    read = Outcomes(store, experiment.reach, bool(manifest.described))
    found = [read.of(run) for run in manifest.runs]
    outcomes = pd.DataFrame([outcome.row for outcome in found])
    settings = [outcome.about.settings for outcome in found]
    outcomes["settings"] = pd.Series(varying(settings), dtype=object)
    outcomes["walk_share"] = [outcome.about.walk_share for outcome in found]
    outputs = {run: outcome.outputs for run, outcome in zip(manifest.runs, found, strict=True) if outcome.outputs}
    if watch:
        watch(bootstrap.fill(results, outputs, experiment.baseline))
    bootstraps = bootstrap.by_strategy(results, outputs, experiment.baseline)
    planned = looks(len(experiment.seeds), manifest.plan.most) if manifest.plan.most else []
    if planned:
        known = {run.seed for run in manifest.runs}
        seeds = tuple(seed for seed in manifest.plan.seed_order if seed in known)
        experiment = experiment.model_copy(update={"seeds": seeds})
    comparison = summarise(experiment, outcomes, manifest.command, read.environments, bootstraps, mark.plan, planned)
    beside = {
        "claims": with_standing(comparison.claims, manifest),
        "looked_before": [] if planned else looked_before(manifest, manifests_in(store)),
        "tuning": tuning_of(manifest),
        "data_seeds": data_seeds(manifest.runs, settings),
    }
    return comparison.model_copy(update=beside)


def tuning_of(manifest: Manifest) -> Tuning | None:
    tune = manifest.experiment.tune
    return Tuning(metric=tune.metric, seeds=list(tune.seeds), cells=list(manifest.tuning)) if tune else None


def complete_runs(store: Path, runs: Sequence[RunName]) -> dict[RunName, Scored]:
    """The results and scores of those of the runs that came to their end.

    Raises:
        StoreError: One is damaged.
    """
    found = {run: folder.scored() for run in runs if (folder := RunFolder.of(store, run)).complete}
    return {run: scored for run, scored in found.items() if scored}


def faults_beside(results: Path) -> Iterator[str]:
    """What is wrong with the files beside the runs that a comparison rests on; nothing where they are not there."""
    if not is_marked(results):
        return
    for read in (read_mark, read_manifest, bootstrap.kept):
        try:
            read(results)
        except StoreError as error:
            yield str(error)


def summarise(
    experiment: Experiment,
    outcomes: pd.DataFrame,
    command: str,
    environments: Sequence[Environment],
    bootstraps: Bootstraps | None = None,
    plan: str = "",
    planned: Sequence[int] = (),
) -> Comparison:
    """The comparison of these outcomes: rows, differences, claims, and what must stand beside them.

    The claims are judged at looks where these are planned, at numbers of seeds.
    """
    asked = {*experiment.metrics, *(claim.metric for claim in experiment.claims)}
    metrics = [
        name for name, metric in METRICS.items() if name in outcomes and (name in asked or not metric.on_request)
    ]
    complete = outcomes[outcomes["status"] == "complete"]
    signatures = complete.get("signature", pd.Series(dtype=str))
    of_text = complete.get("text_signatures", pd.Series(dtype=object)).tolist()
    faults = outcomes[outcomes["status"] != "complete"]
    grid = experiment.grid
    copied = {name: getattr(experiment, name) for name in ("question", "baseline", "published", "reading", "reach")}
    rows = [
        row
        for task in grid
        for row in task_rows(experiment, outcomes[outcomes["task"] == task], task, metrics, bootstraps or {})
    ]
    judged = judge_at_looks(experiment, outcomes, planned) if planned else judge(experiment, outcomes)
    return Comparison(
        experiment=experiment.name,
        plan=plan,
        **copied,
        command=command,
        metrics=list(experiment.metrics),
        described=descriptions(experiment.asked_metrics),
        seeds=list(experiment.seeds),
        steps=steps_of(complete),
        smallest_p=smallest_p(experiment, rows),
        rows=rows,
        cells={name: GridCell(task=cell.task, settings=cell.settings) for name, cell in grid.items() if cell.settings},
        runs=[run_values(run, metrics) for run in outcomes.to_dict("records")],
        claims=[at_steps(*pair, rows) for pair in zip(experiment.claims, judged, strict=True)],
        looks=list(planned),
        signatures={task: sorted(set(signatures[complete["task"] == task].dropna())) for task in grid},
        text_signatures={
            name: found for name in metrics if (found := sorted({of[name] for of in of_text if name in of}))
        },
        facts={
            str(task): group["facts"].iloc[0]
            for task, group in complete.groupby("task", sort=False)
            if "facts" in group and group["facts"].iloc[0]
        },
        faults=[Fault.model_validate(fault) for fault in faults[[*Fault.model_fields]].to_dict("records")],
        environments=list(environments),
    )


def smallest_p(experiment: Experiment, rows: Sequence[Row]) -> float | None:
    """Below which no Holm-corrected p of these rows can lie: the least of them is one of as many as there are."""
    exact = paired(experiment.seeds, experiment.seeds).smallest_p
    families = Counter(
        (row.task, metric) for row in rows for metric, found in row.estimates.items() if found.p is not None
    )
    return None if exact is None else min(1.0, exact * min(families.values(), default=1))


def run_values(run: Mapping[Hashable, Any], metrics: Sequence[str]) -> RunValues:
    complete = run["status"] == "complete"
    values = {name: run[name] for name in metrics if complete and not math.isnan(run[name])}
    labels = {name: run[name] for name in ("task", "strategy", "seed", "status", "settings")}
    converged, reached = (flag(run.get(name)) for name in ("converged", "reached"))
    share = float(run.get("walk_share", 0))
    return RunValues(**labels, metrics=values, walk_share=share, converged=converged, reached=reached)


def flag(value: object) -> bool | None:
    """A cell of the data frame that says yes or no; None where it is empty, whatever pandas holds there."""
    return value if isinstance(value, bool) else None


def task_rows(
    experiment: Experiment, outcomes: pd.DataFrame, task: str, metrics: Sequence[str], bootstraps: Bootstraps
) -> list[Row]:
    """One task's rows: means over seeds, and paired differences from the baseline, Holm-corrected over strategies."""
    signals.check()
    groups = {name: outcomes[outcomes["strategy"] == name] for name in experiment.strategies}
    estimates: dict[str, dict[str, dict[str, Any]]] = {name: means(group, metrics) for name, group in groups.items()}
    of_test = scored_pairs(outcomes, task)
    none = outcomes[:0]
    values = {
        (name, metric): values_by_seed(groups.get(name, none), metric, Operand(name, task))
        for name in {*groups, experiment.baseline}
        for metric in metrics
    }
    asked = [
        (name, metric, pair)
        for metric in metrics
        for name in groups
        if name != experiment.baseline and metric in estimates[name]
        if (pair := in_pairs(values[name, metric], values[experiment.baseline, metric]))[0]
    ]
    resolutions = {metric: METRICS[metric].resolution(of_test) for metric in metrics}
    found = all_paired([pair for *_, pair in asked], [resolutions[metric] for _, metric, _ in asked])
    for metric in metrics:
        differences = {name: difference for (name, of, _), difference in zip(asked, found, strict=True) if of == metric}
        adjusted = holm([difference.p for difference in differences.values()])
        for (name, (mean, low, high, p, pairs, _)), p_holm in zip(differences.items(), adjusted, strict=True):
            estimates[name][metric] |= {"difference": mean, "difference_low": low, "difference_high": high}
            estimates[name][metric] |= {"p": p, "p_holm": p_holm, "pairs": pairs}
    for metric in {*experiment.metrics[:1], "free_running_loss"}.intersection(metrics):
        for name in groups:
            own = values[name, metric]
            if len(own) > 1:
                other = {} if name == experiment.baseline else values[experiment.baseline, metric]
                estimates[name][metric]["robust"] = robust(own, other, METRICS[metric].better, resolutions[metric])
    for name, fields in estimates.items():
        if "bleu" in fields and (task, name) in bootstraps:
            fields["bleu"]["bootstrap"] = bootstraps[task, name]
    arrivals: dict[str, dict[str, Arrival]] = {name: {} for name in groups}
    for metric in (name for name in TO_REACH if name in metrics):
        times = {name: times_of(group, metric) for name, group in groups.items()}
        for name, summary in summaries(times, experiment.baseline).items():
            arrivals[name][metric] = summary
    return [
        Row.model_validate(
            {"task": task, "strategy": name, **counts(group), **estimates[name], "arrivals": arrivals[name]}
        )
        for name, group in groups.items()
    ]


def counts(outcomes: pd.DataFrame) -> dict[str, Any]:
    """How many runs there should be, how many ended how, and after how many steps."""
    status = outcomes["status"].value_counts()
    found = {name: int(status.get(name, 0)) for name in ("diverged", "failed", "missing")}
    complete = outcomes[outcomes["status"] == "complete"]
    found["not_converged"] = complete.get("converged", pd.Series(dtype=object)).tolist().count(False)
    return {"n": len(complete), "of": len(outcomes), **found, "steps": steps_of(complete)}


def means(outcomes: pd.DataFrame, metrics: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each metric that the complete runs have: mean, low and high over seeds."""
    complete = outcomes[outcomes["status"] == "complete"]
    values = {metric: complete[metric].dropna().tolist() for metric in metrics}
    intervals = {metric: mean_interval(found) for metric, found in values.items() if found}
    return {metric: {"mean": i.mean, "low": i.low, "high": i.high} for metric, i in intervals.items()}
