"""Professor forcing: a second loss, by a discriminator between the two ways of feeding (Lamb et al. 2016).

What is seen of a decoder is its behaviour b: at each position its hidden state and the distribution that it predicts.
Fed the true tokens that is b, fed samples of its own b'; D(b) is the probability that the tokens were true. The
decoder learns -log D(b'), and the discriminator, from behaviours without gradient, -log D(b) - log(1 - D(b')). As
published, the discriminator learns only while it is right of fewer than 99 % of a batch's sequences, and the decoder
only while it is right of more than 75 %. A step costs two passes with gradient and a walk more than teacher forcing.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence

from ssrun.seq2seq.decoder_inputs import replaceable, teacher_forced_inputs, walk
from ssrun.seq2seq.model import Masks, Memory, Seq2Seq
from ssrun.seq2seq.vocabulary import EOS, PAD

LEARNS_BELOW = 0.99  # of a batch's sequences that the discriminator is right of
TEACHES_ABOVE = 0.75


class Discriminator(nn.Module):
    """A bidirectional GRU over a behaviour, and a hidden layer over its two last states.

    Args:
        size: Of a behaviour, numbers a position.
        hidden: Units of each layer.
        generator: Draws the initial weights; None where they are only shapes.
    """

    def __init__(self, size: int, hidden: int, generator: torch.Generator | None) -> None:
        super().__init__()
        self.reader = nn.GRU(size, hidden, batch_first=True, bidirectional=True)
        self.judge = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator)

    def forward(self, behaviour: Tensor, lengths: Tensor) -> Tensor:
        """Logits of D, [B], for behaviours [B, T, size] of these lengths [B]."""
        packed = pack_padded_sequence(behaviour, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, last = self.reader(packed)
        return cast("Tensor", self.judge(torch.cat((*last,), -1)).squeeze(-1))


def professor_loss(
    model: Seq2Seq, memory: Memory, target: Tensor, sample: Tensor, masks: Masks | None
) -> tuple[Tensor, Tensor]:
    """What the decoder is to learn for a target [B, T], and what the model's discriminator is; nats a sequence each.

    `sample` [B, T] is uniform, and draws the decoder's own tokens. Either is 0 where the other has yet to catch up.
    """
    judge = cast("Discriminator", model.discriminator)
    true = teacher_forced_inputs(target)
    own = walk(model, memory, true, replaceable(target), sample, masks)
    of_true, of_own = (model.behaviour(memory, inputs, masks) for inputs in (true, own))
    lengths = (target != PAD).sum(1)
    told = (own == EOS).cumsum(1) > 0  # an EOS was fed: what follows is no part of the output
    own_lengths = torch.minimum(lengths, (~told).sum(1))
    frozen = {name: weight.detach() for name, weight in judge.named_parameters()}
    fooled = nn.functional.softplus(-functional_call(judge, frozen, (of_own, own_lengths))).mean()
    says_true, says_own = judge(of_true.detach(), lengths), judge(of_own.detach(), own_lengths)
    found_out = (nn.functional.softplus(-says_true) + nn.functional.softplus(says_own)).mean()
    right = torch.cat((says_true > 0, says_own < 0)).float().mean()
    return fooled * (right > TEACHES_ABOVE), found_out * (right < LEARNS_BELOW)
