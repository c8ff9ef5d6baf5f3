"""What came after scheduled sampling, as each definition says it: one sequence, one token at a time.

Loops and lists where the package has tensors. It shares the model's weights and encoder with the package, the draws,
and nothing else.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ssrun.seq2seq.batches import Batch
from ssrun.seq2seq.decoder_inputs import Draws
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.vocabulary import BOS, EOS, PAD, SPECIALS, UNKNOWN
from ssrun.strategies import Strategy
from tests.support import textbook

Rows = list[list[int]]
BEGIN, TRUE, OWN, NOISE = "-", "true", "own", "noise"


def loss(
    model: Seq2Seq,
    batch: Batch,
    strategy: Strategy,
    epsilon: float | Sequence[float],
    draws: Draws,
    masks: Masks | None = None,
) -> tuple[Tensor, Rows]:
    """Mean of -log p(y_t) over the real positions, and the tokens that were fed."""
    memory = model.encode(batch.source, batch.lengths, masks)
    with torch.no_grad():
        fed = inputs(model, batch, memory, strategy, epsilon, draws, masks)
    logits = all_logits(model, batch, memory, fed, masks)
    return nn.functional.cross_entropy(logits.transpose(1, 2), batch.target, ignore_index=PAD), fed


def all_logits(model: Seq2Seq, batch: Batch, memory: Memory, fed: Rows, masks: Masks | None) -> Tensor:
    """Logits [B, T, V] after these tokens, one position after the other."""
    state, found = list(memory.initial), []
    for t, column in enumerate(zip(*fed, strict=True)):
        found.append(textbook.said(model, batch, memory, state, model.target_embedding(torch.tensor(column)), t, masks))
    return torch.stack(found, 1)


def inputs(
    model: Seq2Seq,
    batch: Batch,
    memory: Memory,
    strategy: Strategy,
    epsilon: float | Sequence[float],
    draws: Draws,
    masks: Masks | None,
) -> Rows:
    target = batch.target.tolist()
    gold = [[BOS, *row[:-1]] for row in target]
    forced = all_logits(model, batch, memory, gold, masks)
    kinds = coins(target, forced, strategy, epsilon, draws)

    def replacement(row: int, t: int, logits: Tensor) -> int:
        """What stands at input t of a row, where `logits` are those of the position before."""
        kind, uniform = kinds[row][t], float(draws.sample[row, t])
        words = [token for token in target[row] if token > EOS]
        if kind in (BEGIN, TRUE):
            return gold[row][t]
        if strategy.feed == "beam-oracle" and kind == OWN:
            return oracle(model, batch, memory, row, strategy.oracle_beam, masks)[t - 1]
        if strategy.feed in ("sample", "argmax") and kind == OWN:
            return said(logits[row], strategy, uniform)
        choices = {
            "same-sequence": words,
            "unigram": [token for other in target for token in other if token > EOS],
            "mask": [UNKNOWN],
            "uniform-token": range(len(SPECIALS), model.target_size),
        }["same-sequence" if kind == NOISE else strategy.feed]
        return choices[int(uniform * len(choices))]

    length = len(gold[0])
    if strategy.passes and strategy.feed in ("sample", "argmax"):
        fed = gold
        for number in range(strategy.passes):  # Duckworth et al. 2019: positions before `number` keep their tokens
            logits = all_logits(model, batch, memory, fed, masks)
            fed = [
                [before[t] if t <= number else replacement(row, t, logits[:, t - 1]) for t in range(length)]
                for row, before in enumerate(fed)
            ]
        return fed
    fed = [[BOS] for _ in gold]
    state = list(memory.initial)
    for t in range(1, length):
        tokens = torch.tensor([row[-1] for row in fed])
        logits = textbook.said(model, batch, memory, state, model.target_embedding(tokens), t - 1, masks)
        for row, tokens_so_far in enumerate(fed):
            tokens_so_far.append(replacement(row, t, logits))
    return fed


def mixed_loss(
    model: Seq2Seq,
    batch: Batch,
    strategy: Strategy,
    epsilon: float,
    draws: Draws,
    noise: Tensor,
    masks: Masks | None = None,
) -> tuple[Tensor, Rows]:
    """The loss where a mixture of vectors is fed in place of a token, and the largest token of each mixture."""
    memory = model.encode(batch.source, batch.lengths, masks)
    target = batch.target.tolist()
    kinds = coins(target, torch.zeros(*batch.target.shape, model.target_size), strategy, epsilon, draws)
    table, state, found = model.target_embedding.weight, list(memory.initial), []
    fed: Rows = [[BOS] for _ in target]
    for t in range(batch.target.shape[1]):
        vectors = []
        for row, kind in enumerate(coin[t] for coin in kinds):
            if kind != OWN:
                fed[row] += [target[row][t - 1]] if t else []
                vectors.append(table[fed[row][t]])
                continue
            scores = found[-1][row] + (noise[row, t] if strategy.feed == "sample" else 0)
            weights = (scores / strategy.temperature).exp() / (scores / strategy.temperature).exp().sum()
            fed[row].append(int(scores.argmax()))
            if strategy.gradient == "soft":
                vectors.append(sum(weight * vector for weight, vector in zip(weights, table, strict=True)))
            else:  # the token's vector; what flows to the scores is what would through the mixture
                through = sum((w - w.detach()) * vector.detach() for w, vector in zip(weights, table, strict=True))
                vectors.append(table[fed[row][t]] + through)
        found.append(textbook.said(model, batch, memory, state, torch.stack(vectors), t, masks))
    logits = torch.stack(found, -1)
    return nn.functional.cross_entropy(logits, batch.target, ignore_index=PAD), fed


def coins(
    target: Rows, forced: Tensor, strategy: Strategy, epsilon: float | Sequence[float], draws: Draws
) -> list[list[str]]:
    """What each input is to be; `true` where there is nothing to toss."""
    lengths = [sum(token > EOS for token in row) for row in target]
    every = sorted((float(draws.coin[row, t]), row, t) for row, n in enumerate(lengths) for t in range(1, n + 1))
    kinds = [[BEGIN, *[TRUE] * (len(row) - 1)] for row in target]
    for place, (draw, row, t) in enumerate(every):
        share = epsilon if isinstance(epsilon, float | int) else epsilon[t - 1]
        p = forced[row, t].softmax(0)
        confidence = float(p[target[row][t]] if strategy.confidence_of == "gold" else p.max())
        true = {
            "prefix": lambda row=row, t=t, share=share: t - 1 < round(share * lengths[row]),
            "count": lambda place=place, share=share: place < round(share * len(every)),
            "confidence": lambda c=confidence, draw=draw, share=share: draw < share or c <= strategy.threshold,
        }.get(strategy.coin, lambda draw=draw, share=share: draw < share)
        if not true():
            noisy = strategy.coin == "confidence" and confidence > strategy.noise_threshold
            kinds[row][t] = NOISE if noisy else OWN
    return kinds


def said(logits: Tensor, strategy: Strategy, uniform: float) -> int:
    """The argmax of logits [V], or a draw of the likeliest `top_k` at a temperature: the distribution's inverse."""
    scores = [float(score) / strategy.temperature for score in logits]
    if strategy.feed == "argmax":
        return max(range(len(scores)), key=scores.__getitem__)
    least = sorted(scores)[-strategy.top_k] if strategy.top_k else -math.inf
    highest = max(scores)
    weights = [math.exp(score - highest) if score >= least else 0.0 for score in scores]
    below = 0.0
    for token, weight in enumerate(weights):
        below += weight
        if uniform * sum(weights) < below:
            return token
    raise AssertionError("a draw is below 1")


def oracle(model: Seq2Seq, batch: Batch, memory: Memory, row: int, beam: int, masks: Masks | None) -> list[int]:
    """Zhang et al. 2019: a beam that neither ends before the target's length nor after it; the best by BLEU."""
    wanted = [token for token in batch.target[row].tolist() if token > EOS]
    found: list[tuple[float, list[int]]] = [(0.0, [])]
    for t in range(len(wanted) + 1):
        grown = []
        for log_p, ids in found:
            fed = [[BOS, *ids]] * len(batch.target)
            following = all_logits(model, batch, memory, fed, masks)[row, t].log_softmax(0)
            allowed = [EOS] if t == len(wanted) else [v for v in range(model.target_size) if v > EOS]
            grown += [(log_p + float(following[token]), [*ids, token]) for token in allowed]
        found = sorted(grown, reverse=True)[:beam]
    _, _, best = max((bleu(ids[:-1], wanted), log_p, ids) for log_p, ids in found)
    return best


def bleu(ids: Sequence[int], wanted: Sequence[int]) -> float:
    """Sentence BLEU of two of one length: orders as far as there are n-grams, a missing one counts 1/2, 1/4 ..."""
    logs, halves = [], 1
    for order in range(1, min(4, len(wanted)) + 1):
        said, there = (
            Counter(tuple(tokens[at : at + order]) for at in range(len(tokens) - order + 1)) for tokens in (ids, wanted)
        )
        right, total = sum((said & there).values()), sum(said.values())
        if not right:
            halves *= 2
        if order == 1 and not right:
            return 0.0
        logs.append(math.log((right or 1 / halves) / total))
    return 100 * math.exp(sum(logs) / len(logs))
