"""From sources to outputs: greedy and beam search."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ssrun.seq2seq.model import Masks, Memory, Seq2Seq, select
from ssrun.seq2seq.vocabulary import BOS, EOS
from ssrun.system import signals

HYPOTHESES = 4096  # in memory at once, of all sources of a beam search


class Hypothesis(NamedTuple):
    """An output, as ids up to EOS or the limit, and log p of all of them, EOS included; nats."""

    ids: list[int]
    log_p: float


UNASKED = 500  # tokens of an output to no source


def length_limit(length: int) -> int:
    """Most tokens of an output, EOS included, for a source of this length without EOS, where no reference says more."""
    return 4 * length + 10 if length else UNASKED


@torch.no_grad()
def decode(model: Seq2Seq, memory: Memory, limit: int, beam: int = 1, length_penalty: float = 1.0) -> list[list[int]]:
    """The best output of each source, as ids without BOS, up to EOS or `limit` tokens, EOS included.

    A beam of 1 is greedy search. A hypothesis' score is log p / length^length_penalty (0: log p alone), the length
    counted in tokens with EOS (Wu et al. 2016 without their constant).
    """
    if beam == 1:
        return greedy(model, memory, limit)[0].tolist()
    size, step = len(memory.states), max(1, HYPOTHESES // beam)
    rows = torch.arange(size, device=model.device)
    searched = (
        beam_search(model, memory.select(part), limit, beam, length_penalty) for part in torch.split(rows, step)
    )
    return [output for outputs in searched for output in outputs]


@torch.no_grad()
def hypotheses(model: Seq2Seq, memory: Memory, limit: int, beam: int, length_penalty: float) -> list[Hypothesis]:
    """What a search for the output of one source ends with, `beam` hypotheses or fewer: the best first, `decode`'s."""
    if beam == 1:
        tokens, _ = greedy(model, memory, limit)
        ids = to_its_end(tokens[0].tolist())
        said = torch.tensor([[BOS, *ids]]).to(model.device)
        log_p = model.decode(memory, said[:, :-1]).log_softmax(-1).gather(-1, said[:, 1:, None]).sum()
        return [Hypothesis(ids, float(log_p))]
    outputs, total, lengths = all_hypotheses(model, memory, limit, beam, length_penalty)
    order = (total[0] / lengths[0] ** length_penalty).sort(descending=True, stable=True).indices.tolist()
    found = [Hypothesis(to_its_end(outputs[0, row].tolist()), float(total[0, row])) for row in order]
    return [hypothesis for hypothesis in found if hypothesis.log_p > -torch.inf]  # fewer where there are no more


def to_its_end(ids: list[int]) -> list[int]:
    """An output up to its first EOS, which it keeps."""
    return ids[: ids.index(EOS) + 1] if EOS in ids else ids


@torch.no_grad()
def greedy(model: Seq2Seq, memory: Memory, limit: int, with_attention: bool = False) -> tuple[Tensor, Tensor | None]:
    """The argmax at each step, of at most `limit` tokens, EOS included.

    Returns:
        Tokens [B, T], T at most `limit`: what comes after an EOS means nothing. And, where asked for and the model
        weighs positions, attention's weights [B, T, S]: where each step looked.
    """
    token = torch.full((len(memory.states),), BOS, device=model.device)
    ended = torch.zeros_like(token, dtype=torch.bool)
    predict, state = model.predictor(memory, queries=len(token) * limit), memory.initial
    tokens: list[Tensor] = []
    weights: list[Tensor] = []
    for position in range(limit):
        signals.check()
        logits, state, attention = predict(token, state, position)
        token = logits.argmax(-1)
        tokens.append(token)
        if with_attention and attention is not None:
            weights.append(attention)
        ended |= token == EOS
        if ended.all():
            break
    return torch.stack(tokens, 1), torch.stack(weights, 1) if weights else None


def beam_search(model: Seq2Seq, memory: Memory, limit: int, beam: int, length_penalty: float) -> list[list[int]]:
    """The best output of a beam search for each source."""
    outputs, total, lengths = all_hypotheses(model, memory, limit, beam, length_penalty)
    best = (total / lengths**length_penalty).argmax(-1)
    return [outputs[row, hypothesis].tolist() for row, hypothesis in enumerate(best.tolist())]


def all_hypotheses(
    model: Seq2Seq,
    memory: Memory,
    limit: int,
    beam: int,
    length_penalty: float,
    ends: Tensor | None = None,
    masks: Masks | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Beam search; a hypothesis that has said EOS stays in the beam with its final score.

    Where `ends` [B] are given EOS is said there, at these positions, and not before. Masks are those of training.
    Shapes: B sources, K beam, V vocabulary; row b K + k of a state is hypothesis k of source b.

    Returns:
        All hypotheses: their tokens [B, K, T], log p [B, K] and lengths with EOS [B, K].
    """
    size = len(memory.states)
    sources = torch.arange(size, device=model.device)
    hypothesis = sources.repeat_interleave(beam)
    wide, wide_masks = memory.select(hypothesis), masks and masks.select(hypothesis)
    predict, state = model.predictor(wide, wide_masks, queries=size * beam * limit), wide.initial
    is_eos = torch.arange(model.target_size, device=model.device) == EOS
    token = torch.full((size * beam,), BOS, device=model.device)
    total = torch.full((size, beam), -torch.inf, device=model.device)  # log p
    total[:, 0] = 0  # the hypotheses are all the same at first: begin with one
    ended = torch.zeros_like(total, dtype=torch.bool)
    lengths = torch.zeros_like(total)
    outputs = token.new_empty(size, beam, 0)
    for position in range(limit):
        signals.check()
        logits, state, _ = predict(token, state, position)
        log_p = logits.log_softmax(-1).view(size, beam, model.target_size)
        if ends is not None:
            log_p = log_p.masked_fill((ends == position).view(-1, 1, 1) != is_eos, -torch.inf)
        log_p = log_p.masked_fill(ended.unsqueeze(-1), -torch.inf)
        log_p[..., EOS] = log_p[..., EOS].masked_fill(ended, 0)  # an ended hypothesis goes on as itself
        after = (total.unsqueeze(-1) + log_p).view(size, -1)
        grown = (lengths + (~ended).float()).unsqueeze(-1).expand_as(log_p).reshape(size, -1)
        chosen = (after / grown**length_penalty).topk(beam, -1).indices
        parent = chosen // model.target_size
        word = chosen % model.target_size
        total, lengths = after.gather(1, chosen), grown.gather(1, chosen)
        ended = ended.gather(1, parent) | (word == EOS)
        outputs = torch.cat((outputs.gather(1, parent.unsqueeze(-1).expand(-1, -1, position)), word.unsqueeze(-1)), -1)
        state = select(state, (sources.unsqueeze(1) * beam + parent).flatten())
        token = word.flatten()
        if ended.all():
            break
    return outputs, total, lengths
