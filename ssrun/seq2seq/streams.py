"""Common random numbers: every draw is a function of (seed, purpose, index) and of nothing else.

There is no generator state to carry, to checkpoint or to get out of step: what step 17 draws as its coins
is known without running steps 0 to 16. Neither the strategy's name nor the task's is part of the key, so
all strategies of one task and seed start from the same weights, see the same batches and toss the same coins.

Purposes: `init` (weights), `data` (fresh pairs), `order` (of pairs and batches), `dropout`, `coin`, `sample`,
`gumbel` (noise on logits, where gradient flows through what is fed), `discriminator` (its weights), `professor` (the
samples that it sees), `skip-gram`, `noise` (words of negative sampling).
"""

from __future__ import annotations

import hashlib
from random import Random
from typing import Literal

import torch

Purpose = Literal[
    "init", "data", "order", "dropout", "coin", "sample", "gumbel", "discriminator", "professor", "skip-gram", "noise"
]


def key(seed: int, purpose: Purpose, index: int = 0) -> int:
    """63 bits of sha256 over the key's text."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def random(seed: int, purpose: Purpose, index: int = 0) -> Random:
    return Random(key(seed, purpose, index))


def generator(seed: int, purpose: Purpose, index: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(key(seed, purpose, index))
