"""Comparing: planted outcomes give the means, intervals, differences, counts and verdicts that they must."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ssrun.analysis.comparison import comparison_in, summarise
from ssrun.analysis.document import Comparison, Row, text_of
from ssrun.analysis.outcomes import Outcomes
from ssrun.analysis.statistics import holm, sign_flip_above
from ssrun.analysis.verdicts import Link, verdicts
from ssrun.config.claims import Reach
from ssrun.config.resolution import resolve
from ssrun.config.spec import RunSpec
from ssrun.errors import StoreError
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder
from ssrun.system.files import digest
from ssrun.views.formats import write_tables
from tests.support import outcomes as planted
from tests.support.damage import reseal
from tests.support.outcomes import claim, compared, evaluation, experiment, outcomes

REACH = Reach(metric="free_running_loss", value=0.5)


def rows_of(comparison: Comparison) -> dict[str, Row]:
    return {row.strategy: row for row in comparison.rows}


def test_a_row_has_the_mean_and_the_t_interval_over_seeds() -> None:
    values = [90.0, 92.5, 93.5, 96.0]
    row, other = compared({"a": {"bleu": values}, "b": {"bleu": [1.0] * 4}}).rows
    half = stats.t.ppf(0.975, 3) * np.std(values, ddof=1) / 2
    expected = {"mean": 93.0, "low": pytest.approx(93 - half), "high": pytest.approx(93 + half)}
    assert row.estimates["bleu"].model_dump(exclude={"robust"}) == expected
    assert (row.n, row.of, row.diverged, row.failed, row.missing) == (4, 4, 0, 0, 0)
    bleu = other.estimates["bleu"]
    assert (bleu.mean, bleu.low, bleu.high) == (1.0, 1.0, 1.0)


def test_one_seed_has_a_mean_and_no_interval_and_no_p() -> None:
    row, other = compared({"a": {"bleu": [90.0]}, "b": {"bleu": [91.0]}}).rows
    assert row.estimates["bleu"].model_dump() == {"mean": 90.0, "low": None, "high": None}
    unknown = dict.fromkeys(("low", "high", "difference_low", "difference_high", "p", "p_holm"))
    assert other.estimates["bleu"].model_dump() == {"mean": 91.0, "difference": 1.0, "pairs": 1, **unknown}


def test_differences_are_paired_with_the_baseline_by_seed_and_holm_corrected_over_strategies() -> None:
    noise = random.Random(0)
    base = [noise.gauss(50, 20) for _ in range(6)]
    values = {
        "b": {"bleu": [value + 5 + noise.gauss(0, 1) for value in base]},
        "a": {"bleu": base},
        "c": {"bleu": [value + noise.gauss(0, 1) for value in base]},
    }
    bleu = {name: row.estimates["bleu"] for name, row in rows_of(compared(values, baseline="a")).items()}
    assert bleu["a"].difference is None
    for name in ("b", "c"):
        ours = np.array(values[name]["bleu"]) - np.array(base)
        exact = stats.permutation_test((ours,), np.sum, permutation_type="samples", n_resamples=np.inf)
        interval = stats.ttest_1samp(ours, 0).confidence_interval(0.95)
        assert bleu[name].difference == pytest.approx(ours.mean())
        assert (bleu[name].difference_low, bleu[name].difference_high) == pytest.approx(tuple(interval))
        assert bleu[name].p == pytest.approx(exact.pvalue)
        assert bleu[name].pairs == 6
    assert [bleu[name].p_holm for name in ("b", "c")] == holm([bleu[name].p for name in ("b", "c")])
    assert bleu["b"].p == 2 / 2**6
    assert bleu["b"].p_holm == 4 / 2**6


def test_runs_that_failed_or_diverged_or_are_missing_are_counted_and_never_averaged() -> None:
    comparison = compared(
        {
            "a": {"bleu": [10.0, 20.0, 30.0, 40.0]},
            "b": {"bleu": [11.0, "failed", "diverged", "missing"]},
            "c": {"bleu": ["failed", "failed", 33.0, 44.0]},
        }
    )
    rows = rows_of(comparison)
    counts = {name: (row.n, row.of, row.diverged, row.failed, row.missing) for name, row in rows.items()}
    assert counts == {"a": (4, 4, 0, 0, 0), "b": (1, 4, 1, 1, 1), "c": (2, 4, 0, 2, 0)}
    b, c = (rows[name].estimates["bleu"] for name in ("b", "c"))
    assert (b.mean, b.difference, b.pairs) == (11.0, 1.0, 1)
    assert (c.mean, c.difference) == (38.5, 3.5)
    assert [(fault.strategy, fault.seed, fault.status, fault.reason) for fault in comparison.faults] == [
        ("b", 1, "failed", "failed of b"),
        ("b", 2, "diverged", "diverged of b"),
        ("b", 3, "missing", ""),
        ("c", 0, "failed", "failed of c"),
        ("c", 1, "failed", "failed of c"),
    ]


def test_a_strategy_without_a_complete_run_keeps_its_row_without_numbers() -> None:
    comparison = compared({"a": {"bleu": [1.0, 2.0]}, "b": {"bleu": ["failed", "failed"]}}, claims=[claim("a < b")])
    assert comparison.rows[1] == planted.row("b", n=0, of=2).model_copy(update={"failed": 2, "missing": 0})
    evidence = comparison.claims[0].model_dump(include={"verdict", "difference", "low", "high", "p", "n"})
    assert evidence == {"verdict": "inconclusive", "difference": None, "low": None, "high": None, "p": None, "n": 0}


def test_nothing_complete_at_all_is_a_document_all_the_same() -> None:
    values = {"a": {"bleu": ["failed", "missing"]}, "b": {"bleu": ["failed", "failed"]}}
    comparison = compared(values, claims=[claim("a < b")])
    assert ([row.n for row in comparison.rows], comparison.claims[0].verdict) == ([0, 0], "inconclusive")
    assert text_of(comparison)


def test_the_document_is_the_same_for_the_same_outcomes_and_has_no_times_that_nobody_asked_for() -> None:
    values = {
        "a": {"bleu": [1.0, 2.0], "seconds": [5.0, 6.0]},
        "b": {"bleu": [3.0, "failed"], "seconds": [7.0, "failed"]},
    }
    comparison = compared(values, claims=[claim("a < b")])
    assert text_of(comparison) == text_of(compared(values, claims=[claim("a < b")]))
    assert "seconds" not in comparison.rows[0].estimates
    assert "seconds" in compared(values, metrics=["bleu", "seconds"]).rows[0].estimates


@pytest.mark.parametrize(("seeds", "smallest"), [(1, 1.0), (2, 0.5), (5, 0.0625), (6, 0.03125), (25, 1e-5)])
def test_the_smallest_p_is_said_for_this_many_seeds(seeds: int, smallest: float) -> None:
    assert compared({"a": {"bleu": [1.0] * seeds}}).smallest_p == smallest


def test_the_smallest_p_is_that_of_as_many_comparisons_as_are_corrected_for() -> None:
    noise = random.Random(2)
    values = {name: {"bleu": [10.0 * n + noise.random() for _ in range(6)]} for n, name in enumerate("abc")}
    whole = compared(values)
    assert whole.smallest_p == 2 * 0.03125
    assert {row.estimates["bleu"].p_holm for row in whole.rows[1:]} == {whole.smallest_p}


def test_the_steps_are_those_of_the_complete_runs() -> None:
    frame = outcomes({"a": {"bleu": [1.0, 2.0]}, "b": {"bleu": [3.0, "failed"]}})
    frame.loc[1, "steps"] = 250
    assert summarise(experiment(seeds=2), frame, "c", []).steps == [250, 1000]
    nothing = compared({"a": {"bleu": ["failed"]}})
    assert nothing.steps == []


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
    (found,) = compared(values, claims=[claim(order, by=by)]).claims
    assert found.verdict == verdict
    sign = 1 if order.startswith("b") else -1
    assert found.difference == pytest.approx(sign * (shift + np.mean(STEADY)))
    told = (found.text, found.source, found.metric, found.order, found.by, found.n)
    assert told == (f"{order}, it is said.", "somebody", "bleu", order, by, 6)


def test_a_chain_agrees_only_as_a_whole_and_shows_the_pair_that_decided() -> None:
    values = {
        "a": {"bleu": [10.0 + e for e in STEADY]},
        "b": {"bleu": [20.0 - e for e in STEADY]},
        "c": {"bleu": [20.5 + 9 * e for e in STEADY]},
    }
    (chain,) = compared(values, claims=[claim("a < b < c")]).claims
    assert chain.verdict == "inconclusive"
    assert [(pair.left, pair.right) for pair in chain.comparisons] == [("a @ t", "b @ t"), ("b @ t", "c @ t")]
    assert chain.difference == chain.comparisons[1].difference == pytest.approx(-0.5 - 10 * np.mean(STEADY))


def test_the_claims_of_one_experiment_are_one_family() -> None:
    noise = random.Random(3)
    values = {name: {"bleu": [noise.gauss(mean, 1) for _ in range(6)]} for name, mean in [("a", 0), ("b", 2), ("c", 3)]}
    orders = [("a", "b"), ("a", "c"), ("b", "c")]
    found = compared(values, claims=[claim(" < ".join(order)) for order in orders]).claims
    expected = verdicts(
        [[Link(values[left]["bleu"], values[right]["bleu"], "lower", 0.0, 0.1)] for left, right in orders]
    )
    assert [evidence.verdict for evidence in found] == [judged.verdict for judged in expected]
    assert [(evidence.low, evidence.high, evidence.level) for evidence in found] == [
        (interval.low, interval.high, interval.level) for judged in expected for interval in judged.intervals
    ]
    assert len({evidence.level for evidence in found}) > 1


def test_a_claim_across_tasks_is_paired_by_seed() -> None:
    asked = experiment(("a",), 3, tasks={"t": {"base": "copy"}, "u": {"base": "copy"}}, claims=[claim("a @ t < a @ u")])
    both = pd.concat([outcomes({"a": {"bleu": [1.0, 2.0, "failed"]}}), outcomes({"a": {"bleu": [5.0, 7.0, 9.0]}}, "u")])
    (found,) = summarise(asked, both, "c", []).claims
    assert (found.difference, found.n) == (-4.5, 2)


def test_the_p_beside_a_verdict_is_that_of_its_t_test_and_the_exact_one_stands_beside_it() -> None:
    values = {"a": {"bleu": [1.0] * 6}, "b": {"bleu": [3.0, 3.5, 4.0, 4.5, 5.0, 1.5]}}
    (found,) = compared(values, claims=[claim("b > a", by=1.0)]).claims
    differences = np.array(values["b"]["bleu"]) - 1.0
    assert found.p == pytest.approx(stats.ttest_1samp(differences, 1.0).pvalue)
    assert found.exact_p == 2 * sign_flip_above(differences, 1.0) == 0.0625
    assert (found.verdict, found.t_only, found.seeds_needed) == ("agree", False, None)


def test_two_claims_over_six_seeds_rest_on_t_alone_and_an_undecided_one_says_what_it_needs() -> None:
    noise = random.Random(4)
    values = {name: {"bleu": [noise.gauss(mean, 1) for _ in range(6)]} for name, mean in [("a", 0), ("b", 9), ("c", 9)]}
    sure, unsure = compared(values, claims=[claim("a < b"), claim("b < c")]).claims
    assert (sure.verdict, sure.t_only, sure.exact_p, sure.seeds_needed) == ("agree", True, 2 / 2**5, None)
    assert (unsure.verdict, unsure.t_only) == ("inconclusive", False)
    assert unsure.seeds_needed is not None
    assert unsure.seeds_needed > 6
    assert "exact_p" not in compared(values, claims=[claim("a = b", within=1.0)]).claims[0].comparisons[0].model_dump()


def test_no_difference_beyond_a_margin_can_be_concluded() -> None:
    values = {"a": {"bleu": [50.0 + e for e in STEADY]}, "b": {"bleu": [50.2 - e for e in STEADY]}}
    (found,) = compared(values, claims=[claim("a = b", within=1.0)]).claims
    assert (found.verdict, found.within, found.comparisons[0].direction) == ("agree", 1.0, "equal")
    assert found.level == 0.9


def test_shares_of_outputs_are_no_finer_than_one_output() -> None:
    asked = experiment(
        seeds=4, metrics=["validity", "bleu"], claims=[claim("a < b", metric) for metric in ("validity", "bleu")]
    )
    frame = outcomes(
        {"a": {"validity": [50.0] * 4, "bleu": [50.0] * 4}, "b": {"validity": [52.0] * 4, "bleu": [52.0] * 4}}
    )
    frame["test_pairs"] = 50
    of_outputs, of_words = summarise(asked, frame, "c", []).claims
    assert of_outputs.p == pytest.approx(2 * stats.t.sf(2.0 / (2.0 / 4**0.5), 3))
    assert (of_outputs.verdict, of_words.verdict) == ("inconclusive", "agree")
    assert METRICS["validity"].resolution(10_000) == METRICS["validity"].resolution() == pytest.approx(0.1)


RUN = RunSpec.of("t", "a", resolve("reverse", "linear", 0))


@pytest.mark.parametrize(
    ("losses", "steps", "seconds"),
    [([0.9, 0.5, 0.1], 20, 1.5), ([0.4, 0.9, 0.9], 10, 0.5), ([0.9, 0.8, 0.7], 30, 9.0)],
    ids=["at-the-loss", "at-once", "never"],
)
def test_the_first_evaluation_at_the_loss_counts_and_else_the_whole_run(
    tmp_path: Path, losses: list[float], steps: int, seconds: float
) -> None:
    folder = RunFolder.of(tmp_path, RUN.name)
    folder.make()
    folder.start(RUN.config)
    folder.write_environments([planted.ENVIRONMENT])
    folder.cut_evaluations(0)
    metrics = digest(b"")
    for index, loss in enumerate(losses, start=1):
        _, metrics = folder.append(evaluation(10 * index, free_running=loss, seconds=index - 0.5), metrics)
    end = planted.finished(steps=10 * len(losses), seconds=9.0)
    assert end.scores
    for name in RunFolder.FILES[3:]:
        (folder.path / name).touch()
    folder.finish(end.result.model_copy(update={"run": RUN.config.weights_id}), metrics)
    folder.write_scores(end.scores.model_copy(update={"run": RUN.config.weights_id}), [])
    found = Outcomes(tmp_path, REACH).of(RUN.name).row
    assert (found["steps_to_reach"], found["seconds_to_reach"]) == (steps, seconds)


def test_a_run_that_is_not_complete_is_missing_or_failed_with_its_reason(tmp_path: Path) -> None:
    assert Outcomes(tmp_path, None).of(RUN.name).row["status"] == "missing"
    RunFolder.of(tmp_path, RUN.name).fail("killed by SIGKILL")
    found = Outcomes(tmp_path, None).of(RUN.name).row
    assert (found["status"], found["reason"]) == ("failed", "killed by SIGKILL")


def test_a_folder_of_tables_alone_is_shown_from_them(tmp_path: Path) -> None:
    write_tables(tmp_path, planted.comparison())
    assert comparison_in(tmp_path) == planted.comparison()


@pytest.mark.parametrize(
    "path",
    [
        *("rows.0.n", "rows.1.missing", "rows.1.bleu.mean", "rows.1.exposure_gap.p_holm", "rows.1.bleu.pairs"),
        *("steps.0", "runs.0.seed", "runs.0.metrics.bleu", "claims.0.n", "claims.0.p", "claims.0.by"),
        "claims.0.verdict",
    ],
)
def test_a_forged_text_where_a_number_belongs_is_refused(path: str, tmp_path: Path) -> None:
    def forge(fields: Any) -> None:
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
        for step in steps:
            fields = fields[step]
        assert fields[last] is not None
        fields[last] = "=cmd|' /C calc'!A0"

    write_tables(tmp_path, planted.comparison())
    reseal(tmp_path / "table.json", forge)
    with pytest.raises(StoreError, match="damaged"):
        comparison_in(tmp_path)


def test_an_empty_folder_has_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no results here: give a folder that"):
        comparison_in(tmp_path)
