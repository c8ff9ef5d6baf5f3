"""Bodies and norms: what the textbook's loop does not see of them."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from ssrun.config.run import BODY_DEFAULTS, BodyName, NormName
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.runs.teachers import check
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import collate
from ssrun.seq2seq.bodies import BODIES
from ssrun.seq2seq.bodies.norms import NORMS
from ssrun.seq2seq.decoder_inputs import draw, scheduled_inputs, teacher_forced_inputs, walk
from ssrun.seq2seq.model import Masks, Seq2Seq
from ssrun.seq2seq.search import greedy
from ssrun.seq2seq.training import adam, train
from ssrun.seq2seq.vocabulary import PAD
from tests.support import textbook, tiny

CLOSE = {"atol": 1e-11, "rtol": 1e-9}
TRANSFORMER = {"body": "transformer", "attention": "dot"}


def masks_of(model: Seq2Seq) -> Masks | None:
    return model.masks(len(tiny.batch().target), streams.generator(3, "dropout"))


def stepwise(model: Seq2Seq, inputs: Tensor, masks: Masks | None = None) -> Tensor:
    memory = model.encode(tiny.batch().source, tiny.batch().lengths, masks)
    predict, state, found = model.predictor(memory, masks), memory.initial, []
    for position in range(inputs.shape[1]):
        logits, state, _ = predict(inputs[:, position], state, position)
        found.append(logits)
    return torch.stack(found, 1)


def test_every_name_is_a_body_a_norm_or_has_defaults_of_its_own() -> None:
    assert tuple(BODIES) == get_args(BodyName)
    assert tuple(NORMS) == get_args(NormName)
    assert BODIES.keys() >= BODY_DEFAULTS.keys()
    assert {kind["body"] for kind in tiny.KINDS} == BODIES.keys()


@pytest.mark.parametrize("body", BODIES)
def test_every_body_learns(body: Any) -> None:
    changes = {"task": {"symbols": 3, "length": "2..3", "validation_pairs": 2, "test_pairs": 2}}
    config = tiny.configuration(
        "linear", **changes, model={"body": body}, training={"steps": 80, "learning_rate": 0.02}
    )
    parts = prepare(config)
    losses = [step.loss for step in train(parts.model, adam(parts.model, config), parts.batches, config)]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


# The transformer


@pytest.mark.parametrize("dropout", [0, 0.3])
def test_the_transformers_encoder_is_its_definition(dropout: float) -> None:
    model, batch = tiny.model(**TRANSFORMER, layers=2, dropout=dropout), tiny.batch()
    masks = masks_of(model)
    vectors = model.source_embedding(batch.source)
    expected = textbook.transformed(
        model.encoder, vectors * masks.source.unsqueeze(1) if masks else vectors, masks and masks.encoder, None, batch
    )
    states = model.encode(batch.source, batch.lengths, masks).states
    torch.testing.assert_close(states[batch.source != PAD], expected[batch.source != PAD], **CLOSE)


def test_without_attention_a_transformer_reads_the_state_of_eos_and_no_other() -> None:
    model, pairs = tiny.model(body="transformer", attention="none", layers=2), tiny.pairs(7)
    memory = model.encode(collate(pairs).source, collate(pairs).lengths)
    assert all(part.shape == (7, 1, 8) for layer in memory.keys for part in layer)
    for row, (source, _) in enumerate(pairs):
        last = memory.states[row, len(source) - 1]
        for layer, (read,) in zip(model.decoder.layers, memory.keys, strict=True):
            torch.testing.assert_close(read[row, 0], layer.of_last(last), **CLOSE)


def test_a_transformers_attention_is_its_last_layers_on_average_over_the_heads() -> None:
    model, batch = tiny.model(**TRANSFORMER, layers=2, heads=2), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    tokens, weights = greedy(model, memory, 1, with_attention=True)
    assert tokens.shape[1] == weights.shape[1] == 1
    real = batch.source != PAD
    torch.testing.assert_close(weights.sum(-1), torch.ones(len(real), 1, dtype=torch.double))
    assert weights.squeeze(1)[~real].abs().max() == 0
    layer, seen = model.decoder.each[1].source, []
    layer.query.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    greedy(model, memory, 1, with_attention=True)
    for row, length in enumerate(real.sum(1).tolist()):
        of_heads = []
        for part in (slice(0, 4), slice(4, 8)):
            query, keys = (
                layer.query.weight[part] @ seen[0][row, 0],
                memory.states[row, :length] @ layer.key.weight[part].T,
            )
            of_heads.append((keys @ query / 2).softmax(0))
        torch.testing.assert_close(weights[row, 0, :length], sum(of_heads) / 2, **CLOSE)


def test_beyond_its_positions_a_transformer_has_the_last_one_whole_or_step_by_step() -> None:
    model, inputs = tiny.model(**TRANSFORMER, positions=3), teacher_forced_inputs(tiny.batch().target)
    memory = model.encode(tiny.batch().source, tiny.batch().lengths)
    whole = model.decode(memory, inputs)
    torch.testing.assert_close(stepwise(model, inputs), whole, **CLOSE)
    longer = tiny.model(**TRANSFORMER, positions=20)
    stretched = {
        f"{side}.positions.weight": torch.cat((own, own[-1:].expand(17, -1)))
        for side in ("encoder", "decoder")
        for own in [getattr(model, side).positions.weight]
    }
    longer.load_state_dict(dict(model.state_dict()) | stretched)
    torch.testing.assert_close(longer.decode(longer.encode(tiny.batch().source), inputs), whole, **CLOSE)


def test_a_pair_that_a_transformer_has_no_positions_for_is_refused_before_training(tmp_path: Any) -> None:
    def looked_at(**model: Any) -> None:
        check([tiny.configuration("linear", model=model)], tmp_path)

    looked_at(body="transformer", positions=7)  # 2 to 6 tokens and EOS
    looked_at(body="gru")
    with pytest.raises(UsageError, match=r"reverse has 7 tokens, EOS included: give model\.positions=7"):
        looked_at(body="transformer", positions=6)


# Norms


@pytest.mark.parametrize("body", ["lstm", "gru", "rnn"])
def test_at_test_a_batch_norm_is_one_function_of_the_running_statistics(body: str) -> None:
    model, pairs = tiny.model(body=body, norm="batch", layers=2), tiny.pairs(7)
    for layer in model.decoder:
        layer.norm.running_mean.uniform_(-1, 1)
        layer.norm.running_variance.uniform_(0.5, 2)
    batch = collate(pairs)
    inputs = teacher_forced_inputs(batch.target)
    whole = model.decode(model.encode(batch.source, batch.lengths), inputs)
    torch.testing.assert_close(stepwise(model, inputs), whole, **CLOSE)
    for row, pair in zip(whole, pairs, strict=True):
        alone = collate([pair])
        logits = model.decode(model.encode(alone.source), teacher_forced_inputs(alone.target))[0]
        torch.testing.assert_close(row[: len(logits)], logits, **CLOSE)


def test_in_training_a_batch_norm_is_torchs_over_all_positions_and_sequences() -> None:
    model, batch = tiny.model(norm="batch", attention="none"), tiny.batch()
    masks = masks_of(model)
    (layer,) = model.decoder
    outputs = []
    layer.register_forward_hook(lambda _, arguments, result: outputs.append(result[0].detach().flatten(0, 1)))
    logits = model.decode(model.encode(batch.source, batch.lengths, masks), teacher_forced_inputs(batch.target), masks)
    theirs = torch.nn.BatchNorm1d(8).double()
    with torch.no_grad():
        theirs.weight.copy_(layer.norm.weight)
        theirs.bias.copy_(layer.norm.bias)
    torch.testing.assert_close(logits.flatten(0, 1), model.output(theirs(outputs[0])), **CLOSE)
    torch.testing.assert_close(layer.norm.running_mean, theirs.running_mean, **CLOSE)
    torch.testing.assert_close(layer.norm.running_variance, theirs.running_var, **CLOSE)


@pytest.mark.parametrize("fields", [{"coin": "token"}, {"coin": "confidence", "passes": 2}, {"feed": "beam-oracle"}])
def test_choosing_inputs_leaves_the_running_statistics_as_they_are(fields: dict[str, Any]) -> None:
    model, batch = tiny.model(norm="batch", layers=2), tiny.batch()
    masks, before = masks_of(model), {name: value.clone() for name, value in model.named_buffers()}
    memory = model.encode(batch.source, batch.lengths, masks)
    strategy = tiny.strategy(**fields)
    scheduled_inputs(model, memory, batch.target, 0.3, strategy, draw(batch.target, "token", 3, 0), masks)
    assert len(before) == 4
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    model.decode(memory, teacher_forced_inputs(batch.target), masks)
    assert not any(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_in_training_the_walk_of_a_batch_norm_is_not_its_pass_over_whole_sequences() -> None:
    """The trap: one position's statistics, and all of them."""
    model, inputs = tiny.model(norm="batch"), teacher_forced_inputs(tiny.batch().target)
    masks = masks_of(model)
    memory = model.encode(tiny.batch().source, tiny.batch().lengths, masks)
    whole, steps = model.decode(memory, inputs, masks), stepwise(model, inputs, masks)
    assert not torch.allclose(whole, steps, atol=0.1)


def test_without_dropout_the_masks_of_a_batch_norm_keep_everything() -> None:
    masks = masks_of(tiny.model(norm="batch"))
    assert all((mask == 1).all() for mask in (masks.source, masks.target, *masks.encoder, *masks.decoder))
    assert masks_of(tiny.model(norm="layer")) is None


@pytest.mark.parametrize("body", BODIES)
def test_free_running_is_the_walk_of_the_greedy_search(body: str) -> None:
    model, batch = tiny.model(body=body), tiny.batch()
    memory = model.encode(batch.source, batch.lengths)
    target = torch.full((7, 6), 6)
    replace = torch.ones(7, 6, dtype=torch.bool).index_fill_(1, torch.tensor([0]), value=False)
    walked = walk(model, memory, teacher_forced_inputs(target), replace)
    said, _ = greedy(model, memory, 5)
    assert torch.equal(walked[:, 1 : said.shape[1] + 1], said[:, :5])
