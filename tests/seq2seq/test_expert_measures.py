"""The measures that rest on the expert: by hand on a tiny model, and what they are for."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch

from ssrun.config.run import ScoringConfig
from ssrun.seq2seq.batches import collate
from ssrun.seq2seq.decoder_inputs import pick
from ssrun.seq2seq.expert_measures import ExpertMeasures
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.scoring import score
from ssrun.seq2seq.streams import generator
from ssrun.seq2seq.vocabulary import BOS, EOS, Vocabularies
from ssrun.tasks import Example
from ssrun.tasks.frames import Frames
from ssrun.tasks.symbols import Copy
from ssrun.tasks.task import Task
from tests.support import tiny
from tests.support.experts import best_next

MEASURES = ("expert_loss", "expert_error", "expert_choices", "excess_error")


def measured(model: Seq2Seq, task: Task, examples: list[Example]) -> dict[str, float]:
    vocabularies = Vocabularies.of(task)
    scores = score(model, task, examples, vocabularies, ScoringConfig(), whole=True)
    return {name: scores.values[name] for name in MEASURES if name in scores.values}


def by_hand(model: Seq2Seq, task: Task, examples: list[Example]) -> dict[str, float]:
    """The same, one position of one pair at a time."""
    vocabulary = Vocabularies.of(task).target
    longest = max(len(example.target) for example in examples) + 1
    order = sorted(range(len(examples)), key=lambda n: (len(examples[n].source), len(examples[n].target)))
    uniform = torch.rand(len(examples), longest, generator=generator(0, "sample", 0))
    loss, wrong, choices = [], [], []
    divergences: dict[str, list[list[float]]] = {feed: [[] for _ in range(longest)] for feed in ("data", "model")}
    for place, index in enumerate(order):
        example = examples[index]
        labels = vocabulary.encode(example.target)
        memory = model.encode(collate([Vocabularies.of(task).encode(example)]).source)
        for feed in ("argmax", "data", "model"):
            inputs = [BOS]
            for t, label in enumerate(labels):
                logits = model.decode(memory, torch.tensor([inputs]))[0, -1]
                log_p = logits.log_softmax(0)
                if EOS not in inputs:
                    if isinstance(task, Frames):
                        told = task.expert(example, vocabulary.decode(inputs[1:]))
                        said = {vocabulary.encode((token,))[0]: share for token, share in told.items()}
                    else:
                        best = best_next(inputs[1:], [labels[:-1]], EOS)
                        said = dict.fromkeys(best, 1 / len(best))
                    cross = -sum(share * float(log_p[token]) for token, share in said.items())
                    entropy = -sum(share * math.log(share) for share in said.values())
                    if feed == "argmax":
                        loss.append(cross)
                        choices.append(math.exp(entropy))
                        wrong.append(said.get(int(log_p.argmax()), 0) < max(said.values()) - 1e-6)
                    else:
                        divergences[feed][t].append(cross - entropy)
                if t + 1 < len(labels):
                    drawn = pick(logits[None], uniform[place, t + 1 : t + 2])
                    inputs.append(int({"argmax": log_p.argmax(), "data": label, "model": drawn}[feed]))
    half = sum(2 * len(column) >= len(examples) for column in divergences["data"])
    means = {feed: [sum(column) / len(column) for column in found if column] for feed, found in divergences.items()}
    return {
        "expert_loss": sum(loss) / len(loss),
        "expert_error": 100 * sum(wrong) / len(wrong),
        "expert_choices": sum(choices) / len(choices),
        "excess_error": 100 * (sum(means["model"][:half]) / sum(means["data"][:half]) - 1),
    }


def pairs(task: Task, count: int) -> list[Example]:
    random = Random(0)
    return [task.draw(random) for _ in range(count)]


@pytest.mark.parametrize(
    "task", [Copy(symbols=5, length=(1, 6)), Frames(labels=5, length=(3, 5))], ids=lambda task: task.name
)
@torch.no_grad()
def test_they_are_those_by_hand(task: Task) -> None:
    model, examples = tiny.model(scale=1.5), pairs(task, 30)
    model.output.bias[EOS] += 1
    ours, theirs = measured(model, task, examples), by_hand(model, task, examples)
    for name in MEASURES:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-5), name


def test_a_model_that_says_what_the_expert_says_has_no_error() -> None:
    """Any answer of the expert's counts, where the decoding error wants the reference's."""

    class First(Copy):
        def expert(self, example: Example, prefix: tuple[str, ...]) -> tuple[str, ...]:
            return ("a", "b", "<eos>")

    task, model = First(symbols=5), tiny.model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.output.bias[:] = -50.0
        model.output.bias[[EOS, *Vocabularies.of(task).target.encode(("a", "b"))[:2]]] = 0.0
    found = measured(model, task, pairs(task, 20))
    assert found["expert_error"] == 0
    assert found["expert_loss"] == pytest.approx(math.log(3))
    assert found["expert_choices"] == pytest.approx(3)


def test_the_excess_ends_where_there_is_nothing_to_compare() -> None:
    measures = ExpertMeasures(Copy(), Vocabularies.of(Copy()).target, 3)
    measures.divergences[:] = torch.tensor([[1.0, 1.0, 1.0], [2.0, 4.0, 0.0]])
    measures.counts[:] = torch.tensor([[1, 1, 1], [1, 1, 0]])
    assert measures.excess_by_length() == pytest.approx([100.0, 200.0])
    measures.divergences[0] = 0
    assert measures.excess_by_length() == []
