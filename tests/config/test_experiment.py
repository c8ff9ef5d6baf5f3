"""What a file of an experiment may say, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.config.claims import Claim, Operand
from ssrun.config.experiment import metric_named
from ssrun.config.grid import named, parse_seeds, swept
from ssrun.config.loading import load, load_plan
from ssrun.config.overrides import parse_settings
from ssrun.config.plan import Plan
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
    [("0..1,7", (0, 1, 7)), (" 2 .. 4 ", (2, 3, 4)), ("5", (5,)), ("7,1 , 3", (7, 1, 3)), (4, (4,)), ([2, 0], (2, 0))],
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
        ('tasks = ["copy"]\n', "strategies: field required"),
        (MINIMAL + "seed = 3\n", "seed: unknown field 'seed': did you mean 'seeds'? "),
        (MINIMAL + "[modle]\nhidden = 3\n", "modle: unknown field 'modle': did you mean 'model'? "),
        (MINIMAL + "[model]\nhiden = 3\n", "model.hiden: unknown field 'hiden': did you mean 'hidden'? "),
        (MINIMAL + "[task]\nlenth = 3\n", "task.lenth: unknown field 'lenth': did you mean 'length'? "),
        (MINIMAL + "[strategy]\nk = 3\n", "strategy.k: unknown field 'k': known: "),
        (MINIMAL + 'metrics = ["blue"]\n', "unknown metric 'blue': did you mean 'bleu'? "),
        (MINIMAL + 'metrics = ["validity"]\n', "no task of the grid has the metric 'validity': choose another"),
        (MINIMAL + '[reach]\nmetric = "validity"\nvalue = 9\n', "reach.metric: reverse: unknown validation metric"),
        (MINIMAL + '[reach]\nmetric = "bleu"\nvalue = 0\n', "reach: value = 0: bleu lies from 0 to 100: "),
        (MINIMAL + 'metrics = ["steps_to_reach"]\n', "steps_to_reach: say which score: [reach] metric, value"),
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
        ('to = "up"', "claims.0.to: unknown field 'to': known: text, source, "),
        ('order = "early = late"', "claims.0: order = 'early = late' says =: say how far apart still counts: within "),
        ("within = 1.0", "claims.0: within = 1: nothing is = in the order: leave it out, or write a = b"),
        ("within = 0", "claims.0.within = 0: input should be greater than 0"),
        ('order = "early = late"\nwithin = 1.0', "claims.0: by = 0.5: nothing is < or > in the order: leave it out"),
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


def test_a_claim_may_say_that_there_is_no_difference_in_a_chain_too() -> None:
    chain = Claim(text="t", metric="bleu", task="x", order="a = b < c", within=1.0, by=0.5)
    assert [relation for _, _, relation in chain.comparisons()] == ["equal", "lower"]


def test_one_seed_may_be_tried_though_it_settles_no_claim(own: Path) -> None:
    assert len(load_plan(str(own), seeds="3").runs()) == 4


def test_a_file_needs_tasks_and_strategies_alone(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text('tasks = ["copy"]\nstrategies = ["linear"]\n', encoding="utf-8")
    assert load_plan(str(tmp_path / "short.toml")).experiment.question == "short: how do its strategies compare?"


def test_all_that_is_wrong_in_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(MINIMAL.replace('"?"', '""') + 'seeds = "4..0"\nmodle = 3\n', encoding="utf-8")
    with pytest.raises(UsageError) as error:
        load_plan(str(path))
    first, *others = (str(error.value), *error.value.more)
    assert first.startswith(f"{path}: question = '': ")
    assert [line.split(": ")[1] for line in others] == ["seeds", "modle"]


def test_a_metric_is_known_by_its_name_and_by_its_heading() -> None:
    assert [metric_named(text) for text in ("BLEU", " Free Loss ", "exact %", "F1 %", "bleu")] == [
        "bleu", "free_running_loss", "exact_match", "bracket_f1", "bleu"
    ]  # fmt: skip


# Sweeps

SWEPT = MINIMAL + '[sweep]\n"model.hidden" = [32, 64]\ntask.length = ["4..5", "6..7"]\n'


def test_a_sweep_makes_a_task_of_each_setting_with_every_strategy_beside_its_baseline(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(SWEPT, encoding="utf-8")
    plan = load_plan(str(tmp_path / "x.toml"))
    names = [f"reverse-hidden-{hidden}-length-{length}" for hidden in (32, 64) for length in ("4..5", "6..7")]
    assert list(plan.experiment.cells) == names
    for name, config in plan.runs():
        assert f"hidden-{config.model.hidden}-length-{'..'.join(map(str, config.task.length))}" in name.task  # type: ignore[attr-defined]
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_budgets_and_a_map_are_sweeps_that_say_what_they_are(tmp_path: Path) -> None:
    def cells(text: str) -> dict[str, dict[str, object]]:
        (tmp_path / "x.toml").write_text(text, encoding="utf-8")
        return {name: cell.settings for name, cell in load(str(tmp_path / "x.toml")).grid.items()}

    assert cells("budgets = [500, 1000]\n" + MINIMAL) == {
        "reverse-steps-500": {"training.steps": 500},
        "reverse-steps-1000": {"training.steps": 1000},
    }
    squares = cells(MINIMAL + "[vary]\nmodel.dropout = [0, 0.2]\nstrategy.half_at = [0.4, 0.6]\n")
    assert list(squares.values()) == [
        {"model.dropout": dropout, "strategy.half_at": half_at} for dropout in (0, 0.2) for half_at in (0.4, 0.6)
    ]
    assert "vary: 1 field: a map has two" in refused(tmp_path, MINIMAL + "[vary]\nmodel.dropout = [0, 0.2]\n")
    twice = "budgets = [5, 6]\n" + MINIMAL + "[sweep]\ntraining.steps = [7, 8]\n"
    assert "training.steps is swept already" in refused(tmp_path, twice)


def test_a_sweep_on_the_command_line_is_the_files_and_stronger_than_it(tmp_path: Path) -> None:
    (tmp_path / "swept.toml").write_text(SWEPT, encoding="utf-8")
    (tmp_path / "plain.toml").write_text(MINIMAL, encoding="utf-8")
    overrides = parse_settings(["model.hidden=32,64", 'task.length="4..5",6..7'], sweep=True)
    by_file, told = (load_plan(str(tmp_path / name), overrides=given) for name, given in
                     (("swept.toml", None), ("plain.toml", overrides)))  # fmt: skip
    assert told.runs() == by_file.runs()
    assert told.overrides == {"model": {}, "task": {}}
    fixed = load_plan(str(tmp_path / "swept.toml"), overrides={"model": {"hidden": 8}})
    assert list(fixed.experiment.cells) == ["reverse-length-4..5", "reverse-length-6..7"]


def test_a_sweep_is_stronger_than_a_strategys_entry_and_smoke_is_stronger_than_the_files(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    entry = "{teacher-forcing = {}, linear = {model.hidden = 3}}"
    swept = "[sweep]\nmodel.hidden = [5, 6]\ntraining.steps = [100, 200]\n"
    path.write_text(MINIMAL.replace('["teacher-forcing", "linear"]', entry) + swept, encoding="utf-8")
    smoke = load_plan(str(path), smoke=True)
    assert list(smoke.experiment.cells) == ["reverse-hidden-5", "reverse-hidden-6"]
    assert {(run.config.model.hidden, run.config.training.steps) for run in smoke.runs()} == {(5, 20), (6, 20)}
    told = load_plan(str(path), smoke=True, overrides=parse_settings(["training.steps=3,4"], sweep=True))
    assert {run.config.training.steps for run in told.runs()} == {3, 4}


def test_only_the_tasks_that_have_the_field_are_swept_and_two_sections_are_told_apart() -> None:
    tasks = {"wide": {"base": "frames"}, "captions": {}}
    assert list(swept(tasks, {"task.labels": [2, 3]})) == ["wide-labels-2", "wide-labels-3", "captions"]
    assert named("model.x_y", 0.5, {"model.x_y": [], "task.x_y": []}) == "model.x-y-0.5"
    assert named("task.path", "../a b", {"task.path": []}) == "path-..-a-b"


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("model.hiden = [3, 4]", "model.hiden: unknown field 'hiden': did you mean 'hidden'? "),
        ("modle.hidden = [3, 4]", "sweep: 'modle.hidden': no task here has such a field: see `ssrun list fields`"),
        ("task.labels = [3, 4]", "sweep: 'task.labels': no task here has such a field"),
        ("strategy.ovr = [3, 4]", "strategy.ovr: unknown field 'ovr': did you mean 'over'? "),
        ("model.hidden = [3, 3]", "sweep: model.hidden: a value is given twice"),
        ("model.hidden = []", "sweep.model.hidden = []: list should have at least 1 item"),
        ("model.hidden = 3", "sweep.model.hidden = 3: input should be a valid list"),
        ("hidden = [3]", "sweep: 'hidden': no task here has such a field"),
        ('model.attention = ["do"]', "model.attention = 'do': input should be 'none', 'dot', 'general' or 'aligned'"),
        ('model.attention = ["' + "x" * 80 + '"]', "sweep: 'reverse-attention-xxx"),
        ("model.hidden = [" + ",".join(map(str, range(1, 1000))) + "]\nmodel.layers = " + str([*range(200)]),
         "sweep: more than 100,000 settings: take fewer values"),
    ],
)  # fmt: skip
def test_a_wrong_sweep_is_refused_in_one_line(tmp_path: Path, sweep: str, message: str) -> None:
    assert refused(tmp_path, MINIMAL + "[sweep]\n" + sweep).startswith(message)


def test_a_sweep_without_effect_is_refused(tmp_path: Path) -> None:
    text = 'match = "mean-epsilon"\n' + MINIMAL + "[sweep]\nstrategy.over = [0.5, 1]\n"
    said = refused(tmp_path, text)
    assert said == "reverse-over-0.5 and reverse-over-1 are the same runs: nothing in them depends on what differs"
