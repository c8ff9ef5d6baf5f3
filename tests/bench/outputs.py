"""What each output costs against the size of its vocabulary, on one thread; part of `make bench`.

Of 512 positions with 64 units: the output's own loss and its gradient in the features, O(V), O(K) and O(log V); then a
whole training step of teacher forcing on 32 pairs of 16 tokens, in which the optimiser goes over every weight, whatever
a step learned of it, and so is O(V) itself. The kinds take turns on the same batches. Seconds are the
processor's, medians; a ratio is the median over the turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from random import Random
from statistics import median
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from ssrun.config.resolution import resolve
from ssrun.config.run import OutputName
from ssrun.runs.execution import prepare
from ssrun.seq2seq.outputs.output import CountedOutput
from ssrun.seq2seq.training import adam, train
from ssrun.seq2seq.vocabulary import EOS, SPECIALS
from ssrun.tasks import TASKS, Example, Split
from ssrun.tasks.task import Drawn

SIZES = (100, 1_000, 10_000, 100_000)
POSITIONS, UNITS, LENGTH = 512, 64, 15  # and EOS
WARM_UP, TURNS = 2, 9
AIM = 1 / 3  # of softmax's step, negative sampling's at the largest vocabulary


class ManyWords(Drawn):
    """Targets of words by Zipf's law, as many as are asked for; the source is one token."""

    name: Literal["many-words"] = "many-words"
    words: int = 100

    def draw(self, random: Random, split: Split = "training") -> Example:
        said = tuple(str(int(self.words ** random.random()) - 1) for _ in range(LENGTH))
        return Example((str(random.randrange(1000)),), said)

    def source_tokens(self) -> list[str]:
        return [str(number) for number in range(1000)]

    def target_tokens(self) -> list[str]:
        return [str(number) for number in range(self.words)]


def taken(act: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.process_time()
    act()
    return 1e3 * (time.process_time() - start)


def measure(size: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds of each output's loss with its gradient, and of its whole step, turn by turn."""
    of_loss: dict[str, Callable[[], object]] = {}
    of_step: dict[str, Callable[[], object]] = {}
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(POSITIONS, UNITS, generator=generator).requires_grad_()
    for name in get_args(OutputName):
        layer = {
            "task": {"words": size - len(SPECIALS), "validation_pairs": 2, "test_pairs": 2},
            "model": {"output": name},
            "training": {"steps": WARM_UP + TURNS + 1},
        }
        config = resolve("many-words", "teacher-forcing", 0, [layer])
        parts = prepare(config)
        parts.batches.at(0)
        output = cast("nn.Module", parts.model.output)
        tokens = torch.randint(EOS, size, (POSITIONS,), generator=generator)

        def loss(output: nn.Module = output, tokens: Tensor = tokens) -> None:
            if isinstance(output, CountedOutput):
                nats = output.loss(features, tokens, output.noise_words((POSITIONS,), torch.Generator()))
            else:
                nats = nn.functional.cross_entropy(output(features), tokens)
            nats.backward(inputs=[features])  # type: ignore[no-untyped-call]

        steps = train(parts.model, adam(parts.model, config), parts.batches, config)
        of_loss[name], of_step[name] = loss, partial(next, steps)
    turns = [
        [{name: taken(act) for name, act in kinds.items()} for kinds in (of_loss, of_step)]
        for _ in range(WARM_UP + TURNS)
    ]
    loss_ms, step_ms = ({name: [turn[kind][name] for turn in turns[WARM_UP:]] for name in of_step} for kind in (0, 1))
    return loss_ms, step_ms


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    TASKS.built_in["many-words"] = ManyWords
    print(f"{'V':>7}  {'output':17}  {'loss, ms':>9}  {'step, ms':>9}  {'step / softmax':>14}")
    for size in SIZES:
        of_loss, of_step = measure(size)
        for name in of_step:
            ratio = median(a / b for a, b in zip(of_step[name], of_step["softmax"], strict=True))
            numbers = f"{median(of_loss[name]):>9.2f}  {median(of_step[name]):>9.2f}  {ratio:>14.2f}"
            aimed = size == SIZES[-1] and name == "negative-sampling"
            met = f"  {'met' if ratio < AIM else 'MISSED'}, below {AIM:.2f}" if aimed else ""
            print(f"{size:>7}  {name:17}  {numbers}{met}")


if __name__ == "__main__":
    main()
