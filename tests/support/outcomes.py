"""Planted outcomes: an experiment and what became of its runs, without a run; and a document as hostile as can be."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ssrun.analysis.comparison import summary
from ssrun.config.experiment import Experiment

SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:2.6.0"
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


def experiment(strategies: Sequence[str] = ("a", "b"), seeds: int = 3, **fields: Any) -> Experiment:
    """An experiment on the task `t` whose baseline is the first strategy."""
    given = {
        "name": "planted",
        "question": "Which is better?",
        "tasks": {"t": {"base": "reverse"}},
        "strategies": {name: {"base": "linear"} for name in strategies},
        "seeds": list(range(seeds)),
        "baseline": strategies[0],
        "metrics": ["bleu", "free_running_loss"],
    }
    return Experiment.model_validate(given | fields)


def outcomes(values: Mapping[str, Mapping[str, Sequence[Any]]], task: str = "t") -> pd.DataFrame:
    """One row a run: by strategy and metric a value for each seed; a string instead of a number is a status."""
    rows = []
    for strategy, metrics in values.items():
        for seed in range(len(next(iter(metrics.values())))):
            found = {metric: of_seeds[seed] for metric, of_seeds in metrics.items()}
            status = next((value for value in found.values() if isinstance(value, str)), "complete")
            row = {"task": task, "strategy": strategy, "seed": seed, "status": status, "reason": ""}
            if status == "complete":
                row |= {**found, "signature": SIGNATURE}
            elif status != "missing":
                row["reason"] = f"{status} of {strategy}"
            rows.append(row)
    return pd.DataFrame(rows)


def claim(order: str, metric: str = "bleu", **fields: Any) -> dict[str, Any]:
    """A claim on the task `t`."""
    return {
        "text": f"{order}, it is said.",
        "source": "somebody",
        "metric": metric,
        "task": "t",
        "order": order,
    } | fields


def document(seeds: int = 6) -> dict[str, Any]:
    """The document of a comparison of three strategies with claims, published numbers, and runs that failed."""
    noise = random.Random(1)
    values: dict[str, dict[str, list[Any]]] = {}
    for place, strategy in enumerate(("a", "b", "c")):
        values[strategy] = {
            "bleu": [80 + 5 * place + noise.gauss(0, 1) for _ in range(seeds)],
            "free_running_loss": [1 - 0.25 * place + noise.gauss(0, 0.05) for _ in range(seeds)],
            "exposure_gap": [0.5 + noise.gauss(0, 0.05) for _ in range(seeds)],
        }
    values["c"] = {metric: [*of_seeds[:-2], "failed", "diverged"] for metric, of_seeds in values["c"].items()}
    plan = experiment(
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
    return summary(plan, outcomes(values), "ssrun compare planted", [{"python": "3"}])


def hostile() -> dict[str, Any]:
    """The same with everything that a person can write turned against the reader."""
    found = document()
    words = " ".join(HOSTILE)
    found |= {"question": words, "reading": words, "command": words}
    found["claims"] = [
        {**found["claims"][0], "text": text, "source": text, "order": text} for text in (*HOSTILE, words)
    ]
    rows = {"a": list(HOSTILE), "c": list(reversed(HOSTILE)), "[0] \\": ["-"] * len(HOSTILE)}
    found["published"] = {"source": words, "metrics": list(HOSTILE), "rows": rows}
    found["faults"] = [{**found["faults"][0], "reason": words}]
    found["signatures"] = {"t": [words]}
    return found
