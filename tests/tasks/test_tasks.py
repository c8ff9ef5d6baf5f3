"""The tasks that draw fresh pairs: vocabularies, seeds, held-out sets, and what each calls right."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise, permutations
from math import sqrt
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ssrun.errors import UsageError
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.vocabulary import PAD, Vocabularies
from ssrun.system.fields import deciding_fields
from ssrun.tasks.any_order import AnyOrder
from ssrun.tasks.captions import Captions, descriptions
from ssrun.tasks.frames import Frames
from ssrun.tasks.parsing import BEINGS, CLOTHES, DETERMINERS, TOOLS, VERBS, Parsing, brackets, leaves
from ssrun.tasks.star_path import StarPath
from ssrun.tasks.symbols import Copy, Reverse, SymbolTask
from ssrun.tasks.task import Example, Task, Tokens

TASKS: tuple[Task, ...] = (Copy(), Reverse(), Frames(), Captions(), Parsing(), AnyOrder(), StarPath())
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
every_judge = pytest.mark.parametrize("task", [task for task in TASKS if task.metrics], ids=lambda t: t.name)
seeds = st.integers(0, 2**32)
few = settings(max_examples=30, deadline=None, database=None)


@cache
def drawn(task: Task) -> list[Example]:
    random = Random(11)
    return [task.draw(random) for _ in range(2000)]


@cache
def held_out(task: Task) -> tuple[list[Example], list[Example]]:
    return list(task.held_out("validation")), list(task.held_out("test"))


def tokens(text: str) -> Tokens:
    return tuple(text.split())


def within(count: int, trials: int, probability: float) -> bool:
    """Whether a count lies within four standard deviations of a binomial's mean."""
    return abs(count - trials * probability) < 4 * sqrt(trials * probability * (1 - probability))


# What holds for every task


@every_task
def test_vocabularies_are_exactly_what_is_drawn(task: Task) -> None:
    examples = drawn(task) + held_out(task)[1]
    sources, targets = list(task.source_tokens()), list(task.target_tokens())
    assert len(set(sources)) == len(sources)
    assert len(set(targets)) == len(targets)
    assert {token for example in examples for token in example.source} == set(sources)
    assert {token for example in examples for answer in example.references for token in answer} == set(targets)
    assert not {"<pad>", "<bos>", "<eos>"} & {*sources, *targets}
    assert not any(" " in token for token in (*sources, *targets))


@every_task
def test_the_same_seed_gives_the_same_examples(task: Task) -> None:
    random = Random(11)
    assert [task.draw(random) for _ in range(2000)] == drawn(task)
    assert task.draw(Random(12)) != drawn(task)[0]


@every_task
def test_held_out_sets_are_fixed_distinct_and_disjoint(task: Task) -> None:
    validation, test = held_out(task)
    assert (len(validation), len(test)) == (200, 1000)
    assert len({example.source for example in validation + test}) == 1200
    again = type(task)(name=task.name)
    assert (again.held_out("validation"), again.held_out("test")) == (validation, test)


@every_task
def test_targets_have_four_tokens_and_references_differ(task: Task) -> None:
    for example in drawn(task) + held_out(task)[1]:
        assert min(map(len, example.references)) >= 4
        assert len(set(example.references)) == len(example.references)


@every_task
def test_training_pairs_are_a_finite_set_apart_from_what_is_held_out_and_a_smaller_one_begins_a_larger(
    task: Task,
) -> None:
    assert task.training() is None
    few, many = (task.model_copy(update={"training_pairs": pairs}) for pairs in (40, 300))
    training = many.training()
    assert training is not None
    assert len(set(training)) == len(training) == 300
    assert few.training() == training[:40]
    assert not {pair.source for pair in training} & {pair.source for pairs in held_out(task) for pair in pairs}
    assert held_out(many) == held_out(task)
    assert many.facts() == {"training_pairs": 300}
    assert deciding_fields(task) == deciding_fields(task.model_copy(update={"training_pairs": 0}))
    assert deciding_fields(task) != deciding_fields(many)


def test_a_finite_set_is_what_is_trained_on_and_depends_on_no_seed() -> None:
    task = Captions(training_pairs=24)
    training = task.training()
    assert training is not None
    for seed in (0, 1):
        batches = Batches(task, Vocabularies.of(task), 8, seed)
        encoded = Counter(
            tuple(token for token in row if token != PAD)
            for step in range(3)
            for row in batches.at(step).source.tolist()
        )
        assert encoded == Counter(tuple(batches.vocabularies.encode(pair)[0]) for pair in training)


def test_more_training_pairs_than_there_are_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"^task\.training_pairs = 80: task copy has not so many pairs: ask for fewer"):
        Copy(symbols=3, length="2..4", validation_pairs=20, test_pairs=20, training_pairs=80).check()


@every_judge
def test_references_are_right_and_damaged_ones_are_not(task: Task) -> None:
    random = Random(13)
    examples = held_out(task)[0]
    for rank in (0, -1):
        answers = [example.references[rank] for example in examples]
        assert set(task.judge(examples, answers)) == set(task.metrics)
        assert task.judge(examples, answers)["validity"] == 100
        places = [random.randrange(len(answer)) for answer in answers]
        doubled = [answer[:k] + answer[k:][:1] + answer[k:] for answer, k in zip(answers, places, strict=True)]
        cut = [answer[:-1] for answer in answers]
        turned = [answer[::-1][1:] for answer in answers]
        for damaged in (doubled, cut, turned, [()] * len(answers)):
            assert task.judge(examples, damaged)["validity"] == 0


@every_judge
def test_validity_is_the_share_of_right_outputs(task: Task) -> None:
    examples = held_out(task)[0][:4]
    outputs = [example.target for example in examples[:3]] + [("nonsense",)]
    assert task.judge(examples, outputs)["validity"] == 75


# Copy and reverse


@pytest.mark.parametrize(("kind", "step"), [(Copy, 1), (Reverse, -1)])
def test_copy_copies_and_reverse_reverses(kind: type[SymbolTask], step: int) -> None:
    assert all(example.target == example.source[::step] for example in drawn(kind()))


@pytest.mark.parametrize("kind", [Copy, Reverse])
def test_test_length_holds_in_the_test_set_alone(kind: type[SymbolTask]) -> None:
    task = kind(test_length="20..25")
    validation, test = held_out(task)
    assert {len(example.source) for example in validation + drawn(task)} == set(range(4, 16))
    assert {len(example.source) for example in test} == set(range(20, 26))


def test_too_few_distinct_sources_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"task.validation_pairs = 200: .* not so many distinct sources"):
        Copy(symbols=2, length="4..5").held_out("test")


def test_a_task_that_leaves_nothing_to_train_on_is_an_error() -> None:
    task = Copy(symbols=2, length="1..2", validation_pairs=3, test_pairs=3)
    assert len(task.held_out("test")) == 3
    with pytest.raises(UsageError, match="no source left to train on"):
        task.check()
    task.model_copy(update={"test_pairs": 2}).check()


# Frames


def test_frames_are_corrupted_and_labels_change_as_often_as_said() -> None:
    task = Frames()
    examples = drawn(task)
    pairs = [pair for example in examples for pair in zip(example.source, example.target, strict=True)]
    moves = [move for example in examples for move in pairwise(example.target)]
    shown_wrong = task.corruption * (1 - 1 / task.labels)
    assert within(sum(frame != label for frame, label in pairs), len(pairs), shown_wrong)
    assert within(sum(before != after for before, after in moves), len(moves), task.change)
    assert {len(example.target) for example in examples} == set(range(task.length.low, task.length.high + 1))


# Captions


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a big red ball is above a small blue cube", True),
        ("there is a red sphere over a little blue box", True),
        ("over a blue cube is a large red ball", True),
        ("a blue cube is under a red ball", True),
        ("under a red ball is a blue cube", True),
        ("a red ball is below a blue cube", False),
        ("a blue cube is above a red ball", False),
        ("above a red ball is a blue cube", False),
        ("a small red ball is above a blue cube", False),
        ("a red cube is above a blue ball", False),
        ("there is a red ball above a blue", False),
        ("a red ball is above a blue cube cube", False),
    ],
)
def test_a_description_is_right_where_the_scene_is_so(text: str, right: bool) -> None:
    assert Captions().is_right(("big", "red", "ball", "above", "small", "blue", "cube"), tokens(text)) == right


@pytest.mark.slow
def test_no_edit_of_one_word_fools_the_checker() -> None:
    scene = ("big", "red", "ball", "left", "small", "red", "ball")
    right = set(descriptions(scene))
    assert len(right) == 432
    words = Captions(colours=2, shapes=2).target_tokens()
    edited = set()
    for output in right:
        for k in range(len(output) + 1):
            before, after = output[:k], output[k:]
            edited.add(before + after[1:])
            edited.add(before + after[1:2] + after[:1] + after[2:])
            edited.update((*before, word, *rest) for word in words for rest in (after, after[1:]))
    accepted = {output for output in edited if Captions().is_right(scene, output)}
    assert accepted == edited & right
    assert len(edited) > 100_000


def test_drawn_descriptions_are_of_every_form_and_references_are_a_sample() -> None:
    examples = drawn(Captions())
    assert all(example.target in descriptions(example.source) for example in examples[:100])
    assert within(sum(example.target[0] == "there" for example in examples), 2000, 1 / 3)
    assert within(sum(example.target[0] not in ("a", "there") for example in examples), 2000, 1 / 3)
    assert {len(example.references) for example in examples} == {1}
    assert {len(example.references) for example in held_out(Captions())[1]} == {16}


# Parsing


GOLD = tokens("(S (NP the dog )NP (VP saw (NP a cat )NP (PP with (NP the rope )NP )PP )VP )S")
ATTACHED = tokens("(S (NP the dog )NP (VP saw (NP (NP a cat )NP (PP with (NP the rope )NP )PP )NP )VP )S")


def test_bracket_f1_of_an_example_worked_by_hand() -> None:
    # GOLD: S 0-8, NP 0-2, VP 2-8, NP 3-5, PP 5-8, NP 6-8. ATTACHED: these six and NP 3-8.
    example = Example(leaves(GOLD), GOLD)
    scores = Parsing().judge([example, example], [ATTACHED, GOLD[:-1]])
    assert scores == pytest.approx({"validity": 50, "bracket_f1": 100 * 2 * 6 / (6 + 6 + 7)})
    assert Parsing().judge([example], [GOLD]) == {"validity": 100, "bracket_f1": 100}
    assert Parsing().judge([example], [()]) == {"validity": 0, "bracket_f1": 0}


def test_brackets_of_a_chain_match_as_often_as_both_trees_have_them() -> None:
    single = tokens("(S (NP the dog )NP (VP saw (NP a cat )NP )VP )S")
    double = tokens("(S (NP (NP the dog )NP )NP (VP saw (NP a cat )NP )VP )S")
    for gold, f1 in ((single, 100 * 2 * 4 / (4 + 5)), (double, 100)):
        scores = Parsing().judge([Example(leaves(gold), gold)], [double])
        assert scores == pytest.approx({"validity": 100, "bracket_f1": f1})


def test_labels_count_in_brackets() -> None:
    relabelled = tuple(token.replace("PP", "SBAR") for token in GOLD)
    assert Parsing().judge([Example(leaves(GOLD), GOLD)], [relabelled])["bracket_f1"] == pytest.approx(500 / 6)


@pytest.mark.parametrize(
    "output",
    [
        "the dog saw a cat",
        "(S the dog saw a cat",
        "(S the dog saw a cat )NP",
        "(S the dog saw a cat )S )S",
        "(S the dog saw )S (S a cat )S",
        "(S the dog saw )S a cat",
        "(S (NP )NP the dog saw a cat )S",
        "(S (NP the (VP dog )NP saw )VP a cat )S",
        "(S the cat saw a dog )S",
        "(S the dog saw a )S",
        ")S the dog saw a cat (S",
    ],
)
def test_what_is_no_tree_over_the_sentence_has_no_brackets(output: str) -> None:
    assert brackets(tokens(output), tokens("the dog saw a cat")) is None


@few
@given(seeds, st.integers(0, 4))
def test_a_tree_holds_its_sentence(seed: int, modifiers: int) -> None:
    example = Parsing(modifiers=modifiers).draw(Random(seed))
    found = brackets(example.target, example.source)
    assert leaves(example.target) == example.source
    assert found is not None
    assert found.total() == sum(token[0] == "(" for token in example.target)
    assert found["S", 0, len(example.source)] == 1


def test_the_grammar_is_not_ambiguous() -> None:
    kinds: dict[str, str] = {}
    for kind, words in {"D": DETERMINERS, "B": BEINGS, "C": CLOTHES, "T": TOOLS, "V": VERBS}.items():
        kinds |= dict.fromkeys(words, kind)
    trees: dict[Tokens, Tokens] = {}
    random, task = Random(5), Parsing(modifiers=4)
    for _ in range(20_000):
        example = task.draw(random)
        sentence, answer = (
            tuple(kinds.get(token, token) for token in side) for side in (example.source, example.target)
        )
        assert trees.setdefault(sentence, answer) == answer
    assert 100 < len(trees) < 1000


# Any order


def test_every_order_is_a_reference_and_each_is_as_likely() -> None:
    task = AnyOrder()
    for example in held_out(task)[1][:50]:
        assert sorted(example.references) == sorted(permutations(example.source))
    assert {len(example.references) for example in drawn(task)} == {1}
    last = sum(example.target[0] == example.source[-1] for example in drawn(task))
    assert within(last, 2000, 1 / 5)


@few
@given(seeds, st.integers(4, 12))
def test_an_order_is_right_and_a_repetition_is_wrong(seed: int, length: int) -> None:
    task = AnyOrder(length=(length, length))
    example = task.draw(Random(seed), "test")
    assert len(set(example.source)) == length
    assert len(example.references) == {4: 24, 5: 120}.get(length, 1)
    assert task.is_right(example.source, example.source[::-1])
    assert not task.is_right(example.source, (*example.source[:-1], example.source[0]))


@pytest.mark.parametrize("length", ["3..5", "5..13"])
def test_any_order_refuses_lengths_it_cannot_draw(length: str) -> None:
    with pytest.raises(ValidationError, match=r"length must lie within 4\.\.12"):
        AnyOrder.model_validate({"length": length})


# Path


@few
@given(seeds, st.integers(2, 4), st.integers(4, 7))
def test_a_path_follows_the_edges_of_a_star(seed: int, degree: int, path_length: int) -> None:
    task = StarPath(degree=degree, path_length=path_length, nodes=30)
    example = task.draw(Random(seed))
    *graph, mark, centre, goal = example.source
    edges = list(zip(graph[::3], graph[1::3], strict=True))
    assert (mark, set(graph[2::3])) == ("/", {"|"})
    assert len(edges) == len(set(edges)) == degree * (path_length - 1)
    assert sum(before == centre for before, _ in edges) == degree
    assert len({after for _, after in edges} - {centre}) == len(edges)
    assert goal not in {before for before, _ in edges}
    assert (example.target[0], example.target[-1]) == (centre, goal)
    assert set(pairwise(example.target)) <= set(edges)
    assert len(example.target) == path_length


def test_a_path_of_another_arm_or_with_a_leap_is_wrong() -> None:
    task = StarPath()
    source = tokens("1 2 | 2 3 | 3 4 | 4 5 | 1 6 | 6 7 | 7 8 | 8 9 | / 1 5")
    assert task.is_right(source, tuple("12345"))
    for wrong in ("16789", "12346", "1235", "2345", "13245", "1", "167895"):
        assert not task.is_right(source, tuple(wrong))


def test_a_star_needs_enough_names() -> None:
    with pytest.raises(ValidationError, match="3 arms of 5 nodes need nodes >= 13, not 12"):
        StarPath(degree=3)
