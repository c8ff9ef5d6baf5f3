"""Planted outcomes: what became of runs that nobody trained, and their comparison, plain or as hostile as can be."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ssrun.analysis.comparison import summarise
from ssrun.analysis.document import Comparison, Estimate, Row
from ssrun.config.experiment import Experiment
from ssrun.config.run import ScoringConfig
from ssrun.config.spec import RunName
from ssrun.runs.events import Finished
from ssrun.runs.result import CompleteResult, Curves, DivergedResult, Evaluation, OutputScores
from ssrun.system.environment import Environment

SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:2.6.0"
COMMAND = "ssrun compare planted"
ENVIRONMENT = Environment(python="3", machine="m", system="s", processor="p", threads=1, packages={"ssrun": "1"})
HOSTILE = (
    "[/] [bold]b[/bold]",
    "\x1b]0;x\x07 \x1b[2J",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    r"a_b$%&\ {x} ~^# #1",
    "| a | b |",
    "\u202eleft\x9b31m\u2028line\ntwo",
    "**bold** `code` [a](b)",
    "[0] - first",
    "*starred",
    "Huszár ± Δ ε ∞ 漢",
)
RUN = "0123456789" * 6 + "0123"
END = {
    "run": RUN,
    "steps": 100,
    "schedule": {},
    "mean_epsilon": 0.5,
    "realised_epsilon": 0.5,
    "replaced": 0.25,
    "seconds": 7.4,
}
Planted = Mapping[str, Mapping[str, Sequence[float | str]]]  # by strategy and metric: a seed's value, or its status


def experiment(strategies: Sequence[str] = ("a", "b"), seeds: int = 3, **fields: Any) -> Experiment:
    """An experiment on the task `t` whose baseline is the first strategy."""
    given = {"name": "planted", "question": "Which is better?", "metrics": ["bleu", "free_running_loss"]}
    grid = {"tasks": {"t": {"base": "reverse"}}, "strategies": {name: {"base": "linear"} for name in strategies}}
    return Experiment.model_validate({**given, **grid, "seeds": list(range(seeds)), "baseline": strategies[0]} | fields)


def outcomes(values: Planted, task: str = "t") -> pd.DataFrame:
    """One row a run."""
    rows = []
    for strategy, metrics in values.items():
        for seed, found in enumerate(zip(*metrics.values(), strict=True)):
            status = next((value for value in found if isinstance(value, str)), "complete")
            row = {"task": task, "strategy": strategy, "seed": seed, "status": status, "reason": "", "settings": {}}
            if status == "complete":
                row |= {**dict(zip(metrics, found, strict=True)), "signature": SIGNATURE, "steps": 1000}
            elif status != "missing":
                row["reason"] = f"{status} of {strategy}"
            rows.append(row)
    return pd.DataFrame(rows)


def compared(values: Planted, **fields: Any) -> Comparison:
    """The comparison of these outcomes, on the task `t`; the fields are the experiment's."""
    seeds = max(len(of_seeds) for metrics in values.values() for of_seeds in metrics.values())
    return summarise(experiment(tuple(values), seeds, **fields), outcomes(values), COMMAND, [])


def timed(times: Mapping[str, Sequence[tuple[float, bool]]], **fields: Any) -> Comparison:
    """The comparison of runs that reach a BLEU of 90 at these steps, or that end there without it."""
    steps = {name: {"steps_to_reach": [value for value, _ in found]} for name, found in times.items()}
    frame = outcomes(steps)
    frame["reached"] = [reached for found in times.values() for _, reached in found]
    seeds = max(map(len, times.values()))
    asked = {"metrics": ["steps_to_reach"], "reach": {"metric": "bleu", "value": 90}, **fields}
    return summarise(experiment(tuple(times), seeds, **asked), frame, COMMAND, [])


def row(strategy: str = "a", n: int = 1, of: int = 1, **estimates: Estimate) -> Row:
    """A row of the task `t`."""
    counts = {"n": n, "of": of, "diverged": 0, "failed": 0, "missing": of - n}
    return Row.model_validate({"task": "t", "strategy": strategy, **counts, **estimates})


def claim(order: str, metric: str = "bleu", **fields: Any) -> dict[str, Any]:
    """A claim on the task `t`, as an experiment's file has it."""
    given = {"source": "somebody", "metric": metric, "task": "t", "order": order}
    return {"text": f"{order}, it is said.", **given, **fields}


def comparison(seeds: int = 6) -> Comparison:
    """A comparison of three strategies with claims, published numbers, and runs that failed."""
    noise = random.Random(1)
    values: dict[str, dict[str, list[float | str]]] = {}
    for index, strategy in enumerate(("a", "b", "c")):
        values[strategy] = {
            "bleu": [80 + 5 * index + noise.gauss(0, 1) for _ in range(seeds)],
            "free_running_loss": [1 - 0.25 * index + noise.gauss(0, 0.05) for _ in range(seeds)],
            "exposure_gap": [0.5 + noise.gauss(0, 0.05) for _ in range(seeds)],
        }
    values["c"] = {metric: [*of_seeds[:-2], "failed", "diverged"] for metric, of_seeds in values["c"].items()}
    asked = experiment(
        ("a", "b", "c"),
        seeds,
        metrics=["bleu", "free_running_loss", "exposure_gap"],
        claims=[claim("a < b"), claim("a < b < c", by=0.5), claim("a < b", "free_running_loss"), claim("a > c")],
        published={
            "source": "A 2015, Table 1",
            "metrics": ["F1", "MSE"],
            "rows": {"a": [1.25, 3], "c": ["none", -4.5]},
        },
        reading="What to make of it,\nin two lines.",
    )
    return summarise(asked, outcomes(values), COMMAND, [ENVIRONMENT])


def hostile() -> Comparison:
    """The same with everything that a person can write turned against the reader."""
    fields = comparison().model_dump(mode="json")
    words = " ".join(HOSTILE)
    fields |= {"question": words, "reading": words, "command": words, "signatures": {"t": [words]}}
    fields["claims"] = [
        {**fields["claims"][0], "text": text, "source": text, "order": text} for text in (*HOSTILE, words)
    ]
    published = {"a": list(HOSTILE), "c": list(reversed(HOSTILE)), "[0] \\": ["-"] * len(HOSTILE)}
    fields["published"] = {"source": words, "metrics": list(HOSTILE), "rows": published}
    fields["faults"] = [{**fields["faults"][0], "reason": words}]
    return Comparison.model_validate(fields)


def run_name(strategy: str = "a", seed: int = 0, task: str = "t") -> RunName:
    """The name of a run."""
    return RunName(task, strategy, seed, f"{task}/{strategy}-{seed}-0123456789", "9876543210")


def evaluation(
    step: int = 5, teacher_forced: float = 1.0, free_running: float = 2.0, seconds: float = 0.5
) -> Evaluation:
    """An evaluation with these losses."""
    shares = {"epsilon": 0.5, "realised_epsilon": 0.5, "replaced": 0.25, "training_loss": 1.5}
    scores = {"bleu": 12.34, "free_running_loss": free_running, "teacher_forced_loss": teacher_forced}
    return Evaluation.model_validate({"step": step, "seconds": seconds, **shares, **scores})


def result(**fields: Any) -> CompleteResult:
    """The result of a complete run; other metrics may be among the fields."""
    losses = {"free_running_loss": 0.12345, "teacher_forced_loss": 0.1}
    curves = Curves(next_step=[], decoding=[], positions=[])
    given = {**END, **losses, "references": 1, "test_pairs": 50, "curves": curves, "facts": {}}
    return CompleteResult.model_validate(given | fields)


def finished(bleu: float = 56.78, **fields: Any) -> Finished:
    """The end of a complete run with this BLEU; other metrics may be among the fields."""
    scoring = {"run": RUN, "scoring": ScoringConfig(), "bleu_signature": SIGNATURE, "files": {}}
    return Finished(result=result(**fields), scores=OutputScores.model_validate({**scoring, "bleu": bleu}))


def diverged(reason: str = "loss is nan") -> DivergedResult:
    """The result of a run whose loss was no longer a number."""
    return DivergedResult.model_validate({**END, "reason": reason})
