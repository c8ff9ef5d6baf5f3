"""A training step with K parallel passes in place of the walk, on one thread; part of `make bench`.

Steps of both kinds take turns on the same batches, so that what else the machine does falls on both alike. Seconds are
the processor's; a ratio is the median over the pairs.
"""

from __future__ import annotations

import time
from statistics import median

import torch

from ssrun.config.resolution import resolve
from ssrun.seq2seq.training import train
from tests.bench.steps import LENGTH, PAIRS, WARM_UP, configuration, fresh, prepared

PASSES = (1, 2, 4, LENGTH)


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    print(f"targets of {LENGTH} tokens, epsilon 0.5, batch 64: a step with K passes, over one with the walk")
    for units in (64, 128):
        walks = configuration(units, "dot", 0.5)
        turns = {0: train(*fresh(walks), prepared(walks), walks)}
        for passes in PASSES:
            config = resolve("reverse", "uniform", 0, [walks.settings, {"strategy": {"passes": passes}}])
            turns[passes] = train(*fresh(config), prepared(config), config)
        taken: dict[int, list[float]] = {passes: [] for passes in turns}
        for number in range(WARM_UP + PAIRS):
            for passes, steps in turns.items():
                start = time.process_time()
                next(steps)
                if number >= WARM_UP:
                    taken[passes].append(time.process_time() - start)
        for passes in PASSES:
            ratio = median(a / b for a, b in zip(taken[passes], taken[0], strict=True))
            times = f"{1e3 * median(taken[passes]):.2f}, {1e3 * median(taken[0]):.2f} ms"
            print(f"{units:>5} units  K = {passes:>2}  {ratio:5.2f}  {times}")


if __name__ == "__main__":
    main()
