"""Comparing: planted outcomes give the means, intervals, differences, counts and verdicts that they must."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ssrun.analysis import comparison as comparing
from ssrun.analysis.comparison import judge, outcome, summary
from ssrun.analysis.statistics import Comparison, holm, paired, verdicts
from ssrun.config.plan import Plan
from ssrun.config.spec import Cell
from ssrun.errors import StoreError
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import Place
from ssrun.system.documents import canonical
from ssrun.views import keeping
from tests.support.outcomes import claim, experiment, outcomes


def of(values: dict[str, dict[str, list[Any]]], **fields: Any) -> dict[str, Any]:
    """The document of these outcomes."""
    seeds = max(len(of_seeds) for metrics in values.values() for of_seeds in metrics.values())
    return summary(experiment(tuple(values), seeds, **fields), outcomes(values), "ssrun compare planted", [])


def test_a_row_has_the_mean_and_the_t_interval_over_seeds() -> None:
    values = [90.0, 92.5, 93.5, 96.0]
    (row, other) = of({"a": {"bleu": values}, "b": {"bleu": [1.0] * 4}})["rows"]
    half = stats.t.ppf(0.975, 3) * np.std(values, ddof=1) / 2
    assert row["bleu"] == {"mean": 93.0, "low": pytest.approx(93 - half), "high": pytest.approx(93 + half)}
    assert (row["n"], row["of"], row["diverged"], row["failed"], row["missing"]) == (4, 4, 0, 0, 0)
    assert {key: other["bleu"][key] for key in ("mean", "low", "high")} == {"mean": 1.0, "low": 1.0, "high": 1.0}


def test_one_seed_has_a_mean_and_no_interval_and_no_p() -> None:
    found = of({"a": {"bleu": [90.0]}, "b": {"bleu": [91.0]}})
    assert found["rows"][0]["bleu"] == {"mean": 90.0, "low": None, "high": None}
    assert found["rows"][1]["bleu"] == {
        "mean": 91.0, "low": None, "high": None, "difference": 1.0, "difference_low": None, "difference_high": None,
        "p": None, "pairs": 1, "p_holm": None,
    }  # fmt: skip


def test_differences_are_paired_with_the_baseline_by_seed_and_holm_corrected_over_strategies() -> None:
    noise = random.Random(0)
    base = [noise.gauss(50, 20) for _ in range(6)]
    values = {
        "b": {"bleu": [value + 1 + noise.gauss(0, 0.1) for value in base]},
        "a": {"bleu": base},
        "c": {"bleu": [value + noise.gauss(0, 0.1) for value in base]},
    }
    rows = {row["strategy"]: row for row in of(values, baseline="a")["rows"]}
    assert "difference" not in rows["a"]["bleu"]
    for name in ("b", "c"):
        ours = np.array(values[name]["bleu"]) - np.array(base)
        exact = stats.permutation_test((ours,), np.sum, permutation_type="samples", n_resamples=np.inf)
        interval = stats.ttest_1samp(ours, 0).confidence_interval(0.95)
        found = rows[name]["bleu"]
        assert found["difference"] == pytest.approx(ours.mean())
        assert (found["difference_low"], found["difference_high"]) == pytest.approx(tuple(interval))
        assert found["p"] == pytest.approx(exact.pvalue)
        assert found["pairs"] == 6
    assert [rows[n]["bleu"]["p_holm"] for n in ("b", "c")] == holm([rows[n]["bleu"]["p"] for n in ("b", "c")])
    assert rows["b"]["bleu"]["p"] == 2 / 2**6
    assert rows["b"]["bleu"]["p_holm"] == 4 / 2**6


def test_runs_that_failed_or_diverged_or_are_missing_are_counted_and_never_averaged() -> None:
    values = {
        "a": {"bleu": [10.0, 20.0, 30.0, 40.0]},
        "b": {"bleu": [11.0, "failed", "diverged", "missing"]},
        "c": {"bleu": ["failed", "failed", 33.0, 44.0]},
    }
    found = of(values)
    rows = {row["strategy"]: row for row in found["rows"]}
    counts = {
        name: tuple(row[key] for key in ("n", "of", "diverged", "failed", "missing")) for name, row in rows.items()
    }
    assert counts == {"a": (4, 4, 0, 0, 0), "b": (1, 4, 1, 1, 1), "c": (2, 4, 0, 2, 0)}
    assert rows["b"]["bleu"]["mean"] == 11.0
    assert (rows["b"]["bleu"]["difference"], rows["b"]["bleu"]["pairs"]) == (1.0, 1)
    assert (rows["c"]["bleu"]["mean"], rows["c"]["bleu"]["difference"]) == (38.5, 3.5)
    assert [(f["strategy"], f["seed"], f["status"], f["reason"]) for f in found["faults"]] == [
        ("b", 1, "failed", "failed of b"), ("b", 2, "diverged", "diverged of b"), ("b", 3, "missing", ""),
        ("c", 0, "failed", "failed of c"), ("c", 1, "failed", "failed of c"),
    ]  # fmt: skip


def test_a_strategy_without_a_complete_run_keeps_its_row_without_numbers() -> None:
    found = of({"a": {"bleu": [1.0, 2.0]}, "b": {"bleu": ["failed", "failed"]}}, claims=[claim("a < b")])
    assert found["rows"][1] == {"task": "t", "strategy": "b", "n": 0, "of": 2, "diverged": 0, "failed": 2, "missing": 0}
    verdict = {key: found["claims"][0][key] for key in ("verdict", "difference", "low", "high", "p", "n")}
    assert verdict == {"verdict": "inconclusive", "difference": None, "low": None, "high": None, "p": None, "n": 0}


def test_nothing_complete_at_all_is_a_document_all_the_same() -> None:
    found = of({"a": {"bleu": ["failed", "missing"]}, "b": {"bleu": ["failed", "failed"]}}, claims=[claim("a < b")])
    assert [row["n"] for row in found["rows"]] == [0, 0]
    assert found["claims"][0]["verdict"] == "inconclusive"
    canonical(found)


def test_the_document_is_strict_json_and_the_same_for_the_same_outcomes() -> None:
    values = {
        "a": {"bleu": [1.0, 2.0], "seconds": [5.0, 6.0]},
        "b": {"bleu": [3.0, "failed"], "seconds": [7.0, "failed"]},
    }
    found = of(values, claims=[claim("a < b")])
    assert json.loads(canonical(found)) == found
    assert canonical(found) == canonical(of(values, claims=[claim("a < b")]))
    assert "seconds" not in found["rows"][0], "times are no part of what must come out the same"
    assert "seconds" in of(values, metrics=["bleu", "seconds"])["rows"][0]


def test_the_smallest_p_is_said_for_this_many_seeds() -> None:
    assert {n: of({"a": {"bleu": [1.0] * n}})["smallest_p"] for n in (1, 2, 5, 6, 25)} == {
        1: 1.0, 2: 0.5, 5: 0.0625, 6: 0.03125, 25: 1e-5,
    }  # fmt: skip


STEADY = [0.0, 0.1, -0.1, 0.05, -0.05, 0.02]


@pytest.mark.parametrize(
    ("order", "shift", "by", "verdict"),
    [
        ("b > a", 5.0, 0.0, "agree"),
        ("b < a", 5.0, 0.0, "disagree"),
        ("a < b", 5.0, 0.0, "agree"),
        ("b > a", 5.0, 4.0, "agree"),
        ("b > a", 5.0, 6.0, "disagree"),
        ("b > a", 5.0, 5.0, "inconclusive"),
        ("b > a", 0.0, 0.0, "inconclusive"),
    ],
)
def test_a_planted_difference_gets_the_verdict_that_it_must(order: str, shift: float, by: float, verdict: str) -> None:
    base = [90.0, 50.0, 10.0, 70.0, 30.0, 20.0]
    values = {"a": {"bleu": base}, "b": {"bleu": [x + shift + e for x, e in zip(base, STEADY, strict=True)]}}
    (found,) = of(values, claims=[claim(order, by=by)])["claims"]
    assert found["verdict"] == verdict
    sign = 1 if order.startswith("b") else -1
    assert found["difference"] == pytest.approx(sign * (shift + np.mean(STEADY)))
    assert found["n"] == 6
    assert set(found) >= {"text", "source", "verdict", "difference", "low", "high", "p", "n", "metric", "order", "by"}


def test_a_chain_agrees_only_as_a_whole_and_shows_the_pair_that_decided() -> None:
    values = {
        "a": {"bleu": [10.0 + e for e in STEADY]},
        "b": {"bleu": [20.0 - e for e in STEADY]},
        "c": {"bleu": [20.5 + 9 * e for e in STEADY]},
    }
    (chain,) = of(values, claims=[claim("a < b < c")])["claims"]
    assert chain["verdict"] == "inconclusive"
    assert [(part["left"], part["right"]) for part in chain["comparisons"]] == [("a @ t", "b @ t"), ("b @ t", "c @ t")]
    assert chain["difference"] == chain["comparisons"][1]["difference"] == pytest.approx(-0.5 - 10 * np.mean(STEADY))


def test_the_claims_of_one_experiment_are_one_family() -> None:
    noise = random.Random(3)
    values = {name: {"bleu": [noise.gauss(mean, 1) for _ in range(6)]} for name, mean in [("a", 0), ("b", 2), ("c", 3)]}
    orders = ["a < b", "a < c", "b < c"]
    found = of(values, claims=[claim(order) for order in orders])["claims"]
    comparisons = [
        [Comparison(values[left]["bleu"], values[right]["bleu"], "lower")]
        for left, right in (order.split(" < ") for order in orders)
    ]
    expected = verdicts(comparisons)
    assert [each["verdict"] for each in found] == [each.verdict for each in expected]
    assert [(each["low"], each["high"], each["level"]) for each in found] == [
        (each.intervals[0].low, each.intervals[0].high, each.intervals[0].level) for each in expected
    ]
    assert len({each["level"] for each in found}) > 1


def test_a_claim_across_tasks_is_paired_by_seed() -> None:
    plan = experiment(("a",), 3, tasks={"t": {"base": "copy"}, "u": {"base": "copy"}}, claims=[claim("a @ t < a @ u")])
    both = pd.concat([outcomes({"a": {"bleu": [1.0, 2.0, "failed"]}}), outcomes({"a": {"bleu": [5.0, 7.0, 9.0]}}, "u")])
    (found,) = summary(plan, both, "c", [])["claims"]
    assert (found["difference"], found["n"]) == (-4.5, 2)


def test_the_p_beside_a_verdict_is_the_exact_one_against_the_margin() -> None:
    values = {"a": {"bleu": [1.0] * 6}, "b": {"bleu": [3.0, 3.5, 4.0, 4.5, 5.0, 1.5]}}
    (found,) = of(values, claims=[claim("b > a", by=1.0)])["claims"]
    assert found["p"] == paired([2.0, 2.5, 3.0, 3.5, 4.0, 0.5], [1.0] * 6).p


@pytest.mark.parametrize(("seeds", "claims"), [(6, 1), (8, 6)])
def test_a_strategy_against_itself_agrees_no_more_often_than_the_level_says(seeds: int, claims: int) -> None:
    noise, tables, false = random.Random(seeds), 60, 0
    names = [f"s{number}" for number in range(claims + 1)]
    plan = experiment(tuple(names), seeds, claims=[claim(f"{name} > s0") for name in names[1:]])
    for _ in range(tables):
        values = {name: {"bleu": [noise.gauss(0, 1) for _ in range(seeds)]} for name in names}
        false += any(each["verdict"] == "agree" for each in judge(plan, outcomes(values)))
    assert stats.binomtest(false, tables, 0.05, alternative="greater").pvalue > 0.001


def results_of(tmp_path: Path, loss: list[float]) -> tuple[Any, list[Place]]:
    """One complete run, as it lies on the disk, whose evaluations had these losses, and one that is missing."""
    plan = experiment(("a", "b"), 2, reach={"metric": "free_running_loss", "value": 0.5}, metrics=["steps_to_reach"])
    cells = Plan(experiment=plan).cells()
    planted(tmp_path, cells[0], loss)
    return plan, [Place.of(cell) for cell in cells]


def planted(results: Path, cell: Cell, loss: list[float]) -> None:
    folder = RunFolder.of(results, cell)
    folder.start(cell)
    lines = [{"step": 10 * (n + 1), "free_running_loss": value, "seconds": n + 0.5} for n, value in enumerate(loss)]
    (folder.path / "metrics.jsonl").write_bytes(b"".join(canonical(line) + b"\n" for line in lines))
    metrics = {name: 1.0 for name in METRICS if "reach" not in name and name not in ("validity", "bracket_f1")}
    end = {"status": "complete", "steps": 10 * len(loss), "seconds": 9.0, "bleu_signature": "s"}
    head = {"run": cell.config.id, "task": cell.task, "strategy": cell.strategy, "seed": cell.seed}
    folder.finish({**head, **metrics, **end})


@pytest.mark.parametrize(
    ("loss", "steps", "seconds"),
    [([0.9, 0.5, 0.1], 20, 1.5), ([0.4, 0.9, 0.9], 10, 0.5), ([0.9, 0.8, 0.7], 30, 9.0)],
    ids=["at-the-loss", "at-once", "never"],
)
def test_the_first_evaluation_at_the_loss_counts_and_else_the_whole_run(
    tmp_path: Path, loss: list[float], steps: int, seconds: float
) -> None:
    plan, places = results_of(tmp_path, loss)
    found = outcome(tmp_path, places[0], plan)
    assert (found["steps_to_reach"], found["seconds_to_reach"]) == (steps, seconds)
    assert outcome(tmp_path, places[1], plan)["status"] == "missing"


def test_a_failed_attempt_is_told_with_its_reason(tmp_path: Path) -> None:
    plan, places = results_of(tmp_path, [0.4])
    RunFolder(tmp_path / places[1].name).fail("killed by SIGKILL")
    found = outcome(tmp_path, places[1], plan)
    assert (found["status"], found["reason"]) == ("failed", "killed by SIGKILL")


def test_a_folder_of_tables_alone_is_shown_from_them(tmp_path: Path) -> None:
    found = of({"a": {"bleu": [1.0, 2.0]}, "b": {"bleu": [2.0, 3.0]}})
    keeping.write_tables(tmp_path, found)
    assert {path.name for path in tmp_path.iterdir()} == {"table.md", "table.csv", "table.json", "table.tex"}
    assert comparing.document(tmp_path) == found


def test_an_empty_folder_has_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no results here: give a folder that"):
        comparing.document(tmp_path)
