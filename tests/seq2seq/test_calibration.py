"""The expected calibration error, against bins filled one position at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ssrun.seq2seq.calibration import Calibration


def one_by_one(logits: Tensor, target: Tensor, real: Tensor) -> float:
    """Guo et al. 2017, equations 2 and 3, in plain numbers."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for scores, label, counts in zip(logits.flatten(0, 1), target.flatten(), real.flatten(), strict=True):
        if counts:
            shares = [math.exp(score) for score in scores.tolist()]
            confidence = max(shares) / sum(shares)
            right = shares.index(max(shares)) == int(label)
            bins.setdefault(math.ceil(15 * confidence), []).append((confidence, right))
    n = sum(map(len, bins.values()))
    return 100 * sum(
        len(found) / n * abs(sum(right for _, right in found) - sum(share for share, _ in found)) / len(found)
        for found in bins.values()
    )


def drawn(seed: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(40, 9, 6, generator=generator, dtype=torch.double)
    target = torch.randint(0, 6, (40, 9), generator=generator)
    return logits, target, torch.rand(40, 9, generator=generator) < 0.7


@pytest.mark.parametrize("scale", [0.1, 1, 5])
def test_the_error_is_that_of_the_definition(scale: float) -> None:
    logits, target, real = drawn(0, scale)
    calibration = Calibration()
    calibration.add(logits, target, real)
    assert calibration.error == pytest.approx(one_by_one(logits, target, real), rel=1e-9)
    assert 0 < calibration.error < 100


def test_batches_add_up_and_padding_counts_nothing() -> None:
    logits, target, real = drawn(1, 2)
    apart, together = Calibration(), Calibration()
    together.add(logits, target, real)
    for rows in (slice(0, 13), slice(13, 40)):
        apart.add(logits[rows], torch.where(real, target, -1)[rows], real[rows])
    assert apart.error == pytest.approx(together.error)


def test_labels_drawn_as_the_model_says_are_calibrated_and_certainty_that_is_wrong_is_not() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(1, 50_000, 5, generator=generator)
    labels = torch.multinomial(logits[0].softmax(-1), 1, generator=generator).T
    honest, wrong = Calibration(), Calibration()
    honest.add(logits, labels, torch.ones(1, 50_000, dtype=torch.bool))
    assert honest.error < 1.5
    certain = torch.zeros(1, 4, 5)
    certain[..., 2] = 1000
    wrong.add(certain, torch.zeros(1, 4, dtype=torch.long), torch.ones(1, 4, dtype=torch.bool))
    assert wrong.error == 100


def test_a_model_that_is_no_number_any_more_has_no_calibration_and_no_crash() -> None:
    calibration = Calibration()
    calibration.add(torch.full((1, 2, 3), torch.nan), torch.zeros(1, 2, dtype=torch.long), torch.ones(1, 2).bool())
    assert math.isnan(calibration.error)


def test_the_last_bin_ends_with_certainty() -> None:
    logits = torch.tensor([[[1000.0, 0.0], [math.log(19), 0.0]]], dtype=torch.double)  # 1 and 0.95
    calibration = Calibration()
    calibration.add(logits, torch.tensor([[1, 0]]), torch.ones(1, 2, dtype=torch.bool))
    assert calibration.error == pytest.approx(100 * abs((1 + 0.95) / 2 - 1 / 2)), "one bin, one of two right"
