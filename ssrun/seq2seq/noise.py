"""Noise words: a word is told from a few that are drawn, not from all others (Mikolov et al. 2013, arXiv 1310.4546).

They are drawn from the unigram to the power 3/4, in O(1) a word whatever the vocabulary: by Walker's alias method, as
Vose 1991 builds its table.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

POWER = 0.75


class Noise(NamedTuple):
    """A distribution over V ids, and the table to draw from it: id v keeps a share of its slot, and its alias the rest.

    On the processor, where draws are made; each part is [V].
    """

    p: Tensor
    kept: Tensor
    alias: Tensor

    @classmethod
    def of(cls, counts: Tensor) -> Noise:
        """The noise of words that were counted so often, [V]; one that was never seen is never drawn."""
        weights = counts.cpu().double().pow(POWER)
        p = weights / weights.sum()
        shares, alias = (p * len(p)).tolist(), list(range(len(p)))
        small = [place for place, share in enumerate(shares) if share < 1]
        large = [place for place, share in enumerate(shares) if share >= 1]
        while small and large:
            low, high = small.pop(), large[-1]
            alias[low] = high
            shares[high] -= 1 - shares[low]
            if shares[high] < 1:
                small.append(large.pop())
        for place in (*small, *large):  # full, but for rounding
            shares[place] = 1.0
        return cls(p, torch.tensor(shares, dtype=torch.double), torch.tensor(alias))

    def draw(self, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Ids [size]; one uniform number each says the slot and which of its two ids."""
        place = torch.rand(size, dtype=torch.double, generator=generator) * len(self.p)
        slot = place.long()
        return torch.where(place - slot < self.kept[slot], slot, self.alias[slot])


def told_from_noise(right: Tensor, wrong: Tensor) -> Tensor:
    """-log sigmoid(right) - sum over K of log sigmoid(-wrong), [N], of scores [N] and those of noise [N, K]; nats."""
    return nn.functional.softplus(-right) + nn.functional.softplus(wrong).sum(-1)
