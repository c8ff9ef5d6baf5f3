"""What a file of an experiment may say, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.config.claims import Claim, Operand
from ssrun.config.experiment import parse_seeds
from ssrun.config.loading import load_plan
from ssrun.errors import UsageError
from tests.support.own_experiment import CLAIM, OWN


def refused(tmp_path: Path, text: str, name: str = "x") -> str:
    """What is said of a file with this text, without the file's name."""
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        load_plan(str(path)).runs()
    message = str(error.value)
    assert "\n" not in message
    where, _, rest = message.partition(": ")
    assert where in (str(path), name)
    return rest


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0..3", (0, 1, 2, 3)), (" 2 .. 4 ", (2, 3, 4)), ("5", (5,)), ("7,1 , 3", (7, 1, 3)), (4, (4,)), ([2, 0], (2, 0))],
)
def test_seeds_are_a_range_or_a_list_or_one(text: object, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    ["", "a", "3..1", "1..", "0..100000", "-1", "1,1", "1,,2", "1.5", [], [0, 0], None, True, {"a": 1}, "1 2", "0-3"],
)
def test_seeds_that_are_none_are_refused_with_the_form(text: object) -> None:
    with pytest.raises(ValueError, match=r"0\.\.4|seeds|twice"):
        parse_seeds(text)


MINIMAL = 'question = "?"\ntasks = ["reverse"]\nstrategies = ["teacher-forcing", "linear"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('tasks = ["copy"]\nstrategies = ["linear"]\n', "question: field required"),
        (MINIMAL + "seed = 3\n", "seed: unknown field 'seed': did you mean 'seeds'? "),
        (MINIMAL + "[modle]\nhidden = 3\n", "modle: unknown field 'modle': did you mean 'model'? "),
        (MINIMAL + "[model]\nhiden = 3\n", "model.hiden: unknown field 'hiden': did you mean 'hidden'? "),
        (MINIMAL + "[task]\nlenth = 3\n", "task.lenth: unknown field 'lenth': did you mean 'length'? "),
        (MINIMAL + "[strategy]\nk = 3\n", "strategy.k: unknown field 'k': known: "),
        (MINIMAL + 'metrics = ["blue"]\n', "unknown metric 'blue': did you mean 'bleu'? "),
        (MINIMAL + 'metrics = ["validity"]\n', "no task of the grid has the metric 'validity': choose another"),
        (MINIMAL + 'metrics = ["steps_to_reach"]\n', "steps_to_reach: say which loss: [reach] metric, value"),
        (MINIMAL + 'name = "y"\n', "name: an experiment is named by its file: leave it out"),
        (MINIMAL + "question = ", "not TOML: "),
        (MINIMAL + "x = " + "[" * 5000, "not TOML: "),
        (MINIMAL.replace('["reverse"]', "[]"), "tasks: give at least one"),
        (MINIMAL.replace('["reverse"]', '["reverse", "reverse"]'), "tasks: a name is given twice"),
        (MINIMAL.replace('["reverse"]', "3"), "tasks = 3: input should be a valid dictionary"),
        (MINIMAL.replace('"reverse"', '"revers"'), "unknown task 'revers': did you mean 'reverse'? "),
        (MINIMAL.replace('"linear"', '"liner"'), "unknown strategy 'liner': did you mean 'linear'? "),
        (MINIMAL.replace('["reverse"]', '{"../x" = {base = "copy"}}'), "tasks: '../x' cannot name a folder: "),
        (MINIMAL.replace('["reverse"]', '{x = {base = "copi"}}'), "unknown task 'copi': did you mean 'copy'? "),
        (
            'question = "?"\ntasks = ["copy"]\nstrategies = {linear = {over = 2, half_at = 0.3}}\n',
            "strategy linear: unknown field 'half_at': known: ",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_one_line_with_the_file_the_place_and_the_remedy(
    tmp_path: Path, text: str, message: str
) -> None:
    said = refused(tmp_path, text)
    assert said.startswith(message)
    assert said.count(":") >= 1 or "give" in said


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('order = "early late"', "claims.0: order = 'early late' has no direction: write it like "),
        ('order = "early >"', "claims.0: order = 'early >' has no direction"),
        ('order = "early > lat"', "claim 'Earlier is better.': unknown strategy 'lat': did you mean 'late'? "),
        ('order = "early @ shor > late"', "claim 'Earlier is better.': unknown task 'shor': did you mean"),
        ('metric = "blue"', "claims.0: unknown metric 'blue': did you mean 'bleu'? "),
        ('task = "longer"', "claim 'Earlier is better.': unknown task 'longer': "),
        ("by = -1", "claims.0.by = -1: input should be greater than or equal to 0"),
        ('text = ""', "claims.0.text = '': string should have at least 1 character"),
        ('direction = "up"', "claims.0.direction: unknown field 'direction': known: text, source, "),
    ],
)  # fmt: skip
def test_a_claim_on_what_the_grid_lacks_is_refused(tmp_path: Path, line: str, message: str) -> None:
    key = line.partition(" ")[0]
    kept = [given for given in CLAIM.strip().splitlines() if given.partition(" ")[0] != key]
    assert refused(tmp_path, OWN.replace(CLAIM, "\n".join([*kept, line]))).startswith(message)


def test_a_claim_without_a_task_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, OWN.replace('task = "short"', ""))
    assert said == "claims.0: order = 'early > late' names no task: give task = '...'"


def test_a_claim_may_be_a_chain_and_go_across_tasks() -> None:
    chain = Claim(text="t", metric="bleu", task="x", order="a < b<c @ y > d")
    assert chain.comparisons() == [
        (Operand("a", "x"), Operand("b", "x"), "lower"),
        (Operand("b", "x"), Operand("c", "y"), "lower"),
        (Operand("c", "y"), Operand("d", "x"), "higher"),
    ]


def test_a_claim_needs_two_seeds(tmp_path: Path) -> None:
    text = OWN.replace('"3..5"', "[3]")
    assert refused(tmp_path, text) == "claims need at least two seeds: give more, like --seeds 0..5"
    assert len(load_plan(str(tmp_path / "x.toml"), seeds="0..5").runs()) == 24, "the remedy that is named is one"
    assert len(load_plan(str(tmp_path / "x.toml"), smoke=True).runs()) == 4
