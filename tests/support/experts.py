"""Experts by brute force: every right answer is compared with the prefix, token by token of every distance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from random import Random

from ssrun.tasks import END, Example, Task, Tokens


def edits(one: Sequence[object], other: Sequence[object]) -> list[int]:
    """Levenshtein's distances between the one and the first 0, 1 ... of the other, by their definition."""
    row = list(range(len(other) + 1))
    for count, token in enumerate(one, start=1):
        above, row = row, [count]
        for place, wanted in enumerate(other):
            row.append(min(above[place] + (token != wanted), above[place + 1] + 1, row[place] + 1))
    return row


def best_next(prefix: Sequence[object], answers: Iterable[Sequence[object]], end: object = END) -> set[object]:
    """What follows, in some answer, the part of it that is nearest to the prefix, of all parts of all answers."""
    parts = [part for answer in answers for part in zip(edits(prefix, answer), (*answer, end), strict=True)]
    least = min(distance for distance, _ in parts)
    return {following for distance, following in parts if distance == least}


def best_next_of_all(prefix: Tokens, answers: Iterable[Tokens], tokens: Iterable[str], most: int) -> set[str]:
    """The same by trying every ending of at most so many tokens: which begin one with the fewest edits in the end."""
    endings = [ending for length in range(most + 1) for ending in product(tokens, repeat=length)]
    known = list(answers)
    distances = [min(edits((*prefix, *ending), answer)[-1] for answer in known) for ending in endings]
    pairs = zip(endings, distances, strict=True)
    return {ending[0] if ending else END for ending, distance in pairs if distance == min(distances)}


def prefixes(task: Task, count: int, seed: int = 0) -> list[tuple[Example, Tokens]]:
    """Pairs of a task, each with a prefix: a right one, or one with changes, or tokens at random."""
    random, words = Random(seed), list(task.target_tokens())
    training = task.training()
    found = []
    for index in range(count):
        example = random.choice(training) if training else task.draw(random)
        prefix = list(example.target[: random.randint(0, len(example.target))])
        for _ in range(index % 4):
            place = random.randint(0, len(prefix))
            change = random.choice(("put in", "left out", "changed", "anew"))
            if change == "anew":
                prefix = random.choices(words, k=random.randint(0, len(example.target) + 2))
            else:
                prefix[place : place + (change != "put in")] = [] if change == "left out" else [random.choice(words)]
        found.append((example, tuple(prefix)))
    return found
