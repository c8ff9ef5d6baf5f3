"""Experiment -> cells -> results -> one data frame -> one document with means, intervals, differences, verdicts.

The document (strict JSON) is all that tables and pages are made of. It holds no times, unless a metric of the
experiment is one, so that the same runs give the same bytes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ssrun.analysis import bootstrap
from ssrun.analysis.statistics import ClaimVerdict, Comparison, holm, mean_interval, paired, verdicts
from ssrun.config.claims import Claim, Operand
from ssrun.config.experiment import Experiment
from ssrun.config.spec import Cell
from ssrun.errors import StoreError
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder, runs
from ssrun.runs.manifest import Place, recall
from ssrun.system.documents import canonical
from ssrun.system.files import read_json
from ssrun.views import keeping

Document = dict[str, Any]
TIMES = ("seconds", "seconds_to_reach")


def outcome(results: Path, place: Place, experiment: Experiment) -> dict[str, Any]:
    """What became of one run: its labels, `status`, and its metrics where it is complete.

    Raises:
        StoreError: Its result is damaged.
    """
    folder = RunFolder.of(results, place)
    row: dict[str, Any] = {"task": place.task, "strategy": place.strategy, "seed": place.seed, "reason": ""}
    if folder.complete:
        result = folder.result()
        for fault in folder.damage(result, ("run.json", "environment.json", "metrics.jsonl")):
            raise StoreError(fault)
        if (result["task"], result["strategy"], result["seed"]) != place[:3] or result["run"][:10] != place.name[-10:]:
            raise StoreError(f"{folder.path}: holds another run: remove the folder and run again")
        row["status"] = result["status"]
        if result["status"] == "complete":
            row |= {name: result[name] for name in METRICS if name in result}
            row["signature"] = result["bleu_signature"]
            row["facts"] = result.get("facts", {})
            if experiment.reach:
                row |= reached(folder, experiment, result)
        else:
            row["reason"] = result["reason"]
    elif failure := folder.failure():
        row |= {"status": "failed", "reason": failure["reason"]}
    else:
        row["status"] = "missing"
    return row


def reached(folder: RunFolder, experiment: Experiment, result: Mapping[str, Any]) -> dict[str, float]:
    """When the loss asked for was first reached; where it never was, the whole run counts."""
    reach = experiment.reach
    assert reach is not None  # noqa: S101 - the caller asks only then
    for line in folder.metrics():
        if line[reach.metric] <= reach.value:
            return {"steps_to_reach": line["step"], "seconds_to_reach": line["seconds"]}
    return {"steps_to_reach": result["steps"], "seconds_to_reach": result["seconds"]}


def frame(results: Path, places: Sequence[Place], experiment: Experiment) -> pd.DataFrame:
    """One row a run, in the grid's order."""
    return pd.DataFrame([outcome(results, place, experiment) for place in places])


def document(results: Path) -> Document:
    """The comparison in this folder as one document; from its runs, or where only its tables are kept, from them.

    Raises:
        StoreError: Something that it rests on is missing or damaged.
    """
    kept = results / "table.json"
    if not (results / "experiment.json").is_file() and not runs(results) and kept.is_file():
        return keeping.read(kept)
    return document_of(results, *recall(results))


def document_of(results: Path, experiment: Experiment, places: Sequence[Place], command: str) -> Document:
    """The document of these runs.

    Raises:
        StoreError: Something that it rests on is damaged.
    """
    found = summary(experiment, frame(results, places, experiment), command, environments(results, places))
    bootstrap.attach(found, results, places)
    return found


def environments(results: Path, places: Sequence[Place]) -> list[Document]:
    """The distinct environments that the runs were made in."""
    found: dict[bytes, Document] = {}
    for place in places:
        path = results / place.name / "environment.json"
        if path.is_file():
            environment = read_json(path)
            found.setdefault(canonical(environment), environment)
    return [found[key] for key in sorted(found)]


def summary(experiment: Experiment, outcomes: pd.DataFrame, command: str, environments: Sequence[Document]) -> Document:
    """The document of a comparison: rows, differences, claims, and what must stand beside them."""
    metrics = [name for name in METRICS if name in outcomes and (name not in TIMES or name in shown(experiment))]
    rows: list[Document] = []
    for task in experiment.tasks:
        of_task = outcomes[outcomes["task"] == task]
        rows += [row(of_task[of_task["strategy"] == name], task, name, metrics) for name in experiment.strategies]
        compare_with(experiment.baseline, rows[-len(experiment.strategies) :], of_task, metrics)
    complete = outcomes[outcomes["status"] == "complete"]
    signatures = complete.get("signature", pd.Series(dtype=str))
    faults = outcomes[~outcomes["status"].isin(["complete"])]
    return {
        "experiment": experiment.name,
        "question": experiment.question,
        "command": command,
        "baseline": experiment.baseline,
        "metrics": list(experiment.metrics),
        "seeds": list(experiment.seeds),
        "smallest_p": paired(experiment.seeds, experiment.seeds).smallest_p,
        "rows": rows,
        "claims": judge(experiment, outcomes),
        "published": experiment.published.model_dump(mode="json") if experiment.published else None,
        "reading": experiment.reading,
        "signatures": {task: sorted(set(signatures[complete["task"] == task].dropna())) for task in experiment.tasks},
        "facts": {
            task: of_task["facts"].iloc[0]
            for task, of_task in complete.groupby("task", sort=False)
            if "facts" in of_task and of_task["facts"].iloc[0]
        },
        "faults": [
            {key: fault[key] for key in ("task", "strategy", "seed", "status", "reason")}
            for fault in faults.to_dict("records")
        ],
        "environments": list(environments),
    }


def shown(experiment: Experiment) -> set[str]:
    """The metrics that the experiment itself names."""
    return {*experiment.metrics, *(claim.metric for claim in experiment.claims)}


def row(outcomes: pd.DataFrame, task: str, strategy: str, metrics: Sequence[str]) -> Document:
    """One strategy on one task: how many runs ended how, and for each metric mean, low and high over seeds."""
    status = outcomes["status"].value_counts()
    complete = outcomes[outcomes["status"] == "complete"]
    result: Document = {"task": task, "strategy": strategy, "n": len(complete), "of": len(outcomes)}
    result |= {name: int(status.get(name, 0)) for name in ("diverged", "failed", "missing")}
    for metric in metrics:
        values = complete[metric].dropna().tolist()
        if values:
            interval = mean_interval(values)
            result[metric] = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return result


def compare_with(baseline: str, rows: Sequence[Document], outcomes: pd.DataFrame, metrics: Sequence[str]) -> None:
    """Adds each strategy's paired difference from the baseline, p Holm-corrected over the strategies."""
    for metric in metrics:
        judged = []
        for each in rows:
            if each["strategy"] == baseline or metric not in each:
                continue
            ours, theirs = pairs(
                outcomes, metric, Operand(each["strategy"], each["task"]), Operand(baseline, each["task"])
            )
            if ours:
                found = paired(ours, theirs)
                each[metric] |= {
                    "difference": found.difference,
                    "difference_low": found.low,
                    "difference_high": found.high,
                    "p": found.p,
                    "pairs": found.n,
                }
                judged.append(each[metric])
        for each, adjusted in zip(judged, holm([each["p"] for each in judged]), strict=True):
            each["p_holm"] = adjusted


def pairs(outcomes: pd.DataFrame, metric: str, left: Operand, right: Operand) -> tuple[list[float], list[float]]:
    """The values of two strategies by seed, of the seeds of which both completed one run."""
    if metric not in outcomes:
        return [], []
    columns = [outcomes[name].tolist() for name in ("strategy", "task", "status", "seed", metric)]
    rows = list(zip(*columns, strict=True))  # plain lists: a table of a thousand runs asks a thousand times

    def values(operand: Operand) -> dict[int, float]:
        wanted = (*operand, "complete")
        chosen = [row[3:] for row in rows if row[:3] == wanted and not math.isnan(row[4])]
        count = Counter(seed for seed, _ in chosen)
        return {seed: value for seed, value in chosen if count[seed] == 1}

    ours, theirs = values(left), values(right)
    both = sorted(ours.keys() & theirs.keys())
    return [ours[seed] for seed in both], [theirs[seed] for seed in both]


def judge(experiment: Experiment, outcomes: pd.DataFrame) -> list[Document]:
    """The verdict on each claim, with its evidence."""
    families = []
    for claim in experiment.claims:
        comparisons = []
        for left, right, direction in claim.comparisons():
            ours, theirs = pairs(outcomes, claim.metric, left, right)
            comparisons.append(Comparison(ours, theirs, direction, claim.by))
        families.append(comparisons)
    judged = verdicts(families) if families else []
    return [
        evidence(claim, comparisons, verdict)
        for claim, comparisons, verdict in zip(experiment.claims, families, judged, strict=True)
    ]


def evidence(claim: Claim, comparisons: Sequence[Comparison], judged: ClaimVerdict) -> Document:
    """A claim as the tables show it; of a chain, the numbers of the pair that decided."""
    parts: list[Document] = []
    for (left, right, direction), comparison, interval in zip(
        claim.comparisons(), comparisons, judged.intervals, strict=True
    ):
        exact = paired([value - interval.boundary for value in comparison.treatment], comparison.baseline)
        part = {"left": " @ ".join(left), "right": " @ ".join(right), "direction": direction}
        part |= {name: getattr(interval, name) for name in ("difference", "low", "high", "level", "n")}
        parts.append({**part, "p": exact.p})

    def strength(part: Document) -> float:
        """How far the interval's nearer end lies on the claimed side."""
        if part["low"] is None:
            return -math.inf
        return float(part["low"] if part["direction"] == "higher" else -part["high"])

    weakest = min(parts, key=strength)
    return {
        "text": claim.text,
        "source": claim.source,
        "metric": claim.metric,
        "order": claim.order,
        "by": claim.by,
        "verdict": judged.verdict,
        **{key: weakest[key] for key in ("difference", "low", "high", "level", "p", "n")},
        "comparisons": parts,
    }


def incomplete(results: Path, cells: Sequence[Cell]) -> list[Cell]:
    """The cells that have no result yet; sweeps what killed processes left of the others."""
    missing = []
    for cell in cells:
        folder = RunFolder.of(results, cell)
        if folder.complete:
            folder.sweep()
        else:
            missing.append(cell)
    return missing
