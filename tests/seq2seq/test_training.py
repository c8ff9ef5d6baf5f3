"""The loop: same seed, same bytes; the textbook's run; a run learns, or says that it diverged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from ssrun.config.resolution import resolve
from ssrun.config.run import RunConfig
from ssrun.runs.execution import prepare
from ssrun.seq2seq import streams
from ssrun.seq2seq.decoder_inputs import draw
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.learning_rate import learning_rate
from ssrun.seq2seq.model import MASKED, Seq2Seq
from ssrun.seq2seq.training import Diverged, Step, adam, objective_of, train
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD
from tests.support import textbook, tiny
from tests.support.runs import UNTAUGHT

SMALL: Mapping[str, Mapping[str, Any]] = {
    "task": {"length": "2..6"},
    "model": {"embedding": 8, "hidden": 8, "dropout": 0.1},
    "training": {"steps": 6, "batch_size": 8},
}


def configuration(strategy: str = "always-sampling", seed: int = 0, **training: object) -> RunConfig:
    return resolve("copy", strategy, seed, [SMALL, {"training": training}])


def trained(config: RunConfig) -> tuple[Seq2Seq, list[Step]]:
    parts = prepare(config)
    return parts.model, list(train(parts.model, adam(parts.model, config), parts.batches, config))


def weights(model: Seq2Seq) -> bytes:
    return save(dict(model.state_dict()))


# Same seed, same bytes


@pytest.mark.parametrize("strategy", UNTAUGHT)
def test_the_same_seed_ends_with_the_same_bytes(strategy: str) -> None:
    one, steps = trained(configuration(strategy))
    torch.manual_seed(1234)
    other, again = trained(configuration(strategy))
    assert weights(one) == weights(other)
    assert [step.loss for step in steps] == [step.loss for step in again]
    assert weights(one) != weights(trained(configuration(strategy, seed=1))[0])


def test_the_schedule_is_asked_once_a_step_with_the_steps_of_the_run() -> None:
    config = configuration("linear", steps=8)
    _, steps = trained(config)
    assert [step.epsilon for step in steps] == pytest.approx([1 - step / 8 for step in range(8)])
    assert [step.step for step in steps] == list(range(8))


@pytest.mark.parametrize("strategy", ["teacher-forcing", "uniform", "always-sampling"])
def test_a_run_is_the_textbooks_run(strategy: str) -> None:
    config = configuration(strategy, clip=0.3)
    parts, other = prepare(config), prepare(config)
    ours, theirs = parts.model.double(), other.model.double()
    optimiser = torch.optim.Adam(theirs.parameters(), lr=config.training.learning_rate)
    for step in train(ours, adam(ours, config), parts.batches, config):
        batch = other.batches.at(step.step)
        masks = theirs.masks(len(batch.target), streams.generator(config.seed, "dropout", step.step))
        draws = draw(batch.target, "token", config.seed, step.step)
        loss = textbook.loss(theirs, batch, step.epsilon, "sample", draws, masks)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.3)
        optimiser.step()
        assert step.loss == pytest.approx(loss.item(), rel=1e-9)
    for one, same in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, same, atol=1e-6, rtol=1e-6)


# Loss


def by_hand(logits: Tensor, target: Tensor) -> float:
    nats, count = 0.0, 0
    for row, labels in zip(logits.tolist(), target.tolist(), strict=True):
        for values, label in zip(row, labels, strict=True):
            if label != PAD:
                nats += math.log(sum(math.exp(value) for value in values)) - values[label]
                count += 1
    return nats / count


def test_the_loss_is_the_mean_over_real_positions_eos_included() -> None:
    target = torch.tensor([[5, 6, EOS], [7, EOS, PAD], [EOS, PAD, PAD]])
    logits = torch.randn(3, 3, tiny.SIZE, generator=torch.Generator().manual_seed(0))
    assert loss_of(logits, target).item() == pytest.approx(by_hand(logits, target), rel=1e-6)
    logits[target == PAD] += 100 * torch.randn(3, tiny.SIZE, generator=torch.Generator().manual_seed(1))
    assert loss_of(logits, target).item() == pytest.approx(by_hand(logits, target), rel=1e-6)


def test_the_loss_of_a_step_is_that_of_the_inputs_it_tells_of() -> None:
    still = {"model": {"dropout": 0.0}, "training": {"steps": 1, "learning_rate": 1e-30}}
    config = resolve("copy", "always-sampling", 0, [SMALL, still])
    model, (step,) = trained(config)
    batch = prepare(config).batches.at(0)
    logits = model.decode(model.encode(batch.source, batch.lengths), step.inputs.tokens)
    assert step.loss == pytest.approx(by_hand(logits.detach(), batch.target), rel=1e-5)


# Clipping and divergence


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_the_weights_before_it() -> None:
    config = configuration(steps=50)
    parts = prepare(config)
    steps = train(parts.model, adam(parts.model, config), parts.batches, config)
    next(steps)
    with torch.no_grad():
        parts.model.output.bias[EOS] = math.nan
    before = weights(parts.model)
    with pytest.raises(Diverged, match="diverged at step 1: the loss is nan") as diverged:
        next(steps)
    assert diverged.value.step == 1
    assert weights(parts.model) == before


# Learning


@pytest.mark.parametrize("strategy", ["teacher-forcing", "inverse-sigmoid"])
def test_training_learns_to_copy(strategy: str) -> None:
    layer = {
        "task": {"symbols": 8, "length": "4..4"},
        "model": {"embedding": 16, "hidden": 32, "attention": "aligned", "dropout": 0.0},
        "training": {"steps": 150, "batch_size": 32, "learning_rate": 0.02},
    }
    _, steps = trained(resolve("copy", strategy, 0, [layer]))
    assert steps[0].loss == pytest.approx(math.log(11), abs=0.6)
    assert sum(step.loss for step in steps[-10:]) / 10 < 0.05


# Warm-up, decay, label smoothing


def test_each_step_is_adams_with_the_rate_of_that_step() -> None:
    config = configuration("teacher-forcing", warmup=2, decay="cosine", clip=1e9)
    parts = prepare(config)
    optimiser = adam(parts.model, config)
    for step in train(parts.model, optimiser, parts.batches, config):
        assert [group["lr"] for group in optimiser.param_groups] == [learning_rate(step.step, config.training)]
    constant = configuration("teacher-forcing", learning_rate=config.training.learning_rate / 2, steps=1)
    assert weights(trained(constant)[0]) == weights(trained(configuration("teacher-forcing", warmup=2, steps=1))[0])


def test_the_smoothed_objective_is_the_cross_entropy_with_the_smoothed_target() -> None:
    logits, target = torch.randn(3, 4, 7, dtype=torch.double), torch.tensor([[3, 4, 5, 2], [6, 2, 0, 0], [4, 3, 2, 0]])
    logits[..., [PAD, BOS]] = MASKED
    nats = []
    for row, labels in zip(logits.log_softmax(-1), target, strict=True):
        for log_p, label in zip(row, labels, strict=True):
            if label != PAD:
                wanted = torch.zeros(7, dtype=torch.double)
                wanted[EOS:] = 0.3 / 5
                wanted[label] += 0.7
                nats.append(float(-(wanted * log_p).sum()))
    loss = loss_of(logits, target)
    assert float(objective_of(loss, logits, target != PAD, 0.3)) == pytest.approx(sum(nats) / len(nats))
    assert objective_of(loss, logits, target != PAD, 0.0) is loss


@pytest.mark.parametrize("strategy", ["teacher-forcing", "always-sampling"])
def test_smoothing_changes_the_weights_and_no_loss_that_is_told(strategy: str) -> None:
    (plain, first), (smoothed, same) = (trained(configuration(strategy, label_smoothing=s, steps=1)) for s in (0, 0.2))
    assert first[0].loss == same[0].loss
    assert weights(plain) != weights(smoothed)
