"""Losses, errors and BLEU: by hand on a tiny model, and by the identities that hold for any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import get_args

import pytest
import sacrebleu
import torch
from sacrebleu.metrics import CHRF, TER

from ssrun.config.resolution import resolve
from ssrun.config.run import Attention, ScoringConfig
from ssrun.runs.execution import Prepared, prepare
from ssrun.seq2seq.batches import collate
from ssrun.seq2seq.edits import edit_rate
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.scoring import TEXT_METRICS, Scores, corpus_bleu, score
from ssrun.seq2seq.training import adam, train
from ssrun.seq2seq.vocabulary import BOS, EOS, Vocabularies
from ssrun.tasks import Example, Tokens
from ssrun.tasks.symbols import Copy
from tests.support import tiny

TASK = Copy(symbols=5)
VOCABULARIES = Vocabularies.of(TASK)
VOCABULARY = VOCABULARIES.target
GREEDY = ScoringConfig()


def examples_of(count: int, seed: int = 0, longest: int = 6) -> list[Example]:
    random = Random(seed)

    def side() -> Tokens:
        return tuple(random.choices("abcde", k=random.randint(1, longest)))

    return [Example(side(), side()) for _ in range(count)]


def scored(model: Seq2Seq, examples: Sequence[Example], config: ScoringConfig = GREEDY) -> Scores:
    return score(model, TASK, examples, VOCABULARIES, config)


def by_hand(model: Seq2Seq, example: Example, free: bool) -> tuple[list[float], list[bool], list[int]]:
    """The nats and the errors of each position of one pair, and what was said, one token at a time."""
    labels = VOCABULARY.encode(example.target)
    batch = collate([(VOCABULARY.encode(example.source), labels)])
    inputs, nats, wrong, said = [BOS], [], [], []
    with torch.no_grad():
        memory = model.encode(batch.source)
        for label in labels:
            log_p = model.decode(memory, torch.tensor([inputs]))[0, -1].log_softmax(-1)
            nats.append(-log_p[label].item())
            said.append(int(log_p.argmax()))
            wrong.append(said[-1] != label)
            inputs.append(said[-1] if free else label)
    return nats, wrong, said


@cache
def half_trained() -> tuple[Prepared, list[Example], Scores]:
    """A model that copies some sources rightly and some not, its validation set, and its scores."""
    layer = {
        "task": {"symbols": 6, "length": "4..6", "validation_pairs": 300},
        "model": {"embedding": 16, "hidden": 24, "attention": "aligned"},
        "training": {"steps": 22, "batch_size": 32, "learning_rate": 0.01},
    }
    config = resolve("copy", "teacher-forcing", 0, [layer])
    parts = prepare(config)
    for _ in train(parts.model, adam(parts.model, config), parts.batches, config):
        pass
    examples = list(config.task.held_out("validation"))
    return parts, examples, score(parts.model, config.task, examples, parts.vocabularies, GREEDY)


# Losses and errors


@pytest.mark.parametrize("attention", get_args(Attention))
@pytest.mark.parametrize("free", [False, True])
def test_losses_and_errors_are_those_by_hand(attention: str, free: bool) -> None:
    model, examples = tiny.model(attention=attention), examples_of(25)
    with torch.no_grad():
        model.output.bias[EOS] += 2
    rows = [by_hand(model, example, free) for example in examples]
    nats = [value for row in rows for value in row[0]]
    wrong = [value for row in rows for value in row[1]]
    assert any(EOS in said[:-1] for _, _, said in rows), "some go on past an EOS of their own"
    loss, error = ("free_running_loss", "decoding_error") if free else ("teacher_forced_loss", "next_step_error")
    values = scored(model, examples).values
    assert len(nats) == sum(len(example.target) + 1 for example in examples)
    assert values[loss] == pytest.approx(sum(nats) / len(nats), rel=1e-9)
    assert values[error] == pytest.approx(100 * sum(wrong) / len(wrong), rel=1e-9)


def test_calibration_is_of_the_true_prefix_and_padding_is_no_position() -> None:
    model, examples = tiny.model(), examples_of(40)
    by_bin: dict[int, list[tuple[float, bool]]] = {}
    for example in examples:
        labels = VOCABULARY.encode(example.target)
        batch = collate([(VOCABULARY.encode(example.source), labels)])
        with torch.no_grad():
            logits = model.decode(model.encode(batch.source), torch.tensor([[BOS, *labels[:-1]]]))[0]
        for confidence, predicted, label in zip(
            *(part.tolist() for part in logits.softmax(-1).max(-1)), labels, strict=True
        ):
            by_bin.setdefault(math.ceil(15 * confidence), []).append((confidence, predicted == label))
    positions = sum(map(len, by_bin.values()))
    gaps = [abs(sum(right for _, right in found) - sum(share for share, _ in found)) for found in by_bin.values()]
    assert scored(model, examples).values["calibration_error"] == pytest.approx(100 * sum(gaps) / positions)


def test_outputs_that_differ_and_edits_are_those_of_the_decoded_outputs() -> None:
    _, examples, scores = half_trained()
    outputs = {example.source: output for example, output in zip(examples, scores.outputs, strict=True)}
    assert scores.quality["distinct"] == 100 * len(set(outputs.values())) / len(outputs)
    assert scores.quality["edit_rate"] == edit_rate(scores.outputs, [example.references for example in examples])
    assert 0 < scores.quality["edit_rate"] < 100 - scores.quality["exact_match"]


def test_the_exposure_gap_is_the_difference_of_the_losses() -> None:
    values = scored(tiny.model(), examples_of(40)).values
    gap = values["free_running_loss"] - values["teacher_forced_loss"]
    assert values["exposure_gap"] == pytest.approx(gap)
    assert gap != 0


# Curves


def test_curves_are_the_errors_by_position() -> None:
    model, examples = tiny.model(), examples_of(40)
    curves = scored(model, examples).curves
    for name, free in (("next_step", False), ("decoding", True)):
        rows = [by_hand(model, example, free)[1] for example in examples]
        columns = [[row[t] for row in rows if t < len(row)] for t in range(max(map(len, rows)))]
        assert curves[name] == [round(100 * sum(column) / len(column), 2) for column in columns]
        assert curves["positions"] == [len(column) for column in columns]


def test_long_targets_are_scored_whole_and_drawn_as_far_as_the_curve_goes() -> None:
    examples = [Example(("a",) * 3, ("b",) * 100)]
    scores = scored(tiny.model(), examples)
    assert len(scores.curves["next_step"]) == len(scores.curves["decoding"]) == len(scores.curves["positions"]) == 64
    nats, wrong, _ = by_hand(tiny.model(), examples[0], free=True)
    assert scores.values["free_running_loss"] == pytest.approx(sum(nats) / 101)
    assert scores.values["decoding_error"] == pytest.approx(100 * sum(wrong) / 101)


# Output quality


def test_greedy_exact_match_is_the_share_of_sequences_without_next_step_error() -> None:
    parts, examples, scores = half_trained()
    right = 0
    for example in examples:
        source, labels = parts.vocabularies.encode(example)
        with torch.no_grad():
            memory = parts.model.encode(collate([(source, labels)]).source)
            logits = parts.model.decode(memory, torch.tensor([[BOS, *labels[:-1]]]))
        right += logits[0].argmax(-1).tolist() == labels
    assert GREEDY.beam == 1
    assert 0 < right < len(examples)
    assert scores.quality["exact_match"] == pytest.approx(100 * right / len(examples))


def test_outputs_are_in_the_order_of_the_examples_and_bleu_is_theirs() -> None:
    _, examples, scores = half_trained()
    exact = sum(output == example.target for output, example in zip(scores.outputs, examples, strict=True))
    assert scores.quality["exact_match"] == pytest.approx(100 * exact / len(examples))
    outputs = [" ".join(output) for output in scores.outputs]
    references = [" ".join(example.target) for example in examples]
    outside = sacrebleu.corpus_bleu(outputs, [references], tokenize="none", force=True)
    assert 0 < scores.quality["bleu"] == pytest.approx(outside.score)
    assert "tok:none" in scores.signature
    assert f"version:{sacrebleu.__version__}" in scores.signature


def test_references_may_differ_in_number_and_every_one_counts() -> None:
    outputs = ["the cat sat on the mat", "a dog ran to me", ""]
    references = [["the cat sat on a mat", "there the cat sat on the rug"], ["a dog ran to us"], ["all", "x", "y"]]
    tokens = [[tuple(reference.split()) for reference in item] for item in references]
    bleu, signature = corpus_bleu([tuple(output.split()) for output in outputs], tokens)
    filled = [[item[min(k, len(item) - 1)] for item in references] for k in range(3)]
    outside = sacrebleu.corpus_bleu(outputs, filled, tokenize="none")
    assert 20 < bleu == pytest.approx(outside.score)
    assert "nrefs:var" in signature


@pytest.mark.parametrize(("name", "outside"), [("chrf", CHRF), ("ter", TER)])
def test_metrics_of_text_are_sacrebleus(name: str, outside: type[CHRF | TER]) -> None:
    outputs = ["the cat sat on the mat", "a dog ran to me", "", "The rug ."]
    references = [
        ["the cat sat on a mat", "on the rug the cat sat"],
        ["a dog ran to us"] * 2,
        ["all", "x"],
        ["the rug"] * 2,
    ]
    tokens = [[tuple(reference.split()) for reference in item] for item in references]
    found = TEXT_METRICS[name]([tuple(output.split()) for output in outputs], tokens)
    metric = outside()
    expected = metric.corpus_score(outputs, [list(stream) for stream in zip(*references, strict=True)])
    assert found == (pytest.approx(expected.score), str(metric.get_signature()))


def test_ter_is_not_asked_of_a_line_on_which_it_would_take_minutes() -> None:
    assert TEXT_METRICS["ter"]([("a",)], [[("a",) * 200]])
    assert TEXT_METRICS["ter"]([("a",)], [[("a",) * 201]]) is None
    assert TEXT_METRICS["ter"]([("a",) * 201], [[("a",)]]) is None


def test_perplexity_is_exp_of_the_forced_loss_and_absent_where_that_is_no_number() -> None:
    values = scored(tiny.model(), examples_of(10)).values
    assert values["perplexity"] == pytest.approx(math.exp(values["teacher_forced_loss"]))
    assert 2 ** values["bits_per_token"] == pytest.approx(values["perplexity"])
    model = tiny.model()
    with torch.no_grad():
        model.output.bias[EOS] += 5000
    assert "perplexity" not in scored(model, examples_of(10)).values


def test_a_task_whose_tokens_are_no_words_has_no_metric_of_text() -> None:
    asked = score(tiny.model(), TASK, examples_of(5), VOCABULARIES, GREEDY, ["chrf", "ter"])
    assert not {"chrf", "ter"} & asked.values.keys()
    assert asked.text_signatures == {}


def test_any_reference_makes_an_exact_match() -> None:
    model = tiny.model()
    (plain,) = scored(model, examples_of(1)).outputs
    example = examples_of(1)[0]
    with_it = Example(example.source, ("e", "e"), (("d",), plain))
    assert scored(model, [with_it]).quality["exact_match"] == 100
    assert scored(model, [Example(example.source, ("e", "e"), (("d",),))]).quality["exact_match"] == 0


# What must not matter


def test_the_order_of_evaluation_does_not_matter() -> None:
    model, examples = tiny.model(attention="dot"), examples_of(600)
    order = list(range(600))
    Random(1).shuffle(order)
    plain, mixed = scored(model, examples), scored(model, [examples[index] for index in order])
    assert mixed.outputs == [plain.outputs[index] for index in order]
    assert mixed.values == pytest.approx(plain.values, rel=1e-12)
    assert mixed.curves == plain.curves


def test_nothing_is_sampled_or_dropped_in_evaluation() -> None:
    model, examples = tiny.model(), examples_of(30)
    with_dropout = tiny.model(dropout=0.5)
    for seed in (1, 2):
        torch.manual_seed(seed)
        assert scored(model, examples) == scored(with_dropout, examples)


def test_scoring_leaves_the_model_as_it_was() -> None:
    model = tiny.model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    scored(model, examples_of(10))
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_the_beam_changes_outputs_and_no_loss() -> None:
    model, examples = tiny.model(scale=1.5), examples_of(60)
    narrow, wide = scored(model, examples), scored(model, examples, ScoringConfig(beam=8))
    assert narrow.outputs != wide.outputs
    for name in ("free_running_loss", "teacher_forced_loss", "next_step_error", "decoding_error"):
        assert narrow.values[name] == wide.values[name]
