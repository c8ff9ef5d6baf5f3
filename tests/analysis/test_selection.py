"""Selecting: a part of a comparison has what speaks of it, every number as it was, and nothing of the rest."""

from __future__ import annotations

import pytest

from ssrun.analysis.document import Comparison, text_of
from ssrun.analysis.selection import selected
from ssrun.errors import UsageError
from ssrun.views.formats import FORMATS
from ssrun.views.formats import text_of as text_in
from tests.support.outcomes import comparison, hostile


def test_everything_is_the_comparison_itself() -> None:
    assert selected(comparison()) == comparison()


def test_metrics_choose_columns_in_their_order_and_the_claims_on_them() -> None:
    part = selected(comparison(), metrics="exposure_gap, free_running_loss")
    assert part.columns == ["exposure_gap", "free_running_loss"]
    for row, whole in zip(part.rows, comparison().rows, strict=True):
        assert row.estimates == {name: whole.estimates[name] for name in part.columns}
    assert all(set(run.metrics) <= set(part.columns) for run in part.runs)
    assert [claim.metric for claim in part.claims] == ["free_running_loss"]
    assert (part.signatures, part.reading) == ({}, "")


def test_strategies_choose_rows_runs_faults_claims_and_published_numbers() -> None:
    part = selected(comparison(), strategies="c,a")
    assert part.strategies == ["c", "a"]
    assert {run.strategy for run in part.runs} == {"a", "c"}
    assert [claim.order for claim in part.claims] == ["a > c"]
    assert part.published is not None
    assert list(part.published.rows) == ["a", "c"]
    alone = selected(comparison(), strategies="b")
    assert (alone.published, alone.claims, alone.faults) == (None, [], [])
    assert alone.rows == [comparison().rows[1]]


def test_tasks_choose_rows_and_what_is_said_of_them() -> None:
    fields = comparison().model_dump(mode="json")
    fields["rows"] += [{**row, "task": "u"} for row in fields["rows"]]
    fields |= {"signatures": {"t": ["of t"], "u": ["of u"]}, "facts": {"t": {"pairs": 1}}}
    part = selected(Comparison.model_validate(fields), tasks="u")
    assert (part.tasks, part.signatures, part.facts) == (["u"], {"u": ["of u"]}, {})
    assert (part.claims, part.runs, part.faults) == ([], [], [])
    both = selected(Comparison.model_validate(fields), tasks="u,t")
    assert both.tasks == ["u", "t"]
    assert len(both.claims) == len(comparison().claims)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"metrics": "BLEU"}, "--metrics: unknown metric 'BLEU': did you mean 'bleu'?"),
        ({"metrics": "bleu,validity"}, "--metrics: unknown metric 'validity': known: bleu,"),
        ({"tasks": "reverse"}, "--tasks: unknown task 'reverse': known: t"),
        ({"strategies": "a,"}, "--strategies: unknown strategy ''"),
        ({"strategies": "a,a"}, "--strategies: strategy 'a' is given twice"),
    ],
)
def test_what_is_not_there_is_refused(chosen: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        selected(comparison(), **chosen)
    assert message in str(refused.value)


@pytest.mark.parametrize("format", FORMATS[1:])
def test_every_format_shows_a_part(format: str) -> None:
    for whole in (comparison(), hostile()):
        part = selected(whole, "free_running_loss", "t", "b")
        shown = text_in(part, format)
        assert shown != text_in(whole, format)
        assert Comparison.model_validate_json(part.model_dump_json()) == part
    assert text_of(part)
