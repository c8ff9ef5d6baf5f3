"""Sentence oracles: what a model says that is as long as the target and most like it (Zhang et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sacrebleu.metrics.bleu import BLEU
from torch import Tensor

from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.search import HYPOTHESES, all_hypotheses
from ssrun.seq2seq.vocabulary import EOS, PAD

METRIC = BLEU(tokenize="none", effective_order=True)


@torch.no_grad()
def oracle_sentences(model: Seq2Seq, memory: Memory, target: Tensor, beam: int, masks: Masks | None = None) -> Tensor:
    """Of `beam` outputs as long as each target [B, T] the one with the best sentence BLEU against it, [B, T].

    The beam may not say EOS before the target's and has to there (arXiv 1906.02448, force decoding). Of equal ones
    the likeliest; after EOS there is PAD.
    """
    lengths, limit = (target > EOS).sum(1), target.shape[1]
    chosen: list[list[int]] = []
    for rows in torch.split(torch.arange(len(target), device=target.device), max(1, HYPOTHESES // beam)):
        of_rows = masks and masks.select(rows)
        outputs, log_p, _ = all_hypotheses(model, memory.select(rows), limit, beam, 0.0, lengths[rows], of_rows)
        for row, candidates, scores in zip(rows.tolist(), outputs.tolist(), log_p.tolist(), strict=True):
            length = int(lengths[row])
            reference = target[row, :length].tolist()
            said = [(ids[:length], score) for ids, score in zip(candidates, scores, strict=True) if score > -torch.inf]
            best, _ = max(said, key=lambda one: (sentence_bleu(one[0], reference), one[1]))
            chosen.append([*best, EOS, *[PAD] * (limit - length - 1)])
    return torch.tensor(chosen).to(target.device)


def sentence_bleu(ids: Sequence[int], *references: Sequence[int]) -> float:
    """Sentence BLEU, 0-100, smoothed, of n-grams as long as there are (Chen and Cherry 2014, by sacreBLEU)."""
    said, *wanted = (" ".join(map(str, tokens)) for tokens in (ids, *references))
    return float(METRIC.sentence_score(said, wanted).score)
