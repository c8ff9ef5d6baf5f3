"""Strategies by name, and every field of theirs within reach."""

from __future__ import annotations

from typing import Any

import pytest

from ssrun.config.resolution import resolve
from ssrun.errors import UsageError
from ssrun.strategies import STRATEGIES, Strategy, variant
from ssrun.strategies.schedules import Constant, InverseSigmoid
from tests.support.runs import UNTAUGHT

N = 1000


def epsilons(strategy: Strategy) -> list[float]:
    return [strategy.schedule(step, N) for step in range(N)]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_name_makes_a_strategy_that_stores_itself(name: str) -> None:
    strategy, about, source = STRATEGIES[name]
    assert Strategy.model_validate(strategy.model_dump(mode="json")) == strategy
    assert Strategy.model_validate(variant(name, {})) == strategy
    assert name not in UNTAUGHT or resolve("copy", name).strategy == strategy
    assert len(about) > 10
    assert len(source) > 5


def test_no_two_names_are_the_same_strategy() -> None:
    assert len({strategy.model_dump_json() for strategy, _, _ in STRATEGIES.values()}) == len(STRATEGIES)


def test_a_variant_keeps_what_it_does_not_change() -> None:
    fields = variant("uniform-token", {"half_at": 0.25, "coin": "sequence"})
    expected = Strategy(schedule=InverseSigmoid(half_at=0.25), coin="sequence", feed="uniform-token")
    assert Strategy.model_validate(fields) == expected


def test_k_takes_the_place_of_a_default_half_at() -> None:
    assert Strategy.model_validate(variant("inverse-sigmoid", {"k": 50})).schedule == InverseSigmoid(k=50)


@pytest.mark.parametrize(
    ("base", "changes", "words"),
    [
        ("inverse-sigmod", {}, "unknown strategy 'inverse-sigmod': did you mean 'inverse-sigmoid'"),
        ("linear", {"schedule": "exponental"}, "unknown schedule 'exponental': did you mean 'exponential'"),
        ("linear", {"strat": 0.5}, "strategy linear: unknown field 'strat': did you mean 'start'"),
        ("linear", {"half_at": 0.5}, "strategy linear: unknown field 'half_at'"),
        ("uniform", {"schedule": "switch", "value": 0.5}, "unknown field 'value'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(base: str, changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        variant(base, changes)


def test_uniform_is_a_fair_coin_and_uniform_token_is_the_papers_row() -> None:
    assert STRATEGIES["uniform"].strategy == Strategy(schedule=Constant(value=0.5), coin="token", feed="sample")
    assert STRATEGIES["uniform-token"].strategy.feed == "uniform-token"
    assert STRATEGIES["uniform-token"].strategy.schedule == STRATEGIES["inverse-sigmoid"].strategy.schedule


def test_epsilon_is_always_the_true_tokens_share() -> None:
    assert epsilons(STRATEGIES["teacher-forcing"].strategy) == [1] * N
    assert epsilons(STRATEGIES["always-sampling"].strategy) == [0] * N
    assert epsilons(STRATEGIES["switch"].strategy) == [1] * (N // 2) + [0] * (N // 2)


@pytest.mark.parametrize(
    ("base", "changes", "share"),
    [
        ("teacher-forcing", {}, 0.0),
        ("always-sampling", {}, 1.0),
        ("uniform", {}, 1.0),
        ("uniform-token", {}, 0.0),
        ("linear", {}, 1 - 1 / N),  # epsilon is 1 at the first step alone
        ("inverse-sigmoid", {}, 1.0),  # k / (k + 1) at first
        ("switch", {"at": 0.25}, 0.75),
        ("uniform", {"coin": "batch", "value": 0.25}, 0.75),
    ],
)
def test_a_walk_is_needed_where_a_models_own_token_may_be_fed(base: str, changes: dict[str, Any], share: float) -> None:
    assert Strategy.model_validate(variant(base, changes)).walk_share(N) == pytest.approx(share, abs=1e-12)
