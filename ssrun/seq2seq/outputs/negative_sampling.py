"""Negative sampling: a token is told from K noise words, in O(K) (Mikolov et al. 2013, arXiv 1310.4546).

With scores s_v = w_v h + b_v and noise words n drawn from q, a position lowers

    -log sigmoid(s_v) - sum over the K noise words of log sigmoid(-s_n)

whose least is where s_v = log p(v | h) - log q(v) - log K (Levy and Goldberg 2014). So what is learned of p is
softmax(s + log q), and that is what it says and is scored by: exact, and O(V).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ssrun.seq2seq.noise import Noise, told_from_noise
from ssrun.seq2seq.outputs.output import MASKED, CountedOutput


class NegativeSampling(CountedOutput[Noise]):
    """See the module."""

    def __init__(self, hidden: int, vocabulary: int, noise_words: int) -> None:
        super().__init__(hidden, vocabulary, vocabulary)
        self.k = noise_words

    @torch.no_grad()
    def draw_weights(self, generator: torch.Generator | None) -> None:
        """As a linear map's, the biases so low that p begins near q."""
        super().draw_weights(generator)
        self.bias.sub_(math.log(self.k))

    def made(self) -> Noise:
        return Noise.of(self.counts)

    def forward(self, features: Tensor) -> Tensor:
        log_q = self.of_counts.p.log().clamp_min(MASKED).to(features)
        return nn.functional.linear(features, self.weight, self.bias + log_q)

    def noise_words(self, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return self.of_counts.draw((*size, self.k), generator)

    def loss(self, features: Tensor, tokens: Tensor, noise: Tensor) -> Tensor:
        asked = torch.cat((tokens.unsqueeze(-1), noise), -1)
        weights, biases = (nn.functional.embedding(asked, part) for part in (self.weight, self.bias.unsqueeze(-1)))
        scores = (weights @ features.unsqueeze(-1) + biases).squeeze(-1)
        return told_from_noise(scores[:, 0], scores[:, 1:]).mean()
