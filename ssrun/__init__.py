"""Scheduled sampling as an instrument: one small encoder-decoder, many decoding-input strategies.

    import ssrun

    results = ssrun.load("results/default")     # or ssrun.compare(...), ssrun.train(...)
    results.runs.groupby("strategy").bleu.mean()

What is named here is imported when it is first used, so that `import ssrun` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssrun.api import Model, Results, compare, load, train
    from ssrun.seq2seq.textbook import decoder_inputs, expert_labels

__version__ = "0.1.0"
__all__ = ["Model", "Results", "__version__", "compare", "decoder_inputs", "expert_labels", "load", "train"]

HOMES = dict.fromkeys(("Model", "Results", "compare", "load", "train"), "ssrun.api")
HOMES |= dict.fromkeys(("decoder_inputs", "expert_labels"), "ssrun.seq2seq.textbook")


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'ssrun' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
