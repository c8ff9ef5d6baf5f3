"""The expected best of k trials is what drawing k of the values, again and again, gives."""

from __future__ import annotations

from itertools import product
from statistics import fmean

import pytest

from ssrun.analysis.tuning import budgets, expected_best


@pytest.mark.parametrize(("metric", "best"), [("bleu", max), ("decoding_error", min)])
@pytest.mark.parametrize("trials", [1, 2, 3])
def test_the_expected_best_is_the_mean_over_all_draws(metric: str, best: object, trials: int) -> None:
    values = [3.0, 1.0, 4.0, 1.0]
    draws = fmean(best(draw) for draw in product(values, repeat=trials))  # type: ignore[operator]
    assert expected_best(values, trials, metric) == pytest.approx(draws)


def test_many_trials_come_to_the_best_and_nothing_tried_is_refused() -> None:
    assert expected_best([3.0, 1.0, 4.0], 1000, "bleu") == pytest.approx(4.0)
    with pytest.raises(ValueError, match="nothing was tried"):
        expected_best([], 1, "bleu")


def test_numbers_of_trials_double_up_to_all() -> None:
    assert [budgets(most) for most in (0, 1, 2, 6, 8)] == [[], [1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]
