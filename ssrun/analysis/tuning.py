"""What tuning was worth: the best that so many trials can be expected to give."""

from __future__ import annotations

from collections.abc import Sequence

from ssrun.metrics import METRICS


def expected_best(values: Sequence[float], trials: int, metric: str) -> float:
    """The mean of the best of `trials` values drawn from these, with replacement (Dodge et al. 2019, section 3).

    With the n values sorted, the worst first, it is the sum of v_i ((i / n)^k - ((i - 1) / n)^k) for k trials.

    Raises:
        ValueError: There is no value, or no trial.
    """
    if not values or trials < 1:
        raise ValueError("nothing was tried: give a value and a trial")
    n = len(values)
    worst_first = sorted(values, reverse=METRICS[metric].better == "lower")
    return sum(
        value * ((rank / n) ** trials - ((rank - 1) / n) ** trials) for rank, value in enumerate(worst_first, start=1)
    )


def budgets(most: int) -> list[int]:
    """Numbers of trials worth showing: 1, 2, 4 ... and all."""
    powers = [2**power for power in range(most.bit_length()) if 2**power < most]
    return [*powers, most] if most else []
