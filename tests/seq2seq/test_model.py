"""The encoder-decoder: padding is nothing, a step is a part of the whole, and PAD and BOS are never said."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest
import torch
from torch import Tensor

from ssrun.config.run import ModelConfig
from ssrun.seq2seq.batches import Batch, collate
from ssrun.seq2seq.decoder_inputs import teacher_forced_inputs
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.vocabulary import BOS, PAD
from tests.support import tiny

every_layers = pytest.mark.parametrize("layers", [1, 2])
CLOSE = {"atol": 1e-11, "rtol": 1e-9}


def logits_of(model: Seq2Seq, batch: Batch) -> Tensor:
    return model.decode(model.encode(batch.source, batch.lengths), teacher_forced_inputs(batch.target))


def summed(model: Seq2Seq, batch: Batch) -> tuple[float, dict[str, Tensor]]:
    """The loss summed over the real positions, and its gradients."""
    model.zero_grad()
    loss = loss_of(logits_of(model, batch), batch.target) * (batch.target != PAD).sum()
    loss.backward()
    return loss.item(), {name: weight.grad.clone() for name, weight in model.named_parameters()}


# Padding


@every_layers
@tiny.every_kind
def test_padding_changes_the_logits_of_no_real_position(kind: dict[str, Any], layers: int) -> None:
    model, pairs = tiny.model(**kind, layers=layers), tiny.pairs(9)
    together = logits_of(model, collate(pairs))
    for row, pair in zip(together, pairs, strict=True):
        alone = logits_of(model, collate([pair]))[0]
        torch.testing.assert_close(row[: len(alone)], alone, **CLOSE)


@every_layers
@tiny.every_kind
def test_padding_changes_no_gradient(kind: dict[str, Any], layers: int) -> None:
    model, pairs = tiny.model(**kind, layers=layers), tiny.pairs(9)
    loss, gradients = summed(model, collate(pairs))
    alone = [summed(model, collate([pair])) for pair in pairs]
    assert loss == pytest.approx(sum(loss for loss, _ in alone))
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, sum(own[name] for _, own in alone), **CLOSE)


# One step at a time


@every_layers
@tiny.every_kind
@pytest.mark.parametrize(("dropout", "queries"), [(0, 0), (0, tiny.SIZE), (0.3, tiny.SIZE)])
def test_stepwise_decoding_equals_whole_sequence_decoding(
    kind: dict[str, Any], layers: int, dropout: float, queries: int
) -> None:
    model, batch = tiny.model(**kind, layers=layers, dropout=dropout), tiny.batch()
    masks = model.masks(len(batch.target), torch.Generator().manual_seed(1))
    memory = model.encode(batch.source, batch.lengths, masks)
    inputs = teacher_forced_inputs(batch.target)
    whole = model.decode(memory, inputs, masks)
    predict, state = model.predictor(memory, masks, queries), memory.initial
    asked = cycle([None, torch.tensor([1, 4]), torch.arange(len(inputs)), torch.tensor([], dtype=torch.long)])
    for position, rows in zip(range(inputs.shape[1]), asked, strict=False):
        logits, state, _ = predict(inputs[:, position], state, position, rows)
        expected = whole[:, position] if rows is None else whole[rows, position]
        torch.testing.assert_close(logits, expected, **CLOSE)


@every_layers
@tiny.every_kind
def test_a_logit_depends_on_no_later_input(kind: dict[str, Any], layers: int) -> None:
    model, batch = tiny.model(**kind, layers=layers), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    inputs = teacher_forced_inputs(batch.target)
    changed = inputs.clone()
    changed[:, 3] = torch.where(inputs[:, 3] == 5, 6, 5)
    before, after = model.decode(memory, inputs), model.decode(memory, changed)
    assert torch.equal(before[:, :3], after[:, :3])
    assert (before[:, 3] != after[:, 3]).any(-1).all()


# PAD and BOS


@every_layers
@tiny.every_kind
def test_pad_and_bos_have_probability_zero_before_and_after_training(kind: dict[str, Any], layers: int) -> None:
    model, batch = tiny.model(**kind, layers=layers).float(), tiny.batch()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(20):
        logits = logits_of(model, batch)
        assert logits.softmax(-1)[..., [PAD, BOS]].max() == 0
        optimiser.zero_grad()
        loss_of(logits, batch.target).backward()
        assert model.output.weight.grad[[PAD, BOS]].abs().max() == 0
        optimiser.step()
    assert logits_of(model, batch).softmax(-1)[..., [PAD, BOS]].max() == 0


# Attention


@pytest.mark.parametrize("attention", ["dot", "general"])
def test_attention_sums_to_one_over_the_real_positions_only(attention: str) -> None:
    model, batch = tiny.model(attention=attention), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    hidden = torch.randn(len(batch.source), 4, 8, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    _, weights = model.attend(memory, memory.states, hidden, 0)
    padding = (batch.source == PAD).unsqueeze(1).expand_as(weights)
    assert weights[padding].abs().max() == 0
    assert (weights[~padding] > 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:2], dtype=torch.double))


def test_general_attention_scores_a_position_by_h_w_s() -> None:
    model, batch = tiny.model(attention="general"), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    hidden = torch.randn(len(batch.source), 2, 8, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    _, weights = model.attend(memory, memory.states, hidden, 0)
    assert model.score.bias is None
    for row, length in enumerate((batch.source != PAD).sum(1).tolist()):
        states = memory.states[row, :length]
        scores = torch.stack([torch.stack([h @ model.score.weight @ s for s in states]) for h in hidden[row]])
        torch.testing.assert_close(weights[row, :, :length], scores.softmax(-1), **CLOSE)


def test_general_attention_with_w_of_ones_on_its_diagonal_is_dot_attention() -> None:
    dot, general, batch = tiny.model(attention="dot"), tiny.model(attention="general"), tiny.batch()
    same = {name: weight for name, weight in general.state_dict().items() if name != "score.weight"}
    torch.testing.assert_close(same, dict(dot.state_dict()), rtol=0, atol=0)
    assert not torch.allclose(logits_of(general, batch), logits_of(dot, batch))
    with torch.no_grad():
        general.score.weight.copy_(torch.eye(8))
    torch.testing.assert_close(logits_of(general, batch), logits_of(dot, batch), **CLOSE)


def test_aligned_attention_reads_its_own_position_and_nothing_beyond_the_source() -> None:
    model, batch = tiny.model(attention="aligned"), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    length = batch.source.shape[1]
    hidden = torch.zeros(len(batch.source), length + 2, 8, dtype=torch.double)
    context, _ = model.attend(memory, memory.states, hidden, 0)
    expected = torch.cat((memory.states, torch.zeros_like(memory.states[:, :2])), 1)
    assert torch.equal(context, expected)
    for position in range(length + 2):
        context, _ = model.attend(memory, memory.states, hidden[:, :1], position)
        assert torch.equal(context[:, 0], expected[:, position])


# Weights and masks


def test_weights_are_those_of_their_seed_whatever_the_global_generator_says() -> None:
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(made))
        made.append(tiny.model(seed).state_dict())
    one, same, other = made
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_the_embedding_scale_multiplies_the_initial_embeddings_and_changes_no_other_weight() -> None:
    plain, scaled = tiny.model(scale=1).state_dict(), tiny.model(scale=1, embedding_scale=4).state_dict()
    for name, weight in plain.items():
        torch.testing.assert_close(scaled[name], weight * (4 if "embedding" in name else 1), rtol=0, atol=0)
    large = Seq2Seq(ModelConfig(embedding=64, embedding_scale=8), 500, 500, torch.Generator().manual_seed(0))
    for embedding in (large.source_embedding, large.target_embedding):
        assert embedding.weight.std().item() == pytest.approx(1, rel=0.02), "8 / sqrt(64) is N(0, 1)"


def test_forget_gates_start_open() -> None:
    model = tiny.model(scale=1)
    for lstm in (*model.encoder, *model.decoder):
        biases = lstm.bias_hh_l0.detach().view(4, 8).mean(1)
        assert biases[1] > 0.6
        assert biases[[0, 2, 3]].abs().max() < 0.4


def test_a_model_of_shapes_alone_is_built_without_its_weights() -> None:
    config = ModelConfig(embedding=50, hidden=60, layers=2, attention="dot")
    with torch.device("meta"):
        shapes = Seq2Seq(config, 9, 11)
    assert {weight.device.type for weight in shapes.parameters()} == {"meta"}
    real = Seq2Seq(config, 9, 11, torch.Generator()).state_dict()
    assert {name: weight.shape for name, weight in shapes.state_dict().items()} == {
        name: weight.shape for name, weight in real.items()
    }


def test_masks_keep_the_share_that_is_asked_for_and_the_mean() -> None:
    model = Seq2Seq(ModelConfig(embedding=50, hidden=60, layers=2, dropout=0.3), 9, 9, torch.Generator())
    masks = model.masks(200, torch.Generator().manual_seed(0))
    drawn = [masks.source, masks.target, *masks.encoder, *masks.decoder]
    assert [tuple(mask.shape) for mask in drawn] == [(200, 50)] * 2 + [(200, 60)] * 4
    for mask in drawn:
        assert set(mask.unique().tolist()) == {0, torch.tensor(1 / 0.7).item()}
        assert abs(mask.mean().item() - 1) < 4 * (0.3 / 0.7 / mask.numel()) ** 0.5
    assert len({tuple(mask[0].tolist()) for mask in drawn}) == len(drawn), "each is a draw of its own"


def test_without_dropout_there_are_no_masks() -> None:
    assert tiny.model().masks(3, torch.Generator()) is None


@pytest.mark.parametrize("layers", [1, 2])
def test_the_masks_are_the_only_dropout(layers: int) -> None:
    model, batch = tiny.model(layers=layers, dropout=0.5), tiny.batch()
    assert torch.equal(logits_of(model, batch), logits_of(model, batch))
    assert torch.equal(logits_of(model, batch), logits_of(model.eval(), batch))
    masks = model.masks(len(batch.source), torch.Generator().manual_seed(0))
    memory = model.encode(batch.source, batch.lengths, masks)
    once, twice = (model.decode(memory, teacher_forced_inputs(batch.target), masks) for _ in range(2))
    assert torch.equal(once, twice)
    assert not torch.allclose(once, logits_of(model, batch))
