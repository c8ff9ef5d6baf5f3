"""Sequence objectives and professor forcing equal their definitions, output by output; a run that begins with one."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ssrun.config.resolution import resolve
from ssrun.config.run import RunConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batch, collate
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.learning_pass import learner
from ssrun.seq2seq.model import Masks, Seq2Seq
from ssrun.seq2seq.objective import with_second_losses
from ssrun.seq2seq.professor import LEARNS_BELOW, TEACHES_ABOVE, Discriminator
from ssrun.seq2seq.search import greedy
from ssrun.seq2seq.sequence_objectives import most, references_of, reward
from ssrun.seq2seq.training import adam, train
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, Vocabulary
from ssrun.tasks import Example
from tests.support import successors, tiny
from tests.support.runs import finished

SEED, STEP = 3, 2
WORDS = Vocabulary(["a", "b", "c", "d", "e"])
LAST = len(WORDS) - 1
BODIES = [{"attention": "none", "layers": 1, "dropout": 0}, {"attention": "dot", "layers": 2, "dropout": 0.3}]
bodies = pytest.mark.parametrize("body", BODIES, ids=lambda body: "-".join(map(str, body.values())))


def configuration(objective: str, **fields: Any) -> RunConfig:
    strategy = {"initial": "drawn", **fields}
    return resolve("copy", objective, SEED, [{"strategy": strategy, "training": {"steps": 5}}])


def batch_of(count: int = 4) -> Batch:
    """Pairs whose examples say, in words, what the ids do; the first has a second right answer."""
    pairs = tiny.pairs(count)

    def words(ids: list[int]) -> tuple[str, ...]:
        return tuple(WORDS.tokens[token] for token in ids if token != EOS)

    examples = [Example(words(source), words(target)) for source, target in pairs]
    examples[0] = Example(examples[0].source, examples[0].target, (("e", "e"),))
    return collate(pairs, examples)


def one(batch: Batch, row: int) -> Batch:
    """A batch of one of its pairs."""
    length = int(batch.lengths[row]) if batch.lengths is not None else batch.source.shape[1]
    source, target = batch.source[row : row + 1, :length], batch.target[row : row + 1]
    return batch._replace(source=source, target=target, lengths=None, examples=batch.examples[row : row + 1])


def log_p(model: Seq2Seq, batch: Batch, row: int, output: list[int], masks: Masks | None) -> Tensor:
    """Of one output, one token after the other."""
    alone, own = one(batch, row), masks and masks.select(torch.tensor([row]))
    memory = model.encode(alone.source, alone.lengths, own)
    logits = successors.all_logits(model, alone, memory, [[BOS, *output[:-1]]], own)[0].log_softmax(-1)
    return sum(logits[t, token] for t, token in enumerate(output))


def drawn(model: Seq2Seq, batch: Batch, row: int, uniform: list[float], masks: Masks | None) -> list[int]:
    """One output, drawn token by token until its EOS, or as many as there are draws."""
    alone, own, said = one(batch, row), masks and masks.select(torch.tensor([row])), [BOS]
    memory = model.encode(alone.source, alone.lengths, own)
    for draw in uniform:
        p = successors.all_logits(model, alone, memory, [said], own)[0, -1].softmax(-1).tolist()
        said.append(next(token for token, below in enumerate(itertools.accumulate(p)) if draw < below))
        if said[-1] == EOS:
            break
    return said[1:]


def bleu(output: list[int], references: list[list[int]]) -> float:
    return reward(tuple(token for token in output if token != EOS), tuple(map(tuple, references)))


def references(batch: Batch, row: int) -> list[list[int]]:
    found = [[token for token in batch.target[row].tolist() if token > EOS]]
    return [*found, [LAST, LAST]] if row == 0 else found  # e e


def assert_close(model: Seq2Seq, ours: Tensor, theirs: Tensor) -> None:
    def gradients(loss: Tensor) -> dict[str, Tensor]:
        model.zero_grad()
        loss.backward()
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-7)
    ours_by_name, theirs_by_name = gradients(ours), gradients(theirs)
    assert any(gradient.abs().max() > 1e-6 for gradient in theirs_by_name.values())
    for name, gradient in theirs_by_name.items():
        torch.testing.assert_close(ours_by_name[name], gradient, atol=1e-9, rtol=1e-6)


class Setting:
    """A tiny model on a batch, what the package learns from it, and the draws that it takes."""

    def __init__(self, body: dict[str, Any], config: RunConfig) -> None:
        self.model, self.batch, self.config = tiny.model(scale=1.5, **body), batch_of(), config
        self.masks = self.model.masks(len(self.batch.target), streams.generator(SEED, "dropout"))
        memory = self.model.encode(self.batch.source, self.batch.lengths, self.masks)
        learn = learner(config, config.task, prepare(config).vocabularies._replace(target=WORDS))
        self.learned = learn(self.model, memory, self.batch, 0.0, STEP, self.masks)
        self.loss = self.learned.labels.loss(self.learned.predicted)

    def uniform(self, rows: int) -> list[list[float]]:
        size = (rows, most(self.batch) + 1)
        return torch.rand(size, generator=streams.generator(SEED, "sample", STEP))[:, 1:].tolist()


@bodies
@pytest.mark.parametrize("sharpness", [0.005, 1.0])
def test_minimum_risk_is_the_expected_cost_over_a_set_of_samples(body: dict[str, Any], sharpness: float) -> None:
    samples = 5
    setting = Setting(body, configuration("minimum-risk", samples=samples, sharpness=sharpness))
    model, batch, masks = setting.model, setting.batch, setting.masks
    uniform, risks = setting.uniform(samples * len(batch.target)), []
    for row in range(len(batch.target)):
        said = [drawn(model, batch, row, uniform[row * samples + index], masks) for index in range(samples)]
        for index, output in enumerate(said):
            labels = setting.learned.labels.shares(row * samples + index)
            assert [next(iter(share)) for share in labels if share] == output
        once = [
            output for index, output in enumerate(said) if without_end(output) not in map(without_end, said[:index])
        ]
        weights = [(sharpness * log_p(model, batch, row, output, masks)).exp() for output in once]
        costs = [1 - bleu(output, references(batch, row)) for output in once]
        risks.append(sum(w * c for w, c in zip(weights, costs, strict=True)) / sum(weights))
    assert_close(model, setting.loss, sum(risks) / len(risks))


def without_end(output: list[int]) -> list[int]:
    return [token for token in output if token != EOS]


@bodies
def test_self_critical_weighs_a_sample_by_how_much_better_it_is_than_the_argmax(body: dict[str, Any]) -> None:
    setting = Setting(body, configuration("self-critical"))
    model, batch, masks = setting.model, setting.batch, setting.masks
    losses = []
    for row, uniform in enumerate(setting.uniform(len(batch.target))):
        output = drawn(model, batch, row, uniform, masks)
        best = argmaxes(model, batch, row, masks)
        gain = bleu(output, references(batch, row)) - bleu(best, references(batch, row))
        losses.append(-gain * log_p(model, batch, row, output, masks))
    assert_close(model, setting.loss, sum(losses) / len(losses))


def argmaxes(model: Seq2Seq, batch: Batch, row: int, masks: Masks | None) -> list[int]:
    alone, own, said = one(batch, row), masks and masks.select(torch.tensor([row])), [BOS]
    memory = model.encode(alone.source, alone.lengths, own)
    while len(said) <= most(batch) and said[-1] != EOS:
        said.append(int(successors.all_logits(model, alone, memory, [said], own)[0, -1].argmax()))
    if own is None:
        tokens, _ = greedy(model, memory, most(batch))
        assert tokens[0].tolist()[: len(said) - 1] == said[1:]
    return said[1:]


def test_inputs_and_labels_are_the_outputs_and_count_what_is_another_token_than_the_true_one() -> None:
    setting = Setting({}, configuration("minimum-risk", samples=3))
    inputs, logits, labels = setting.learned
    rows = 3 * len(setting.batch.target)
    assert inputs.tokens.shape == logits.shape[:2] == labels.counted.shape == (rows, most(setting.batch))
    assert not inputs.true.any()
    for row in range(rows):
        output = [token for share in labels.shares(row) for token in share]
        fed = [BOS, *output][: len(output)]
        truth = [BOS, *setting.batch.target[row // 3].tolist(), *[PAD] * rows]
        assert inputs.tokens[row, : len(fed)].tolist() == fed
        assert inputs.tossed[row].sum() == len(fed) - 1
        assert inputs.replaced[row].sum() == sum(own != true for own, true in zip(fed, truth, strict=False))


def test_the_reward_is_by_all_right_answers() -> None:
    accepted = references_of(batch_of(), WORDS)
    assert [list(map(list, row)) for row in accepted] == [references(batch_of(), row) for row in range(4)]
    assert reward((LAST, LAST), accepted[0]) == pytest.approx(1)


# Professor forcing


def discriminating(config: RunConfig, scale: float) -> Seq2Seq:
    """A tiny model with a discriminator, whose judgements are the surer the larger the scale."""
    model = tiny.model()
    size = model.config.hidden + model.target_size
    model.discriminator = Discriminator(size, model.config.hidden, streams.generator(SEED, "discriminator")).double()
    with torch.no_grad():
        for weight in model.discriminator.parameters():
            weight.mul_(scale)
    return model


def discriminated(model: Seq2Seq, batch: Batch, tokens: list[int], row: int, behaviours: list[Tensor]) -> Tensor:
    """The logit of D for one sequence of inputs, and its behaviour among `behaviours`: a state at a time."""
    alone = one(batch, row)
    memory = model.encode(alone.source, alone.lengths)
    state, found = list(memory.initial), []
    for t, token in enumerate(tokens):
        vector = model.target_embedding(torch.tensor([token]))
        logits = successors.textbook.said(model, alone, memory, state, vector, t, None)
        found.append(torch.cat((state[-1][0][0], logits[0].softmax(-1))))
    behaviours.append(torch.stack(found))
    return logit_of(model.discriminator, behaviours[-1])


def logit_of(judge: Any, behaviour: Tensor) -> Tensor:
    """A GRU from either end, cell by cell, and the judge of its last states."""
    ends = []
    for suffix, steps in (("", list(behaviour)), ("_reverse", list(behaviour)[::-1])):
        weights = [
            getattr(judge.reader, f"{kind}_l0{suffix}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        state = behaviour.new_zeros(1, judge.reader.hidden_size)
        for step in steps:
            state = torch.gru_cell(step.unsqueeze(0), state, *weights)
        ends.append(state)
    return judge.judge(torch.cat(ends, -1)).squeeze()


@pytest.mark.parametrize("scale", [0.5, 4.0, 30.0])
def test_professor_forcing_fools_a_discriminator_that_learns_from_what_has_no_gradient(scale: float) -> None:
    config = resolve("copy", "professor-forcing", SEED, [{"strategy": {"professor_weight": 0.7}}])
    model, batch = discriminating(config, scale), batch_of(6)
    memory = model.encode(batch.source, batch.lengths)
    loss = loss_of(
        model.decode(memory, torch.cat((torch.full_like(batch.target[:, :1], BOS), batch.target[:, :-1]), 1)),
        batch.target,
    )
    ours = with_second_losses(loss, config, model, memory, batch.target, STEP, None)

    uniform = torch.rand(batch.target.shape, generator=streams.generator(SEED, "professor", STEP)).tolist()
    fooled, found_out, right = [], [], 0
    for row in range(len(batch.target)):
        target = [token for token in batch.target[row].tolist() if token != PAD]
        own = [BOS, *drawn(model, batch, row, uniform[row][1 : len(target)], None)]
        own = [token for token in own if token != EOS]
        of_true: list[Tensor] = []
        of_own: list[Tensor] = []
        discriminated(model, batch, [BOS, *target[:-1]], row, of_true)
        fooled.append(-nn.functional.logsigmoid(discriminated(model, batch, own, row, of_own)))
        says_true, says_own = (
            logit_of(model.discriminator, of_true[0].detach()),
            logit_of(model.discriminator, of_own[0].detach()),
        )
        found_out.append(-nn.functional.logsigmoid(says_true) - nn.functional.logsigmoid(-says_own))
        right += int(says_true > 0) + int(says_own < 0)
    share, rows = right / (2 * len(fooled)), len(fooled)
    theirs = with_second_losses(
        loss,
        config.model_copy(update={"strategy": configuration("self-critical").strategy}),
        model,
        memory,
        batch.target,
        STEP,
        None,
    )
    assert theirs is loss
    decoder = {name: weight for name, weight in model.named_parameters() if not name.startswith("discriminator")}
    judge = dict(model.discriminator.named_parameters())
    objective = loss + 0.7 * (share > TEACHES_ABOVE) * sum(fooled) / rows
    torch.testing.assert_close(ours, objective + (share < LEARNS_BELOW) * sum(found_out) / rows, atol=1e-9, rtol=1e-7)
    expected = dict(zip(decoder, torch.autograd.grad(objective, [*decoder.values()], retain_graph=True), strict=True))
    learning = (share < LEARNS_BELOW) * sum(found_out) / rows
    expected |= {
        f"discriminator.{name}": gradient
        for name, gradient in zip(judge, torch.autograd.grad(learning, [*judge.values()]), strict=True)
    }
    model.zero_grad()
    ours.backward()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], atol=1e-9, rtol=1e-6)


def test_the_discriminator_changes_no_weight_that_is_drawn_and_is_kept_with_the_model(tmp_path: Path) -> None:
    sizes = {
        "task": {"length": "2..4", "test_length": "2..4", "validation_pairs": 5, "test_pairs": 10},
        "training": {"steps": 3},
    }
    config = resolve("copy", "professor-forcing", 0, [sizes])
    plain = prepare(resolve("copy", "teacher-forcing", 0, [sizes])).model.state_dict()
    weights = prepare(config).model.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in plain.items())
    assert (
        {name for name in weights if name not in plain}
        == {name for name in weights if name.startswith("discriminator.")}
        != set()
    )
    parts = prepare(config)
    before = parts.model.discriminator.judge[0].weight.detach().clone()
    *_, last = train(parts.model, adam(parts.model, config), parts.batches, config)
    assert math.isfinite(last.loss)
    assert not torch.equal(parts.model.discriminator.judge[0].weight, before)
    finished(tmp_path, RunSpec.of("copy", "professor-forcing", config))


# A trained run to begin with

TASK = {
    "task": {"length": "2..4", "test_length": "2..4", "validation_pairs": 5, "test_pairs": 10},
    "training": {"steps": 3},
}


@pytest.mark.parametrize("strategy", ["teacher-forcing", "minimum-risk", "self-critical", "professor-forcing"])
def test_a_run_begins_with_its_teachers_weights(strategy: str, tmp_path: Path) -> None:
    folder = finished(tmp_path, RunSpec.of("copy", "uniform", resolve("copy", "uniform", 1, [TASK])))
    fields = {"initial": "teacher", "teacher": str(folder.path)}
    config = resolve("copy", strategy, 0, [TASK, {"strategy": fields}])
    theirs = prepare(folder.config()).model.state_dict()
    found = prepare(config, None)
    assert any(not torch.equal(found.model.state_dict()[name], weight) for name, weight in theirs.items())
    assert all(
        torch.equal(found.model.state_dict()[name], weight) for name, weight in found.teacher.state_dict().items()
    )
    *_, last = train(found.model, adam(found.model, config), found.batches, config, teacher=found.teacher)
    assert math.isfinite(last.loss)


@pytest.mark.parametrize(
    ("strategy", "fields", "told"),
    [
        ("minimum-risk", {}, "initial teacher needs a trained run"),
        ("minimum-risk", {"initial": "drawn", "temperature": 2.0}, "temperature = 2.0 has no place in it"),
        ("minimum-risk", {"initial": "drawn", "label": "expert"}, "label = 'expert' has no place in it"),
        ("self-critical", {"initial": "drawn", "value": 0.5}, "give schedule constant, value 0"),
        ("self-critical", {"initial": "drawn", "samples": 8}, "it needs objective = 'minimum-risk'"),
        ("uniform", {"sharpness": 1.0}, "it needs objective = 'minimum-risk'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(strategy: str, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told) as refusal:
        resolve("copy", strategy, 0, [{"strategy": fields}])
    assert len(str(refusal.value).splitlines()) == 1


def test_labels_of_whole_outputs_are_not_smoothed() -> None:
    with pytest.raises(UsageError, match="no labels to smooth"):
        resolve("copy", "self-critical", 0, [{"strategy": {"initial": "drawn"}, "training": {"label_smoothing": 0.1}}])


def test_a_teacher_of_another_size_cannot_be_begun_with(tmp_path: Path) -> None:
    folder = finished(tmp_path, RunSpec.of("copy", "uniform", resolve("copy", "uniform", 1, [TASK])))
    fields = {"initial": "teacher", "teacher": str(folder.path)}
    config = resolve("copy", "uniform", 0, [TASK, {"strategy": fields, "model": {"hidden": 32}}])
    with pytest.raises(UsageError, match="takes its weights: give the same"):
        prepare(config)
