"""Losses, errors and output quality on held-out pairs, with dropout off and no sampling.

Positions are every target token and EOS; PAD never counts. Losses are nats per position. Both losses average
over the SAME positions, so that their difference, the exposure gap, means something. Where words are cut into
pieces, a position is a piece's; outputs are words again before anything else is asked of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from statistics import fmean
from typing import Any, NamedTuple

import torch
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from torch import Tensor, nn

from ssrun.config.run import ScoringConfig
from ssrun.errors import UsageError
from ssrun.seq2seq.batches import Batches, batches_of
from ssrun.seq2seq.calibration import Calibration
from ssrun.seq2seq.decoder_inputs import free_running_inputs, teacher_forced_inputs
from ssrun.seq2seq.distractors import distractor_margins
from ssrun.seq2seq.edits import distinct, edit_rate, repetition
from ssrun.seq2seq.error_recovery import recovery
from ssrun.seq2seq.expert_measures import ExpertMeasures
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.overlap import cider_d, rouge_l
from ssrun.seq2seq.search import decode
from ssrun.seq2seq.vocabulary import PAD, Vocabularies, Vocabulary
from ssrun.system import signals
from ssrun.tasks import Example, Task, Tokens
from ssrun.tasks.output_metrics import computed

CURVE = 64  # positions that the curves show
ROOM = 10  # tokens that an output may be longer than the longest reference
LONGEST = 200  # words of a line that TER can take: twice as many take it five times as long, which is seconds
LARGEST = 300.0  # nats whose exp() is still told as a number


class Scores(NamedTuple):
    """What a model does on a set of pairs.

    Attributes:
        values: Losses and errors by name, as `metrics.METRICS` describes them: they depend on no way of decoding.
        quality: Metrics of the decoded outputs by name.
        curves: Errors in % by target position, from the first: `next_step` and `decoding`, and `positions`,
            the number of pairs that reach so far; with an expert `excess_error`, by length.
            With distractors `distractor_margin`, in nats. Of numbers `one_step_rmse` and `forecast_rmse`.
        outputs: The decoded tokens, in the examples' order.
        teacher_forced: For each example the argmax at each of its positions (EOS too), fed the true tokens.
        free_running: The same, fed its own argmax.
        signature: sacreBLEU's.
        text_signatures: How the metrics beside BLEU were computed, by name.
    """

    values: dict[str, float]
    quality: dict[str, float]
    curves: dict[str, list[float]]
    outputs: list[Tokens]
    teacher_forced: list[Tokens]
    free_running: list[Tokens]
    signature: str
    text_signatures: dict[str, str]


class _Errors:
    """Losses and errors under one way of feeding, summed over batches, overall and by position."""

    def __init__(self, examples: int) -> None:
        self.loss = 0.0
        self.errors = 0
        self.by_position = torch.zeros(CURVE)
        self.predicted: list[Tokens] = [()] * examples

    def add(self, logits: Tensor, target: Tensor, indices: Sequence[int], vocabulary: Vocabulary) -> None:
        real = target != PAD
        nats = nn.functional.cross_entropy(logits.transpose(1, 2), target, ignore_index=PAD, reduction="none")
        self.loss += float(nats.cpu().double().sum())
        predicted = logits.argmax(-1)
        for index, ids, length in zip(indices, predicted.tolist(), real.sum(1).tolist(), strict=True):
            self.predicted[index] = tuple(vocabulary.tokens[id_] for id_ in ids[:length])
        by_position = ((predicted != target) & real).sum(0).cpu()
        self.errors += int(by_position.sum())
        self.by_position[: len(by_position)] += by_position[:CURVE]


@torch.no_grad()
def score(
    model: Seq2Seq,
    task: Task,
    examples: Sequence[Example],
    vocabularies: Vocabularies,
    config: ScoringConfig,
    text_metrics: Sequence[str] = (),
    *,
    whole: bool = False,
) -> Scores:
    """Scores a model on these examples, by those of `text_metrics` too that the task has.

    The `whole` of it is also by the task's expert, and how it recovers from a wrong token. Interrupted on a signal.
    """
    teacher_forced, free_running = _Errors(len(examples)), _Errors(len(examples))
    calibration = Calibration()
    longest = max(vocabularies.target.length(example.target) for example in examples) + 1
    expert = ExpertMeasures(task, vocabularies.target, longest) if whole else None
    reached, positions = torch.zeros(CURVE), 0
    outputs: list[Tokens] = [()] * len(examples)
    greedily = list(outputs)
    references = [example.references for example in examples]
    limit = max(vocabularies.target.length(reference) for item in references for reference in item) + ROOM
    for indices, batch in batches_of(examples, vocabularies, model.device):
        signals.check()
        target = batch.target
        memory = model.encode(batch.source, batch.lengths)
        own = free_running_inputs(model, memory, target)
        logits = model.decode(memory, teacher_forced_inputs(target))
        teacher_forced.add(logits, target, indices, vocabularies.target)
        calibration.add(logits, target, target != PAD)
        free_running.add(model.decode(memory, own), target, indices, vocabularies.target)
        if expert:
            expert.add(model, memory, batch, own)
        real = (target != PAD).sum(0).cpu()
        positions += int(real.sum())
        reached[: len(real)] += real[:CURVE]
        for index, ids in zip(indices, decode(model, memory, limit, config.beam, config.length_penalty), strict=True):
            outputs[index] = vocabularies.target.decode(ids)
        for index, ids in zip(indices, decode(model, memory, limit), strict=True) if config.beam > 1 else ():
            greedily[index] = vocabularies.target.decode(ids)
    bleu, signature = corpus_bleu(outputs, references)
    asked = [name for name in task.text_metrics if name in text_metrics]
    of_text = {name: found for name in asked if (found := TEXT_METRICS[name](outputs, references))}
    forced_loss = teacher_forced.loss / positions
    exact = [output in example.references for output, example in zip(outputs, examples, strict=True)]
    quality = {
        "bleu": bleu,
        **{name: value for name, (value, _) in of_text.items()},
        "exact_match": 100 * (sum(exact) / len(exact)),
        "edit_rate": edit_rate(outputs, references),
        **({} if (repeated := repetition(outputs)) is None else {"repetition": repeated}),
        **({"beam_drop": corpus_bleu(greedily, references)[0] - bleu} if config.beam > 1 else {}),
        "distinct": distinct([example.source for example in examples], outputs),
        **task.judge(examples, outputs),
        **computed(config.metrics, examples, outputs),
    }
    values = {
        "free_running_loss": free_running.loss / positions,
        "teacher_forced_loss": forced_loss,
        **({"perplexity": math.exp(forced_loss)} if forced_loss <= LARGEST else {}),
        "bits_per_token": forced_loss / math.log(2),
        "exposure_gap": (free_running.loss - teacher_forced.loss) / positions,
        "next_step_error": 100 * teacher_forced.errors / positions,
        "decoding_error": 100 * free_running.errors / positions,
        "calibration_error": calibration.error,
        **(expert.values if expert else {}),
        **(recovered(model, vocabularies, examples) if whole else {}),
    }
    rmse = [task.rmse_by_position(examples, fed.predicted) for fed in (teacher_forced, free_running)]
    if rmse[0]:
        values["one_step_rmse"] = math.sqrt(fmean(error**2 for error in rmse[0]))
    margins = distractor_margins(model, vocabularies, examples) if whole else None
    if margins:
        values["distractor_margin"] = margins.late
    length = int((reached > 0).sum())
    curves = {
        "next_step": _rounded(100 * teacher_forced.by_position[:length] / reached[:length]),
        "decoding": _rounded(100 * free_running.by_position[:length] / reached[:length]),
        "positions": reached[:length].tolist(),
    }
    if expert and (excess := expert.excess_by_length()):
        curves["excess_error"] = [round(value, 2) for value in excess[:CURVE]]
    if rmse[0]:
        curves |= {
            f"{name}_rmse": [round(e, 4) for e in errors[:CURVE]]
            for name, errors in zip(("one_step", "forecast"), rmse, strict=True)
        }
    if margins:
        curves["distractor_margin"] = [round(value, 4) for value in margins.by_position[:CURVE]]
    said = (outputs, teacher_forced.predicted, free_running.predicted)
    return Scores(values, quality, curves, *said, signature, {name: told for name, (_, told) in of_text.items()})


@torch.no_grad()
def training_loss(model: Seq2Seq, batches: Batches, steps: int, pairs: int) -> float:
    """The teacher-forced loss on the training pairs of a run's first batches, of as many as hold `pairs`.

    Nats per position, as that of the test set; no dropout.
    """
    nats = positions = 0.0
    for step in range(min(steps, -(-pairs // batches.batch_size))):
        signals.check()
        batch = batches.at(step).to(model.device)
        counted = int((batch.target != PAD).sum())
        logits = model.decode(model.encode(batch.source, batch.lengths), teacher_forced_inputs(batch.target))
        nats += counted * float(loss_of(logits, batch.target))
        positions += counted
    return nats / positions


def recovered(model: Seq2Seq, vocabularies: Vocabularies, examples: Sequence[Example]) -> dict[str, float]:
    """The share in % that recovers from a wrong token in its middle; nothing where none can be put in."""
    try:
        found = recovery(model, vocabularies, examples)
    except UsageError:
        return {}
    return {"self_recovery": 100 * found.recovered / found.pairs}


def corpus_bleu(outputs: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, str]:
    """Corpus BLEU over all references, 0-100, and its signature, by sacreBLEU on tokens joined by spaces.

    Papineni et al. 2002, Post 2018.
    """
    streams = reference_streams([[" ".join(reference) for reference in item] for item in references])
    metric = BLEU(tokenize="none", force=True)
    result = metric.corpus_score([" ".join(output) for output in outputs], streams)
    return float(result.score), str(metric.get_signature())


def corpus_chrf(outputs: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, str]:
    """ChrF over all references, 0-100, and its signature, by sacreBLEU (Popovic 2015)."""
    streams = reference_streams([[" ".join(reference) for reference in item] for item in references])
    metric = CHRF()
    result = metric.corpus_score([" ".join(output) for output in outputs], streams)
    return float(result.score), str(metric.get_signature())


def corpus_ter(outputs: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, str] | None:
    """Translation edit rate over all references in %, and its signature, by sacreBLEU (Snover et al. 2006).

    None where a line has more than LONGEST words; Interrupted where a signal comes.
    """
    if max(map(len, [*outputs, *(reference for item in references for reference in item)])) > LONGEST:
        return None
    metric, edits, words = TER(), 0.0, 0.0
    for output, item in zip(outputs, references, strict=True):
        signals.check()
        result = metric.sentence_score(" ".join(output), [" ".join(reference) for reference in item])
        edits, words = edits + result.num_edits, words + result.ref_length
    return 100 * edits / words, str(metric.get_signature())


TextMetric = Callable[[Sequence[Tokens], Sequence[Sequence[Tokens]]], tuple[float, str] | None]
TEXT_METRICS: dict[str, TextMetric] = {  # by the names in `Task.text_metrics`
    "chrf": corpus_chrf,
    "ter": corpus_ter,
    "rouge_l": rouge_l,
    "cider_d": cider_d,
}


def reference_streams(references: Sequence[Sequence[str]]) -> Any:
    """The references of each output as sacreBLEU wants them: stream k is the k-th reference of every output.

    Those that an output lacks are None, which sacreBLEU's annotations do not know of.
    """
    return [list(stream) for stream in zip_longest(*references)]


def _rounded(percentages: Tensor) -> list[float]:
    return [round(value, 2) for value in percentages.tolist()]
