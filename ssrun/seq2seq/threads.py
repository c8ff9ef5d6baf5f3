"""How many threads compute a run's numbers: one."""

from __future__ import annotations

import torch


def use_one_thread() -> None:
    """Tells torch, for the whole process, to compute on one thread.

    How a sum of floats is rounded depends on how it is split among threads: a run must be the same on every machine.
    Many runs at once, one on each core, use the cores better anyhow.
    """
    torch.set_num_threads(1)
