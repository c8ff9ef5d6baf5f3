"""A training step here against the textbook loop's, on one thread: `make bench`.

Both do a whole step (encode, choose inputs, decode, loss, backward, clip, Adam) on the same batches, in turn, in one
process, so that what else the machine does falls on both alike. Seconds are the processor's; a ratio is the median
over the pairs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import torch
from torch import nn

from ssrun.config.resolution import resolve
from ssrun.config.run import RunConfig
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.decoder_inputs import draw
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.training import adam, train
from ssrun.seq2seq.vocabulary import Vocabularies
from tests.support import textbook

LENGTH = 20
WARM_UP, PAIRS = 8, 60


def prepared(config: RunConfig) -> Batches:
    """Batches made before the clock starts."""
    batches = Batches(config.task, Vocabularies.of(config.task), config.training.batch_size, config.seed)
    batches.at(0)
    return batches


def configuration(units: int, attention: str, epsilon: float) -> RunConfig:
    """Batch 64, 30 tokens in the vocabulary, 20 symbols and EOS on either side."""
    layer = {
        "task": {"length": f"{LENGTH}..{LENGTH}"},
        "strategy": {"value": epsilon},
        "model": {"embedding": units, "hidden": units, "attention": attention},
        "training": {"steps": WARM_UP + PAIRS, "batch_size": 64},
    }
    return resolve("reverse", "uniform", 0, [layer])


def textbook_steps(config: RunConfig) -> Iterator[object]:
    """The steps of `train` by the textbook loop."""
    model, optimiser = fresh(config)
    batches = prepared(config)
    strategy = config.strategy
    for step in range(config.training.steps):
        batch = batches.at(step)
        epsilon = strategy.schedule(step, config.training.steps)
        draws = draw(batch.target, strategy.coin, config.seed, step)
        loss = textbook.loss(model, batch, epsilon, strategy.feed, draws)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.training.clip)
        optimiser.step()
        yield loss.item()


def fresh(config: RunConfig) -> tuple[Seq2Seq, torch.optim.Adam]:
    """A model and its optimiser before the first step."""
    model = Seq2Seq(config.model, 30, 30, streams.generator(config.seed, "init"))
    return model, adam(model, config)


def measure(units: int, attention: str) -> dict[str, list[float]]:
    """The seconds of each step of the four kinds, which take turns: ours and the textbook's, epsilon 1 and 0.5."""
    turns: dict[str, Iterator[object]] = {}
    for epsilon in (1.0, 0.5):
        config = configuration(units, attention, epsilon)
        turns[f"textbook {epsilon:g}"] = textbook_steps(config)
        turns[f"ours {epsilon:g}"] = train(*fresh(config), prepared(config), config)
    taken: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(WARM_UP + PAIRS):
        for name, steps in turns.items():
            start = time.process_time()
            next(steps)
            if number >= WARM_UP:
                taken[name].append(time.process_time() - start)
    return taken


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    print(f"{'units':>5}  {'attention':9}  {'ratio of seconds a step':26}  {'median':>6}  {'aim':>7}  ms, over ms")
    for units in (64, 128):
        for attention in ("none", "dot"):
            taken = measure(units, attention)
            for over, under, low, high in (
                ("textbook 1", "ours 1", 1.7, None),
                ("textbook 0.5", "ours 0.5", 1.3, None),
                ("ours 0.5", "ours 1", None, 1.35),
            ):
                ratio = median(a / b for a, b in zip(taken[over], taken[under], strict=True))
                met = "met" if (ratio >= low if low else ratio <= high) else "MISSED"
                aim = f">= {low}" if low else f"<= {high}"
                times = f"{1e3 * median(taken[over]):.2f}, {1e3 * median(taken[under]):.2f}  {met}"
                print(f"{units:>5}  {attention:9}  {over + ' / ' + under:26}  {ratio:6.2f}  {aim:>7}  {times}")


if __name__ == "__main__":
    main()
