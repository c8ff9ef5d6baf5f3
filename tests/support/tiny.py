"""Tiny models and batches, small enough to check by hand; and tiny runs."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch

from ssrun.config.resolution import resolve
from ssrun.config.run import Attention, ModelConfig, RunConfig
from ssrun.config.spec import RunSpec
from ssrun.runs.execution import prepare
from ssrun.runs.folder import RunFolder
from ssrun.runs.trained import Trained
from ssrun.seq2seq.batches import Batch, collate
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.vocabulary import EOS, SPECIALS
from ssrun.strategies import Strategy
from ssrun.tasks import Example
from tests.support.runs import finished

# Every body with every attention that it has (the lstm's stands for those of its like), and a norm within.
KINDS: list[dict[str, object]] = [
    *({"body": "lstm", "attention": attention} for attention in get_args(Attention)),
    *(
        {"body": body, "attention": attention}
        for body in ("gru", "rnn", "transformer")
        for attention in ("none", "dot")
    ),
    *({"body": body, "attention": "dot", "norm": "layer"} for body in ("lstm", "gru")),
]
FEW = [kind for kind in KINDS if kind in KINDS[:4] or kind == {"body": "transformer", "attention": "dot"}]
LAYERED = [kind | {"layers": layers} for kind in KINDS for layers in ((1, 2) if kind["body"] == "lstm" else (2,))]


def of_kinds(kinds: list[dict[str, object]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: "-".join(map(str, kind.values())))


every_kind, few_kinds, every_kind_with_layers = map(of_kinds, (KINDS, FEW, LAYERED))
REAL = 5  # real tokens on either side
SIZE = len(SPECIALS) + REAL


def model(seed: int = 0, scale: float = 2.5, **fields: object) -> Seq2Seq:
    """A model in double precision whose predictions differ from position to position: its weights are scaled up."""
    config = ModelConfig.model_validate({"embedding": 6, "hidden": 8} | fields)
    made = Seq2Seq(config, SIZE, SIZE, torch.Generator().manual_seed(seed)).double()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name != "output.bias":
                weight.mul_(scale)
    return made


def strategy(coin: str = "token", feed: str = "sample", **fields: object) -> Strategy:
    """A strategy of these parts; its schedule is one of no consequence."""
    parts = {"schedule": {"name": "constant", "value": 0}, "coin": coin, "feed": feed}
    return Strategy.model_validate(parts | fields)


def feeds(feed: str) -> Strategy:
    """One coin a token, and this feed."""
    return strategy("token", feed)


def pairs(count: int, longest: int = 6, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    """Encoded pairs of random lengths, sources and targets apart."""
    generator = torch.Generator().manual_seed(seed)

    def row() -> list[int]:
        length = int(torch.randint(1, longest + 1, (1,), generator=generator))
        return [*torch.randint(len(SPECIALS), SIZE, (length,), generator=generator).tolist(), EOS]

    return [(row(), row()) for _ in range(count)]


def batch(count: int = 7, longest: int = 6, seed: int = 0) -> Batch:
    """A batch with padding on both sides."""
    return collate(pairs(count, longest, seed))


RUN = {
    "task": {"length": "2..6", "validation_pairs": 10, "test_pairs": 40},
    "model": {"hidden": 16, "embedding": 16},
    "training": {"steps": 30, "batch_size": 8},
}


def configuration(name: str = "inverse-sigmoid", /, **changes: dict[str, object]) -> RunConfig:
    """A run of a second under the strategy of this name."""
    return resolve("reverse", name, 3, [RUN, changes])


def untrained(config: RunConfig) -> Trained:
    """The run's model before its first step."""
    parts = prepare(config)
    return Trained(config, parts.model, parts.vocabularies)


def finished_run(results: Path) -> RunFolder:
    """The run of `configuration()`, done."""
    return finished(results, RunSpec.of("reverse", "inverse-sigmoid", configuration()))


def held_out(trained: Trained) -> list[Example]:
    """The test set of a trained model."""
    return list(trained.config.task.held_out("test"))
