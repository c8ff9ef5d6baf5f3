"""Greedy and beam search, against the best of all outputs where there are few enough to try."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from ssrun.seq2seq.batches import collate
from ssrun.seq2seq.model import Memory, Seq2Seq
from ssrun.seq2seq.search import beam_search, decode, greedy, hypotheses
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, Vocabulary
from tests.support import tiny

SAID = range(EOS, tiny.SIZE)  # PAD and BOS never are
LIMIT = 3


def memory_of(model: Seq2Seq, count: int = 12) -> Memory:
    batch = tiny.batch(count)
    with torch.no_grad():
        return model.encode(batch.source, batch.lengths)


def ended(output: list[int]) -> list[int]:
    """An output up to its first EOS."""
    return output[: output.index(EOS) + 1] if EOS in output else output


def log_probability(model: Seq2Seq, memory: Memory, outputs: Tensor) -> Tensor:
    """Of each output [N, T], given one source, by a pass over whole sequences."""
    wide = memory.select(torch.zeros(len(outputs), dtype=torch.long))
    inputs = torch.cat((torch.full_like(outputs[:, :1], BOS), outputs[:, :-1]), 1)
    with torch.no_grad():
        return model.decode(wide, inputs).log_softmax(-1).gather(2, outputs.unsqueeze(2)).sum((1, 2))


def score_of(model: Seq2Seq, memory: Memory, output: list[int], penalty: float) -> float:
    output = ended(output)
    return float(log_probability(model, memory, torch.tensor([output]))) / len(output) ** penalty


def best_of_all(model: Seq2Seq, memory: Memory, penalty: float) -> tuple[list[int], float]:
    """The output of at most LIMIT tokens with the highest score, by trying each."""
    words = [token for token in SAID if token != EOS]
    scored: list[tuple[float, list[int]]] = []
    for length in range(1, LIMIT + 1):
        lasts = SAID if length == LIMIT else [EOS]
        outputs = torch.tensor([[*first, last] for first in product(words, repeat=length - 1) for last in lasts])
        scores = log_probability(model, memory, outputs) / length**penalty
        best = int(scores.argmax())
        scored.append((float(scores[best]), outputs[best].tolist()))
    score, output = max(scored)
    return output, score


@tiny.few_kinds
@pytest.mark.parametrize("penalty", [0, 0.6, 1, 2])
def test_a_wide_enough_beam_finds_the_best_of_all_outputs(kind: dict[str, Any], penalty: float) -> None:
    for seed in range(3):
        model = tiny.model(seed, scale=1.5, **kind)
        memory = memory_of(model, 6)
        found = decode(model, memory, LIMIT, beam=256, length_penalty=penalty)
        for row, output in enumerate(found):
            alone = memory.select(torch.tensor([row]))
            expected, score = best_of_all(model, alone, penalty)
            assert ended(output) == expected
            assert score_of(model, alone, output, penalty) == pytest.approx(score)


def searched(model: Seq2Seq, memory: Memory, limit: int, beam: int, penalty: float) -> list[int]:
    """Beam search as one says it: grow each hypothesis by each token, keep the `beam` best scores."""
    kept: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(limit):
        ended = [(score, output) for score, output in kept if EOS in output]
        grown = [[*output, token] for _, output in kept if EOS not in output for token in SAID]
        scores = log_probability(model, memory, torch.tensor(grown)).tolist() if grown else []
        ended += [(score / len(output) ** penalty, output) for score, output in zip(scores, grown, strict=True)]
        kept = sorted(ended, reverse=True)[:beam]
    return max(kept)[1]


@tiny.few_kinds
@pytest.mark.parametrize("penalty", [0, 1, 3])
@pytest.mark.parametrize("beam", [2, 5])
def test_a_narrow_beam_keeps_the_hypotheses_with_the_best_scores(
    kind: dict[str, Any], penalty: float, beam: int
) -> None:
    lengths = set()
    for seed in range(3):
        model = tiny.model(seed, scale=1.5, **kind)
        memory = memory_of(model, 6)
        for row, output in enumerate(decode(model, memory, 6, beam, penalty)):
            assert ended(output) == searched(model, memory.select(torch.tensor([row])), 6, beam, penalty)
            lengths.add(len(ended(output)))
    assert len(lengths) > 1 or penalty != 1, "hypotheses of different lengths stood beside each other"


@tiny.few_kinds
@pytest.mark.parametrize("layers", [1, 2])
def test_a_beam_of_one_is_greedy_search(kind: dict[str, Any], layers: int) -> None:
    model = tiny.model(**kind, layers=layers)
    memory = memory_of(model)
    one = beam_search(model, memory, 9, beam=1, length_penalty=1)
    assert [ended(output) for output in one] == [ended(output) for output in decode(model, memory, 9)]


@tiny.few_kinds
def test_greedy_says_the_argmax_at_every_position(kind: dict[str, Any]) -> None:
    model = tiny.model(**kind)
    memory = memory_of(model)
    outputs, weights = greedy(model, memory, 9, with_attention=True)
    inputs = torch.cat((torch.full_like(outputs[:, :1], BOS), outputs[:, :-1]), 1)
    with torch.no_grad():
        assert torch.equal(model.decode(memory, inputs).argmax(-1), outputs)
    assert (weights is not None) == (kind["attention"] in ("dot", "general"))
    assert greedy(model, memory, 9)[1] is None


@pytest.mark.parametrize("beam", [1, 3])
def test_each_source_is_decoded_as_if_alone(beam: int) -> None:
    model, pairs = tiny.model(attention="dot"), tiny.pairs(12)
    together = decode(model, memory_of(model), 7, beam)
    for pair, output in zip(pairs, together, strict=True):
        batch = collate([pair])
        with torch.no_grad():
            (alone,) = decode(model, model.encode(batch.source), 7, beam)
        assert ended(alone) == ended(output)


@pytest.mark.parametrize("most", [1, 6, 7, 36])
def test_how_many_hypotheses_are_held_at_once_changes_no_output(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    model = tiny.model(attention="dot")
    memory = memory_of(model)
    expected = decode(model, memory, 7, beam=3)
    monkeypatch.setattr("ssrun.seq2seq.search.HYPOTHESES", most)
    found = decode(model, memory, 7, beam=3)
    assert [ended(output) for output in found] == [ended(output) for output in expected]


@pytest.mark.parametrize("beam", [1, 2, 5, 20])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_output_is_longer_than_the_limit_or_says_what_is_never_said(beam: int, limit: int) -> None:
    model = tiny.model(attention="dot")
    outputs = decode(model, memory_of(model, 30), limit, beam)
    assert len(outputs) == 30
    for output in outputs:
        assert 1 <= len(output) <= limit
        assert not {PAD, BOS} & set(output)


@pytest.mark.parametrize("beam", [1, 4])
def test_nothing_after_eos_is_part_of_an_output(beam: int) -> None:
    vocabulary, outputs = Vocabulary("abcde"), []
    for seed in range(5):
        model = tiny.model(seed)
        with torch.no_grad():
            model.output.bias[EOS] += 2
        outputs += decode(model, memory_of(model), 8, beam)
    assert any(EOS in output[:-1] for output in outputs)
    for output in outputs:
        words = vocabulary.decode(output)
        assert len(words) == len(ended(output)) - (EOS in output)
        assert not {"<eos>", "<pad>", "<bos>"} & set(words)


@tiny.few_kinds
@pytest.mark.parametrize("beam", [1, 2, 5, 300])
def test_hypotheses_are_told_with_their_log_probability_the_best_first(kind: dict[str, Any], beam: int) -> None:
    model = tiny.model(scale=1.5, **kind)
    memory = memory_of(model, 1)
    found = hypotheses(model, memory, 4, beam, 0.6)
    (best,) = decode(model, memory, 4, beam, 0.6)
    assert found[0].ids == ended(best)
    assert 1 <= len(found) <= beam
    assert len({tuple(hypothesis.ids) for hypothesis in found}) == len(found)
    for ids, log_p in found:
        assert log_p == pytest.approx(float(log_probability(model, memory, torch.tensor([ids]))))
    scores = [log_p / len(ids) ** 0.6 for ids, log_p in found]
    assert scores == sorted(scores, reverse=True)
