"""What the decoder is fed: the textbook loop to the last gradient, and each coin and feed as it says."""

from __future__ import annotations

from itertools import product
from math import sqrt
from typing import Any, get_args

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn

from ssrun.config.resolution import resolve
from ssrun.runs.execution import prepare
from ssrun.seq2seq import streams
from ssrun.seq2seq.decoder_inputs import (
    DecoderInputs,
    Draws,
    draw,
    free_running_inputs,
    pick,
    scheduled_inputs,
    teacher_forced_inputs,
)
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.model import Masks, Predictor, Seq2Seq
from ssrun.seq2seq.search import greedy
from ssrun.seq2seq.textbook import Coin, Feed
from ssrun.seq2seq.training import adam, train
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, SPECIALS
from tests.support import textbook, tiny

COINS, FEEDS = get_args(Coin), get_args(Feed)

SEED = 3


def inputs_of(model: Seq2Seq, target: Tensor, epsilon: float, feed: str, coin: str) -> DecoderInputs:
    batch = tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    return scheduled_inputs(model, memory, target, epsilon, tiny.strategy(coin, feed), draw(target, coin, SEED, 0))


def two_passes(model: Seq2Seq, epsilon: float, feed: str, draws: Draws, masks: Masks | None) -> Tensor:
    batch = tiny.batch()
    memory = model.encode(batch.source, batch.lengths, masks)
    inputs = scheduled_inputs(model, memory, batch.target, epsilon, tiny.feeds(feed), draws, masks)
    return loss_of(model.decode(memory, inputs.tokens, masks), batch.target)


def gradients(model: Seq2Seq, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}


def assert_equals_the_textbook(
    model: Seq2Seq, epsilon: float, coin: str, feed: str, tolerance: dict[str, float]
) -> None:
    batch = tiny.batch()
    draws = draw(batch.target, coin, SEED, 0)
    masks = model.masks(len(batch.target), streams.generator(SEED, "dropout"))
    ours = two_passes(model, epsilon, feed, draws, masks)
    theirs = textbook.loss(model, batch, epsilon, feed, draws, masks)
    torch.testing.assert_close(ours, theirs, **tolerance)
    our_gradients, their_gradients = gradients(model, ours), gradients(model, theirs)
    for name, gradient in their_gradients.items():
        assert gradient.abs().sum() > 0, name
        torch.testing.assert_close(our_gradients[name], gradient, **tolerance, msg=lambda text, name=name: name + text)


# The textbook loop


@pytest.mark.parametrize("dropout", [0, 0.3])
@tiny.every_kind_with_layers
@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("coin", COINS)
def test_two_passes_equal_the_textbook_loop(coin: str, feed: str, kind: dict[str, Any], dropout: float) -> None:
    for epsilon in (0.5,) if dropout else (0, 0.5, 1):
        model = tiny.model(**kind, dropout=dropout)
        assert_equals_the_textbook(model, epsilon, coin, feed, {"atol": 1e-11, "rtol": 1e-9})


@pytest.mark.parametrize("dropout", [0, 0.3])
@tiny.every_kind_with_layers
def test_they_do_in_the_precision_of_training_too(kind: dict[str, Any], dropout: float) -> None:
    model = tiny.model(**kind, dropout=dropout).float()
    assert_equals_the_textbook(model, 0.5, "token", "sample", {"atol": 1e-5, "rtol": 1e-5})


def test_the_comparison_sees_another_coin() -> None:
    model, target = tiny.model(), tiny.batch().target
    one, other = (two_passes(model, 0.5, "sample", draw(target, "token", SEED, step), None) for step in (0, 1))
    assert abs(one - other) > 1e-3


# Teacher forcing and free running, the two ends


def test_epsilon_one_is_teacher_forcing_bit_for_bit() -> None:
    ones = [
        *({"schedule": "constant", "value": 1, "coin": coin, "feed": feed} for coin, feed in product(COINS, FEEDS)),
        {"schedule": "linear", "start": 1, "end": 1},
        {"schedule": "exponential", "end": 1},
        {"schedule": "inverse-sigmoid", "end": 1},
        {"schedule": "switch", "at": 1},
        {"schedule": "cycle", "duty": 1},
    ]
    small = {"model": {"embedding": 8, "hidden": 8, "dropout": 0.2}, "training": {"steps": 4, "batch_size": 8}}
    seen = []
    for strategy in ones:
        config = resolve("reverse", "uniform", SEED, [small, {"strategy": strategy}])
        parts = prepare(config)
        steps = list(train(parts.model, adam(parts.model, config), parts.batches, config))
        for step in steps:
            assert step.epsilon == 1
            target = parts.batches.at(step.step).target
            assert torch.equal(step.inputs.tokens, teacher_forced_inputs(target))
            assert torch.equal(step.inputs.true, step.inputs.tossed)
            assert not step.inputs.replaced.any()
        seen.append(([step.loss for step in steps], parts.model.state_dict()))
    for losses, weights in seen:
        assert losses == seen[0][0]
        assert all(torch.equal(weight, seen[0][1][name]) for name, weight in weights.items())


def test_teacher_forcing_feeds_bos_and_the_target_without_its_last_token() -> None:
    target = torch.tensor([[5, 6, 7, EOS], [8, EOS, PAD, PAD]])
    assert teacher_forced_inputs(target).tolist() == [[BOS, 5, 6, 7], [BOS, 8, EOS, PAD]]


@tiny.every_kind_with_layers
def test_free_running_and_epsilon_zero_with_argmax_feed_what_greedy_search_says(kind: dict[str, Any]) -> None:
    model, batch = tiny.model(**kind), tiny.batch(40)
    with torch.no_grad():
        memory = model.encode(batch.source, batch.lengths)
    outputs, _ = greedy(model, memory, batch.target.shape[1] - 1)
    scheduled = scheduled_inputs(
        model, memory, batch.target, 0, tiny.feeds("argmax"), draw(batch.target, "token", SEED, 0)
    )
    assert torch.equal(free_running_inputs(model, memory, batch.target), scheduled.tokens)
    for tokens, tossed, output in zip(scheduled.tokens, scheduled.tossed, outputs, strict=True):
        count = min(int(tossed.sum()), len(output))
        assert tokens[1 : count + 1].tolist() == output[:count].tolist()


# Where a replacement is put, and what it is


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("coin", COINS)
def test_a_coin_is_tossed_for_every_label_but_the_first_and_for_no_padding(coin: str, feed: str) -> None:
    target = tiny.batch().target
    inputs = inputs_of(tiny.model(), target, 0, feed, coin)
    assert (inputs.tokens[:, 0] == BOS).all()
    assert not inputs.tossed[:, 0].any()
    assert torch.equal(inputs.tossed[:, 1:], target[:, 1:] != PAD)
    assert not (inputs.true | inputs.replaced)[~inputs.tossed].any()


@pytest.mark.parametrize("feed", FEEDS)
def test_replaced_counts_real_differences_only(feed: str) -> None:
    target = tiny.batch().target
    inputs = inputs_of(tiny.model(), target, 0.5, feed, "token")
    assert torch.equal(inputs.replaced, (inputs.tokens != teacher_forced_inputs(target)) & (target != PAD))
    assert inputs.replaced.any()
    assert (inputs.tossed & ~inputs.true & ~inputs.replaced).any(), "a replacement that happens to be the true token"
    assert not (inputs.replaced & inputs.true).any()


def test_epsilon_zero_replaces_even_where_a_coin_shows_exactly_zero() -> None:
    target = tiny.batch().target
    zeros = torch.zeros(target.shape)
    assert not scheduled_inputs(
        tiny.model(), None, target, 0, tiny.feeds("uniform-token"), Draws(zeros, zeros)
    ).true.any()


# Coins


def tosses(coin: str, epsilon: float, steps: int = 300, rows: int = 8, columns: int = 10) -> Tensor:
    target = torch.full((rows, columns), len(SPECIALS))
    return torch.stack([draw(target, coin, SEED, step).coin < epsilon for step in range(steps)])


def test_a_coin_a_token_differs_within_sequences_and_between_them() -> None:
    heads = tosses("token", 0.5)
    assert len({tuple(row) for row in heads.flatten(0, 1).tolist()}) > 900
    for axis in (0, 1, 2):  # neighbours agree as often as independent coins do
        agree = (heads.roll(1, axis) == heads).double().mean().item()
        assert abs(agree - 0.5) < 4 * 0.5 / sqrt(heads.numel())


def test_a_coin_a_sequence_is_one_for_all_its_tokens() -> None:
    heads = tosses("sequence", 0.5)
    assert torch.equal(heads, heads[..., :1].expand_as(heads))
    agree = (heads[:, :-1, 0] == heads[:, 1:, 0]).double().mean().item()
    assert abs(agree - 0.5) < 4 * 0.5 / sqrt(300 * 7)


def test_a_coin_a_batch_is_one_for_all_its_sequences() -> None:
    heads = tosses("batch", 0.5)
    assert torch.equal(heads, heads[:, :1, :1].expand_as(heads))
    assert 0 < heads[:, 0, 0].sum() < 300


@pytest.mark.parametrize(("coin", "count"), [("token", 24_000), ("sequence", 2400), ("batch", 300)])
@pytest.mark.parametrize("epsilon", [0, 0.1, 0.5, 0.9, 1])
def test_the_realised_epsilon_lies_in_its_binomial_interval(coin: str, count: int, epsilon: float) -> None:
    realised = tosses(coin, epsilon).double().mean().item()
    assert abs(realised - epsilon) <= 4 * sqrt(epsilon * (1 - epsilon) / count)


def test_strategies_toss_the_same_coins_and_take_the_same_samples() -> None:
    target = tiny.batch().target
    low, high = (inputs_of(tiny.model(), target, epsilon, "sample", "token").true for epsilon in (0.3, 0.6))
    assert (high | ~low).all(), "what is true at 0.3 is true at 0.6"
    assert torch.equal(draw(target, "token", SEED, 5).sample, draw(target, "batch", SEED, 5).sample)
    assert not torch.equal(draw(target, "token", SEED, 5).sample, draw(target, "token", SEED, 6).sample)


def test_a_sample_is_independent_of_its_coin() -> None:
    draws = draw(torch.zeros(500, 20), "token", SEED, 0)
    correlation = torch.corrcoef(torch.stack((draws.coin.flatten(), draws.sample.flatten())))[0, 1].item()
    assert abs(correlation) < 4 / sqrt(10_000)


# Draws of tokens


def test_uniform_token_draws_every_real_token_alike_and_no_special() -> None:
    target = torch.full((1000, 11), len(SPECIALS))
    inputs = scheduled_inputs(
        tiny.model(), None, target, 0, tiny.feeds("uniform-token"), draw(target, "token", SEED, 0)
    )
    counts = torch.bincount(inputs.tokens[:, 1:].flatten(), minlength=tiny.SIZE)
    assert counts[: len(SPECIALS)].tolist() == [0] * len(SPECIALS)
    assert chisquare(counts[len(SPECIALS) :].numpy()).pvalue > 1e-3


def test_uniform_token_reaches_the_first_and_the_last_token_and_nothing_beyond() -> None:
    target = torch.full((1, 3), len(SPECIALS))
    ends = Draws(torch.ones(1, 3), torch.tensor([[0.5, 0.0, 1 - 2**-24]]))
    inputs = scheduled_inputs(tiny.model(), None, target, 0, tiny.feeds("uniform-token"), ends)
    assert inputs.tokens.tolist() == [[BOS, len(SPECIALS), tiny.SIZE - 1]]


def test_pick_follows_the_softmax() -> None:
    logits = torch.tensor([-1e4, -1e4, 0.3, -1.0, 2.0, 0.0, 1.0])
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(SEED))
    counts = torch.bincount(pick(logits.expand(20_000, -1), uniform), minlength=7).numpy()
    expected = 20_000 * logits.double().softmax(-1).numpy()
    assert counts[:2].tolist() == [0, 0]
    assert chisquare(counts[2:], expected[2:]).pvalue > 1e-3


def test_pick_never_says_pad_or_bos_even_at_the_ends_of_the_draws() -> None:
    logits = torch.randn(2000, 9, generator=torch.Generator().manual_seed(SEED)) * 5
    logits[:, [PAD, BOS]] = -1e4
    for edge in (0.0, 2**-24, 1 - 2**-24):
        tokens = pick(logits, torch.full((2000,), edge))
        assert not ((tokens == PAD) | (tokens == BOS)).any()
        assert (tokens < 9).all()
    logits[:, -3:] = -1e4  # nor a last token of probability 0
    assert (pick(logits, torch.full((2000,), 1 - 2**-24)) < 6).all()


# What the walk does not do


class Watched:
    """Counts a model's steps and the rows whose logits it computes."""

    def __init__(self, model: Seq2Seq, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps, self.rows, self.gradient = 0, 0, False
        step = Predictor.__call__

        def counted(*arguments: object) -> object:
            self.steps += 1
            self.gradient |= torch.is_grad_enabled()
            return step(*arguments)

        def count_rows(_: nn.Module, arguments: tuple[Tensor]) -> None:
            self.rows += arguments[0].shape[0]

        monkeypatch.setattr(Predictor, "__call__", counted)
        model.output.register_forward_pre_hook(count_rows)


@pytest.mark.parametrize("feed", ["sample", "argmax"])
def test_the_walk_ends_at_the_last_replaced_position_and_asks_for_replaced_rows_only(
    feed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, target = tiny.model(), torch.full((7, 9), 6)
    coin = torch.zeros(7, 9)
    coin[:, 0] = 1  # BOS
    coin[[1, 4], 2] = coin[3, 5] = 1
    watched = Watched(model, monkeypatch)
    memory = model.encode(tiny.batch().source, tiny.batch().lengths)
    scheduled_inputs(model, memory, target, 0.5, tiny.feeds(feed), Draws(coin, torch.rand(7, 9)))
    assert (watched.steps, watched.rows, watched.gradient) == (5, 3, False)


@pytest.mark.parametrize(
    ("epsilon", "feed"), [(1, "sample"), (1, "argmax"), (0, "uniform-token"), (1, "uniform-token")]
)
def test_no_walk_where_no_prediction_is_fed(epsilon: float, feed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.model()
    watched = Watched(model, monkeypatch)
    inputs_of(model, tiny.batch().target, epsilon, feed, "token")
    assert (watched.steps, watched.rows) == (0, 0)


def test_the_walk_looks_gates_up_only_where_that_is_less_work() -> None:
    model = tiny.model()
    memory = model.encode(tiny.batch().source, tiny.batch().lengths)
    masks = tiny.model(dropout=0.3).masks(len(tiny.batch().source), streams.generator(SEED, "dropout"))
    assert model.predictor(memory, queries=tiny.SIZE - 1).table is None
    assert model.predictor(memory, queries=tiny.SIZE).table.shape == (tiny.SIZE, 4 * 8)
    assert model.predictor(memory, masks, queries=tiny.SIZE).table is None
