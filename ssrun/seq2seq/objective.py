"""What is minimised: the loss, smoothed if so wished, and beside it a strategy's second losses."""

from __future__ import annotations

import torch
from torch import Tensor

from ssrun.config.run import RunConfig
from ssrun.seq2seq import streams
from ssrun.seq2seq.decoder_inputs import teacher_forced_inputs
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.professor import professor_loss
from ssrun.seq2seq.vocabulary import EOS


def objective_of(loss: Tensor, logits: Tensor, counted: Tensor, smoothing: float) -> Tensor:
    """What is minimised: the loss, or with label smoothing (1 - s) loss + s mean of -log p over all tokens; nats.

    All tokens are those that can be said: neither PAD nor BOS (Szegedy et al. 2016, section 7). The means are over the
    positions that count, [B, T].
    """
    if not smoothing:
        return loss
    spread = -logits.log_softmax(-1)[..., EOS:].mean(-1)
    return (1 - smoothing) * loss + smoothing * spread[counted].mean()


def with_second_losses(
    objective: Tensor,
    config: RunConfig,
    model: Seq2Seq,
    memory: Memory,
    target: Tensor,
    step: int,
    masks: Masks | None,
) -> Tensor:
    """The objective and, so many times each, the second losses of a strategy on a target [B, T] at an optimiser step.

    They are the teacher-forced loss, -log p(y_t) on the true prefix, and professor forcing's. A discriminator's own
    loss comes with the latter, once: no weight of the decoder has a gradient of it.
    """
    strategy = config.strategy
    if weight := strategy.gold_weight:
        objective = objective + weight * loss_of(model.decode(memory, teacher_forced_inputs(target), masks), target)
    if weight := strategy.professor_weight:
        sample = torch.rand(target.shape, generator=streams.generator(config.seed, "professor", step)).to(target.device)
        fooled, found_out = professor_loss(model, memory, target, sample, masks)
        objective = objective + weight * fooled + found_out
    return objective
