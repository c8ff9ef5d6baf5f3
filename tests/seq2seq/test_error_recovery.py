"""One wrong token in the true prefix is followed as by a loop of one pair and one step at a time."""

from __future__ import annotations

import pytest
import torch

from ssrun.errors import UsageError
from ssrun.runs.trained import Trained, load_trained
from ssrun.seq2seq.batches import collate
from ssrun.seq2seq.error_recovery import Offset, recovery, wrong_token
from ssrun.seq2seq.vocabulary import BOS, SPECIALS
from ssrun.tasks import Example
from tests.support import tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return load_trained(tiny.finished_run(tmp_path_factory.mktemp("results")))


def continued(trained: Trained, example: Example, swapped: int, token: int) -> list[int]:
    """The outputs from `swapped` on: the true prefix with `token` there, then the argmax; a pass for every output."""
    model = trained.model
    pair = trained.vocabularies.encode(example)
    memory = model.encode(collate([pair]).source)
    inputs = [BOS, *pair[1][:swapped], token]
    outputs = []
    for position in range(swapped, len(pair[1])):
        outputs.append(int(model.decode(memory, torch.tensor([inputs[: position + 1]]))[0, -1].argmax()))
        if position > swapped:
            inputs.append(outputs[-1])
    return outputs


def startled() -> Trained:
    """A model that hangs on every word it is fed."""
    model = tiny.untrained(tiny.configuration("uniform", model={"attention": "none"}))
    with torch.no_grad():
        model.model.target_embedding.weight.mul_(20)
        model.model.output.weight.mul_(5)
    return model


@pytest.mark.parametrize("position", [None, 0, 3])
@pytest.mark.parametrize("calm", [True, False])
@torch.no_grad()
def test_recovery_is_that_of_a_loop_one_pair_and_one_step_at_a_time(
    trained: Trained, position: int | None, calm: bool
) -> None:
    trained = trained if calm else startled()
    vocabulary = trained.vocabularies.target
    rows, finished, left_out = [], [], 0
    for index, example in enumerate(tiny.held_out(trained)):
        swapped = (len(example.target) - 1) // 2 if position is None else position
        if len(example.target) + 1 < swapped + 2:
            left_out += 1
            continue
        gold = vocabulary.encode(example.target)
        token = wrong_token(gold[swapped], len(vocabulary) - len(SPECIALS), swapped, index)
        without = continued(trained, example, swapped, gold[swapped])
        injected = continued(trained, example, swapped, token)
        assert without[0] == injected[0]
        same = [without[k:] == injected[k:] for k in range(len(without))]
        rows.append([(a != y, b != y, s) for a, b, y, s in zip(without, injected, gold[swapped:], same, strict=True)])
        if without[-1] == injected[-1]:
            finished.append(max((k for k in range(len(same)) if without[k] != injected[k]), default=0))
    found = recovery(trained.model, trained.vocabularies, tiny.held_out(trained), position)
    expected = []
    for offset in range(max(map(len, rows))):
        reached = [row[offset] for row in rows if len(row) > offset]
        n, a, b, same_ = len(reached), *(sum(column) for column in zip(*reached, strict=True))
        expected.append(Offset(offset, n, 100 * a / n, 100 * b / n, 100 * (b - a) / n, 100 * same_ / n))
    assert found.offsets == expected
    assert (found.pairs, found.left_out) == (len(rows), left_out)
    assert (found.recovered, found.untouched) == (len(finished), finished.count(0))
    assert found.mean_steps == (sum(finished) / len(finished) if finished else None)
    assert found.offsets[0].excess == 0
    assert calm or 0 < found.recovered < found.pairs


def test_a_model_that_cannot_see_what_it_is_fed_loses_nothing() -> None:
    model = tiny.untrained(tiny.configuration())
    with torch.no_grad():
        model.model.target_embedding.weight.zero_()
    found = recovery(model.model, model.vocabularies, tiny.held_out(model))
    assert (found.recovered, found.untouched, found.mean_steps) == (found.pairs, found.pairs, 0)
    assert {(offset.excess, offset.recovered) for offset in found.offsets} == {(0, 100)}


def test_a_wrong_token_is_real_never_the_true_one_and_uniform() -> None:
    drawn = [wrong_token(6, 4, 2, index) for index in range(3000)]
    assert drawn == [wrong_token(6, 4, 2, index) for index in range(3000)]
    assert {token: drawn.count(token) > 900 for token in set(drawn)} == {4: True, 5: True, 7: True}
    assert wrong_token(3, 1, 0, 0) == 4  # the true one is <unk>: the one real token is wrong


def test_the_first_pairs_alone_are_taken_when_asked(trained: Trained) -> None:
    found = recovery(trained.model, trained.vocabularies, tiny.held_out(trained)[:7])
    assert (found.pairs, found.left_out, found.references) == (7, 0, 1)
    longest = max(len(example.target) for example in tiny.held_out(trained))
    with pytest.raises(UsageError, match=f"give 0 to {longest - 1}"):
        recovery(trained.model, trained.vocabularies, tiny.held_out(trained), longest)
    of_that_length = sum(len(example.target) == longest for example in tiny.held_out(trained))
    assert recovery(trained.model, trained.vocabularies, tiny.held_out(trained), longest - 1).pairs == of_that_length
