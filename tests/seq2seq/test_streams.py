"""Every draw is a function of the seed, the purpose and the index, and of nothing else."""

from __future__ import annotations

from itertools import product
from typing import get_args

import torch

from ssrun.seq2seq import streams
from ssrun.seq2seq.streams import Purpose

KEYS = list(product((0, 1, 10, 2**31 - 1), get_args(Purpose), (0, 1, 10, 11, 10**9)))


def test_no_two_keys_share_a_stream() -> None:
    assert len({streams.key(*key) for key in KEYS}) == len(KEYS)
    assert len({streams.random(*key).random() for key in KEYS}) == len(KEYS)
    drawn = {torch.rand(1, generator=streams.generator(*key), dtype=torch.double).item() for key in KEYS}
    assert len(drawn) == len(KEYS)


def test_a_key_fits_a_generator_and_is_the_same_on_every_machine() -> None:
    assert all(0 <= streams.key(*key) < 2**63 for key in KEYS)
    assert streams.key(0, "init") == 0xD360C57DDD95A226 >> 1  # printf 0/init/0 | sha256sum


def test_a_stream_begins_anew_each_time_and_leaves_the_global_ones_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, other = (torch.rand(5, generator=streams.generator(1, "coin", 2)) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal(torch.rand(3), expected)
    assert [streams.random(1, "data", 2).random() for _ in range(2)] == [streams.random(1, "data", 2).random()] * 2
