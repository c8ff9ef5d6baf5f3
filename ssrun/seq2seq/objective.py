"""What is minimised: the loss of what was fed, smoothed where that is asked for, and a second loss beside it."""

from __future__ import annotations

from torch import Tensor

from ssrun.seq2seq.decoder_inputs import teacher_forced_inputs
from ssrun.seq2seq.labels import loss_of
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
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


def with_gold_loss(
    objective: Tensor, weight: float, model: Seq2Seq, memory: Memory, target: Tensor, masks: Masks | None
) -> Tensor:
    """The objective and so many times the teacher-forced loss: -log p(y_t) on the true prefix of a target [B, T]."""
    if not weight:
        return objective
    return objective + weight * loss_of(model.decode(memory, teacher_forced_inputs(target), masks), target)
