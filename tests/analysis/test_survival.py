"""Times to a score: Kaplan-Meier, its band and the log-rank test as textbooks have them; nobody censored is late."""

from __future__ import annotations

import pytest
from scipy import stats

from ssrun.analysis.survival import Time, arrivals, first_reached, kaplan_meier, log_rank, median
from ssrun.config.claims import Reach
from ssrun.views.formats import text_of
from ssrun.views.report.page import table
from ssrun.views.tables.cells import mean_cells
from ssrun.views.tables.footnotes import notes
from tests.support.outcomes import claim, evaluation, timed

# Weeks in remission of acute leukaemia (Freireich et al. 1963), the example of Kalbfleisch and Prentice, of Kleinbaum
# and of Collett; censored where it went on.
TREATED = [*((weeks, True) for weeks in (6, 6, 6, 7, 10, 13, 16, 22, 23))]
TREATED += [(weeks, False) for weeks in (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
DRUG = [Time(*pair) for pair in TREATED]
NONE = [Time(weeks, True) for weeks in PLACEBO]


def test_the_curve_and_its_band_are_the_textbooks() -> None:
    curve = kaplan_meier(DRUG)
    assert curve.times == [0, 6, 7, 10, 13, 16, 22, 23]
    assert curve.share == pytest.approx([1, 0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=5e-5)
    assert curve.low == pytest.approx([1, 0.6197, 0.5631, 0.5032, 0.4316, 0.3675, 0.2678, 0.1881], abs=5e-5)
    assert curve.high == pytest.approx([1, 0.9516, 0.9228, 0.8894, 0.8491, 0.8049, 0.7468, 0.6801], abs=5e-5)


def test_the_medians_and_the_log_rank_test_are_the_textbooks() -> None:
    assert (median(DRUG), median(NONE)) == (23, 8)
    p = log_rank(DRUG, NONE)
    assert p is not None
    assert p == pytest.approx(log_rank(NONE, DRUG))
    assert stats.chi2.isf(p, 1) == pytest.approx(16.79, abs=0.005)


def test_without_censoring_the_curve_is_the_share_that_is_still_under_way() -> None:
    curve = kaplan_meier(NONE)
    expected = [sum(weeks > time for weeks in PLACEBO) / len(PLACEBO) for time in curve.times]
    assert curve.share == pytest.approx(expected)
    inside = zip(curve.low, curve.share, curve.high, strict=True)
    assert all(0 <= low <= share <= high <= 1 for low, share, high in inside)


def test_our_test_agrees_with_scipys() -> None:
    def sample(times: list[Time]) -> stats.CensoredData:
        groups = [[time.value for time in times if time.reached is reached] for reached in (True, False)]
        return stats.CensoredData(uncensored=groups[0], right=groups[1])

    ecdf = stats.ecdf(sample(DRUG)).sf
    curve = kaplan_meier(DRUG)
    assert curve.share[1:] == pytest.approx(ecdf.evaluate(curve.times[1:]))
    interval = ecdf.confidence_interval(method="log-log")
    assert curve.low[1:] == pytest.approx(interval.low.evaluate(curve.times[1:]))
    assert curve.high[1:] == pytest.approx(interval.high.evaluate(curve.times[1:]))
    assert log_rank(DRUG, NONE) == pytest.approx(stats.logrank(sample(DRUG), sample(NONE)).pvalue)


def test_half_that_arrive_have_a_median_and_fewer_have_none() -> None:
    ends = [Time(1000, False)] * 4
    assert median([*(Time(step, True) for step in (100, 200, 300, 400)), *ends]) == 400
    assert median([*(Time(step, True) for step in (100, 200, 300)), *ends]) is None
    assert arrivals(ends) == []
    assert log_rank(ends, ends) is None
    assert log_rank([Time(10, True)] * 3, [Time(10, True)] * 3) is None


@pytest.mark.parametrize(
    ("metric", "value", "values", "step"),
    [
        ("bleu", 90, [10.0, 90.0, 95.0], 20),
        ("bleu", 99, [10.0, 90.0, 95.0], None),
        ("teacher_forced_loss", 0.5, [0.9, 0.6, 0.5], 30),
        ("decoding_error", 0, [5.0, 0.0, 1.0], 20),
        ("validity", 50, [60.0, 0.0, 0.0], 10),
    ],
)
def test_a_score_is_reached_in_the_direction_in_which_it_is_better(
    metric: str, value: float, values: list[float], step: int | None
) -> None:
    made = [evaluation(10 * n).model_copy(update={metric: found}) for n, found in enumerate(values, start=1)]
    found = first_reached(made, Reach(metric=metric, value=value))
    assert (found.step if found else None) == step
    sketches = [one.model_copy(update={"pairs": 50}) for one in made]
    assert first_reached(sketches, Reach(metric=metric, value=value)) is None


@pytest.mark.parametrize(
    ("metric", "value", "message"),
    [
        ("bleu", 0, "value = 0: bleu lies from 0 to 100: give one to reach"),
        ("validity", 101, "value = 101: validity lies from 0 to 100"),
        ("decoding_error", 100, "value = 100: decoding_error lies"),
        ("free_running_loss", -1, "value = -1: free_running_loss lies from 0 to inf"),
        ("exposure_gap", 0.1, "unknown metric 'exposure_gap'"),
        ("blue", 1, "unknown metric 'blue': did you mean 'bleu'"),
    ],
)
def test_a_score_that_says_nothing_is_refused(metric: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reach(metric=metric, value=value)


TIMES = {
    "a": [(100.0, True), (200.0, True), (1000.0, False), (300.0, True)],
    "b": [(1000.0, False), (1000.0, False), (1000.0, False), (500.0, True)],
    "c": [(100.0, True), (100.0, True), (150.0, True), (150.0, True)],
}


def test_a_table_has_medians_and_how_many_arrived_and_no_mean_over_those_that_did_not() -> None:
    found = timed(TIMES)
    cells = mean_cells(found.rows, "steps_to_reach")
    assert [tuple(cell) for cell in cells] == [
        ("200 (3 of 4)", False),
        ("> 1,000 (1 of 4)", False),
        ("100 (4 of 4)", True),
    ]
    assert [run.reached for run in found.runs][:4] == [True, True, False, True]
    said = [line for line in notes(found, "bold:") if line.startswith(("steps to", "t: log-rank"))]
    assert said[0].startswith("steps to BLEU >= 90 on the validation set: Kaplan-Meier median")
    p_holm = [row.arrivals["steps_to_reach"].p_holm for row in found.rows[1:]]
    assert said[1] == f"t: log-rank p against a, Holm-corrected over strategies: b {p_holm[0]:.3f}, c {p_holm[1]:.3f}."
    assert "**100 (4 of 4)**" in text_of(found, "markdown")
    assert r"\textbf{100 (4 of 4)}" in text_of(found, "latex")
    assert "t,b,3,complete,True,500.0" in text_of(found, "runs")
    columns, _ = table(found, found.rows)
    assert [cell.text for cell in columns[0].cells if cell] == [cell.text for cell in cells]


def test_claims_are_judged_on_means_restricted_to_the_run() -> None:
    (judged,) = timed(TIMES, claims=[claim("b > a", "steps_to_reach")]).claims
    assert judged.difference == (900 + 800 + 0 + 200) / 4
    assert timed(TIMES).rows[1].estimates["steps_to_reach"].difference == judged.difference
