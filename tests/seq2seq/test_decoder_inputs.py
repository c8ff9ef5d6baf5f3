"""What the decoder is fed: the textbook loop to the last gradient, and each coin and feed as it says."""

from __future__ import annotations

from itertools import product
from math import sqrt
from typing import get_args

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from ssrun.config.run import ATTENTIONS, resolve
from ssrun.runs.execution import prepare
from ssrun.seq2seq import streams
from ssrun.seq2seq.decoder_inputs import Draws, Fed, draws, feed, pick, shift
from ssrun.seq2seq.model import Masks, Seq2Seq
from ssrun.seq2seq.search import greedy
from ssrun.seq2seq.training import adam, loss_of, train
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, SPECIALS
from ssrun.strategies.strategy import Coin, Feed
from tests.support import textbook, tiny

COINS, FEEDS = get_args(Coin), get_args(Feed)

SEED = 3


def fed_by(model: Seq2Seq, target: Tensor, epsilon: float, kind: str, coin: str, step: int = 0) -> Fed:
    batch = tiny.batch()
    return feed(
        model, model.encode(batch.source, batch.lengths), target, epsilon, kind, draws(target, coin, SEED, step)
    )


def two_passes(model: Seq2Seq, epsilon: float, kind: str, chance: Draws, masks: Masks | None) -> Tensor:
    batch = tiny.batch()
    memory = model.encode(batch.source, batch.lengths, masks)
    fed = feed(model, memory, batch.target, epsilon, kind, chance, masks)
    return loss_of(model.decode(memory, fed.inputs, masks), batch.target)


def gradients(model: Seq2Seq, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}


def assert_equals_the_textbook(
    model: Seq2Seq, epsilon: float, coin: str, kind: str, tolerance: dict[str, float]
) -> None:
    batch = tiny.batch()
    chance = draws(batch.target, coin, SEED, 0)
    masks = model.masks(len(batch.target), streams.generator(SEED, "dropout"))
    ours = two_passes(model, epsilon, kind, chance, masks)
    theirs = textbook.loss(model, batch, epsilon, kind, chance, masks)
    torch.testing.assert_close(ours, theirs, **tolerance)
    our_gradients, their_gradients = gradients(model, ours), gradients(model, theirs)
    for name, gradient in their_gradients.items():
        assert gradient.abs().sum() > 0, name
        torch.testing.assert_close(our_gradients[name], gradient, **tolerance, msg=lambda text, name=name: name + text)


# The textbook loop


@pytest.mark.parametrize("dropout", [0, 0.3])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize("coin", COINS)
def test_two_passes_equal_the_textbook_loop(coin: str, kind: str, attention: str, layers: int, dropout: float) -> None:
    for epsilon in (0, 0.5, 1):
        model = tiny.model(attention=attention, layers=layers, dropout=dropout)
        assert_equals_the_textbook(model, epsilon, coin, kind, {"atol": 1e-11, "rtol": 1e-9})


@pytest.mark.parametrize("dropout", [0, 0.3])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_they_do_in_the_precision_of_training_too(attention: str, layers: int, dropout: float) -> None:
    model = tiny.model(attention=attention, layers=layers, dropout=dropout).float()
    assert_equals_the_textbook(model, 0.5, "token", "sample", {"atol": 1e-5, "rtol": 1e-5})


def test_the_comparison_sees_another_coin() -> None:
    model, target = tiny.model(), tiny.batch().target
    one, other = (two_passes(model, 0.5, "sample", draws(target, "token", SEED, step), None) for step in (0, 1))
    assert abs(one - other) > 1e-3


# Teacher forcing and free running, the two ends


def test_epsilon_one_is_teacher_forcing_bit_for_bit() -> None:
    ones = [
        {"schedule": "constant", "value": 1, "coin": coin, "feed": kind} for coin, kind in product(COINS, FEEDS)
    ] + [
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
            assert torch.equal(step.fed.inputs, shift(parts.batches.at(step.step).target))
            assert torch.equal(step.fed.true, step.fed.tossed)
            assert not step.fed.replaced.any()
        seen.append(([step.loss for step in steps], parts.model.state_dict()))
    for losses, weights in seen:
        assert losses == seen[0][0]
        assert all(torch.equal(weight, seen[0][1][name]) for name, weight in weights.items())


def test_teacher_forcing_feeds_bos_and_the_target_without_its_last_token() -> None:
    target = torch.tensor([[5, 6, 7, EOS], [8, EOS, PAD, PAD]])
    assert shift(target).tolist() == [[BOS, 5, 6, 7], [BOS, 8, EOS, PAD]]


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("layers", [1, 2])
def test_epsilon_zero_with_argmax_feeds_what_greedy_decoding_says(attention: str, layers: int) -> None:
    model, batch = tiny.model(attention=attention, layers=layers), tiny.batch(40)
    with torch.no_grad():
        memory = model.encode(batch.source, batch.lengths)
    said = greedy(model, memory, batch.target.shape[1] - 1)
    for chance in (None, draws(batch.target, "token", SEED, 0)):
        fed = feed(model, memory, batch.target, 0, "argmax", chance)
        for inputs, tossed, output in zip(fed.inputs, fed.tossed, said, strict=True):
            count = min(int(tossed.sum()), len(output))
            assert inputs[1 : count + 1].tolist() == output[:count].tolist()


# Where a replacement is put, and what it is


@pytest.mark.parametrize("epsilon", [0, 0.5])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_the_prediction_of_each_token_is_fed_where_that_token_would_be(attention: str, epsilon: float) -> None:
    model, batch = tiny.model(attention=attention), tiny.batch()
    fed = fed_by(model, batch.target, epsilon, "argmax", "token")
    predicted = model.decode(model.encode(batch.source, batch.lengths), fed.inputs).argmax(-1)
    own = (fed.tossed & ~fed.true)[:, 1:]
    assert own.any()
    assert torch.equal(fed.inputs[:, 1:][own], predicted[:, :-1][own])
    assert torch.equal(fed.inputs[:, 1:][~own], batch.target[:, :-1][~own])


@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize("coin", COINS)
def test_bos_is_never_replaced_and_never_tossed_for(coin: str, kind: str) -> None:
    fed = fed_by(tiny.model(), tiny.batch().target, 0, kind, coin)
    assert (fed.inputs[:, 0] == BOS).all()
    assert not fed.tossed[:, 0].any()


@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize("coin", COINS)
def test_a_coin_is_tossed_for_each_label_but_the_first_and_for_no_padding(coin: str, kind: str) -> None:
    target = tiny.batch().target
    fed = fed_by(tiny.model(), target, 0, kind, coin)
    assert int(fed.tossed.sum()) == int((target != PAD).sum()) - len(target)
    assert not (fed.tossed & (target == PAD)).any()
    assert not (fed.true | fed.replaced)[~fed.tossed].any()


@pytest.mark.parametrize("kind", FEEDS)
def test_replaced_counts_real_differences_only(kind: str) -> None:
    target = tiny.batch().target
    fed = fed_by(tiny.model(), target, 0.5, kind, "token")
    assert torch.equal(fed.replaced, (fed.inputs != shift(target)) & (target != PAD))
    assert fed.replaced.any()
    assert (fed.tossed & ~fed.true & ~fed.replaced).any(), "a replacement that happens to be the true token"
    assert not (fed.replaced & fed.true).any()


def test_a_model_that_is_right_makes_sampling_teacher_forcing_again() -> None:
    model, target = tiny.model(), torch.full((7, 5), 6)
    with torch.no_grad():
        model.output.bias[6] = 1e3
    fed = fed_by(model, target, 0, "sample", "token")
    assert not fed.true.any()
    assert not fed.replaced.any()


def test_epsilon_zero_replaces_even_where_a_coin_shows_exactly_zero() -> None:
    batch, zeros = tiny.batch(), torch.zeros(tiny.batch().target.shape)
    fed = feed(tiny.model(), None, batch.target, 0, "uniform-token", Draws(zeros, zeros))
    assert not fed.true.any()


@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize("coin", COINS)
def test_feeding_twice_gives_the_same(coin: str, kind: str) -> None:
    one, other = (fed_by(tiny.model(), tiny.batch().target, 0.5, kind, coin) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# Coins


def tosses(coin: str, epsilon: float, steps: int = 300, rows: int = 8, columns: int = 10) -> Tensor:
    target = torch.full((rows, columns), len(SPECIALS))
    return torch.stack([draws(target, coin, SEED, step).coin < epsilon for step in range(steps)])


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


def test_epsilon_is_realised_over_the_coins_that_are_counted() -> None:
    model, batch = tiny.model(), tiny.batch(200)
    chance = draws(batch.target, "token", SEED, 0)
    fed = feed(model, model.encode(batch.source, batch.lengths), batch.target, 0.3, "sample", chance)
    tossed = int(fed.tossed.sum())
    assert abs(int(fed.true.sum()) - 0.3 * tossed) < 4 * sqrt(0.3 * 0.7 * tossed)


def test_strategies_toss_the_same_coins_and_take_the_same_samples() -> None:
    target = tiny.batch().target
    low, high = (fed_by(tiny.model(), target, epsilon, "sample", "token").true for epsilon in (0.3, 0.6))
    assert (high | ~low).all(), "what is true at 0.3 is true at 0.6"
    assert torch.equal(draws(target, "token", SEED, 5).sample, draws(target, "batch", SEED, 5).sample)
    assert not torch.equal(draws(target, "token", SEED, 5).sample, draws(target, "token", SEED, 6).sample)


def test_a_sample_is_independent_of_its_coin() -> None:
    chance = draws(torch.zeros(500, 20), "token", SEED, 0)
    correlation = torch.corrcoef(torch.stack((chance.coin.flatten(), chance.sample.flatten())))[0, 1].item()
    assert abs(correlation) < 4 / sqrt(10_000)


# Draws of tokens


def test_uniform_token_draws_every_real_token_alike_and_no_special() -> None:
    target = torch.full((1000, 11), len(SPECIALS))
    fed = feed(tiny.model(), None, target, 0, "uniform-token", draws(target, "token", SEED, 0))
    counts = torch.bincount(fed.inputs[:, 1:].flatten(), minlength=tiny.SIZE)
    assert counts[: len(SPECIALS)].tolist() == [0] * len(SPECIALS)
    assert chisquare(counts[len(SPECIALS) :].numpy()).pvalue > 1e-3


def test_uniform_token_reaches_the_first_and_the_last_token_and_nothing_beyond() -> None:
    target = torch.full((1, 3), len(SPECIALS))
    ends = Draws(torch.ones(1, 3), torch.tensor([[0.5, 0.0, 1 - 2**-24]]))
    fed = feed(tiny.model(), None, target, 0, "uniform-token", ends)
    assert fed.inputs.tolist() == [[BOS, len(SPECIALS), tiny.SIZE - 1]]


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


def test_pick_is_monotone_in_its_draw() -> None:
    logits = torch.randn(9, generator=torch.Generator().manual_seed(SEED)).expand(500, -1)
    tokens = pick(logits, torch.linspace(0, 1 - 2**-24, 500))
    assert (tokens.diff() >= 0).all()
    assert set(tokens.tolist()) == set(range(9))


# What the walk does not do


class Watched:
    """Counts a model's steps and the rows whose logits are asked for."""

    def __init__(self, model: Seq2Seq, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps, self.rows, self.gradient = 0, 0, False
        step, vocabulary = model.step, model.vocabulary

        def counted_step(*arguments: object) -> object:
            self.steps += 1
            self.gradient |= torch.is_grad_enabled()
            return step(*arguments)

        def counted_vocabulary(features: Tensor) -> Tensor:
            self.rows += features.shape[0]
            return vocabulary(features)

        monkeypatch.setattr(model, "step", counted_step)
        monkeypatch.setattr(model, "vocabulary", counted_vocabulary)


@pytest.mark.parametrize("kind", ["sample", "argmax"])
def test_the_walk_ends_at_the_last_replaced_position_and_asks_for_replaced_rows_only(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, target = tiny.model(), torch.full((7, 9), 6)
    coin = torch.zeros(7, 9)
    coin[:, 0] = 1  # BOS
    coin[[1, 4], 2] = coin[3, 5] = 1
    watched = Watched(model, monkeypatch)
    batch = tiny.batch()
    feed(model, model.encode(batch.source, batch.lengths), target, 0.5, kind, Draws(coin, torch.rand(7, 9)))
    assert (watched.steps, watched.rows, watched.gradient) == (5, 3, False)


@pytest.mark.parametrize(
    ("epsilon", "kind"), [(1, "sample"), (1, "argmax"), (0, "uniform-token"), (1, "uniform-token")]
)
def test_no_walk_where_no_prediction_is_fed(epsilon: float, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.model()
    watched = Watched(model, monkeypatch)
    fed_by(model, tiny.batch().target, epsilon, kind, "token")
    assert (watched.steps, watched.rows) == (0, 0)


def test_the_walk_looks_gates_up_only_where_that_is_less_work() -> None:
    model = tiny.model()
    assert model.table(tiny.SIZE - 1) is None
    assert model.table(tiny.SIZE).shape == (tiny.SIZE, 4 * 8)


def test_no_gradient_flows_through_a_fed_token() -> None:
    model, batch = tiny.model(), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    fed = feed(model, memory, batch.target, 0, "sample", draws(batch.target, "token", SEED, 0))
    assert not fed.inputs.requires_grad
    assert all(weight.grad is None for weight in model.parameters())
    through = gradients(model, loss_of(model.decode(memory, fed.inputs), batch.target))
    constant = torch.tensor(fed.inputs.tolist())
    memory = model.encode(batch.source, batch.lengths)
    as_data = gradients(model, loss_of(model.decode(memory, constant), batch.target))
    assert all(torch.equal(through[name], gradient) for name, gradient in as_data.items())


def test_the_target_itself_is_left_as_it_was() -> None:
    batch = tiny.batch()
    before = batch.target.clone()
    for kind in FEEDS:
        fed_by(tiny.model(), batch.target, 0, kind, "token")
    assert torch.equal(batch.target, before)


@pytest.mark.parametrize(("epsilon", "kind"), [(0, "sample"), (0, "uniform-token"), (0.5, "argmax"), (1, "sample")])
def test_what_draws_is_not_fed_without_draws(epsilon: float, kind: str) -> None:
    model, batch = tiny.model(attention="dot"), tiny.batch()
    with pytest.raises(ValueError, match="needs draws"):
        feed(model, model.encode(batch.source, batch.lengths), batch.target, epsilon, kind, None)
