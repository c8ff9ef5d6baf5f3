"""The critics' measures: distractor margin, repetition, what a beam loses, the gap to the training pairs; by hand."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean

import pytest
import torch

from ssrun.metrics import METRICS
from ssrun.runs.execution import prepare
from ssrun.runs.trained import Trained, load_trained
from ssrun.seq2seq.distractors import distractor_margins, distractors
from ssrun.seq2seq.edits import repetition
from ssrun.seq2seq.scoring import corpus_bleu, score
from ssrun.seq2seq.vocabulary import BOS
from ssrun.tasks import Example
from tests.support import tiny

CRITICS = ("distractor_margin", "repetition", "beam_drop", "generalisation_gap")


def log_p(trained: Trained, source: tuple[str, ...], target: tuple[str, ...]) -> list[float]:
    """Of each token of a target and its end, one prefix at a time."""
    ids, vocabularies = trained.vocabularies.target.encode(target), trained.vocabularies
    memory = trained.model.encode(torch.tensor([vocabularies.source.encode(source)]))
    found = []
    for t, token in enumerate(ids):
        logits = trained.model.decode(memory, torch.tensor([[BOS, *ids[:t]]]))
        found.append(float(logits[0, -1].log_softmax(0)[token]))
    return found


@torch.no_grad()
def test_the_margin_is_the_true_targets_log_p_less_a_distractors_of_its_length() -> None:
    trained = tiny.untrained(tiny.configuration())
    examples = tiny.held_out(trained)
    others = distractors(trained.vocabularies.target, examples)
    late, by_position = [], {}
    for example, other in zip(examples, others, strict=True):
        assert other != example.target
        if other is None:
            assert sum(len(one.target) == len(example.target) for one in examples) == 1
            continue
        assert len(other) == len(example.target)
        n = len(other) + 1
        pairs = zip(*(log_p(trained, example.source, target) for target in (example.target, other)), strict=True)
        for t, (true, false) in enumerate(pairs):
            by_position.setdefault(t, []).append(true - false)
            late += [true - false] if t >= n - math.ceil(n / 4) else []
    margins = distractor_margins(trained.model, trained.vocabularies, examples)
    assert margins.late == pytest.approx(mean(late), abs=1e-5)
    assert margins.by_position == pytest.approx([mean(by_position[t]) for t in sorted(by_position)], abs=1e-5)
    assert distractors(trained.vocabularies.target, examples) == others


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_shortest_targets_have_a_last_quarter(length: int) -> None:
    trained = tiny.untrained(tiny.configuration())
    pairs = [Example(("a",), (token,) * length) for token in ("a", "b")]
    margins = distractor_margins(trained.model, trained.vocabularies, pairs)
    assert len(margins.by_position) == length + 1
    assert math.isfinite(margins.late)


def test_a_target_that_no_other_is_like_has_no_distractor() -> None:
    trained = tiny.untrained(tiny.configuration())
    one = tiny.held_out(trained)[0]
    assert (
        distractor_margins(trained.model, trained.vocabularies, [one, Example(one.source, (*one.target, "a"))]) is None
    )


@pytest.mark.parametrize(
    ("outputs", "repeated"),
    [
        (["a b c d e"], 0),
        (["a a a a a a"], 100 * 2 / 3),
        (["a b a b a b a", "a b c d", "a"], 100 * (1 / 2 + 0) / 2),
        (["a b c", ""], None),
    ],
)
def test_repetition_is_the_share_of_four_tokens_that_were_said_before(outputs: list[str], repeated: float) -> None:
    assert repetition([tuple(output.split()) for output in outputs]) == (
        None if repeated is None else pytest.approx(repeated)
    )


def test_a_beam_loses_what_greedy_search_had() -> None:
    trained = tiny.untrained(tiny.configuration(model={"attention": "aligned"}))
    with torch.no_grad():
        for weight in trained.model.parameters():
            weight.mul_(3)
    examples = tiny.held_out(trained)
    scoring = [trained.config.scoring.model_copy(update={"beam": beam}) for beam in (1, 4)]
    greedy, beam = (score(trained.model, trained.config.task, examples, trained.vocabularies, each) for each in scoring)
    references = [example.references for example in examples]
    lost = corpus_bleu(greedy.outputs, references)[0] - corpus_bleu(beam.outputs, references)[0]
    assert greedy.outputs != beam.outputs
    assert beam.quality["beam_drop"] == pytest.approx(lost)
    assert "beam_drop" not in greedy.quality


def test_the_generalisation_gap_is_to_pairs_that_were_trained_on(tmp_path: Path) -> None:
    folder = tiny.finished_run(tmp_path)
    result, trained = folder.result(), load_trained(folder)
    batches, nats = prepare(trained.config).batches, []
    for step in range(5):  # of 8 pairs, for 40 test pairs
        for example in batches.at(step).examples:
            with torch.no_grad():
                nats += [-value for value in log_p(trained, example.source, example.target)]
    values = dict(result)
    assert values["generalisation_gap"] == pytest.approx(values["teacher_forced_loss"] - mean(nats), abs=1e-5)
    assert {"distractor_margin", "generalisation_gap"} <= values.keys()
    assert len(result.curves.distractor_margin) <= len(result.curves.positions)


@pytest.mark.parametrize("name", CRITICS)
def test_each_has_its_unit_formula_and_source(name: str) -> None:
    metric = METRICS[name]
    assert metric.unit
    assert metric.formula
    assert "arXiv" in metric.source
    assert metric.on_request
