"""The learning rate, against closed forms at every step."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from ssrun.config.run import RateDecay, TrainingConfig
from ssrun.seq2seq.learning_rate import DECAYS, learning_rate

STEPS = 20


def rates(**fields: object) -> list[float]:
    training = TrainingConfig.model_validate({"steps": STEPS, "learning_rate": 0.5, **fields})
    return [learning_rate(step, training) for step in range(STEPS)]


def test_every_decay_has_its_function() -> None:
    assert tuple(DECAYS) == get_args(RateDecay)


def test_without_warm_up_and_decay_the_rate_is_the_same_number_at_every_step() -> None:
    assert rates() == [0.5] * STEPS


@pytest.mark.parametrize("warmup", [0, 1, 4, STEPS, 3 * STEPS])
@pytest.mark.parametrize(
    ("decay", "share"),
    [
        ("none", lambda i, w: 1),
        ("linear", lambda i, w: 1 - (i - w) / (STEPS - w)),
        ("cosine", lambda i, w: math.cos(math.pi / 2 * (i - w) / (STEPS - w)) ** 2),
        ("inverse-sqrt", lambda i, w: (max(w, 1) / (i + 1)) ** 0.5),
    ],
)
def test_the_rate_rises_in_a_line_and_falls_as_its_decay_says(decay: str, share: object, warmup: int) -> None:
    assert callable(share)
    expected = [(i + 1) / warmup if i < warmup else share(i, warmup) for i in range(STEPS)]
    found = rates(decay=decay, warmup=warmup)
    assert found == pytest.approx([0.5 * part for part in expected])
    assert min(found) > 0


@pytest.mark.parametrize("decay", DECAYS)
def test_a_decay_that_is_not_stretched_over_the_run_is_the_same_however_long_it_is(decay: RateDecay) -> None:
    shorter, longer = (rates(decay=decay, warmup=3, steps=steps) for steps in (STEPS, 3 * STEPS))
    assert (shorter == longer) is not DECAYS[decay].stretched
