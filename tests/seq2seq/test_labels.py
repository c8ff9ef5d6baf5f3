"""Labels: each against a step-by-step reference, loss and gradients; and what counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssrun.config.resolution import resolve
from ssrun.config.run import ScoringConfig
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batch, collate, pad
from ssrun.seq2seq.decoder_inputs import draw, scheduled_inputs, teacher_forced_inputs
from ssrun.seq2seq.labels import (
    Distributions,
    EncodedAnswers,
    Labels,
    TokenLabels,
    check_expert,
    expert_labels,
    fed_labels,
    labelling,
)
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.scoring import score
from ssrun.seq2seq.training import adam, objective_of, train
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, SPECIALS, Vocabularies
from ssrun.strategies import STRATEGIES, Strategy
from ssrun.strategies.schedules import Constant
from ssrun.tasks import TASKS, Example, Tokens
from ssrun.tasks.any_order import AnyOrder
from ssrun.tasks.captions import Captions
from ssrun.tasks.star_path import StarPath
from ssrun.tasks.symbols import Copy
from tests.support import tiny
from tests.support.experts import best_next

TASK = Copy(symbols=tiny.REAL)
VOCABULARIES = Vocabularies.of(TASK)


def batch_of(count: int = 7) -> Batch:
    """A batch whose rows are examples of TASK, with padding on both sides."""
    pairs = tiny.pairs(count)
    sides = [tuple(map(VOCABULARIES.target.decode, pair)) for pair in pairs]
    return collate(pairs, [Example(*side) for side in sides])


def fed_to(model: Seq2Seq, batch: Batch, epsilon: float = 0.3, feed: Any = "sample") -> Tensor:
    memory = model.encode(batch.source, batch.lengths)
    return scheduled_inputs(
        model, memory, batch.target, epsilon, tiny.feeds(feed), draw(batch.target, "token", 3, 0)
    ).tokens


def an_early_end(model: Seq2Seq) -> Seq2Seq:
    """The model, likelier to say EOS before it should."""
    with torch.no_grad():
        model.output.bias[EOS] += 2
    return model


def source_of(batch: Batch, row: int) -> Tensor:
    return batch.source[row : row + 1, : batch.lengths[row]]


def step_by_step(
    model: Seq2Seq, batch: Batch, inputs: Tensor, nats: Callable[[int, int, Tensor], Tensor | None]
) -> Tensor:
    """The mean of what `nats(row, t, logits [V])` says of each position, one position of one sequence at a time."""
    found = []
    for row in range(len(batch.target)):
        memory = model.encode(source_of(batch, row))
        for t in range(int((batch.target[row] != PAD).sum())):
            if EOS in inputs[row, 1 : t + 1]:
                break
            logits = model.decode(memory, inputs[row : row + 1, : t + 1])[0, -1]
            found.append(nats(row, t, logits))
    return torch.stack(found).mean()


def assert_same_loss_and_gradients(model: Seq2Seq, ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-6)
    for gradient, wanted in zip(
        *(torch.autograd.grad(loss, [*model.parameters()], retain_graph=True) for loss in (ours, theirs)), strict=True
    ):
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=1e-5)
    assert float(ours.detach()) > 0.01


def learned(model: Seq2Seq, batch: Batch, inputs: Tensor, labels: Labels) -> Tensor:
    return labels.loss(model.decode(model.encode(batch.source, batch.lengths), inputs))


@pytest.mark.parametrize("feed", ["sample", "argmax", "uniform-token"])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0])
def test_expert_labels_equal_a_step_by_step_reference(epsilon: float, feed: str) -> None:
    model, batch = an_early_end(tiny.model()), batch_of()
    inputs = fed_to(model, batch, epsilon, feed)

    def nats(row: int, t: int, logits: Tensor) -> Tensor:
        answer = [token for token in batch.target[row].tolist() if token not in (PAD, EOS)]
        best = sorted(best_next(inputs[row, 1 : t + 1].tolist(), [answer], EOS))
        return -logits.log_softmax(0)[best].mean()

    labels = expert_labels(TASK, VOCABULARIES.target, batch, inputs)
    theirs = step_by_step(model, batch, inputs, nats)
    assert_same_loss_and_gradients(model, learned(model, batch, inputs, labels), theirs)


def test_fed_labels_equal_a_step_by_step_reference() -> None:
    model, batch = an_early_end(tiny.model()), batch_of()
    inputs = fed_to(model, batch)

    def nats(row: int, t: int, logits: Tensor) -> Tensor:
        said = EOS if batch.target[row, t] == EOS else int(inputs[row, t + 1])
        return -logits.log_softmax(0)[said]

    theirs = step_by_step(model, batch, inputs, nats)
    ours = learned(model, batch, inputs, TokenLabels(fed_labels(batch.target, inputs)))
    assert_same_loss_and_gradients(model, ours, theirs)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 1.0])
def test_a_teachers_labels_equal_a_step_by_step_reference(beta: float, temperature: float) -> None:
    model, teacher, batch = an_early_end(tiny.model()), tiny.model(seed=1, hidden=12), batch_of()
    inputs = fed_to(model, batch)
    strategy = Strategy(
        schedule=Constant(value=0.3), label="teacher", teacher="t", beta=beta, teacher_temperature=temperature
    )

    def nats(row: int, t: int, logits: Tensor) -> Tensor:
        memory = teacher.encode(source_of(batch, row))
        theirs = teacher.decode(memory, inputs[row : row + 1, : t + 1])[0, -1].detach()
        said = [*range(EOS, tiny.SIZE)]
        p, q = (part[said].div(temperature).softmax(0) for part in (theirs, logits))
        if beta in (0, 1):
            one, other = (p, q) if beta == 0 else (q, p)
            return (one * (one / other).log()).sum()
        m = beta * p + (1 - beta) * q
        return beta * (p * (p / m).log()).sum() + (1 - beta) * (q * (q / m).log()).sum()

    labels = labelling(strategy, TASK, VOCABULARIES, teacher)(batch, inputs)
    theirs = step_by_step(model, batch, inputs, nats)
    assert_same_loss_and_gradients(model, learned(model, batch, inputs, labels), theirs)


def test_a_model_that_is_its_teacher_has_nothing_to_learn() -> None:
    model, batch = tiny.model(), batch_of()
    inputs = fed_to(model, batch)
    for beta in (0.0, 0.5, 1.0):
        strategy = Strategy(schedule=Constant(value=0.3), label="teacher", beta=beta)
        labels = labelling(strategy, TASK, VOCABULARIES, model)(batch, inputs)
        assert abs(float(learned(model, batch, inputs, labels).detach())) < 1e-6


def test_a_teacher_that_is_not_there_is_no_gold() -> None:
    batch = batch_of()
    label = labelling(Strategy(schedule=Constant(), label="teacher"), TASK, VOCABULARIES)
    with pytest.raises(ValueError, match="there is no teacher"):
        label(batch, teacher_forced_inputs(batch.target))


def test_completions_of_a_batch_are_those_of_its_prefixes() -> None:
    random = Random(0)
    for _ in range(200):
        rows = random.randint(1, 4)
        owners = sorted([*range(rows), *random.choices(range(rows), k=random.randint(0, 3))])
        answers = [[random.randint(4, 7) for _ in range(random.randint(1, 7))] for _ in owners]
        fed = [[BOS, *(random.randint(3, 8) for _ in range(7))] for _ in range(rows)]
        counted = np.array([[random.random() < 0.8 for _ in range(8)] for _ in range(rows)])
        references = pad([[*answer, EOS] for answer in answers]).numpy()
        encoded = EncodedAnswers.targets(references)._replace(owners=np.array(owners))
        places, tokens = encoded.completions(np.array(fed), counted)
        found: dict[int, set[int]] = {}
        for place, token in zip(places.tolist(), tokens.tolist(), strict=True):
            assert token not in found.setdefault(place, set())
            found[place].add(token)
        wanted = {}
        for row in range(rows):
            own = [answer for owner, answer in zip(owners, answers, strict=True) if owner == row]
            for t in range(8):
                if counted[row, t]:
                    wanted[row * 8 + t] = best_next(fed[row][1 : t + 1], own, EOS)
        assert found == wanted


def test_other_right_answers_of_an_example_count() -> None:
    target, other = ("a", "b"), ("c", "b", "d")
    example = Example(("a",), target, (other,))
    batch = collate([VOCABULARIES.encode(example)], [example])
    labels = expert_labels(TASK, VOCABULARIES.target, batch, teacher_forced_inputs(batch.target))
    first = labels.tokens[labels.positions == 0].tolist()
    assert sorted(first) == sorted(VOCABULARIES.target.encode(("a", "c"))[:2])
    assert labels.weights[labels.positions == 0].tolist() == [0.5, 0.5]


def test_after_a_right_prefix_the_expert_is_gold_where_one_answer_is_right() -> None:
    model, batch = tiny.model(), batch_of(40)
    inputs = teacher_forced_inputs(batch.target)
    labels = expert_labels(TASK, VOCABULARIES.target, batch, inputs)
    real = batch.target != PAD
    assert torch.equal(labels.counted, real)
    assert torch.equal(labels.tokens, batch.target[real])
    assert (labels.weights == 1).all()
    losses = [learned(model, batch, inputs, kind) for kind in (labels, TokenLabels(batch.target))]
    torch.testing.assert_close(*losses)


def test_after_an_end_of_its_own_nothing_counts_but_gold() -> None:
    target = torch.tensor([[5, 6, 7, EOS], [5, EOS, PAD, PAD]])
    inputs = torch.tensor([[BOS, EOS, 6, 7], [BOS, 5, EOS, PAD]])
    batch = Batch(target, None, target)
    counted = [[True, False, False, False], [True, True, False, False]]
    assert expert_labels(TASK, VOCABULARIES.target, batch, inputs).counted.tolist() == counted
    assert fed_labels(target, inputs).tolist() == [[EOS, PAD, PAD, PAD], [5, EOS, PAD, PAD]]
    gold = labelling(STRATEGIES["uniform"].strategy, TASK, VOCABULARIES)(batch, inputs)
    assert gold.counted.tolist() == [[True] * 4, [True, True, False, False]]


def test_a_task_that_knows_better_is_asked_with_what_was_fed() -> None:
    task, model = AnyOrder(symbols=tiny.REAL, length=(4, 4)), tiny.model()
    vocabularies, random = Vocabularies.of(task), Random(0)
    examples = [task.draw(random) for _ in range(5)]
    batch = collate([vocabularies.encode(example) for example in examples], examples)
    inputs = fed_to(model, batch, 0.0)
    labels = expert_labels(task, vocabularies.target, batch, inputs)
    for row, example in enumerate(examples):
        for t in range(5):
            here = labels.positions == row * 5 + t
            words = [vocabularies.target.tokens[token] for token in labels.tokens[here].tolist()]
            if labels.counted[row, t]:
                prefix = [vocabularies.target.tokens[token] for token in inputs[row, 1 : t + 1].tolist()]
                assert set(words) == ({*example.source} - {*prefix} or {SPECIALS[EOS]})
                assert float(labels.weights[here].sum()) == pytest.approx(1)
            else:
                assert not words


def test_where_the_expert_is_silent_nothing_counts() -> None:
    task = StarPath()
    example = task.draw(Random(0))
    batch = collate([Vocabularies.of(task).encode(example)], [example])
    off = next(node for node in task.target_tokens() if node not in example.target)
    inputs = teacher_forced_inputs(batch.target)
    inputs[0, 2] = Vocabularies.of(task).target.encode((off,))[0]
    labels = expert_labels(task, Vocabularies.of(task).target, batch, inputs)
    assert labels.counted.tolist() == [[True, True, False, True, True, True]]


class Broken(Copy):
    said: Any = ()

    def expert(self, example: Example, prefix: Tokens) -> Any:
        return self.said


@pytest.mark.parametrize(
    ("said", "fault"), [("a", "and not a text"), ({"a": 0.4}, "sum to 0.4"), ({"a": 1.5, "b": -0.5}, "below 0")]
)
def test_an_expert_that_says_no_distribution_is_told_of(said: Any, fault: str) -> None:
    batch = batch_of()
    with pytest.raises(ValueError, match=fault):
        expert_labels(Broken(said=said), VOCABULARIES.target, batch, teacher_forced_inputs(batch.target))


def test_an_expert_that_is_silent_everywhere_teaches_nothing_and_is_measured_by_nothing() -> None:
    batch, model = batch_of(), tiny.model()
    inputs = teacher_forced_inputs(batch.target)
    labels = expert_labels(Broken(), VOCABULARIES.target, batch, inputs)
    assert not labels.counted.any()
    assert float(learned(model, batch, inputs, labels).detach()) == 0
    scores = score(model, Broken(), batch.examples, VOCABULARIES, ScoringConfig(), whole=True)
    assert not {"expert_loss", "expert_error", "excess_error"} & scores.values.keys()


def test_what_an_expert_repeats_or_the_vocabulary_lacks_is_one_token() -> None:
    batch = batch_of()
    inputs = teacher_forced_inputs(batch.target)
    for said, weights in ((["a", "a", "b"], [0.5, 0.5]), ({"x": 0.25, "y": 0.75}, [1.0])):
        labels = expert_labels(Broken(said=said), VOCABULARIES.target, batch, inputs)
        assert labels.weights.tolist() == weights * int(labels.counted.sum())


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("a", "and not a text"),
        ({"a": 2.0}, "sum to 2"),
        (("elephant",), "'elephant', which is not among its target_tokens"),
    ],
)
def test_an_expert_that_says_what_is_no_answer_is_refused_before_training(said: Any, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        check_expert(Broken(said=said))
    check_expert(Broken(said=("a", "<eos>")))
    for name in ("any-order", "captions", "frames", "path", "copy"):
        check_expert(TASKS[name](name=name))


def test_probabilities_of_an_expert_are_the_shares() -> None:
    batch = batch_of()
    task = Broken(said={"a": 0.25, "b": 0.75, "c": 0.0})
    labels = expert_labels(task, VOCABULARIES.target, batch, teacher_forced_inputs(batch.target))
    assert labels.weights.tolist() == [0.25, 0.75] * int(labels.counted.sum())
    assert float(labels.entropy()[:2].sum()) == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))


SMALL = {"model": {"embedding": 8, "hidden": 8}, "training": {"steps": 3, "batch_size": 8}}


@pytest.mark.parametrize("name", ["any-order", "captions", "frames", "parsing", "path", "translation"])
@pytest.mark.parametrize("strategy", ["dagger", "expert-sampling", "raml"])
def test_every_label_is_trained_on_every_task(name: str, strategy: str) -> None:
    config = resolve(name, strategy, 0, [SMALL])
    parts = prepare(config)
    steps = list(train(parts.model, adam(parts.model, config), parts.batches, config))
    assert all(math.isfinite(step.loss) and step.loss > 0 for step in steps)


def test_the_share_that_raml_keeps_is_that_of_its_temperature() -> None:
    """With epsilon = 1 / (1 + V / (exp(1 / tau) - 1)) a token is exp(1 / tau) times as likely kept as any other."""
    size, tau = tiny.REAL, 0.5
    epsilon = 1 / (1 + size / (math.exp(1 / tau) - 1))
    target = torch.full((400, 101), len(SPECIALS))
    target[:, -1] = EOS
    inputs = scheduled_inputs(
        tiny.model(), None, target, epsilon, tiny.feeds("uniform-token"), draw(target, "token", 0, 0)
    ).tokens
    said = torch.bincount(fed_labels(target, inputs)[:, :-1].flatten())[len(SPECIALS) :]
    assert len(said) == size
    assert float(said[0] / said[1:].double().mean()) == pytest.approx(math.exp(1 / tau), rel=0.05)


def test_smoothing_is_over_the_positions_that_count() -> None:
    target = torch.tensor([[5, 6, 7, EOS], [5, EOS, PAD, PAD]])
    inputs = torch.tensor([[BOS, EOS, 6, 7], [BOS, 5, EOS, PAD]])
    labels = expert_labels(TASK, VOCABULARIES.target, Batch(target, None, target), inputs)
    logits = torch.randn(2, 4, tiny.SIZE, generator=torch.Generator().manual_seed(0))
    loss = labels.loss(logits)
    spread = [-logits[row, t].log_softmax(0)[EOS:].mean() for row, t in ((0, 0), (1, 0), (1, 1))]
    smoothed = objective_of(loss, logits, labels.counted, 0.3)
    assert float(smoothed) == pytest.approx(0.7 * float(loss) + 0.3 * float(torch.stack(spread).mean()), rel=1e-5)


def test_distributions_take_no_gradient_into_the_teacher() -> None:
    model, teacher, batch = tiny.model(), tiny.model(seed=1), batch_of()
    inputs = teacher_forced_inputs(batch.target)
    labels = labelling(Strategy(schedule=Constant(), label="teacher"), TASK, VOCABULARIES, teacher)(batch, inputs)
    assert isinstance(labels, Distributions)
    learned(model, batch, inputs, labels).backward()
    assert all(weight.grad is None for weight in teacher.parameters())


def test_answers_with_choices_are_those_of_one_prefix_after_another() -> None:
    task, random = Captions(), Random(0)
    vocabularies = Vocabularies.of(task)
    words = vocabularies.target
    for _ in range(5):
        examples = [task.draw(random) for _ in range(6)]
        batch = collate([vocabularies.encode(example) for example in examples], examples)
        inputs = teacher_forced_inputs(batch.target)
        changed = torch.rand(inputs.shape, generator=torch.Generator().manual_seed(0)) < 0.2
        inputs[:, 1:][changed[:, 1:]] = random.randrange(len(SPECIALS), len(words))
        labels = expert_labels(task, words, batch, inputs)
        for place, wanted in enumerate(labels.counted.flatten().tolist()):
            row, t = divmod(place, inputs.shape[1])
            said = {words.tokens[token] for token in labels.tokens[labels.positions == place].tolist()}
            prefix = tuple(words.tokens[token] for token in inputs[row, 1 : t + 1].tolist())
            assert said == (set(task.expert(examples[row], prefix)) if wanted else set())


def test_gold_leaves_weights_bit_for_bit_as_a_cross_entropy_with_the_target_does() -> None:
    config = resolve("reverse", "uniform", 0, [SMALL, {"model": {"dropout": 0.2}, "training": {"steps": 8}}])
    ours, theirs = prepare(config), prepare(config)
    for _ in train(ours.model, adam(ours.model, config), ours.batches, config):
        pass
    optimiser = adam(theirs.model, config)
    for step in range(8):
        batch = theirs.batches.at(step)
        masks = theirs.model.masks(len(batch.target), streams.generator(0, "dropout", step))
        memory = theirs.model.encode(batch.source, batch.lengths, masks)
        draws = draw(batch.target, "token", 0, step)
        inputs = scheduled_inputs(theirs.model, memory, batch.target, 0.5, tiny.feeds("sample"), draws, masks)
        logits = theirs.model.decode(memory, inputs.tokens, masks)
        optimiser.zero_grad()
        nn.functional.cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=PAD).backward()
        nn.utils.clip_grad_norm_(theirs.model.parameters(), config.training.clip)
        optimiser.step()
    for ours_, theirs_ in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        assert torch.equal(ours_, theirs_)
