"""What the tasks' experts say after any prefix: against brute force."""

from __future__ import annotations

from itertools import permutations, product
from random import Random

import pytest

from ssrun.tasks import END, TASKS, Example, Task, Tokens
from ssrun.tasks.any_order import AnyOrder
from ssrun.tasks.captions import Captions, descriptions
from ssrun.tasks.frames import Frames
from ssrun.tasks.parsing import Parsing
from ssrun.tasks.star_path import StarPath
from ssrun.tasks.symbols import Copy, Reverse
from ssrun.tasks.translation import Translation
from tests.support.experts import best_next, best_next_of_all, prefixes


@pytest.mark.parametrize("task", [Copy(), Reverse(symbols=3), Translation(), Parsing()], ids=lambda task: task.name)
def test_the_default_keeps_the_edits_to_the_answer_fewest_after_1000_prefixes(task: Task) -> None:
    for example, prefix in prefixes(task, 1000):
        assert set(task.expert(example, prefix)) == best_next(prefix, [example.target])


def test_of_several_answers_the_nearest_counts() -> None:
    random, task = Random(0), Copy(symbols=4)
    for _ in range(1000):
        target, *others = (tuple(random.choices("abcd", k=random.randint(1, 6))) for _ in range(random.randint(1, 4)))
        prefix = tuple(random.choices("abcd", k=random.randint(0, 7)))
        example = Example(("a",), target, tuple(others))
        assert set(task.expert(example, prefix)) == best_next(prefix, example.references)


def test_what_brute_force_says_is_what_every_possible_ending_says() -> None:
    """The nearest part of an answer leads to the nearest output: Sabour et al. 2019, section 3."""
    random = Random(1)
    for _ in range(60):
        answers = [tuple(random.choices("ab", k=random.randint(1, 4))) for _ in range(random.randint(1, 2))]
        prefix = tuple(random.choices("ab", k=random.randint(0, 4)))
        assert best_next(prefix, answers) == best_next_of_all(prefix, answers, "ab", 5)


@pytest.mark.slow
def test_captions_go_on_to_the_nearest_of_all_descriptions() -> None:
    task = Captions()
    for example, prefix in prefixes(task, 1000):
        answers = descriptions(example.source)
        said = set(task.expert(example, prefix))
        following = {(*answer, END)[len(prefix)] for answer in answers if answer[: len(prefix)] == prefix}
        assert not following or said == following, "every description that fits"
        if not following:
            assert said == best_next(prefix, answers)


def test_any_order_says_what_has_not_been_said() -> None:
    task = AnyOrder()
    for example, prefix in prefixes(task, 1000):
        said = set(task.expert(example, prefix))
        assert said == ({*example.source} - {*prefix} or {END})
        if len({*prefix}) == len(prefix) and {*prefix} <= {*example.source}:
            orders = [order for order in permutations(example.source) if order[: len(prefix)] == prefix]
            assert said == {(*order, END)[len(prefix)] for order in orders}


def test_path_follows_the_arm_to_the_goal_and_is_silent_off_it() -> None:
    task, silent = StarPath(), 0
    for example, prefix in prefixes(task, 1000):
        edges = set(zip(example.source[::3], example.source[1::3], strict=False))
        said = task.expert(example, prefix)
        if not prefix:
            assert said == example.target[:1]
        elif prefix[-1] == example.target[-1]:
            assert said == (END,)
        elif prefix[-1] in example.target:
            (step,) = said
            assert (prefix[-1], step) in edges
            assert step in example.target
        else:
            assert said == ()
            silent += 1
    assert 100 < silent < 900


def chain_by_hand(task: Frames, frames: Tokens, prefix: Tokens) -> dict[str, float]:
    """Of each label the weight of all tracks that go on with it from the last one said: summed one by one."""
    labels = "abcdefgh"[: task.labels]
    weights = dict.fromkeys(labels, 0.0)
    for track in product(labels, repeat=len(frames) - len(prefix)):
        weight, last = 1.0, prefix[-1] if prefix else None
        for label, frame in zip(track, frames[len(prefix) :], strict=True):
            if last is None:
                weight /= task.labels
            else:
                weight *= 1 - task.change if label == last else task.change / (task.labels - 1)
            weight *= task.corruption / task.labels + (1 - task.corruption) * (label == frame)
            last = label
        weights[track[0]] += weight
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}


def test_frames_say_the_exact_posterior() -> None:
    task = Frames.model_validate({"name": "frames", "labels": 3, "length": "4..6", "change": 0.3})
    for example, prefix in prefixes(task, 1000):
        said = task.expert(example, prefix)
        if len(prefix) >= len(example.source):
            assert said == {END: 1.0}
        else:
            assert said == pytest.approx(chain_by_hand(task, example.source, prefix))


@pytest.mark.parametrize(("change", "corruption"), [(0.0, 0.5), (0.3, 0.0), (0.0, 0.0), (1.0, 1.0)])
def test_frames_that_cannot_be_leave_the_frames_to_decide(change: float, corruption: float) -> None:
    task = Frames(labels=2, change=change, corruption=corruption)
    for prefix in (("a",), ("b",), (END,)):
        said = task.expert(Example(("a", "a", "a"), ("a", "a", "a")), prefix)
        assert sum(said.values()) == pytest.approx(1)
        if corruption < 1 and (prefix == (END,) or change == corruption == 0):
            assert said["a"] > said["b"], "the frames say a, whatever was said"


@pytest.mark.parametrize("name", [name for name in TASKS if name not in ("corpus", "captions", "frames", "any-order")])
def test_after_a_right_prefix_the_expert_says_the_one_right_token(name: str) -> None:
    task = TASKS[name](name=name)
    for example, _ in prefixes(task, 200):
        for place, token in enumerate((*example.target, END)):
            assert set(task.expert(example, example.target[:place])) == {token}
