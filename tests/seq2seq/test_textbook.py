"""The textbook's loop for a model of one's own gives what this package feeds its own model, under every strategy."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
import torch
from torch import Tensor

from ssrun.seq2seq.decoder_inputs import draw, scheduled_inputs, teacher_forced_inputs
from ssrun.seq2seq.textbook import Coin, Feed, decoder_inputs, expert_labels
from ssrun.seq2seq.vocabulary import BOS, PAD, SPECIALS
from tests.support import tiny
from tests.support.experts import best_next


@pytest.mark.parametrize(("coin", "feed"), list(product(get_args(Coin), get_args(Feed))))
@pytest.mark.parametrize("epsilon", [0.0, 0.4, 1.0])
def test_the_loop_feeds_what_the_package_feeds(coin: Coin, feed: Feed, epsilon: float) -> None:
    model, batch = tiny.model(), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    predict = model.predictor(memory)

    def step(token: Tensor, state: tuple[int, object]) -> tuple[Tensor, tuple[int, object]]:
        position, hidden = state
        logits, hidden, _ = predict(token, hidden, position)
        return logits, (position + 1, hidden)

    ids = {"bos": BOS, "pad": PAD, "reserved": len(SPECIALS)}
    found = decoder_inputs(
        step, (0, memory.initial), batch.target, epsilon, coin=coin, feed=feed, seed=3, index=7, **ids
    )
    expected = scheduled_inputs(
        model, memory, batch.target, epsilon, tiny.strategy(coin, feed), draw(batch.target, coin, 3, 7)
    )
    for ours, theirs in zip(found[:4], expected[:4], strict=True):
        assert torch.equal(ours, theirs)
    if epsilon == 1:
        assert torch.equal(found.tokens, teacher_forced_inputs(batch.target))


def test_an_epsilon_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="give a probability"):
        decoder_inputs(lambda token, state: (token, state), None, torch.ones(1, 1).long(), 1.5, bos=0, pad=2)


@pytest.mark.parametrize("part", [{"coin": "prefix"}, {"feed": "mask"}])
def test_a_part_that_a_model_of_ones_own_has_not_is_refused(part: dict[str, str]) -> None:
    (name,) = part
    with pytest.raises(ValueError, match=f"unknown {name} .*known: "):
        decoder_inputs(lambda token, state: (token, state), None, torch.ones(1, 1).long(), 0.5, bos=0, pad=2, **part)


def test_expert_labels_keep_the_edits_fewest_whatever_the_ids_are() -> None:
    generator = torch.Generator().manual_seed(0)
    eos, pad, bos = 0, 9, 5
    target = torch.randint(1, 9, (20, 7), generator=generator)
    for row in range(20):
        end = row % 6 + 1
        target[row, end], target[row, end + 1 :] = eos, pad
    inputs = torch.randint(0, 9, (20, 7), generator=generator)
    inputs[:, 0] = bos
    labels = expert_labels(target, inputs, eos=eos, pad=pad)
    begun_by_eos = inputs.clone()
    begun_by_eos[:, 0] = eos
    assert torch.equal(expert_labels(target, begun_by_eos, eos=eos, pad=pad).tokens, labels.tokens)
    logits = torch.randn(20, 7, 10, generator=generator)
    nats = []
    for row in range(20):
        answer = target[row][: row % 6 + 1].tolist()
        for t in range(len(answer) + 1):
            fed = inputs[row, 1 : t + 1].tolist()
            assert bool(labels.counted[row, t]) == (eos not in fed)
            if eos not in fed:
                best = best_next(fed, [answer], eos)
                assert {*labels.tokens[labels.positions == row * 7 + t].tolist()} == best
                nats.append(-logits[row, t].log_softmax(0)[[*best]].mean())
    assert float(labels.loss(logits)) == pytest.approx(float(torch.stack(nats).mean()), rel=1e-5)


@pytest.mark.parametrize(("target", "pad"), [([[3, 4, 0]], 0), ([[3, 0, 9], [3, 4, 5]], 9)])
def test_a_target_without_an_end_or_padded_by_it_is_refused(target: list[list[int]], pad: int) -> None:
    ids = torch.tensor(target)
    with pytest.raises(ValueError, match="needs an eos"):
        expert_labels(ids, ids, eos=0, pad=pad)
