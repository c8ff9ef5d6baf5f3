"""Experiments: TOML in, cells out; and what the command line may change of them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrun.config.claims import Claim, Operand
from ssrun.config.experiment import Experiment, parse_seeds
from ssrun.config.loading import chosen, load, names, shard_of
from ssrun.errors import UsageError
from ssrun.strategies.schedules import Decay

CLAIM = """
[[claims]]
text = "Earlier is better."
source = "me"
metric = "bleu"
task = "short"
order = "early > late"
by = 0.5
"""
OWN = f"""
question = "Two variants of one strategy, on two tasks of my own?"
seeds = "3..5"
baseline = "late"
metrics = ["bleu", "decoding_error"]

[tasks]
short = {{ base = "reverse", task.length = "4..5", training.steps = 30 }}
long = {{ base = "copy", task.length = "6..8", model.hidden = 12 }}

[strategies]
late = {{ base = "inverse-sigmoid", half_at = 0.8 }}
early = {{ base = "inverse-sigmoid", half_at = 0.2, coin = "sequence" }}

[model]
embedding = 8

[training]
steps = 40
{CLAIM}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def refused(tmp_path: Path, text: str, name: str = "x") -> str:
    """What is said of a file with this text, without the file's name."""
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        load(str(path)).cells()
    message = str(error.value)
    assert "\n" not in message
    place, _, rest = message.partition(": ")
    assert place in (str(path), name)
    return rest


def test_a_file_of_the_users_own_is_the_grid_that_it_says(own: Path) -> None:
    experiment = load(str(own))
    cells = experiment.cells()
    assert experiment.name == "own"
    assert [(c.task, c.strategy, c.seed) for c in cells] == [
        (task, strategy, seed) for seed in (3, 4, 5) for task in ("short", "long") for strategy in ("late", "early")
    ]
    found = {(c.task, c.strategy): c.config for c in cells}
    assert {key: (c.task.name, c.model.hidden, c.training.steps) for key, c in found.items()} == {
        ("short", "late"): ("reverse", found["short", "late"].model.hidden, 30),
        ("short", "early"): ("reverse", found["short", "late"].model.hidden, 30),
        ("long", "late"): ("copy", 12, 40),
        ("long", "early"): ("copy", 12, 40),
    }
    assert {key: c.strategy.schedule.model_dump()["half_at"] for key, c in found.items()} == {
        ("short", "late"): 0.8, ("short", "early"): 0.2, ("long", "late"): 0.8, ("long", "early"): 0.2,
    }  # fmt: skip
    assert {(strategy, c.strategy.coin) for (_, strategy), c in found.items()} == {
        ("late", "token"), ("early", "sequence"),
    }  # fmt: skip
    assert {c.model.embedding for c in found.values()} == {8}


def test_every_run_of_a_grid_has_an_id_of_its_own_and_a_folder_of_its_own(own: Path) -> None:
    cells = load(str(own)).cells()
    assert len({cell.config.id for cell in cells}) == len(cells) == len({cell.name for cell in cells})


def test_an_experiment_comes_back_from_its_json_with_its_order(own: Path) -> None:
    experiment = load(str(own))
    text = json.dumps(experiment.model_dump(mode="json"), sort_keys=True)
    back = Experiment.model_validate(json.loads(text))
    assert back == experiment
    assert list(back.strategies) == ["late", "early"]
    assert [cell.config.id for cell in back.cells()] == [cell.config.id for cell in experiment.cells()]


@pytest.mark.parametrize("name", names())
def test_every_experiment_that_comes_along_resolves_and_says_its_minutes(name: str) -> None:
    experiment = load(name)
    cells = experiment.cells()
    assert len(cells) == len(experiment.tasks) * len(experiment.strategies) * len(experiment.seeds)
    assert experiment.question.endswith("?")
    assert experiment.minutes is not None
    assert experiment.minutes <= 10
    assert experiment.baseline in experiment.strategies
    assert name == "default" or len(experiment.seeds) >= 6
    assert set(experiment.published.rows if experiment.published else ()) <= set(experiment.strategies)
    smoke = chosen(name, smoke=True).cells()
    assert {(c.task, c.strategy) for c in smoke} == {(c.task, c.strategy) for c in cells}
    assert max(c.config.training.steps for c in smoke) <= 20


def test_the_default_experiment_is_the_54_runs_of_the_readme() -> None:
    experiment = load("default")
    assert (list(experiment.tasks), len(experiment.strategies)) == (["copy", "reverse", "translation"], 6)
    assert len(experiment.cells()) == 54
    assert names()[0] == "default"


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


def test_a_seed_beyond_the_generators_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"seeds\.0 = 9999999999: input should be less than or equal to 2147483647"):
        chosen("default", seeds="9999999999")


@pytest.mark.parametrize("mean", [0.3, 0.5, 0.7])
def test_matched_exposure_gives_every_decay_the_same_mean_epsilon(tmp_path: Path, mean: float) -> None:
    path = tmp_path / "matched.toml"
    path.write_text(
        'question = "?"\ntasks = ["reverse"]\nmatch = "mean-epsilon"\n'
        f"mean_epsilon = {mean}\n"
        "[strategies]\nteacher-forcing = {}\nlinear = {}\nexponential = {}\ninverse-sigmoid = {}\nswitch = {}\n"
        "[training]\nsteps = 500\n",
        encoding="utf-8",
    )
    means = {c.strategy: c.config.strategy.schedule.mean(500) for c in load(str(path)).cells() if c.seed == 0}
    decays = {c.strategy for c in load(str(path)).cells() if isinstance(c.config.strategy.schedule, Decay)}
    assert decays == {"linear", "exponential", "inverse-sigmoid"}
    assert {name: means[name] for name in decays} == pytest.approx(dict.fromkeys(decays, mean), abs=2e-3)
    assert (means["teacher-forcing"], means["switch"]) == (1.0, 0.5)


def test_an_exposure_that_no_field_can_give_is_refused(tmp_path: Path) -> None:
    grid = 'tasks = ["copy"]\n[strategies]\nlinear = {start = 0.5}\n'
    text = f'question = "?"\nmatch = "mean-epsilon"\nmean_epsilon = 0.9\n{grid}'
    assert refused(tmp_path, text).startswith("match: no over gives linear a mean epsilon of 0.900")


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
    kept = [each for each in CLAIM.strip().splitlines() if each.partition(" ")[0] != key]
    assert refused(tmp_path, OWN.replace(CLAIM, "\n".join([*kept, line]))).startswith(message)


def test_a_claim_without_a_task_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, OWN.replace('task = "short"', ""))
    assert said == "claims.0: order = 'early > late' names no task: give task = '...'"


def test_a_claim_needs_two_seeds(own: Path, tmp_path: Path) -> None:
    said = refused(tmp_path, OWN.replace('"3..5"', "[3]"))
    assert said == "claims need at least two seeds: give more, like --seeds 0..5"
    with pytest.raises(UsageError, match="claims need at least two seeds"):
        chosen(str(own), seeds="0")


def test_a_claim_may_be_a_chain_and_go_across_tasks() -> None:
    chain = Claim(text="t", metric="bleu", task="x", order="a < b<c @ y > d")
    assert chain.comparisons() == [
        (Operand("a", "x"), Operand("b", "x"), "lower"),
        (Operand("b", "x"), Operand("c", "y"), "lower"),
        (Operand("c", "y"), Operand("d", "x"), "higher"),
    ]


def test_only_a_part_of_the_grid_keeps_only_its_claims_and_published_numbers() -> None:
    whole = load("bengio-table-3")
    part = chosen("bengio-table-3", strategies="teacher-forcing,linear")
    assert len(whole.claims) > len(part.claims) > 0
    assert {operand.strategy for c in part.claims for pair in c.comparisons() for operand in pair[:2]} == {
        "teacher-forcing", "linear",
    }  # fmt: skip
    assert whole.published is not None
    assert part.published is not None
    assert part.published.rows == {name: whole.published.rows[name] for name in ("teacher-forcing", "linear")}
    assert chosen("bengio-table-3", strategies="switch").published is None


def test_chosen_takes_the_experiments_entries_first_and_then_the_built_in_ones(own: Path) -> None:
    plan = chosen(
        str(own), tasks="long,any-order", strategies="early,linear", seeds="0", baseline="linear", metrics="bleu"
    )
    assert plan.tasks == {
        "long": {"base": "copy", "task": {"length": "6..8"}, "model": {"hidden": 12}},
        "any-order": {},
    }
    assert plan.strategies == {"early": load(str(own)).strategies["early"], "linear": {}}
    assert (plan.seeds, plan.baseline, plan.metrics, plan.claims) == ((0,), "linear", ("bleu",), ())
    assert [(c.task, c.strategy) for c in plan.cells()] == list(
        itertools.product(["long", "any-order"], ["early", "linear"])
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "revers"}, r"unknown task 'revers': did you mean 'reverse'\?"),
        ({"tasks": ""}, "unknown task ''"),
        ({"tasks": "copy,copy"}, "task 'copy' is given twice: give it once"),
        ({"strategies": "linear,liner"}, r"unknown strategy 'liner': did you mean 'linear'\?"),
        ({"strategies": "linear", "baseline": "uniform"}, "--baseline: unknown strategy 'uniform': known: linear"),
        ({"metrics": "bleu,blue"}, r"default: unknown metric 'blue': did you mean 'bleu'\?"),
        ({"seeds": "4..0"}, "default: seeds: '4..0' counts down"),
        ({"flags": {"task": {"path": "x"}}}, "default: task.path: unknown field 'path'"),
        ({"flags": {"strategy": {"at": 0.5}}}, "default: strategy.at: unknown field 'at'"),
    ],
)
def test_what_the_command_line_cannot_have_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        chosen("default", **options).cells()  # type: ignore[arg-type]


def test_a_flag_reaches_the_runs_that_have_its_field_and_no_others() -> None:
    plan = chosen("default", tasks="reverse", strategies="teacher-forcing,linear", flags={"strategy": {"over": 0.5}})
    found = {c.strategy: c.config.strategy.schedule.model_dump() for c in plan.cells()}
    assert found["linear"]["over"] == 0.5
    assert found["teacher-forcing"] == {"name": "constant", "value": 1.0}


def test_files_that_are_no_experiment_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'question = "\xe9"')
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "large.toml").write_bytes(b"#" * (2**20 + 1))
    for name, message in [
        ("latin.toml", "invalid UTF-8 at byte 13"),
        ("folder.toml", "Is a directory"),
        ("large.toml", "more than a megabyte"),
        ("missing.toml", "No such file or directory: give an experiment's name or file"),
    ]:
        with pytest.raises(UsageError, match=message) as error:
            load(str(tmp_path / name))
        assert str(error.value).startswith(str(tmp_path / name))
    with pytest.raises(
        UsageError, match=r"unknown experiment 'hussar': did you mean 'huszar'\? .*; or give a file\.toml"
    ):
        load("hussar")


@given(st.integers(0, 40), st.integers(1, 9))
def test_shards_part_the_grid_and_keep_its_order(count: int, parts: int) -> None:
    cells: list[object] = list(range(count))
    shards = [shard_of(cells, f"{part}/{parts}") for part in range(1, parts + 1)]  # type: ignore[arg-type]
    assert sorted(itertools.chain(*shards)) == cells  # type: ignore[type-var]
    assert all(shard == sorted(shard) for shard in shards)  # type: ignore[type-var]
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert shard_of(cells, None) == cells  # type: ignore[arg-type]


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/3", "1/999999"])
def test_a_shard_that_is_none_is_refused_with_the_form(shard: str) -> None:
    with pytest.raises(UsageError, match=r"^--shard '.*': write it like 1/4, the first of four parts$"):
        shard_of([], shard)


def test_a_grid_beyond_all_reason_is_refused_before_it_is_built() -> None:
    with pytest.raises(UsageError, match="a grid of more than 100,000 runs: take fewer seeds"):
        chosen("default", seeds="0..99999").cells()
