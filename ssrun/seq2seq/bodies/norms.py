"""Norms of a recurrent decoder: of each layer's output, before its dropout mask. The recurrence is not normed."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from ssrun.config.run import NormName

MOMENTUM = 0.1  # of the running statistics: the share of the newest


class LayerNorm(nn.LayerNorm):
    """Each vector by its own mean and deviation (Ba et al. 2016): the same in training and at test."""

    def of(self, hidden: Tensor, training: bool) -> Tensor:
        return cast("Tensor", self(hidden))


class BatchNorm(nn.Module):
    """Each unit by its mean and deviation over all positions and sequences (Ioffe and Szegedy 2015).

    In a decoder this is a trap, built as people build it, to be looked at. In training the statistics are those of what
    is computed at once. Of a pass over whole sequences that is every position, those after a sequence's end too: its
    logits depend on later positions, on other sequences and on padding. Of a walk, which chooses inputs or learns
    through them, it is one position alone. So the two are not one function; and neither is that of the test, where
    running statistics serve, a mean of those of what was learned from. What is computed without gradient leaves these
    as they are.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(hidden)), nn.Parameter(torch.zeros(hidden))
        self.register_buffer("running_mean", torch.zeros(hidden))
        self.register_buffer("running_variance", torch.ones(hidden))

    def of(self, hidden: Tensor, training: bool) -> Tensor:
        """Of outputs [..., H]; in training by the statistics of all of them."""
        kept = not training or torch.is_grad_enabled()
        mean, variance = (self.running_mean, self.running_variance) if kept else (None, None)
        flat, learned = hidden.flatten(0, -2), (self.weight, self.bias)
        return nn.functional.batch_norm(flat, mean, variance, *learned, training, MOMENTUM).view_as(hidden)


Norm = LayerNorm | BatchNorm
NORMS: dict[NormName, Callable[[int], Norm | None]] = {"none": lambda _: None, "layer": LayerNorm, "batch": BatchNorm}
