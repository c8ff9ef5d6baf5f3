"""What commands share: completion of names, and lists that are given in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ssrun.cli.catalogue import schedule_names
from ssrun.cli.options import completed, experiment_names, metric_names, strategy_names, task_names
from ssrun.strategies import SCHEDULES, STRATEGIES
from ssrun.tasks import TASKS
from tests.support.in_process import ssrun


@pytest.mark.parametrize(
    ("known", "typed", "offered"),
    [
        (task_names, "re", ["reverse"]),
        (task_names, "", list(TASKS)),
        (strategy_names, "linear,in", ["linear,inverse-sigmoid"]),
        (metric_names, "bleu,ex", ["bleu,exact_match", "bleu,exposure_gap"]),
        (experiment_names, "hu", ["huszar"]),
        (schedule_names, "con", ["constant"]),
        (schedule_names, "", [*STRATEGIES, *(name for name in SCHEDULES if name not in STRATEGIES)]),
        (strategy_names, "x", []),
    ],
)
def test_completion_offers_what_begins_like_that(
    known: Callable[[], Sequence[str]], typed: str, offered: list[str]
) -> None:
    assert completed(known)(typed) == offered


@pytest.mark.parametrize(
    ("option", "first", "second"),
    [
        ("--tasks", "copy", "reverse"),
        ("--strategies", "teacher-forcing", "linear"),
        ("--seeds", "0", "2,4"),
        ("--metrics", "bleu", "exact_match"),
    ],
)
def test_a_list_that_is_given_in_parts_adds_up(option: str, first: str, second: str) -> None:
    parts = ssrun("compare", "--dry-run", option, first, option, second).must(0)
    assert parts == ssrun("compare", "--dry-run", option, f"{first},{second}")
    assert parts != ssrun("compare", "--dry-run", option, second) or option == "--metrics"
