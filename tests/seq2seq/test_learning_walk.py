"""Gradient through what is fed: the definition to the last gradient, and the argmax in its limit; the second loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from ssrun.config.resolution import resolve
from ssrun.config.run import RunConfig
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.seq2seq import streams
from ssrun.seq2seq.decoder_inputs import DecoderInputs, draw, scheduled_inputs, teacher_forced_inputs
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.learning_pass import LEARNING
from ssrun.seq2seq.learning_walk import gumbel_noise
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.objective import with_second_losses
from ssrun.seq2seq.training import adam, train
from ssrun.seq2seq.vocabulary import PAD
from tests.support import successors, tiny

SEED, STEP = 3, 2
GRADIENTS = ("soft", "straight-through")


def configuration(epsilon: float, **fields: Any) -> RunConfig:
    strategy = {"schedule": "constant", "value": epsilon, **fields}
    return resolve("copy", "uniform", SEED, [{"strategy": strategy, "training": {"steps": 5}}])


def learned(model: Seq2Seq, config: RunConfig) -> tuple[Tensor, DecoderInputs]:
    batch = tiny.batch()
    masks = model.masks(len(batch.target), streams.generator(SEED, "dropout"))
    memory = model.encode(batch.source, batch.lengths, masks)
    epsilon = config.strategy.epsilons(STEP, config.training.steps, batch.target.shape[1] - 1)
    inputs, logits = LEARNING[config.strategy.gradient](model, memory, batch.target, epsilon, config, STEP, masks)
    return loss_of(logits, batch.target), inputs


def gradients(model: Seq2Seq, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}


def assert_close(model: Seq2Seq, ours: Tensor, theirs: Tensor, atol: float, rtol: float = 1e-9) -> None:
    """Loss and gradients."""
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=rtol)
    ours, theirs = gradients(model, ours), gradients(model, theirs)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, atol=atol, rtol=rtol)


@pytest.mark.parametrize("dropout", [0, 0.3])
@tiny.every_kind_with_layers
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_the_walk_equals_its_definition(gradient: str, kind: dict[str, Any], dropout: float) -> None:
    model, batch = tiny.model(**kind, dropout=dropout), tiny.batch()
    masks = model.masks(len(batch.target), streams.generator(SEED, "dropout"))
    for feed, temperature, epsilon in (("argmax", 1.0, 0.3), ("sample", 0.7, 0.5)):
        config = configuration(epsilon, gradient=gradient, feed=feed, temperature=temperature)
        noise = gumbel_noise((*batch.target.shape, model.target_size), config, STEP)
        draws = draw(batch.target, "token", SEED, STEP)
        theirs, fed = successors.mixed_loss(model, batch, config.strategy, epsilon, draws, noise, masks)
        ours, inputs = learned(model, config)
        real = batch.target != PAD
        assert torch.equal(inputs.tokens[real], torch.tensor(fed)[real])
        assert_close(model, ours, theirs, 1e-11)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_without_a_replaced_token_it_is_teacher_forcing(gradient: str) -> None:
    model, batch = tiny.model(layers=2), tiny.batch()
    ours, inputs = learned(model, configuration(1, gradient=gradient))
    memory = model.encode(batch.source, batch.lengths)
    assert not inputs.replaced.any()
    forced = loss_of(model.decode(memory, teacher_forced_inputs(batch.target)), batch.target)
    assert_close(model, ours, forced, 1e-12)


@tiny.every_kind
def test_in_the_limit_of_a_sharp_softmax_the_soft_argmax_is_the_argmax(kind: dict[str, Any]) -> None:
    model, batch = tiny.model(**kind), tiny.batch()
    config = configuration(0.3, gradient="soft", feed="argmax")
    memory = model.encode(batch.source, batch.lengths)
    draws = draw(batch.target, "token", SEED, STEP)
    hard = scheduled_inputs(model, memory, batch.target, 0.3, tiny.feeds("argmax"), draws)
    argmax = loss_of(model.decode(memory, hard.tokens), batch.target)
    far = []
    for temperature in (1.0, 0.1, 1e-6):
        sharp = config.strategy.model_copy(update={"temperature": temperature})
        ours, inputs = learned(model, config.model_copy(update={"strategy": sharp}))
        far.append(float((ours - argmax).detach().abs()))
    assert far[0] > 1e-3
    assert torch.equal(inputs.tokens, hard.tokens)
    assert_close(model, ours, argmax, 1e-7)


def test_straight_through_feeds_the_token_and_learns_more_than_it() -> None:
    model, batch = tiny.model(), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    ours, inputs = learned(model, configuration(0.3, gradient="straight-through", feed="argmax"))
    hard = loss_of(model.decode(memory, inputs.tokens), batch.target)
    torch.testing.assert_close(ours, hard)
    one, other = gradients(model, ours), gradients(model, hard)
    assert any((one[name] - gradient).abs().max() > 1e-3 for name, gradient in other.items())


def test_the_largest_of_noisy_logits_is_a_draw_from_their_softmax() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0])
    noise = gumbel_noise((20_000, 4), configuration(0.5), 0)
    counts = torch.bincount((logits + noise).argmax(-1), minlength=4).numpy()
    assert chisquare(counts, 20_000 * logits.double().softmax(-1).numpy()).pvalue > 1e-3


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"feed": "mask", "gradient": "soft"}, "gradient = 'soft': it needs feed = 'sample' or 'argmax'"),
        ({"feed": "argmax", "temperature": 2.0}, "temperature = 2.0: it needs feed = 'sample', or gradient = 'soft'"),
        ({"gradient": "soft", "passes": 1}, "gradient = soft: it flows through a walk: give passes = 0"),
        ({"gradient": "soft", "top_k": 3}, "a mixture is of all tokens"),
        ({"gradient": "straight-through", "label": "fed"}, "label fed is of tokens that were fed"),
    ],
)
def test_a_gradient_where_there_is_none_is_refused(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        resolve("copy", "linear", 0, [{"strategy": fields}])


# The second loss


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_the_gold_loss_is_added_by_its_weight(weight: float) -> None:
    model, batch = tiny.model(), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    loss, _ = learned(model, configuration(0, feed="argmax"))
    gold = successors.loss(model, batch, tiny.strategy(), 1, draw(batch.target, "token", SEED, 0))[0]
    again, _ = learned(model, configuration(0, feed="argmax"))
    both = with_second_losses(again, configuration(0, gold_weight=weight), model, memory, batch.target, STEP, None)
    assert_close(model, both, loss + weight * gold, 1e-11)


def test_the_gold_loss_changes_the_weights_and_not_the_loss_that_is_told() -> None:
    ends = []
    for weight in (0, 1):
        config = configuration(0, gold_weight=weight)
        parts = prepare(config)
        first = next(iter(train(parts.model, adam(parts.model, config), parts.batches, config)))
        ends.append((first.loss, parts.model.state_dict()["output.weight"]))
    assert ends[0][0] == ends[1][0]
    assert not torch.equal(ends[0][1], ends[1][1])
