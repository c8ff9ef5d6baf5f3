"""list and schedule: all there is, with what it says of itself."""

from __future__ import annotations

import json
import math
import re

import pytest

from ssrun.config.loading import load, names
from ssrun.config.settable import experiment_fields, settings
from ssrun.metrics import METRICS
from ssrun.strategies import STRATEGIES
from ssrun.tasks import TASKS
from tests.support.in_process import document, python, ssrun


@pytest.mark.parametrize(
    ("what", "known"),
    [
        ("tasks", list(TASKS)),
        ("strategies", list(STRATEGIES)),
        ("metrics", list(METRICS)),
        ("experiments", names()),
        ("fields", [setting.path for setting in settings()]),
        ("experiment-fields", [setting.path for setting in experiment_fields()]),
    ],
)
def test_list_shows_all_there_is(what: str, known: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert [row["name"] for row in document("list", what)] == known
    text = ssrun("list", what).out
    assert [line.partition("\t")[0] for line in text.splitlines()] == known, "in a pipe a line an entry"
    assert not re.search(r"[ \t]$|   ", text, re.MULTILINE)
    assert ssrun("list", what, "--names").out.split() == list(dict.fromkeys(known))
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda console: True))
    screen = ssrun("list", what).out
    assert all(re.search(rf"^\W*{name}\b", re.sub(r"\x1b\[[0-9;]*m", "", screen), re.MULTILINE) for name in known)
    assert "Range(" not in text
    assert "None" not in text


def test_list_strategies_says_which_the_papers_uniform_row_is() -> None:
    rows = {row["name"]: row for row in document("list", "strategies")}
    assert "this IS the paper's row 'Uniform Scheduled Sampling' (Table 1)" in rows["uniform-token"]["about"]
    assert "NOT the paper's row 'Uniform Scheduled Sampling'" in rows["uniform"]["about"]
    assert all(row["formula"] and row["source"] for row in rows.values())
    flat = " ".join(ssrun("list", "strategies").out.split())
    assert all(row["formula"] in flat or " ".join(row["formula"].split()) in flat for row in rows.values())


def test_json_has_numbers_as_numbers_and_fields_as_objects() -> None:
    rows = {row["name"]: row for row in document("list", "strategies")}
    assert rows["uniform"]["parameters"] == {"value": 0.5}
    tasks = {row["name"]: row for row in document("list", "tasks")}
    assert tasks["any-order"]["fields"]["symbols"] == 12
    assert (tasks["copy"]["fields"]["length"], tasks["copy"]["fields"]["test_length"]) == ("4..15", None)
    minutes = {row["name"]: row["minutes"] for row in document("list", "experiments")}
    assert minutes["default"] == load("default").minutes
    fields = {row["name"]: row for row in document("list", "fields")}
    assert fields["model.attention"]["choices"] == ["none", "dot", "general", "aligned"]


def test_several_schedules_are_one_drawing_with_a_legend_and_a_list_in_json() -> None:
    names = ["linear", "exponential", "inverse-sigmoid", "teacher-forcing"]
    told = document("schedule", ",".join(names), "--steps", 500, "--set", "half_at=0.25")
    assert [(curve["name"], curve["steps"]) for curve in told] == [(name, 500) for name in names]
    assert [curve["half_share"] for curve in told] == [0.5, pytest.approx(0.25), pytest.approx(0.25), None]
    assert told[0] == document("schedule", "linear", "--steps", 500)
    lines = ssrun("schedule", ",".join(names), "--steps", 500).out.splitlines()
    assert len(lines) <= 23
    signs = [next(line[0] for line in lines if line[3:].startswith(f"{name} ")) for name in names]
    drawing = "".join(line[9:] for line in lines[1:12])
    assert len(set(signs)) == len(names)
    assert all(sign in drawing for sign in signs)
    assert next(line for line in lines if "teacher-forcing" in line).split()[-2:] == ["never", "1.000"]


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
        (("linear", "--set", "over=0.5,1"), "2 values: give one"),
        (("linear,liner",), "did you mean 'linear'"),
        (("linear,linear",), "linear,linear: a name is given twice: give it once"),
        (("linear,uniform", "--set", "half_at=0.3"), "--set half_at: none of these schedules has such a field"),
        (("linear,exponential,inverse-sigmoid,switch,cycle,uniform,constant",), "7 curves: one drawing has room for 6"),
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
