"""Strategies by name, and every field of theirs within reach."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from ssrun.config.run import resolve
from ssrun.errors import UsageError
from ssrun.seq2seq.decoder_inputs import draw
from ssrun.strategies import SCHEDULES, STRATEGIES, Strategy, parameters, variant
from ssrun.strategies.schedules import Constant, InverseSigmoid
from ssrun.strategies.strategy import Coin

N = 1000
CHANGED = {
    "value": 0.3,
    "start": 0.8,
    "end": 0.6,
    "over": 0.25,
    "half_at": 0.2,
    "at": 0.3,
    "period": 30,
    "duty": 0.2,
    "k": {"exponential": 0.99, "inverse-sigmoid": 50},
}


def epsilons(strategy: Strategy) -> list[float]:
    return [strategy.schedule(step, N) for step in range(N)]


def changed(name: str, schedule: str) -> object:
    value = CHANGED[name]
    return value[schedule] if isinstance(value, dict) else value


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_name_makes_a_strategy_that_stores_itself(name: str) -> None:
    strategy, about, source = STRATEGIES[name]
    assert Strategy.model_validate(strategy.model_dump(mode="json")) == strategy
    assert Strategy.model_validate(variant(name, {})) == strategy == resolve("copy", name).strategy
    assert len(about) > 10
    assert len(source) > 5


def test_no_two_names_are_the_same_strategy() -> None:
    assert len({strategy.model_dump_json() for strategy, _, _ in STRATEGIES.values()}) == len(STRATEGIES)


@pytest.mark.parametrize(
    ("schedule", "field"),
    [(name, field) for name, kind in SCHEDULES.items() for field in kind.model_fields if field != "name"],
)
def test_every_field_of_every_schedule_is_reached_and_changes_epsilon(schedule: str, field: str) -> None:
    plain = Strategy.model_validate(variant("teacher-forcing", {"schedule": schedule}))
    other = variant("teacher-forcing", {"schedule": schedule, field: changed(field, schedule)})
    assert field in parameters(plain)
    assert epsilons(Strategy.model_validate(other)) != epsilons(plain)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_parameter_of_every_strategy_is_reached(name: str) -> None:
    strategy = STRATEGIES[name].strategy
    for field in parameters(strategy):
        value = {"coin": "batch", "feed": "argmax"}.get(field) or changed(field, strategy.schedule.name)
        other = Strategy.model_validate(variant(name, {field: value}))
        assert other != strategy, field
        assert value in (getattr(other, field, None), getattr(other.schedule, field, None))


def test_every_coin_tosses_differently() -> None:
    target = torch.full((4, 6), 5)
    coins = [draw(target, coin, 0, 0).coin for coin in get_args(Coin)]
    assert [len(coin.unique()) for coin in coins] == [24, 4, 1]


def test_a_variant_keeps_what_it_does_not_change() -> None:
    fields = variant("uniform-token", {"half_at": 0.25, "coin": "sequence"})
    expected = Strategy(schedule=InverseSigmoid(half_at=0.25), coin="sequence", feed="uniform-token")
    assert Strategy.model_validate(fields) == expected


def test_k_takes_the_place_of_a_default_half_at_but_not_of_a_given_one() -> None:
    assert Strategy.model_validate(variant("inverse-sigmoid", {"k": 50})).schedule == InverseSigmoid(k=50)
    with pytest.raises(UsageError, match="say the same thing"):
        resolve("copy", "inverse-sigmoid", 0, [{"strategy": {"k": 50, "half_at": 0.5}}])


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


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"coin": "tokens"}, "strategy.coin = 'tokens'"), ({"feed": "greedy"}, "strategy.feed = 'greedy'")],
)
def test_an_unknown_coin_or_feed_is_refused_with_its_path(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        resolve("copy", "linear", 0, [{"strategy": changes}])


def test_uniform_is_a_fair_coin_and_uniform_token_is_the_papers_row() -> None:
    assert STRATEGIES["uniform"].strategy == Strategy(schedule=Constant(value=0.5), coin="token", feed="sample")
    assert STRATEGIES["uniform-token"].strategy.feed == "uniform-token"
    assert STRATEGIES["uniform-token"].strategy.schedule == STRATEGIES["inverse-sigmoid"].strategy.schedule
    assert "NOT the paper's row" in STRATEGIES["uniform"].about
    assert "IS the paper's row" in STRATEGIES["uniform-token"].about


def test_epsilon_is_always_the_true_tokens_share() -> None:
    assert epsilons(STRATEGIES["teacher-forcing"].strategy) == [1] * N
    assert epsilons(STRATEGIES["always-sampling"].strategy) == [0] * N
    assert epsilons(STRATEGIES["switch"].strategy) == [1] * (N // 2) + [0] * (N // 2)
