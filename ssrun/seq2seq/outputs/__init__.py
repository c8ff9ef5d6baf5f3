"""The outputs of the decoder, by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ssrun.config.run import ModelConfig, OutputName
from ssrun.seq2seq.outputs.hierarchical import Hierarchical
from ssrun.seq2seq.outputs.negative_sampling import NegativeSampling
from ssrun.seq2seq.outputs.output import Softmax

OUTPUTS: dict[OutputName, Callable[[ModelConfig, int], nn.Module]] = {  # for a vocabulary of so many tokens
    "softmax": lambda config, size: Softmax(config.hidden, size),
    "negative-sampling": lambda config, size: NegativeSampling(config.hidden, size, config.noise_words),
    "hierarchical": lambda config, size: Hierarchical(config.hidden, size),
}
