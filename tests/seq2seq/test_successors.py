"""Coins, feeds and passes after 2015: each equals its definition, one token at a time, in loss and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from ssrun.analysis.explanation import explain_step
from ssrun.config.experiment import Experiment
from ssrun.config.overrides import toml
from ssrun.config.plan import Plan
from ssrun.config.resolution import resolve
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.seq2seq import streams
from ssrun.seq2seq.decoder_inputs import (
    COINS,
    REPLACEMENTS,
    DecoderInputs,
    draw,
    scheduled_inputs,
    teacher_forced_inputs,
)
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.oracle_sentences import sentence_bleu
from ssrun.seq2seq.search import greedy
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, UNKNOWN
from ssrun.strategies import Strategy
from ssrun.strategies.parts import COINS as COIN_RULES
from ssrun.strategies.parts import FEEDS, PREDICTED
from tests.support import successors, tiny

SEED = 3
BODIES = [kind | {"dropout": dropout} for kind in tiny.LAYERED for dropout in (0, 0.3)]
bodies = pytest.mark.parametrize("body", BODIES, ids=lambda body: "-".join(map(str, body.values())))


def chosen(model: Seq2Seq, strategy: Strategy, epsilon: Any) -> tuple[Tensor, DecoderInputs]:
    """The loss of the package's two passes, and what it fed."""
    batch = tiny.batch()
    masks = model.masks(len(batch.target), streams.generator(SEED, "dropout"))
    memory = model.encode(batch.source, batch.lengths, masks)
    inputs = scheduled_inputs(
        model, memory, batch.target, epsilon, strategy, draw(batch.target, strategy.coin, SEED, 0), masks
    )
    return loss_of(model.decode(memory, inputs.tokens, masks), batch.target), inputs


def gradients(model: Seq2Seq, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}


def assert_equals_the_definition(model: Seq2Seq, strategy: Strategy, epsilon: Any) -> DecoderInputs:
    batch = tiny.batch()
    masks = model.masks(len(batch.target), streams.generator(SEED, "dropout"))
    ours, inputs = chosen(model, strategy, epsilon)
    theirs, fed = successors.loss(model, batch, strategy, epsilon, draw(batch.target, strategy.coin, SEED, 0), masks)
    real = batch.target != PAD
    assert torch.equal(inputs.tokens[real], torch.tensor(fed)[real])
    torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=1e-9)
    ours, theirs = gradients(model, ours), gradients(model, theirs)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-11, rtol=1e-9)
    return inputs


def fitting(coin: str, feed: str) -> dict[str, object]:
    """The fields that this pair needs."""
    return {"passes": 1} if coin == "confidence" else {}


# Against the definitions


@pytest.mark.parametrize("coin", COINS)
@pytest.mark.parametrize("feed", REPLACEMENTS)
def test_every_coin_with_every_feed_equals_its_definition(coin: str, feed: str) -> None:
    model = tiny.model(layers=2, dropout=0.3)
    options = {"threshold": 0.2, "noise_threshold": 0.6} if coin == "confidence" else {}
    strategy = tiny.strategy(coin, feed, **fitting(coin, feed), **options)
    for epsilon in (0, 0.4, 1):
        assert_equals_the_definition(model, strategy, epsilon)


@bodies
@pytest.mark.parametrize(
    "strategy",
    [
        tiny.strategy("prefix", "argmax", passes=1),
        tiny.strategy("confidence", "sample", passes=2, threshold=0.1, noise_threshold=0.7),
        tiny.strategy("confidence", "mask", passes=1, threshold=0.3, confidence_of="best"),
        tiny.strategy("token", "sample", temperature=0.5, top_k=3),
        tiny.strategy("token", "sample", temperature=3.0, passes=2),
        tiny.strategy("token", "beam-oracle", oracle_beam=3),
        tiny.strategy("count", "unigram"),
    ],
    ids=lambda strategy: f"{strategy.coin}-{strategy.feed}-{strategy.passes}",
)
def test_every_body_of_the_model_does(body: dict[str, Any], strategy: Strategy) -> None:
    assert_equals_the_definition(tiny.model(**body), strategy, 0.3)


@pytest.mark.parametrize("coin", ["token", "sequence", "batch"])
def test_an_epsilon_a_position_is_that_of_the_token_that_is_fed(coin: str) -> None:
    epsilons = [1.0, 0.8, 0.5, 0.5, 0.2, 0.0]
    inputs = assert_equals_the_definition(tiny.model(), tiny.strategy(coin, "sample"), epsilons)
    columns = inputs.tossed.any(0)
    assert inputs.true[:, 1][inputs.tossed[:, 1]].all()
    assert not inputs.true[:, 6].any()
    assert columns[6]


# Passes


@bodies
@pytest.mark.parametrize("feed", PREDICTED)
def test_as_many_passes_as_tokens_feed_what_the_walk_does_token_for_token(body: dict[str, Any], feed: str) -> None:
    model = tiny.model(**body)
    longest = tiny.batch().target.shape[1] - 1
    for epsilon in (0, 0.4):
        _, walked = chosen(model, tiny.strategy("token", feed), epsilon)
        for passes in (longest, longest + 7):
            _, passed = chosen(model, tiny.strategy("token", feed, passes=passes), epsilon)
            assert torch.equal(passed.tokens, walked.tokens)


@pytest.mark.parametrize("passes", [1, 2, 3, 4])
def test_after_k_passes_the_first_k_tokens_are_the_walks(passes: int) -> None:
    _, walked = chosen(tiny.model(), tiny.strategy("token", "sample"), 0.2)
    _, passed = chosen(tiny.model(), tiny.strategy("token", "sample", passes=passes), 0.2)
    assert torch.equal(passed.tokens[:, : passes + 1], walked.tokens[:, : passes + 1])
    assert passes > 1 or not torch.equal(passed.tokens, walked.tokens)


def test_passes_that_change_nothing_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    decode = Seq2Seq.decode
    monkeypatch.setattr(Seq2Seq, "decode", lambda *arguments: decoded.append(1) or decode(*arguments))
    chosen(tiny.model(), tiny.strategy("token", "argmax", passes=1000), 0.3)
    assert len(decoded) <= tiny.batch().target.shape[1] + 2


# Coins


def test_a_prefix_is_true_and_the_rest_is_not_by_no_chance() -> None:
    _, inputs = chosen(tiny.model(), tiny.strategy("prefix", "mask"), 0.5)
    for tokens, tossed in zip(inputs.tokens.tolist(), inputs.tossed.sum(1).tolist(), strict=True):
        own = tokens[1 : tossed + 1]
        assert own.count(UNKNOWN) == tossed - round(0.5 * tossed)
        assert UNKNOWN not in own[: round(0.5 * tossed)]


@pytest.mark.parametrize("epsilon", [0, 0.1, 0.5, 0.77, 1])
def test_a_count_leaves_no_chance_in_how_many_are_true(epsilon: float) -> None:
    for step in range(5):
        target = tiny.batch(seed=step).target
        inputs = scheduled_inputs(
            tiny.model(), None, target, epsilon, tiny.strategy("count", "mask"), draw(target, "count", SEED, step)
        )
        assert int(inputs.true.sum()) == round(epsilon * int(inputs.tossed.sum()))


def test_confidence_feeds_the_truth_below_its_own_between_and_noise_above() -> None:
    model, batch = tiny.model(), tiny.batch()
    p = model.decode(model.encode(batch.source, batch.lengths), teacher_forced_inputs(batch.target)).softmax(-1)
    confidence = p.gather(-1, batch.target.unsqueeze(-1)).squeeze(-1).detach()
    low, high = confidence[:, 1:][batch.target[:, 1:] != PAD].quantile(torch.tensor([0.3, 0.7]).double()).tolist()
    strategy = tiny.strategy("confidence", "mask", passes=1, threshold=low, noise_threshold=high)
    _, inputs = chosen(model, strategy, 0)
    tossed = inputs.tossed
    assert torch.equal(inputs.true, tossed & (confidence <= low))
    assert torch.equal(inputs.noise, tossed & (confidence > high))
    assert (inputs.tokens[tossed & ~inputs.true & ~inputs.noise] == UNKNOWN).all()
    assert inputs.true.any()
    assert inputs.noise.any()
    assert (tossed & ~inputs.true & ~inputs.noise).any()
    without = tiny.strategy("confidence", "mask", passes=1, threshold=low, noise_threshold=1)
    assert not chosen(model, without, 0)[1].noise.any()


# Feeds


def test_random_tokens_of_the_targets_are_never_specials_and_come_by_their_frequency() -> None:
    target = torch.tensor([[4, 4, 4, 5, EOS], [6, EOS, PAD, PAD, PAD]] * 1000)
    for feed, of_first in (("unigram", [0.6, 0.2, 0.2]), ("same-sequence", [0.75, 0.25, 0])):
        draws = draw(target, "token", SEED, 0)
        inputs = scheduled_inputs(tiny.model(), None, target, 0, tiny.feeds(feed), draws)
        fed = inputs.tokens[::2, 1:].flatten()
        shares = torch.bincount(fed, minlength=tiny.SIZE) / len(fed)
        assert shares[4:7].tolist() == pytest.approx(of_first, abs=0.03)
        assert shares[4:7].sum() == 1


def test_a_low_temperature_and_a_top_k_of_one_feed_the_argmax() -> None:
    _, argmax = chosen(tiny.model(), tiny.strategy("token", "argmax"), 0.2)
    for fields in ({"top_k": 1}, {"temperature": 0.01}):
        assert torch.equal(
            chosen(tiny.model(), tiny.strategy("token", "sample", **fields), 0.2)[1].tokens, argmax.tokens
        )


def test_sentence_bleu_is_sacrebleus_of_equal_lengths() -> None:
    generator = torch.Generator().manual_seed(0)
    for length in (1, 2, 3, 4, 7, 12):
        for _ in range(20):
            one, other = torch.randint(4, 7, (2, length), generator=generator).tolist()
            assert sentence_bleu(one, other) == pytest.approx(successors.bleu(one, other))


# Teacherless


def test_a_model_that_sees_no_prefix_says_the_same_whatever_it_is_given() -> None:
    blind = {"strategy": {"feed": "mask", "value": 0, "at_test": "mask"}}
    config = resolve("copy", "uniform", 0, [blind, {"model": {"hidden": 8, "embedding": 8}}])
    model, batch = prepare(config).model, prepare(config).batches.at(0)
    assert not model.sees_prefix
    memory = model.encode(batch.source, batch.lengths)
    forced = teacher_forced_inputs(batch.target)
    unknown = torch.full_like(forced, UNKNOWN)
    unknown[:, 0] = BOS
    logits = model.decode(memory, forced)
    assert torch.equal(logits, model.decode(memory, unknown))
    outputs, _ = greedy(model, memory, 6)
    assert torch.equal(outputs, logits.argmax(-1)[:, : outputs.shape[1]])
    model.sees_prefix = True
    assert torch.equal(logits, model.decode(memory, unknown)), "as it was trained"
    assert not torch.equal(logits, model.decode(memory, forced))


# An entry of at most eight lines

ENTRIES = """
[strategies.mine]
base = "linear"
clock = "position"
horizon = 6
passes = 2
top_k = 5

[strategies.another]
base = "switch"
coin = "confidence"
feed = "mask"
passes = 1
threshold = 0.05
noise_threshold = 0.06
gold_weight = 0.5

[strategies.third]
base = "always-sampling"
feed = "argmax"
gradient = "soft"
temperature = 0.3
"""


def test_a_strategy_of_these_kinds_is_an_entry_and_explain_shows_its_coin_its_feed_and_its_label() -> None:
    small = {"training": {"steps": 4, "batch_size": 8}, "model": {"hidden": 8, "embedding": 8}}
    experiment = Experiment(tasks=["copy"], seeds=0, baseline="mine", **toml(ENTRIES), **small)
    seen = {}
    for (_, name), config in Plan(experiment=experiment).configs().items():
        views = [explain_step(config, 3, row) for row in range(8)]
        positions = [position for view in views for position in view.positions]
        seen[name] = {position.coin for position in positions}
        assert all(position.label == {position.gold: 1.0} for position in positions)
        assert all(position.fed == "<unk>" for position in positions if position.coin == "mask")
    assert seen["mine"] == {"-", "true", "model"}
    assert seen["third"] == {"-", "model"}
    assert seen["another"] <= {"-", "true", "mask", "random"}
    assert len(seen["another"]) > 2
    assert max(len(entry.strip().splitlines()) for entry in ENTRIES.split("\n\n")) <= 8


# What does not go together


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"coin": "confidence"}, "coin = confidence: it needs a pass over the true tokens: give passes = 1"),
        ({"coin": "prefix", "clock": "position"}, "coin = prefix: it counts by one epsilon"),
        ({"passes": 1, "feed": "mask"}, "passes = 1: it needs feed = 'sample' or 'argmax', or coin = 'confidence'"),
        ({"passes": 2, "feed": "mask", "coin": "confidence"}, "passes = 2: feed mask takes nothing of them"),
        ({"temperature": 0.5, "feed": "argmax"}, "temperature = 0.5: it needs feed = 'sample'"),
        ({"top_k": 5, "feed": "mask"}, "top_k = 5: it needs feed = 'sample'"),
        ({"threshold": 0.5}, "threshold = 0.5: it needs coin = 'confidence'"),
        ({"coin": "confidence", "passes": 1, "threshold": 0.97}, "noise_threshold = 0.95 is below threshold = 0.97"),
        ({"oracle_beam": 2}, "oracle_beam = 2: it needs feed = 'beam-oracle'"),
        ({"at_test": "mask"}, "at_test = 'mask': it needs feed = 'mask'"),
        ({"at_test": "mask", "feed": "mask"}, "in training too no token may be seen"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        resolve("copy", "linear", 0, [{"strategy": fields}])


def test_every_coin_and_feed_has_its_rule_and_its_function() -> None:
    assert COIN_RULES.keys() == COINS.keys()
    assert FEEDS.keys() == REPLACEMENTS.keys()
    for feed in FEEDS:
        with pytest.raises(ValidationError) if feed not in PREDICTED else pytest.MonkeyPatch.context():
            tiny.strategy("token", feed, passes=3)
