"""list and schedule: all there is, with what it says of itself."""

from __future__ import annotations

import json
import math
import re

import pytest

from ssrun.config.loading import names
from ssrun.metrics import METRICS
from ssrun.strategies import STRATEGIES
from ssrun.tasks import TASKS
from tests.support.in_process import document, python, ssrun


@pytest.mark.parametrize(
    ("what", "known"),
    [("tasks", list(TASKS)), ("strategies", list(STRATEGIES)), ("metrics", list(METRICS)), ("experiments", names())],
)
def test_list_shows_all_there_is(what: str, known: list[str]) -> None:
    assert [row["name"] for row in document("list", what)] == known
    text = ssrun("list", what).out
    assert all(re.search(rf"^{name}\b", text, re.MULTILINE) for name in known)
    assert "Range(" not in text
    assert "None" not in text


def test_list_strategies_says_which_the_papers_uniform_row_is() -> None:
    rows = {row["name"]: row for row in document("list", "strategies")}
    assert "this IS the paper's row 'Uniform Scheduled Sampling' (Table 1)" in rows["uniform-token"]["about"]
    assert "NOT the paper's row 'Uniform Scheduled Sampling'" in rows["uniform"]["about"]
    assert all(row["formula"] and row["source"] for row in rows.values())
    flat = " ".join(ssrun("list", "strategies").out.split())
    assert all(row["formula"] in flat or " ".join(row["formula"].split()) in flat for row in rows.values())


def test_fields_of_a_schedule_are_set_with_and_without_their_section() -> None:
    for setting in ("k=50", "strategy.k=50", " k =50"):
        assert document("schedule", "inverse-sigmoid", "--set", setting)["k"] == 50
    assert document("schedule", "constant", "--set", "value=0.25")["first"] == 0.25
    shifted = document("schedule", "uniform-token", "--steps", 300, "--set", "half_at=0.3")
    assert shifted["half_share"] == pytest.approx(0.3)
    far = document("schedule", "inverse-sigmoid", "--set", "k=1e12")["resolved"]["half_step"]
    assert far == pytest.approx(1e12 * math.log(1e12))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("invers-sigmoid",), "did you mean 'inverse-sigmoid'"),
        (("linear", "--set", "over"), "write it like --set half_at=0.3"),
        (("linear", "--set", "model.hidden=3"), "write it like --set half_at=0.3"),
        (("linear", "--set", "feed=argmax"), "epsilon does not depend on it"),
        (("linear", "--set", "ovr=1"), "did you mean 'over'"),
        (("linear", "--set", "start=2"), "start = 2: "),
        (("linear", "--steps", "0"), "--steps"),
    ],
)
def test_a_wrong_schedule_says_the_remedy_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    done = ssrun("schedule", *arguments).must(2)
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_schedule_is_drawn_without_torch() -> None:
    program = "import sys; from ssrun.__main__ import run; run(['schedule', 'linear']); print('torch' in sys.modules)"
    assert python("-c", program).stdout.splitlines()[-1] == "False"


def test_what_could_steer_a_terminal_is_escaped_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    from ssrun.cli.output import emit_json

    emit_json({"a\u202e": "\x1b[2J\x9b\x07 ε"})
    text = capsys.readouterr().out
    assert text.removesuffix("\n").isprintable()
    assert json.loads(text) == {"a\u202e": "\x1b[2J\x9b\x07 ε"}
