"""Configuration: what is stronger than what, which fields there are, and what a run's id stands for."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ssrun.config.overrides import RUN_SECTIONS, SECTIONS, parse_settings, written
from ssrun.config.resolution import resolve
from ssrun.config.run import BODY_DEFAULTS, RunConfig, deciding
from ssrun.errors import UsageError
from ssrun.strategies import Strategy, parameters
from ssrun.strategies.strategy import OF_EPSILON
from ssrun.system.documents import canonical
from ssrun.tasks import TASKS
from tests.support.corpora import of_task, parallel
from tests.support.runs import UNTAUGHT

OTHER = {  # another value for each field of the sections that every run has
    "model.embedding": 32,
    "model.hidden": 96,
    "model.layers": 2,
    "model.attention": "none",
    "model.dropout": 0.25,
    "model.embedding_scale": 8.0,
    "model.body": "gru",
    "model.embeddings": "skip-gram",
    "model.heads": 8,
    "model.positions": 99,
    "model.norm": "layer",
    "model.output": "hierarchical",
    "model.noise_words": 7,
    "training.steps": 7,
    "training.batch_size": 5,
    "training.learning_rate": 0.5,
    "training.clip": 2.5,
    "training.evaluate_every": 3,
    "training.warmup": 4,
    "training.decay": "inverse-sqrt",
    "training.label_smoothing": 0.125,
    "training.select": "best",
    "training.select_by": "exact_match",
    "training.patience": 2,
    "scoring.beam": 4,
    "scoring.length_penalty": 0.25,
}
NEEDED = {
    "training.select_by": ["training.patience=1"],
    "model.noise_words": ["model.output=negative-sampling"],
    **{f"model.{field}": ["model.body=transformer"] for field in ("heads", "positions")},
}  # without which a field would have no effect
OF_FILES = ("task.path", "task.column", "task.digest")  # which there must be
OTHER_WORDS = {
    "mackey-glass": "oscillator",
    "all": "star",
    "line": "stanza",
    "words": "characters",
    "en": "fr",
}
UNSET = {"task.test_length": "16..25", "task.data_seed": 5}  # of tasks
OF_SCHEDULES = {
    "value": 0.25,
    "start": 0.75,
    "end": 0.625,
    "over": 0.5,
    "k": {"exponential": 0.98, "inverse-sigmoid": 40.0},
    "levels": 3,
    "half_at": 0.25,
    "at": 0.25,
    "period": 10,
    "duty": 0.25,
}


def epsilons(config: RunConfig) -> list[float | list[float]]:
    steps = config.training.steps
    return [config.strategy.epsilons(step, steps, 20) for step in range(steps)] + [config.strategy.mean(steps)]


def fields_of(config: RunConfig) -> set[str]:
    """All paths that `--set` should reach."""
    document = {section: set(type(getattr(config, section)).model_fields) for section in SECTIONS}
    document["strategy"] = set(parameters(config.strategy))
    document["task"] -= {"name", "digest"}
    return {f"{section}.{field}" for section, fields in document.items() for field in fields}


def value_of(config: RunConfig, path: str) -> Any:
    section, field = path.split(".")
    holder = getattr(config, section)
    return getattr(holder if field in type(holder).model_fields else holder.schedule, field)


def test_a_later_layer_is_stronger_and_leaves_the_other_fields_alone() -> None:
    layers = [{"model": {"hidden": 8, "layers": 2}}, {"model": {"hidden": 16}}, {"training": {"steps": 3}}]
    config = resolve("reverse", "linear", 4, layers)
    assert (config.model.hidden, config.model.layers, config.training.steps, config.seed) == (16, 2, 3, 4)
    assert config.training.batch_size == resolve("copy", "linear").training.batch_size


def test_the_tasks_own_defaults_are_stronger_than_the_defaults_and_weaker_than_a_layer() -> None:
    assert resolve("reverse", "linear").model.attention == "dot"
    assert resolve("frames", "linear").model.attention == "aligned"
    assert resolve("frames", "linear", 0, [{"model": {"attention": "none"}}]).model.attention == "none"


def test_a_bodys_own_defaults_are_stronger_than_the_tasks_and_weaker_than_a_layer() -> None:
    changes = [{"model": {"body": "transformer"}}]
    frames, plain = resolve("frames", "linear", 0, changes), resolve("frames", "linear")
    assert (plain.model.attention, frames.model.attention) == ("aligned", "dot")
    assert frames.training.learning_rate == BODY_DEFAULTS["transformer"]["training.learning_rate"] != 0.5
    assert resolve("copy", "linear", 0, [{"training": {"learning_rate": 0.5}}, *changes]).training.learning_rate == 0.5
    assert resolve("frames", "linear", 0, [*changes, {"model": {"body": "lstm"}}]).id == plain.id
    assert resolve("frames", "linear", 0, [{"model": {"body": "gru"}}]).training == plain.training


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"heads": 2}, "model: heads = 2: it needs body = 'transformer': leave it out"),
        ({"body": "gru", "positions": 9}, "model: positions = 9: it needs body = 'transformer': leave it out"),
        ({"body": "transformer", "norm": "layer"}, "model: norm = 'layer': it needs body = 'lstm' or 'gru' or 'rnn'"),
        (
            {"body": "transformer", "attention": "aligned"},
            "a transformer's layers read the source themselves: give dot",
        ),
        (
            {"body": "transformer", "attention": "general"},
            "a transformer's layers read the source themselves: give dot",
        ),
        ({"body": "transformer", "hidden": 30}, "hidden = 30: 4 heads share it alike: give a multiple of 4"),
        ({"body": "mamba"}, "model.body = 'mamba'"),
        ({"body": ["lstm"]}, "model.body"),
    ],
)
def test_a_model_that_cannot_be_is_refused_in_one_line(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError, match=re.escape(fault)) as raised:
        resolve("reverse", "linear", 0, [{"model": fields}])
    assert len(str(raised.value).splitlines()) == 1


def test_a_batch_norm_of_one_sequence_is_refused() -> None:
    with pytest.raises(UsageError, match=r"give training\.batch_size = 2"):
        resolve("copy", "linear", 0, [{"model": {"norm": "batch"}, "training": {"batch_size": 1}}])


@pytest.mark.parametrize("strategy", UNTAUGHT)
@pytest.mark.parametrize("task", TASKS)
def test_every_run_comes_back_from_its_json_with_the_same_id(task: str, strategy: str, tmp_path: Path) -> None:
    config = resolve(task, strategy, 3, of_task(task, parallel(tmp_path / "corpus")))
    text = canonical(config.model_dump(mode="json"))
    back = RunConfig.model_validate(json.loads(text))
    assert back == config
    assert back.id == config.id
    assert canonical(back.model_dump(mode="json")) == text
    assert type(back.task) is TASKS[task]


@pytest.mark.parametrize("path", OTHER)
def test_set_reaches_every_field_of_model_training_and_scoring(path: str) -> None:
    needed = NEEDED.get(path, [])
    config = resolve("reverse", "linear", 0, [parse_settings([*needed, f"{path}={OTHER[path]}"])])
    plain = resolve("reverse", "linear", 0, [parse_settings(needed)])
    assert value_of(config, path) == OTHER[path] != value_of(plain, path)
    assert {other for other in fields_of(plain) if value_of(plain, other) != value_of(config, other)} == {path}
    assert config.id != plain.id


def test_no_field_of_model_training_or_scoring_is_missing_from_the_list_above() -> None:
    own = {path for path in fields_of(resolve("reverse", "linear")) if path.split(".")[0] in RUN_SECTIONS}
    assert own - {"scoring.metrics"} == set(OTHER)  # which are plugins': tests/plugins


@pytest.mark.parametrize("strategy", UNTAUGHT)
def test_set_reaches_every_field_of_every_strategy(strategy: str) -> None:
    plain = resolve("reverse", strategy)
    for field in (field for field in parameters(plain.strategy) if field not in ("teacher", "teacher_id", "initial")):
        now = value_of(plain, f"strategy.{field}")
        others = {
            "coin": "token" if now == "batch" else "batch",
            "feed": "argmax",
            "label": "fed" if now == "gold" else "gold",
        }
        others |= {"temperature": 0.5, "top_k": 2, "threshold": 0.5, "noise_threshold": 0.97, "confidence_of": "best"}
        others |= {"passes": 3, "oracle_beam": 2, "at_test": "own" if now == "mask" else "mask"}
        others |= {"gold_weight": 0.5, "gradient": "soft", "objective": "self-critical", "professor_weight": 0.5}
        if field == "objective" and strategy != "always-sampling":
            continue  # it feeds samples alone
        others |= {"clock": "step" if now != "step" else "position", "horizon": 7, "inverse": not now}
        needed: list[str] = []
        if field == "at_test" and now == "own":
            needed = ["strategy.schedule=constant", "strategy.value=0"]
        if field in ("coin", "feed", "clock", "value", "label", "gradient", "passes", "top_k") and needs_its_parts(
            plain.strategy
        ):
            continue
        if (field == "k" and plain.strategy.clock == "both") or (field == "half_at" and now is None):
            continue  # of which the strategy says something else
        if field == "clock" and now != "step":
            needed = ["strategy.horizon=16"]  # another would be in vain
        other: Any = others.get(field, OF_SCHEDULES.get(field))
        if isinstance(other, dict):
            other = other[plain.strategy.schedule.name]
        config = resolve("reverse", strategy, 0, [parse_settings([*needed, f"strategy.{field}={written(other)}"])])
        assert value_of(config, f"strategy.{field}") == other != now
        if field in (*OF_EPSILON, *type(plain.strategy.schedule).model_fields):
            assert epsilons(config) != epsilons(plain), field
        assert config.id != plain.id


TOGETHER = ("coin", "feed", "clock", "value", "label", "gradient", "passes", "top_k")


def needs_its_parts(strategy: Strategy) -> bool:
    """Whether another of the fields above would leave one of its fields without effect."""
    walks = strategy.gradient == "none" and strategy.label == "gold" and not strategy.passes
    return not walks or strategy.at_test == "mask" or strategy.coin in ("prefix", "count")


@pytest.mark.parametrize("task", [name for name in TASKS if name != "corpus"])
def test_set_reaches_every_field_of_every_task(task: str) -> None:
    room = ["task.nodes=20"] if task == "path" else []
    plain = resolve(task, "linear", 0, [parse_settings(room)])
    for path in (path for path in fields_of(plain) if path.startswith("task.") and path not in OF_FILES):
        now = value_of(plain, path)
        other = UNSET[path] if now is None else different(now)
        config = resolve(task, "linear", 0, [parse_settings([*room, f"{path}={other}"])])
        assert value_of(config, path) != value_of(plain, path), path
        assert config.id != plain.id, path


def different(value: Any) -> Any:
    """Another value that a field of a task may have."""
    if isinstance(value, tuple):
        return f"{value[0]}..{value[0]}" if value[0] != value[1] else f"{value[0] - 1}..{value[1]}"
    if isinstance(value, float):
        return value / 2
    if isinstance(value, str):
        return OTHER_WORDS[value]
    return value - 1 if value > 2 else value + 1


def test_a_schedule_can_be_exchanged_by_its_name() -> None:
    config = resolve("reverse", "linear", 0, [parse_settings(["strategy.schedule=cycle", "strategy.period=4"])])
    assert config.strategy.schedule.model_dump() == {"name": "cycle", "period": 4, "duty": 0.5}


def test_the_same_configuration_has_the_same_id_whatever_the_order_of_its_layers() -> None:
    one = resolve("reverse", "linear", 0, [{"model": {"hidden": 8}, "training": {"steps": 5}}])
    layers = [{"training": {"steps": 9}}, {"training": {"steps": 5}, "model": {"hidden": 8}}]
    two = resolve("reverse", "linear", 0, layers)
    assert one.id == two.id == hashlib.sha256(canonical(deciding(one))).hexdigest()
    assert one.id != resolve("reverse", "linear", 1, [{"model": {"hidden": 8}, "training": {"steps": 5}}]).id


def test_a_strategy_by_its_name_and_the_same_one_spelled_out_are_one_run() -> None:
    spelled = [{"strategy": {"schedule": "inverse-sigmoid", "feed": "uniform-token"}}]
    assert resolve("reverse", "linear", 0, spelled).id == resolve("reverse", "uniform-token").id


def test_where_a_corpus_lies_is_no_part_of_the_id_and_its_text_is(tmp_path: Path) -> None:
    here, there, changed = (parallel(tmp_path / name) for name in ("here", "there", "changed"))
    (changed / "test.en").write_text("a house\na cat\n", encoding="utf-8")
    ids = [resolve("corpus", "linear", 0, of_task("corpus", folder)).id for folder in (here, there, changed)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("model.hiden=3", "model.hiden: unknown field 'hiden': did you mean 'hidden'? known: embedding, hidden, "
         "layers, attention, dropout, embedding_scale"),
        ("training.step=3", "training.step: unknown field 'step': did you mean 'steps'? "),
        ("scoring.beem=3", "scoring.beem: unknown field 'beem': did you mean 'beam'? "),
        ("task.lenth=4..5", "task.lenth: unknown field 'lenth': did you mean 'length'? "),
        ("task.path=here", "task.path: unknown field 'path': known: validation_pairs, test_pairs, training_pairs, "),
        ("strategy.half_att=0.3", "strategy inverse-sigmoid: unknown field 'half_att': did you mean 'half_at'? "),
        ("model.hidden=0", "model.hidden = 0: input should be greater than or equal to 1"),
        ("model.hidden=many", "model.hidden = 'many': input should be a valid integer"),
        ("model.hidden=true", "model.hidden = True: input should be a valid integer"),
        ("model.hidden='8'", "model.hidden = '8': input should be a valid integer"),
        ("training.learning_rate=true", "training.learning_rate = True: input should be a valid number"),
        ("strategy.end='0'", "strategy.end = '0': input should be a valid number"),
        ("task.symbols=false", "task.symbols = False: input should be a valid integer"),
        ("strategy.schedule=[]", "schedule = []: give a name: constant, linear, "),
        ("strategy.schedule={}", "schedule = {}: give a name: constant, "),
        ("strategy.schedule=[1]", "schedule = [1]: give a name: constant, "),
        ("training.decay=exp", "training.decay = 'exp': input should be 'none', 'linear', 'cosine' or 'inverse-sqrt'"),
        ("training.select_by=bracket_f1", "training: select_by = bracket_f1: it needs select = 'best' or a patience"),
        ("model.dropout=nan", "model.dropout = nan: input should be "),
        ("model.attention=dott", "model.attention = 'dott': input should be 'none', 'dot', 'general' or 'aligned'"),
        ("training.steps=-1", "training.steps = -1: input should be greater than or equal to 1"),
        ("task.length=4", "task.length: 4 is not a range: write it like 4..15"),
        ("task.length=[1e999, 4]", "task.length: [inf, 4] is not a range: write it like 4..15"),
        ("task.length=9..4", "task.length: 9..4 is not a range: "),
        ("task.name=copy", "task.name: name the task itself: --task NAME"),
        ("strategy.k=0.5", "strategy.k = 0.5: input should be greater than or equal to 1"),
        ("strategy.coin=tokn", "strategy.coin = 'tokn': input should be 'token', 'sequence', 'batch', 'prefix'"),
        ("strategy.feed=greedy", "strategy.feed = 'greedy': input should be 'sample', 'argmax', 'uniform-token'"),
        ("strategy.start=2", "strategy.start = 2: input should be less than or equal to 1"),
        ("strategy.schedule=liner", "unknown schedule 'liner': did you mean 'linear'? "),
        (f"model.hidden={'9' * 5000}", "model.hidden = "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_the_place_the_value_and_the_remedy(settings: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve("reverse", "inverse-sigmoid", 0, [parse_settings([settings])])
    text = str(error.value)
    assert text.startswith(message)
    assert "\n" not in text
    assert len(text) < 400


def test_k_and_half_at_together_are_refused_with_both_values() -> None:
    for strategy in ("inverse-sigmoid", "exponential"):
        with pytest.raises(UsageError, match=r"^strategy: k = 3 and half_at = 0\.3 say the same thing: give one$"):
            resolve("reverse", strategy, 0, [parse_settings(["strategy.k=3", "strategy.half_at=0.3"])])


def test_a_metric_that_the_task_has_not_selects_nothing() -> None:
    by = ["training.select=best", "training.select_by=validity"]
    with pytest.raises(
        UsageError, match=r"^training\.select_by: unknown validation metric 'validity': .*known: bleu, "
    ):
        resolve("reverse", "linear", 0, [parse_settings(by)])
    assert resolve("captions", "linear", 0, [parse_settings(by)]).training.watches


def test_ids_stand_still() -> None:
    """Those of runs made before the fields that came later."""
    for told, path in (("67b2afdb12", "reverse/linear"), ("1a2d727dfe", "parsing/inverse-sigmoid")):
        assert resolve(*path.split("/")).id[:10] == told


def test_one_number_has_one_id() -> None:
    plain = resolve("reverse", "linear").id
    for setting in (
        "model.dropout=-0.0",
        "strategy.end=-0.0",
        "strategy.over=1",
        "strategy.over=1.0",
        "model.hidden=64.0",
    ):
        assert resolve("reverse", "linear", 0, [parse_settings([setting])]).id == plain
    point_first = [
        resolve("reverse", "linear", 0, [parse_settings([f"model.dropout={text}"])]) for text in (".5", "0.5")
    ]
    assert point_first[0].id == point_first[1].id != plain


def test_how_a_run_is_scored_decides_no_weights_and_a_greedy_one_has_one_identity() -> None:
    greedy, beam = (resolve("copy", "linear", layers=[{"scoring": {"beam": width}}]) for width in (1, 4))
    assert greedy.id == greedy.weights_id == beam.weights_id != beam.id
    assert resolve("copy", "linear", 1).weights_id != greedy.weights_id
