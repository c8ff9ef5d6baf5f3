"""Data as chance: splits drawn by a seed are as large as asked for, disjoint, and another seed's are others."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrun.analysis.data_seeds import data_seeds
from ssrun.config.experiment import Experiment
from ssrun.config.plan import Plan
from ssrun.config.resolution import resolve
from ssrun.config.run import RunConfig
from ssrun.errors import UsageError
from ssrun.tasks import HELD_OUT, Example, Task
from ssrun.tasks.corpus import read_split
from ssrun.tasks.redrawn import drawn, drawn_by
from ssrun.tasks.task import Split
from ssrun.tasks.translation import Translation, read
from tests.support.in_process import ssrun
from tests.support.outcomes import run_name
from tests.tasks.test_corpus import corpus, write

SPLITS: tuple[Split, ...] = ("training", *HELD_OUT)
ALL = {pair for split in SPLITS for pair in read(split)}


def pairs_of(task: Task) -> dict[Split, list[Example]]:
    training = task.training()
    assert training is not None
    return {"training": list(training), **{split: list(task.held_out(split)) for split in HELD_OUT}}


def sources(pairs: list[Example]) -> set[tuple[str, ...]]:
    return {pair.source for pair in pairs}


def translation(**fields: object) -> Translation:
    return Translation.model_validate({"pairs": 500, "validation_pairs": 50, "test_pairs": 100} | fields)


def plan_of(seeds: str, **task: object) -> Plan:
    grid = {"tasks": ["translation", "copy"], "strategies": ["teacher-forcing", "linear"], "seeds": seeds}
    return Plan(experiment=Experiment.model_validate({"question": "?", **grid, "task": {"pairs": 500, **task}}))


def test_without_a_data_seed_the_splits_are_the_files() -> None:
    assert pairs_of(translation()) == {
        "training": list(read("training")[:500]),
        "validation": list(read("validation")[:50]),
        "test": list(read("test")[:100]),
    }
    assert (
        resolve("translation", "linear").id == resolve("translation", "linear", 0, [{"task": {"data_seed": None}}]).id
    )


def test_a_data_seed_draws_splits_of_the_sizes_asked_for_from_all_files_and_no_source_is_in_two() -> None:
    found = pairs_of(translation(data_seed=3))
    assert {split: len(pairs) for split, pairs in found.items()} == {"training": 500, "validation": 50, "test": 100}
    assert len(set.union(*map(sources, found.values()))) == 650
    assert ALL.issuperset(pair for pairs in found.values() for pair in pairs)
    for split, pairs in found.items():
        for file in SPLITS:
            assert 0 < len(set(pairs) & set(read(file))) < len(pairs), f"{split} holds pairs of the {file} file"


def test_the_same_data_seed_is_the_same_data_and_another_is_not() -> None:
    assert pairs_of(translation(data_seed=3)) == pairs_of(translation(data_seed=3))
    one, other = (pairs_of(translation(data_seed=seed)) for seed in (3, 4))
    for split in SPLITS:
        shared = len(sources(one[split]) & sources(other[split]))
        expected = len(one[split]) ** 2 / len(ALL)
        assert abs(shared - expected) < 4 * expected**0.5 + 1, "two draws share what chance lets them share"


def test_more_training_pairs_are_more_of_the_same_beside_the_same_test_set() -> None:
    few, many = pairs_of(translation(data_seed=3)), pairs_of(translation(data_seed=3, pairs=2000))
    assert many["training"][:500] == few["training"]
    assert [many[split] for split in HELD_OUT] == [few[split] for split in HELD_OUT]


def test_every_draw_has_the_same_vocabulary_and_knows_its_words() -> None:
    whole = Translation(data_seed=1)
    assert whole.source_tokens() == Translation().source_tokens()
    known = set(whole.target_tokens())
    found = pairs_of(whole)
    assert {split: len(pairs) for split, pairs in found.items()} == {"training": 8000, "validation": 200, "test": 1000}
    assert all(known.issuperset(pair.target) for pairs in found.values() for pair in pairs)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 6), st.integers(1, 6), st.integers(1, 40))
def test_sources_that_are_there_often_are_held_out_once_or_trained(
    numbers: list[int], validation: int, test: int, training: int
) -> None:
    pairs = [Example((str(number),), (str(index),)) for index, number in enumerate(numbers)]
    sizes: dict[Split, int] = {"training": training, "validation": validation, "test": test}
    splits = drawn(pairs, sizes, Random(0))
    distinct = len(set(numbers))
    assert len(splits["test"]) == len(sources(list(splits["test"]))) == min(test, distinct)
    assert len(splits["validation"]) == min(validation, distinct - len(splits["test"]))
    held_out = sources([*splits["test"], *splits["validation"]])
    assert len(held_out) == len(splits["test"]) + len(splits["validation"])
    assert not held_out & sources(list(splits["training"]))
    assert len(splits["training"]) == min(training, sum((str(n),) not in held_out for n in numbers))


# Of a corpus


def parallel(folder: Path) -> Path:
    """Sixty training pairs of which some repeat a source, ten for validation, twenty for the test."""
    pairs = {
        "train": [(f"s{n % 50} {'w ' * (n % 5)}", f"t{n}") for n in range(60)],
        "valid": [(f"v{n}", f"v{n}") for n in range(10)],
        "test": [(f"e{n}", f"e{n}") for n in range(20)],
    }
    return write(folder, pairs)


def test_a_corpus_is_drawn_anew_with_the_sizes_of_its_files(tmp_path: Path) -> None:
    folder = parallel(tmp_path / "corpus")
    found = pairs_of(corpus(folder, data_seed=2, test_pairs=15))
    assert (len(found["validation"]), len(found["test"])) == (10, 15)
    held_out = sources(found["validation"] + found["test"])
    assert len(held_out) == 25
    assert not held_out & sources(found["training"])
    assert {source[0][0] for source in held_out} == {"s", "v", "e"}
    left = [
        pair for split in SPLITS for pair in read_split(str(folder), split, "de", "en") if pair.source not in held_out
    ]
    assert 40 < len(found["training"]) == min(60, len(left))


def test_long_pairs_that_are_drawn_for_training_are_left_out_and_counted(tmp_path: Path) -> None:
    task = corpus(parallel(tmp_path / "corpus"), data_seed=2, maximum_length=3)
    facts = task.facts()
    assert facts["left_out_pairs"] > 0
    assert facts["training_pairs"] + facts["left_out_pairs"] == len(task.splits()["training"])
    assert max(len(pair.source) for pair in task.training()) == 3


def test_the_vocabulary_of_a_corpus_and_its_pieces_are_those_of_the_training_pairs_drawn(tmp_path: Path) -> None:
    folder = parallel(tmp_path / "corpus")
    one, other = (corpus(folder, data_seed=seed, minimum_frequency=1) for seed in (0, 1))
    assert set(one.target_tokens()) == {pair.target[0] for pair in one.training()} != set(other.target_tokens())
    pieces = [corpus(folder, data_seed=seed, subwords=30).subword_models() for seed in (0, 1)]
    assert pieces[0] != pieces[1]


def test_a_corpus_that_is_all_held_out_says_the_remedy(tmp_path: Path) -> None:
    files = {split: [(word, word) for word in "abc"] for split in ("train", "valid", "test")}
    folder = write(tmp_path / "corpus", files)
    with pytest.raises(UsageError, match=r"^task\.data_seed: task corpus has no source left to train on"):
        corpus(folder, data_seed=0)
    with pytest.raises(UsageError, match="hold out fewer"):
        corpus(folder, data_seed="seed").of_seed(0).check()
    assert len(corpus(folder, data_seed=0, test_pairs=1, validation_pairs=1).training()) == 3


# By each run's own seed


def test_each_seed_of_a_plan_has_data_of_its_own_and_every_strategy_the_same() -> None:
    runs = plan_of("3..5", data_seed="seed").runs()
    for seed in (3, 4, 5):
        one, other = (config.task for name, config in runs if (name.task, name.seed) == ("translation", seed))
        assert isinstance(one, Translation)
        assert one.data_seed == seed
        assert one == other, "teacher-forcing and linear train on the same pairs"
    assert len({run.config.weights_id for run in runs}) == len(runs)


def test_a_run_by_its_own_seed_is_the_run_of_that_number() -> None:
    layers = [[{"task": {"data_seed": value}}] for value in ("seed", 7)]
    one, other = (resolve("translation", "linear", 7, layer) for layer in layers)
    assert one == other
    assert one.id == other.id != resolve("translation", "linear", 7).id
    assert RunConfig.model_validate(one.model_dump(mode="json")) == one


def test_a_plan_by_seed_is_another_than_that_of_its_first_seed_alone() -> None:
    ids = {plan_of("3..5", **fields).id for fields in ({}, {"data_seed": 3}, {"data_seed": "seed"})}
    assert len(ids) == 3


def test_data_of_a_seed_that_is_not_known_yet_are_never_taken_for_the_files() -> None:
    with pytest.raises(ValueError, match="no run's seed is in its place"):
        Translation(data_seed="seed").training()


def test_what_drew_the_data_is_told_from_the_runs() -> None:
    assert drawn_by({3: 3, 4: 4}) == "seed"
    assert (drawn_by({3: 3}), drawn_by({3: 4, 4: 4}), drawn_by({3: None, 4: None})) == (3, 4, None)
    runs = [run_name(seed=seed, task=task) for task in ("own", "same", "files", "fresh") for seed in (0, 1)]
    settings = [{"task.data_seed": found} for found in (0, 1, 5, 5, None, None)] + [{}, {"task.symbols": 3}]
    assert data_seeds(runs, settings) == {"own": "seed", "same": 5, "files": "fixed"}


def test_a_configuration_that_is_shown_says_seed_of_several_seeds_and_the_number_of_one() -> None:
    chosen = ("--tasks", "translation", "--strategies", "linear", "--set", "task.data_seed=seed", "--show-config")
    assert 'task.data_seed = "seed"' in ssrun("compare", "default", *chosen, "--seeds", "3..4").out
    assert "task.data_seed = 3" in ssrun("compare", "default", *chosen, "--seeds", "3").out
