"""Losses, errors and output quality on held-out pairs, with dropout off and no sampling.

Positions are every target token and EOS; PAD never counts. Losses are nats per position. Both losses average
over the SAME positions, so that their difference, the exposure gap, means something.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from sacrebleu.metrics.bleu import BLEU
from torch import Tensor, nn

from ssrun.config.run import ScoringConfig
from ssrun.seq2seq.batches import Batch, collate
from ssrun.seq2seq.decoder_inputs import feed, shift
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.search import decode
from ssrun.seq2seq.vocabulary import PAD, Vocabulary
from ssrun.system import signals as interruption
from ssrun.tasks import Example, Task, Tokens

AT_ONCE = 256  # pairs evaluated together
CURVE = 64  # positions that the curves show
ROOM = 10  # tokens that an output may be longer than the longest reference


class Scores(NamedTuple):
    """What a model does on a set of pairs.

    Attributes:
        values: Metrics by name, as `metrics.METRICS` describes them.
        curves: Errors in % by target position, from the first: `next_step` and `decoding`, and `positions`,
            the number of pairs that reach so far.
        outputs: The decoded tokens, in the examples' order.
        next_step: For each example the argmax at each of its positions (EOS too), fed the true tokens.
        decoding: The same, fed its own argmax.
        signature: sacreBLEU's.
    """

    values: dict[str, float]
    curves: dict[str, list[float]]
    outputs: list[Tokens]
    next_step: list[Tokens]
    decoding: list[Tokens]
    signature: str


class _Errors:
    """Losses and errors, summed over batches, overall and by position."""

    def __init__(self, examples: int) -> None:
        self.loss = 0.0
        self.predicted: list[Tokens] = [()] * examples
        self.wrong = torch.zeros(CURVE)
        self.wrong_in_all = 0
        self.flawless = 0

    def add(self, logits: Tensor, target: Tensor, numbers: Sequence[int], vocabulary: Vocabulary) -> None:
        real = target != PAD
        nats = nn.functional.cross_entropy(logits.transpose(1, 2), target, ignore_index=PAD, reduction="none")
        self.loss += float(nats.double().sum())
        predicted = logits.argmax(-1)
        for number, ids, length in zip(numbers, predicted.tolist(), real.sum(1).tolist(), strict=True):
            self.predicted[number] = tuple(vocabulary.tokens[id_] for id_ in ids[:length])
        wrong = (predicted != target) & real
        self.wrong_in_all += int(wrong.sum())
        self.flawless += int((~wrong.any(1)).sum())
        by_position = wrong.sum(0)[:CURVE]
        self.wrong[: len(by_position)] += by_position


@torch.no_grad()
def score(
    model: Seq2Seq,
    task: Task,
    examples: Sequence[Example],
    source: Vocabulary,
    target: Vocabulary,
    config: ScoringConfig,
) -> Scores:
    """Scores a model on these examples.

    Raises:
        Interrupted: A signal came.
    """
    forced, free = _Errors(len(examples)), _Errors(len(examples))
    counts, positions = torch.zeros(CURVE), 0
    outputs: list[Tokens] = [()] * len(examples)
    limit = max(len(reference) for example in examples for reference in example.references) + ROOM
    for numbers, batch in batches_of(examples, source, target):
        interruption.check()
        memory = model.encode(batch.source, batch.lengths)
        forced.add(model.decode(memory, shift(batch.target)), batch.target, numbers, target)
        own = feed(model, memory, batch.target, epsilon=0, feed="argmax", draws=None)
        free.add(model.decode(memory, own.inputs), batch.target, numbers, target)
        reached = (batch.target != PAD).sum(0)
        positions += int(reached.sum())
        counts[: len(reached[:CURVE])] += reached[:CURVE]
        for number, ids in zip(numbers, decode(model, memory, limit, config.beam, config.length_penalty), strict=True):
            outputs[number] = target.decode(ids)
    bleu, signature = corpus_bleu(outputs, [example.references for example in examples])
    values = {
        "bleu": bleu,
        "exact_match": 100 * _share(o in e.references for o, e in zip(outputs, examples, strict=True)),
        **task.judge(examples, outputs),
        "free_running_loss": free.loss / positions,
        "teacher_forced_loss": forced.loss / positions,
        "exposure_gap": (free.loss - forced.loss) / positions,
        "next_step_error": 100 * forced.wrong_in_all / positions,
        "decoding_error": 100 * free.wrong_in_all / positions,
    }
    length = int((counts > 0).sum())
    curves = {
        "next_step": _round(100 * forced.wrong[:length] / counts[:length]),
        "decoding": _round(100 * free.wrong[:length] / counts[:length]),
        "positions": counts[:length].tolist(),
    }
    return Scores(values, curves, outputs, forced.predicted, free.predicted, signature)


def batches_of(
    examples: Sequence[Example], source: Vocabulary, target: Vocabulary
) -> Iterator[tuple[list[int], Batch]]:
    """The examples in batches of like lengths, each with the examples' numbers."""
    order = sorted(range(len(examples)), key=lambda n: (len(examples[n].source), len(examples[n].target)))
    for start in range(0, len(order), AT_ONCE):
        numbers = order[start : start + AT_ONCE]
        yield (
            numbers,
            collate([(source.encode(examples[n].source), target.encode(examples[n].target)) for n in numbers]),
        )


def corpus_bleu(outputs: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, str]:
    """Corpus BLEU, 0-100, and its signature, by sacreBLEU on tokens joined by spaces (Papineni et al. 2002, Post 2018).

    All references count; where examples have different numbers of them, the missing ones are None.
    """
    streams: Any = [  # sacrebleu's annotation does not know of None
        [" ".join(of_one[k]) if k < len(of_one) else None for of_one in references]
        for k in range(max(map(len, references)))
    ]
    metric = BLEU(tokenize="none", force=True)
    result = metric.corpus_score([" ".join(output) for output in outputs], streams)
    return float(result.score), str(metric.get_signature())


def _share(flags: Any) -> float:
    """The share of true flags."""
    values = list(flags)
    return float(sum(values) / len(values))


def _round(values: Tensor) -> list[float]:
    """Percentages to two decimals, as they are stored."""
    return [round(value, 2) for value in values.tolist() if math.isfinite(value)]
