"""What commands share: completion of names, and lists that are given in parts."""

from __future__ import annotations

import pytest

from ssrun.cli.options import completed
from ssrun.strategies import SCHEDULES, STRATEGIES
from ssrun.tasks import TASKS
from tests.support.in_process import ssrun


@pytest.mark.parametrize(
    ("kind", "typed", "offered"),
    [
        ("tasks", "re", ["reverse"]),
        ("tasks", "", list(TASKS)),
        ("strategies", "linear,in", ["linear,inverse-sigmoid"]),
        ("strategies", "x", []),
        (
            "metrics",
            "bleu,ex",
            [
                "bleu,exact_match",
                "bleu,exposure_gap",
                *(f"bleu,{name}" for name in ("expert_loss", "expert_error", "expert_choices", "excess_error")),
            ],
        ),
        ("experiments", "hu", ["huszar"]),
        ("schedules", "cons", ["constant"]),
        ("schedules", "", [*STRATEGIES, *(name for name in SCHEDULES if name not in STRATEGIES)]),
        ("formats", "m", ["markdown"]),
        (
            "lists",
            "",
            ["tasks", "strategies", "experiments", "metrics", "fields", "experiment-fields", "plugins", "runs"],
        ),
        ("figures", "finding,a", ["finding,attention"]),
        ("picture formats", "p", ["pdf", "png"]),
    ],
)
def test_completion_offers_what_begins_like_that(kind: str, typed: str, offered: list[str]) -> None:
    assert completed(kind)(typed) == offered


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
