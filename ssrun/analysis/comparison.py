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
from ssrun.analysis.document import (
    ClaimEvidence,
    Comparison,
    Fault,
    PairEvidence,
    Row,
    RunValues,
    read_comparison,
)
from ssrun.analysis.looks import decided_at_looks
from ssrun.analysis.robustness import robust
from ssrun.analysis.statistics import holm, mean_interval, paired
from ssrun.analysis.verdicts import ALPHA, ClaimVerdict, Confirmation, Link, confirmations, seeds_needed, verdicts
from ssrun.config.claims import Claim, Operand, Reach
from ssrun.config.experiment import Experiment
from ssrun.config.overrides import by_path
from ssrun.config.spec import SHORT, RunName
from ssrun.errors import StoreError
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import Manifest, read_manifest
from ssrun.runs.result import CompleteResult, Scored
from ssrun.runs.results_folder import is_marked, read_mark, store_at
from ssrun.system.documents import canonical
from ssrun.system.environment import Environment


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
    manifest = read_manifest(results)
    watch(bootstrap.fill(results, manifest.runs, manifest.experiment.baseline))
    return compare_runs(results, manifest)


def compare_runs(results: Path, manifest: Manifest) -> Comparison:
    """The comparison of these runs.

    Raises:
        StoreError: Something that it rests on is damaged.
    """
    experiment, mark = manifest.experiment, read_mark(results)
    store = store_at(results, mark.runs)
    outcomes = pd.DataFrame([outcome(store, run, experiment.reach) for run in manifest.runs])
    outcomes["settings"] = pd.Series(varying([settings_of(store, run) for run in manifest.runs]), dtype=object)
    bootstraps = bootstrap.by_strategy(results, manifest.runs, experiment.baseline)
    found = environments(store, manifest.runs)
    return summarise(experiment, outcomes, manifest.command, found, bootstraps, mark.plan)


def outcome(store: Path, run: RunName, reach: Reach | None) -> dict[str, Any]:
    """What became of one run, a row of the data frame: labels, `status`, `reason`, and metrics where it is complete.

    Raises:
        StoreError: Its result is damaged.
    """
    folder = RunFolder.of(store, run)
    row: dict[str, Any] = {"task": run.task, "strategy": run.strategy, "seed": run.seed, "reason": ""}
    if not folder.complete:
        failure = folder.failure()
        return row | ({"status": "failed", "reason": failure.reason} if failure else {"status": "missing"})
    result = folder.result()
    for fault in folder.damage(result, ("run.json", "environment.json", "metrics.jsonl")):
        raise StoreError(fault)
    if folder.path.name.rpartition("-")[2] != result.run[:SHORT]:
        raise StoreError(f"{folder.path}: holds another run: remove the folder and run again")
    if not isinstance(result, CompleteResult):
        return row | {"status": result.status, "reason": result.reason}
    scores = folder.scores()
    row |= {"status": result.status, **Scored(result, scores).metrics, "steps": result.steps}
    row |= {"test_pairs": result.test_pairs, "facts": result.facts}
    row |= {"signature": scores.bleu_signature, "text_signatures": scores.text_signatures}
    return row | (reached(folder, reach, result) if reach else {})


def reached(folder: RunFolder, reach: Reach, result: CompleteResult) -> dict[str, float]:
    """When the loss asked for was first reached; where it never was, the whole run counts."""
    for evaluation in folder.evaluations():
        if evaluation.pairs is None and evaluation.value(reach.metric) <= reach.value:
            return {"steps_to_reach": evaluation.step, "seconds_to_reach": evaluation.seconds}
    return {"steps_to_reach": result.steps, "seconds_to_reach": result.seconds}


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


def settings_of(store: Path, run: RunName) -> dict[str, Any]:
    """The fields of a complete run's configuration by path, such as `strategy.schedule.half_at`; of others none."""
    folder = RunFolder.of(store, run)
    if not folder.complete:
        return {}
    return by_path(folder.config().model_dump(mode="json", exclude={"task": {"path"}, "seed": True}))


def varying(settings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each the fields that are not the same in all that have any."""
    begun = [fields for fields in settings if fields]
    names = sorted({name for fields in begun for name in fields})  # in the order in which a document keeps them
    vary = [name for name in names if len({repr(fields.get(name)) for fields in begun}) > 1]
    return [{name: fields[name] for name in vary if name in fields} for fields in settings]


def environments(store: Path, runs: Sequence[RunName]) -> list[Environment]:
    folders = (folder for run in runs if (folder := RunFolder.of(store, run)).complete)
    found = (environment for folder in folders for environment in folder.environments())
    distinct = {canonical(environment.model_dump()): environment for environment in found}
    return [distinct[key] for key in sorted(distinct)]


def summarise(
    experiment: Experiment,
    outcomes: pd.DataFrame,
    command: str,
    environments: Sequence[Environment],
    bootstraps: Bootstraps | None = None,
    plan: str = "",
) -> Comparison:
    """The comparison of these outcomes: rows, differences, claims, and what must stand beside them."""
    asked = {*experiment.metrics, *(claim.metric for claim in experiment.claims)}
    metrics = [
        name for name, metric in METRICS.items() if name in outcomes and (name in asked or not metric.on_request)
    ]
    complete = outcomes[outcomes["status"] == "complete"]
    signatures = complete.get("signature", pd.Series(dtype=str))
    of_text = complete.get("text_signatures", pd.Series(dtype=object)).tolist()
    faults = outcomes[outcomes["status"] != "complete"]
    copied = {name: getattr(experiment, name) for name in ("question", "baseline", "published", "reading")}
    rows = [
        row
        for task in experiment.tasks
        for row in task_rows(experiment, outcomes[outcomes["task"] == task], task, metrics, bootstraps or {})
    ]
    return Comparison(
        experiment=experiment.name,
        plan=plan,
        **copied,
        command=command,
        metrics=list(experiment.metrics),
        seeds=list(experiment.seeds),
        steps=sorted({int(steps) for steps in complete.get("steps", pd.Series(dtype=int)).dropna()}),
        smallest_p=smallest_p(experiment, rows),
        rows=rows,
        runs=[run_values(run, metrics) for run in outcomes.to_dict("records")],
        claims=judge(experiment, outcomes),
        signatures={task: sorted(set(signatures[complete["task"] == task].dropna())) for task in experiment.tasks},
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
    return RunValues(**{name: run[name] for name in ("task", "strategy", "seed", "status", "settings")}, metrics=values)


def task_rows(
    experiment: Experiment, outcomes: pd.DataFrame, task: str, metrics: Sequence[str], bootstraps: Bootstraps
) -> list[Row]:
    """One task's rows: means over seeds, and paired differences from the baseline, Holm-corrected over strategies."""
    groups = {name: outcomes[outcomes["strategy"] == name] for name in experiment.strategies}
    estimates: dict[str, dict[str, dict[str, Any]]] = {name: means(group, metrics) for name, group in groups.items()}
    of_test = scored_pairs(outcomes, task)
    for metric in metrics:
        differences = {}
        resolution = METRICS[metric].resolution(of_test)
        for name in groups:
            if name != experiment.baseline and metric in estimates[name]:
                values = paired_values(outcomes, metric, Operand(name, task), Operand(experiment.baseline, task))
                if values[0]:
                    differences[name] = paired(*values, resolution=resolution)
        adjusted = holm([difference.p for difference in differences.values()])
        for (name, (mean, low, high, p, pairs, _)), p_holm in zip(differences.items(), adjusted, strict=True):
            estimates[name][metric] |= {"difference": mean, "difference_low": low, "difference_high": high}
            estimates[name][metric] |= {"p": p, "p_holm": p_holm, "pairs": pairs}
    for metric in {*experiment.metrics[:1], "free_running_loss"}.intersection(metrics):
        for name in groups:
            own, other = (values_by_seed(outcomes, metric, Operand(of, task)) for of in (name, experiment.baseline))
            if len(own) > 1:
                resolution = METRICS[metric].resolution(of_test)
                other = {} if name == experiment.baseline else other
                estimates[name][metric]["robust"] = robust(own, other, METRICS[metric].better, resolution)
    for name, fields in estimates.items():
        if "bleu" in fields and (task, name) in bootstraps:
            fields["bleu"]["bootstrap"] = bootstraps[task, name]
    return [
        Row.model_validate({"task": task, "strategy": name, **counts(group), **estimates[name]})
        for name, group in groups.items()
    ]


def counts(outcomes: pd.DataFrame) -> dict[str, int]:
    """How many runs there should be, how many are complete, and how many ended otherwise."""
    status = outcomes["status"].value_counts()
    found = {name: int(status.get(name, 0)) for name in ("diverged", "failed", "missing")}
    return {"n": int(status.get("complete", 0)), "of": len(outcomes), **found}


def means(outcomes: pd.DataFrame, metrics: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each metric that the complete runs have: mean, low and high over seeds."""
    complete = outcomes[outcomes["status"] == "complete"]
    values = {metric: complete[metric].dropna().tolist() for metric in metrics}
    intervals = {metric: mean_interval(found) for metric, found in values.items() if found}
    return {metric: {"mean": i.mean, "low": i.low, "high": i.high} for metric, i in intervals.items()}


def paired_values(
    outcomes: pd.DataFrame, metric: str, left: Operand, right: Operand
) -> tuple[list[float], list[float]]:
    """The values of two strategies by seed, of the seeds of which both completed one run."""
    treatment, baseline = (values_by_seed(outcomes, metric, operand) for operand in (left, right))
    both = sorted(treatment.keys() & baseline.keys())
    return [treatment[seed] for seed in both], [baseline[seed] for seed in both]


def values_by_seed(outcomes: pd.DataFrame, metric: str, operand: Operand) -> dict[int, float]:
    """The values of a strategy by seed, of the seeds of which it completed one run."""
    if metric not in outcomes:
        return {}
    columns = [outcomes[name].tolist() for name in ("strategy", "task", "status", "seed", metric)]
    rows = zip(*columns, strict=True)  # plain lists: a table of a thousand runs asks a thousand times
    wanted = (*operand, "complete")
    chosen = [row[3:] for row in rows if row[:3] == wanted and not math.isnan(row[4])]
    count = Counter(seed for seed, _ in chosen)
    return {seed: value for seed, value in chosen if count[seed] == 1}


def judge_at_looks(experiment: Experiment, outcomes: pd.DataFrame, planned: Sequence[int]) -> list[ClaimEvidence]:
    """The claims as the looks decided them that these seeds allow; `planned` is of `looks`."""

    def at(claims: Sequence[int], n: int, alpha: float) -> list[ClaimEvidence]:
        asked = experiment.model_copy(update={"claims": tuple(experiment.claims[place] for place in claims)})
        return judge(asked, outcomes[outcomes["seed"].isin(experiment.seeds[:n])], alpha)

    made = sum(n <= len(experiment.seeds) for n in planned)
    return decided_at_looks(len(experiment.claims), planned, made, at)


def judge(experiment: Experiment, outcomes: pd.DataFrame, alpha: float = ALPHA) -> list[ClaimEvidence]:
    """The claims with their verdicts, whose chance of any false one is alpha."""
    families = [links_of(claim, outcomes) for claim in experiment.claims]
    judged = verdicts(families, alpha)
    exact = confirmations(families, judged, alpha)
    return [evidence(*parts) for parts in zip(experiment.claims, families, judged, exact, strict=True)]


def links_of(claim: Claim, outcomes: pd.DataFrame) -> list[Link]:
    links = []
    for left, right, relation in claim.comparisons():
        margin = claim.within if relation == "equal" and claim.within else claim.by
        resolution = METRICS[claim.metric].resolution(scored_pairs(outcomes, left.task, right.task))
        links.append(Link(*paired_values(outcomes, claim.metric, left, right), relation, margin, resolution))
    return links


def scored_pairs(outcomes: pd.DataFrame, *tasks: str) -> int | None:
    """The fewest pairs of the test set that a complete run of these tasks was scored on; None where none tells."""
    found = outcomes.get("test_pairs", pd.Series(dtype=float))[outcomes["task"].isin(tasks)].min()
    return None if math.isnan(found) else int(found)


def evidence(claim: Claim, links: Sequence[Link], judged: ClaimVerdict, exact: Confirmation) -> ClaimEvidence:
    """A claim as the tables show it."""
    pairs = [
        PairEvidence(left=" @ ".join(left), right=" @ ".join(right), direction=relation, **interval._asdict())
        for (left, right, relation), interval in zip(claim.comparisons(), judged.intervals, strict=True)
    ]
    decided = judged.verdict != "inconclusive"
    return ClaimEvidence(
        **claim.model_dump(include={"text", "source", "metric", "order", "by", "within"}),
        **judged.intervals[judged.weakest]._replace(p=judged.p)._asdict(),
        verdict=judged.verdict,
        exact_p=None if judged.p is None else exact.p,
        t_only=decided and not exact.possible,
        seeds_needed=None if decided else seeds_needed(links, judged.alpha),
        comparisons=pairs,
    )
