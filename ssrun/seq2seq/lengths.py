"""Whether a body has a position for every token of a task's pairs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from random import Random

from ssrun.errors import UsageError
from ssrun.seq2seq.batches import heard
from ssrun.seq2seq.vocabulary import Vocabularies
from ssrun.tasks import HELD_OUT, Example, Task

DRAWN = 1_000  # pairs that are looked at where training draws fresh ones


def check_lengths(task: Task, longest: int) -> None:
    """Looks at the held-out pairs, at the training set, or at some of those that training may draw.

    Raises:
        UsageError: One is longer than the longest sequence, EOS included.
        Interrupted: A signal came.
    """
    task = task.prepared()
    source, target = Vocabularies.of(task)
    pairs = heard(chain(*map(task.held_out, HELD_OUT), trained_on(task)))
    found = 1 + max(max(source.length(pair.source), target.length(pair.target)) for pair in pairs)
    if found > longest:
        told = f"a sequence of {task.name} has {found} tokens, EOS included"
        raise UsageError(f"model.positions = {longest}: {told}: give model.positions={found}, or shorter pairs")


def trained_on(task: Task) -> Iterator[Example]:
    random, training = Random(f"{task.name}/lengths"), task.training()
    yield from training if training is not None else (task.draw(random) for _ in range(DRAWN))
