"""Outputs: the exact distribution of each, its own loss by its definition, and what it costs to say no."""

from __future__ import annotations

import math
from itertools import product
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from ssrun.config.overrides import parse_settings
from ssrun.config.resolution import resolve
from ssrun.config.run import ModelConfig, RunConfig
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.seq2seq import streams
from ssrun.seq2seq.learning_pass import learner
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.noise import Noise
from ssrun.seq2seq.outputs import OUTPUTS
from ssrun.seq2seq.outputs.hierarchical import HuffmanTree
from ssrun.seq2seq.outputs.output import CountedOutput
from ssrun.seq2seq.training import adam, train
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD

CLOSE = {"atol": 1e-9, "rtol": 1e-7}
SAMPLED = ("negative-sampling", "hierarchical")


def zipf(size: int) -> Tensor:
    return (1e6 / torch.arange(1, size + 1)).long()


def output(name: str, size: int, counts: Tensor | None = None, hidden: int = 6) -> Any:
    made = OUTPUTS[cast("Any", name)](ModelConfig(hidden=hidden, output=cast("Any", name)), size).double()
    cast("Any", made).draw_weights(torch.Generator().manual_seed(1))
    if isinstance(made, CountedOutput):
        made.counted(zipf(size) if counts is None else counts)
    return made


def features(*size: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(*size, generator=torch.Generator().manual_seed(2), dtype=torch.double)


# The tree


def test_the_probabilities_of_ten_thousand_tokens_sum_to_one() -> None:
    made = output("hierarchical", 10_000).float()
    p = made(features(40, 6).float()).exp()
    assert (p.sum(-1) - 1).abs().max() < 1e-6
    assert p[:, [PAD, BOS]].max() == 0
    assert p[:, EOS:].min() > 0


def test_a_token_is_the_product_along_its_path() -> None:
    size = 11
    made, hidden = output("hierarchical", size), features(3, 6)
    tree = made.of_counts
    log_p = made(hidden).detach()
    for row, token in product(range(3), range(EOS, size)):
        first, length = int(tree.first[token]), int(tree.lengths[token])
        p = 1.0
        for node, side in zip(tree.nodes[first : first + length], tree.sides[first : first + length], strict=True):
            p *= float(torch.sigmoid(side * (made.weight[node] @ hidden[row] + made.bias[node])).detach())
        assert math.isclose(float(log_p[row, token]), math.log(p), rel_tol=1e-9)


def test_the_tree_is_huffmans() -> None:
    """The least mean length that a binary code can have, by the merges of the two least counts; Kraft's sum is 1."""
    counts = torch.tensor([0, 0, 5, 1, 1, 2, 40, 7, 7, 3])
    tree = HuffmanTree.of(counts)
    merged, least = sorted(counts[EOS:].tolist()), 0
    while len(merged) > 1:
        both = merged[0] + merged[1]
        least += both
        merged = sorted([both, *merged[2:]])
    assert int((counts * tree.lengths).sum()) == least
    assert float((0.5 ** tree.lengths[EOS:].double()).sum()) == 1
    assert tree.lengths[[PAD, BOS]].tolist() == [0, 0]
    again = HuffmanTree.of(counts)
    assert torch.equal(tree.nodes, again.nodes)


def test_its_loss_is_that_of_its_distribution_in_value_and_gradient() -> None:
    made, hidden = output("hierarchical", 60), features(50, 6).requires_grad_()
    tokens = torch.randint(EOS, 60, (50,), generator=torch.Generator().manual_seed(3))
    learned = (*made.parameters(), hidden)
    own = made.loss(hidden, tokens, made.noise_words((50,), torch.Generator()))
    exact = torch.nn.functional.cross_entropy(made(hidden), tokens)
    torch.testing.assert_close(own, exact, **CLOSE)
    for ours, theirs in zip(torch.autograd.grad(own, learned), torch.autograd.grad(exact, learned), strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


# Noise


def test_the_alias_table_holds_the_unigram_to_the_three_quarters_exactly() -> None:
    counts = torch.cat((torch.zeros(2), zipf(500))).long()
    noise = Noise.of(counts)
    expected = counts.double() ** 0.75
    torch.testing.assert_close(noise.p, expected / expected.sum(), **CLOSE)
    held = noise.kept.clone().index_add_(0, noise.alias, 1 - noise.kept) / len(counts)
    torch.testing.assert_close(held, noise.p, atol=1e-12, rtol=0)


def test_noise_is_drawn_as_often_as_its_table_says() -> None:
    noise = Noise.of(torch.tensor([0, 0, 9, 1, 30, 4]))
    drawn = noise.draw((200, 500), torch.Generator().manual_seed(4))
    share = torch.bincount(drawn.flatten(), minlength=6) / drawn.numel()
    deviation = (noise.p * (1 - noise.p) / drawn.numel()).sqrt()
    assert ((share - noise.p).abs() <= 4 * deviation).all()


def test_negative_sampling_lowers_what_its_definition_says() -> None:
    made, hidden = output("negative-sampling", 30), features(4, 6).requires_grad_()
    tokens, noise = torch.tensor([2, 5, 29, 5]), torch.tensor([[2, 3, 3], [5, 6, 7], [9, 9, 9], [4, 28, 3]])

    def score(row: int, token: int) -> Tensor:
        return made.weight[token] @ hidden[row] + made.bias[token]

    nats = [
        -torch.sigmoid(score(row, int(tokens[row]))).log()
        - sum((torch.sigmoid(-score(row, int(word))).log() for word in noise[row]), torch.zeros(()))
        for row in range(4)
    ]
    expected, own, learned = (
        sum(nats, torch.zeros(())) / 4,
        made.loss(hidden, tokens, noise),
        (*made.parameters(), hidden),
    )
    torch.testing.assert_close(own, expected, **CLOSE)
    for ours, theirs in zip(torch.autograd.grad(own, learned), torch.autograd.grad(expected, learned), strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


def test_what_negative_sampling_learns_is_the_distribution_that_it_says() -> None:
    """Least where s = log p - log q - log K: the logits are s + log q, and their softmax is p."""
    counts, k = torch.tensor([0, 0, 50, 8, 3, 20, 1]), 7
    made = output("negative-sampling", 7, counts)
    p = torch.tensor([0, 0, 0.1, 0.2, 0.05, 0.25, 0.4], dtype=torch.double)
    q = made.of_counts.p
    with torch.no_grad():
        made.weight.zero_()
        made.bias.zero_()
    optimiser = torch.optim.LBFGS([made.bias], max_iter=200, line_search_fn="strong_wolfe")

    def expected() -> Tensor:
        optimiser.zero_grad()
        loss = (p * torch.nn.functional.softplus(-made.bias) + k * q * torch.nn.functional.softplus(made.bias)).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(cast("Any", expected))
    torch.testing.assert_close(made(torch.zeros(1, 6).double()).softmax(-1)[0], p, atol=1e-4, rtol=0)


# In training


SMALL = {
    "task": {"validation_pairs": 5, "test_pairs": 10},
    "model": {"hidden": 8, "embedding": 8},
    "training": {"steps": 4, "batch_size": 6},
}


def configured(name: str, **strategy: Any) -> RunConfig:
    return resolve("reverse", "uniform", 1, [SMALL, {"model": {"output": name}, "strategy": strategy}])


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize(
    "strategy", [{}, {"label": "fed", "feed": "uniform-token"}, {"passes": 1}, {"coin": "sequence", "feed": "argmax"}]
)
def test_a_step_learns_the_positions_that_count_one_by_one(name: str, strategy: dict[str, Any]) -> None:
    config = configured(name, **strategy)
    parts = prepare(config)
    model = parts.model.double()
    step, batch = next((n, batch) for n, batch in enumerate(parts.batches.first(1000)) if (batch.target == PAD).any())
    output = cast("CountedOutput", model.output)
    masks = model.masks(len(batch.target), streams.generator(1, "dropout", step))
    memory = model.encode(batch.source, batch.lengths, masks)
    inputs, predicted, labels = learner(config, config.task, parts.vocabularies)(model, memory, batch, 0.5, step, masks)
    loss = labels.loss(predicted)
    noise = output.noise_words(tuple(batch.target.shape), streams.generator(1, "noise", step))
    hidden = model.features(memory, inputs.tokens, masks)
    tokens = batch.target if "label" not in strategy else cast("Any", labels).labels.tokens
    nats = [
        output.loss(hidden[b, t].unsqueeze(0), tokens[b, t].unsqueeze(0), noise[b, t].unsqueeze(0))
        for b, t in (tokens != PAD).nonzero().tolist()
    ]
    expected = torch.stack(nats).mean()
    torch.testing.assert_close(loss, expected, **CLOSE)
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    ours, theirs = (torch.autograd.grad(one, learned, retain_graph=True) for one in (loss, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_what_asks_for_the_whole_distribution_is_learned_through_the_logits_of_the_tree() -> None:
    wholes: list[dict[str, dict[str, Any]]] = [
        {"strategy": {"label": "expert"}},
        {"strategy": {"gradient": "soft"}},
        {"training": {"label_smoothing": 0.1}},
    ]
    for layer in wholes:
        config = resolve("reverse", "uniform", 1, [SMALL, {"model": {"output": "hierarchical"}}, layer])
        assert not config.learns_by_output
        parts = prepare(config)
        assert all(
            math.isfinite(step.loss) for step in train(parts.model, adam(parts.model, config), parts.batches, config)
        )


@pytest.mark.parametrize("name", SAMPLED)
def test_the_counts_are_of_the_first_training_pairs_and_come_back_with_the_weights(name: str) -> None:
    config = configured(name)
    parts, shorter = (
        prepare(config.model_validate(config.model_dump() | {"training": {"steps": n, "batch_size": 6}}))
        for n in (4, 1)
    )
    output = cast("CountedOutput", parts.model.output)
    said = torch.cat([parts.batches.at(step).target.flatten() for step in range(-(-10_000 // 6))])
    expected = torch.bincount(said, minlength=parts.model.target_size) + 1
    expected[[PAD, BOS]] = 0
    assert torch.equal(output.counts, expected)
    assert torch.equal(output.counts, cast("CountedOutput", shorter.model.output).counts)
    other = Seq2Seq(config.model, len(parts.vocabularies.source), parts.model.target_size)
    vectors = features(2, 8, scale=1).float()
    before = other.logits(vectors)
    other.load_state_dict(parts.model.state_dict())
    assert torch.equal(other.logits(vectors), parts.model.logits(vectors))
    assert not torch.equal(other.logits(vectors), before)


def test_a_run_without_an_output_of_its_own_is_as_it_was() -> None:
    assert (
        resolve("reverse", "linear", 0, [parse_settings(["model.output=softmax"])]).id
        == resolve("reverse", "linear").id
    )


@pytest.mark.parametrize("name", SAMPLED)
def test_it_learns(name: str) -> None:
    """Sources of one token or two, said again, are known after a few hundred steps."""
    layer = {"task": {"length": "1..2"}, "model": {"output": name}, "training": {"steps": 300, "batch_size": 32}}
    config = resolve("copy", "teacher-forcing", 0, [layer, {"task": {"validation_pairs": 5, "test_pairs": 20}}])
    parts = prepare(config)
    list(train(parts.model, adam(parts.model, config), parts.batches, config))
    batch = parts.batches.at(0)
    inputs = torch.cat((torch.full_like(batch.target[:, :1], BOS), batch.target[:, :-1]), 1)
    with torch.no_grad():
        logits = parts.model.decode(parts.model.encode(batch.source, batch.lengths), inputs)
    real = batch.target != PAD
    assert (logits.argmax(-1) == batch.target)[real].float().mean() > 0.9


# Refusals


@pytest.mark.parametrize(
    ("strategy", "settings", "told"),
    [
        ("dagger", [], "strategy.label = expert"),
        ("uniform", ["strategy.gradient=soft"], "strategy.gradient = soft"),
        ("uniform", ["strategy.gold_weight=0.5"], "strategy.gold_weight"),
        ("linear", ["training.label_smoothing=0.1"], "training.label_smoothing"),
        ("professor-forcing", [], "strategy.professor_weight"),
    ],
)
def test_negative_sampling_refuses_what_asks_for_all_tokens(strategy: str, settings: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=r"negative-sampling: it learns one token a position, and ") as refused:
        resolve("reverse", strategy, 0, [parse_settings(["model.output=negative-sampling", *settings])])
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_noise_words_without_noise_are_refused() -> None:
    with pytest.raises(UsageError, match=r"noise_words = 5: it needs output = 'negative-sampling'"):
        resolve("reverse", "linear", 0, [parse_settings(["model.noise_words=5"])])
