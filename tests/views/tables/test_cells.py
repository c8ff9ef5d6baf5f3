"""Cells: every number as a person reads it, and what must be known to read it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ssrun.analysis.document import BootstrapPair, Comparison, Estimate, Row, best, text_of
from ssrun.views.tables import cells, footnotes
from ssrun.views.tables import claims as claims_text
from ssrun.views.tables.markdown import markdown
from tests.support.outcomes import claim, compared, comparison, row


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (93.0499, "bleu", "93.0"),
        (0.12345, "free_running_loss", "0.123"),
        (None, "bleu", "-"),
        (400.4, "steps_to_reach", "400"),
    ],
)
def test_a_number_has_its_metrics_decimals(value: float | None, metric: str, text: str) -> None:
    assert cells.number(value, metric) == text


def test_a_mean_has_half_the_width_of_its_interval_and_a_difference_the_whole_of_it() -> None:
    estimate = Estimate(mean=93.04, low=91.04, high=95.04, difference=-1.26, difference_low=-2.0, difference_high=0.04)
    assert cells.mean(estimate, "bleu") == "93.0 ±2.0"
    assert cells.difference(estimate, "bleu") == "-1.3 [-2.0, +0.0]"
    alone = Estimate(mean=93.04, low=None, high=None, difference=1.0)
    assert (cells.mean(alone, "bleu"), cells.difference(alone, "bleu")) == ("93.0", "+1.0")
    assert (cells.mean(None, "bleu"), cells.difference(None, "bleu")) == ("-", "-")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (1.0, "1.000"), (0.03125, "0.031"), (0.001, "0.001"), (0.0009, "<0.001")]
)
def test_a_p_value_is_never_printed_as_zero(value: float | None, text: str) -> None:
    assert cells.p_value(value) == text


def test_the_best_is_the_highest_or_the_lowest_as_the_metric_says_and_none_where_all_are_equal() -> None:
    metrics = ("bleu", "free_running_loss", "exposure_gap")
    rows = [row(**dict.fromkeys(metrics, Estimate(mean=value, low=None, high=None))) for value in (1.0, 2.0)]
    marked = {metric: [cell.best for cell in cells.mean_cells(rows, metric)] for metric in metrics}
    assert marked == {"bleu": [False, True], "free_running_loss": [True, False], "exposure_gap": [False, False]}
    assert not any(cell.best for cell in cells.mean_cells([rows[0], rows[0]], "bleu"))
    assert cells.mean_cells([row()], "bleu") == [("-", False)]


def test_a_row_says_how_many_of_its_runs_are_behind_it() -> None:
    assert (cells.count(row(n=3, of=3)), cells.count(row(n=2, of=5))) == ("3", "2 of 5")


def test_a_row_says_in_how_many_seeds_the_bootstrap_finds_it_better_and_in_how_many_worse() -> None:
    found = [(1.0, 0.049), (1.0, 0.05), (-1.0, 0.001), (0.0, 0.001), (2.0, 0.001)]
    pairs = [BootstrapPair(seed=seed, difference=difference, p=p) for seed, (difference, p) in enumerate(found)]
    assert cells.bootstrapped(row(bleu=Estimate(mean=1.0, low=None, high=None, bootstrap=pairs))) == "2+ 1- of 5"
    assert cells.bootstrapped(row(bleu=Estimate(mean=1.0, low=None, high=None))) == cells.bootstrapped(row()) == "-"


@pytest.mark.parametrize(
    ("metric", "low", "mean", "high", "text"),
    [
        ("bleu", 51.7, 85.0, 118.3, "85.0 [51.7, 100]"),
        ("bleu", -100.8, 53.1, 207.0, "53.1 [0, 100]"),
        ("exact_match", 60.04, 80.02, 100.0, "80.0 ±20.0"),
        ("exact_match", 60.0, 80.02, 100.04, "80.0 ±20.0"),
        ("free_running_loss", -0.1, 0.07, 0.24, "0.070 [0, 0.240]"),
        ("exposure_gap", -0.1, 0.07, 0.24, "0.070 ±0.170"),
        ("realised_epsilon", 0.7, 0.9, 1.1, "0.900 [0.700, 1]"),
        ("steps_to_reach", -50.0, 100.0, 250.0, "100 [0, 250]"),
    ],
)
def test_an_interval_ends_where_the_metric_does(metric: str, low: float, mean: float, high: float, text: str) -> None:
    assert cells.mean(Estimate(mean=mean, low=low, high=high), metric) == text


def test_the_notes_say_that_intervals_are_cut_where_one_is() -> None:
    cut, whole = ([footnotes.notes(compared({"a": {"bleu": [value, 50.0]}}), "*")[1]] for value in (99.0, 50.5))
    assert "beyond what a metric can be is cut there" in cut[0]
    assert "beyond" not in whole[0]


def test_the_notes_say_how_this_table_marks_the_best() -> None:
    for mark in ("*", "★", "bold:"):
        assert f"; {mark} best mean of the task; " in footnotes.notes(comparison(), mark)[0]


def test_the_notes_say_over_how_many_seeds_and_after_how_many_steps() -> None:
    document = compared({"a": {"bleu": [1.0, 2.0]}})
    assert footnotes.notes(document, "*")[0] == (
        "Mean and 95 % t-interval over seeds (n = 2; 1,000 steps a run); * best mean of the task."
    )
    other = document.model_copy(update={"steps": [500, 2000]})
    assert "(n = 2; 500 to 2,000 steps a run)" in footnotes.notes(other, "*")[0]
    kept = document.model_copy(update={"steps": []})
    assert "(n = 2); " in footnotes.notes(kept, "*")[0]


def test_p_is_shown_where_one_can_be_below_5_percent_and_else_the_notes_say_once_why_not() -> None:
    one = footnotes.notes(compared({"a": {"bleu": [1.0]}, "b": {"bleu": [2.0]}}), "*")
    assert one[0].startswith("One seed (1,000 steps a run): no interval, no p; a difference may be luck. Use --seeds")
    for strategies, seeds, smallest in [(2, 5, "0.0625"), (2, 6, "0.0312"), (3, 6, "0.0625"), (3, 7, "0.0312")]:
        document = compared({name: {"bleu": [1.0] * seeds} for name in "abc"[:strategies]})
        shown = cells.shows_p(document)
        assert shown == (smallest == "0.0312")
        lines = [line for line in footnotes.notes(document, "*") if f"{seeds} seeds" in line]
        bound = "strategies: with {} seeds no p can be below {}." if shown else "; no p: with {} seeds, Holm-corrected "
        assert len(lines) == 1
        assert bound.format(seeds, smallest) in lines[0]
        assert ("(p)" in markdown(document)) == shown


def test_without_a_baseline_the_notes_say_how_to_get_differences() -> None:
    values: dict[str, dict[str, list[float | str]]] = {name: {"bleu": [1.0, 2.0]} for name in ("a", "b")}
    lines = footnotes.notes(compared(values, baseline="teacher-forcing"), "*")
    hint = "No differences: the baseline teacher-forcing is not among the strategies: give --baseline NAME."
    assert hint in lines
    for others in (compared(values), compared({"a": {"bleu": [1.0, 2.0]}}, baseline="teacher-forcing")):
        assert not any("--baseline" in line for line in footnotes.notes(others, "*"))


def test_the_counts_of_a_corpus_are_words_and_shares() -> None:
    sides = {"source_vocabulary": 900, "source_test_words": 2398, "source_unknown_words": 342}
    assert footnotes.corpus_words({"training_pairs": 1500, "left_out_pairs": 0, **sides}) == (
        "1,500 training pairs, 900 source words known, 14.3 % of 2,398 source test words unknown"
    )
    assert footnotes.corpus_words({"training_pairs": 9, "left_out_pairs": 1, "pieces": 8000}) == (
        "9 training pairs, 1 more left out as too long, 8,000 pieces"
    )
    assert footnotes.corpus_words({}) == ""
    assert footnotes.corpus_words({"source_unknown_words": 0, "source_test_words": 0}) == "0 source unknown words"


def test_a_signature_of_bleu_stands_where_bleu_does() -> None:
    values: dict[str, dict[str, list[float | str]]] = {
        "a": {"bleu": [1.0, 2.0], "exact_match": [3.0, 4.0]},
        "b": {"bleu": [1.0, 2.0], "exact_match": [3.0, 4.0]},
    }
    for metrics, claims, expected in [(["bleu"], [], 1), (["exact_match"], [], 0), (["exact_match"], ["a < b"], 1)]:
        document = compared(values, metrics=metrics, claims=[claim(order) for order in claims])
        assert sum(line.startswith("BLEU: nrefs") for line in footnotes.notes(document, "*")) == expected


def test_the_notes_count_what_failed_and_name_the_first() -> None:
    values = {"a": {"bleu": [1.0, 2.0, 3.0]}, "b": {"bleu": ["failed", "failed", "missing"]}}
    lines = footnotes.notes(compared(values), "*")
    assert "2 failed, counted and not averaged; first: t/b seed 0: failed of b" in lines
    assert "1 missing, counted and not averaged; first: t/b seed 2" in lines


def test_a_claim_is_shown_with_its_source_its_margin_and_its_evidence() -> None:
    at = "at 1,000 steps"
    values = {"a": {"bleu": [1.0, 2.0, 3.0]}, "b": {"bleu": [6.0, 7.5, 8.0]}}
    sentence, evidence = claims_text.claim_lines(compared(values, claims=[claim("a < b", by=1.5)]).claims[0])
    assert sentence == "a < b, it is said. (somebody)"
    assert evidence == f"bleu: a < b by at least 1.5 {at}: difference -5.2 [-5.9, -4.4], p = 0.002 (t only), n = 3"
    same = compared(values, claims=[claim("a = b", within=5.2)]).claims[0]
    assert claims_text.claim_lines(same)[1] == (
        f"bleu: a = b within 5.2 {at}: difference -5.2 [-5.7, -4.7], p = 0.430 (exact 0.500), n = 3; needs about 466"
    )
    nothing = compared({"a": {"bleu": ["failed", "failed"]}, "b": {"bleu": [1.0, 2.0]}}, claims=[claim("a < b")])
    assert claims_text.claim_lines(nothing.claims[0])[1] == "bleu: a < b at 1,000 steps: no pair of complete runs"


def test_a_line_under_the_table_says_what_the_undecided_claims_need() -> None:
    values = {"a": {"bleu": [1.0, 2.0, 3.0]}, "b": {"bleu": [2.0, 1.5, 4.5]}, "c": {"bleu": [9.0, 9.5, 9.0]}}
    claims = [claim("a < b"), claim("a < c")]
    lines = footnotes.notes(compared(values, claims=claims), "*")
    (line,) = [line for line in lines if line.startswith("Undecided")]
    need = compared(values, claims=claims).claims[0].seeds_needed
    assert (
        line
        == f"Undecided claims would need about {need} seeds for 80 % power, if the differences are as they look now."
    )
    assert not any("Undecided" in line for line in footnotes.notes(compared(values, claims=claims[1:]), "*"))
    many = compared({**values, "b": {"bleu": [1.0, 2.5, 2.5]}}, claims=claims)
    assert any("would need >1,000 seeds" in line for line in footnotes.notes(many, "*"))


def test_the_best_of_a_column_is_sought_once_however_many_rows_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    sought: list[str] = []

    def counted(rows: Sequence[Row], metric: str) -> float | None:
        sought.append(metric)
        return best(rows, metric)

    monkeypatch.setattr(cells, "best", counted)
    few = compared({name: {"bleu": [1.0, 2.0]} for name in "ab"})
    many = compared({f"s{index}": {"bleu": [1.0, float(index)]} for index in range(40)})
    for document in (few, many):
        sought.clear()
        markdown(document)
        assert sought == ["bleu"]


@pytest.mark.parametrize(
    ("data_seed", "words"),
    [
        ("seed", "t: each seed draws its own training, validation and test pairs."),
        ("fixed", "t: every seed has the same training, validation and test pairs."),
        (7, "t: training, validation and test pairs are those of data seed 7."),
    ],
)
def test_notes_say_what_drew_the_pairs(data_seed: int | str, words: str) -> None:
    drawn = comparison().model_copy(update={"data_seeds": {"t": data_seed}})
    assert words in footnotes.notes(drawn, "*")
    assert Comparison.model_validate(drawn.model_dump(mode="json")) == drawn
    assert "data_seeds" not in text_of(comparison())


def test_a_claims_p_is_shown_as_an_equation_or_an_inequality() -> None:
    values = {"a": {"bleu": [1.0, 2.0, 3.0] * 3}, "b": {"bleu": [61.0, 62.5, 63.0] * 3}}
    found = compared(values, claims=[claim("a < b")]).claims[0]
    assert claims_text.claim_lines(found)[1].endswith(", p < 0.001 (exact 0.004), n = 9")
    assert claims_text.p_values(found) == "<0.001 (exact 0.004)"
    kept = found.model_copy(update={"exact_p": None, "p": 0.031})  # as in a table of before
    assert claims_text.p_values(kept) == "0.031"
