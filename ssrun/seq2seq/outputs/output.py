"""What an output is: what turns a decoder's features into logits, whose softmax is the distribution it is scored by.

The softmax over all V scores costs O(V) a position. The others learn from one token's score and a few more, and tell
the whole distribution only where it is asked for: at test, in a search, and where a decoder chooses its own inputs.

Shapes: N positions, H hidden, V target vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Generic, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from ssrun.seq2seq.vocabulary import BOS, EOS, PAD

MASKED = -1e4  # the logit of a token that is never said: its probability, and so its gradient, is exactly 0
NEVER_SAID = [PAD, BOS]


class Softmax(nn.Linear):
    """exp(w_v h + b_v), normalised over all tokens."""

    @torch.no_grad()
    def draw_weights(self, generator: torch.Generator | None) -> None:
        draw_linear(self, generator)
        self.bias[NEVER_SAID] = MASKED


OfCounts = TypeVar("OfCounts")


class CountedOutput(nn.Module, ABC, Generic[OfCounts]):
    """An output that is made for how often each token is said, and learns a token by a loss of its own.

    The counts [V] are kept with its weights; a token that can be said counts once more than it was seen.
    """

    counts: Tensor
    in_features: int
    weight: nn.Parameter  # [rows, H]
    bias: nn.Parameter  # [rows]

    def __init__(self, hidden: int, vocabulary: int, rows: int) -> None:
        super().__init__()
        self.in_features = hidden
        self.weight, self.bias = nn.Parameter(torch.empty(rows, hidden)), nn.Parameter(torch.empty(rows))
        self.register_buffer("counts", torch.zeros(vocabulary, dtype=torch.long))
        self.register_load_state_dict_post_hook(forgets)  # type: ignore[no-untyped-call]
        self.counted(self.counts)

    def draw_weights(self, generator: torch.Generator | None) -> None:
        draw_linear(self, generator)

    def counted(self, counts: Tensor) -> None:
        """What each token was counted, [V]."""
        self.counts.copy_(counts)
        self.counts[EOS:] += 1
        self.counts[NEVER_SAID] = 0
        self.forget()

    @abstractmethod
    def made(self) -> OfCounts:
        """What it needs, made of the counts as they are now."""

    @cached_property
    def of_counts(self) -> OfCounts:
        """The same, made once."""
        with torch.inference_mode(False):  # also where it is first asked for in a search: it is learned from too
            return self.made()

    def forget(self) -> None:
        """The counts are others, or lie elsewhere: what was made of them is to be made again."""
        self.__dict__.pop("of_counts", None)

    def _apply(self, *arguments: Any, **named: Any) -> Self:
        self.forget()
        return cast("Self", super()._apply(*arguments, **named))  # type: ignore[no-untyped-call]

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Logits [..., V] of features [..., H]: their softmax is the exact distribution."""

    def noise_words(self, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Noise words for positions [size], as many each as the loss asks for: [size, K]."""
        return torch.empty(*size, 0, dtype=torch.long)

    @abstractmethod
    def loss(self, features: Tensor, tokens: Tensor, noise: Tensor) -> Tensor:
        """What is minimised of tokens [N] after features [N, H], with these noise words [N, K]; a mean in nats."""


def forgets(output: nn.Module, _: object) -> None:
    cast("CountedOutput[Any]", output).forget()


@torch.no_grad()
def draw_linear(module: nn.Linear | CountedOutput[Any], generator: torch.Generator | None) -> None:
    """Uniform in +-1/sqrt(fan)."""
    for weight in module.parameters():
        weight.uniform_(-(module.in_features**-0.5), module.in_features**-0.5, generator=generator)
