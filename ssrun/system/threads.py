"""How many threads a process computes with: one, said at its door. Imports nothing, so that help stays instant."""

from __future__ import annotations

import os


def use_one_thread() -> None:
    """Keeps this process, and those that it starts, to one thread each; called at its door, before torch is imported.

    The order in which threads add reaches the last bit of a sum.
    """
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
