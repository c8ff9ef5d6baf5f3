"""What an expert's labels cost: their share of a training step at 30, 200 and 8,000 words; part of `make bench`.

Batches of 32 targets of 15 tokens, always fed the model's own; then those of the tasks whose experts know better, at
their own lengths. Seconds are the processor's, medians over steps.
"""

from __future__ import annotations

import time
from random import Random
from statistics import median
from typing import Literal

from ssrun.config.resolution import resolve
from ssrun.runs.execution import prepare
from ssrun.seq2seq.labels import labelling
from ssrun.seq2seq.training import adam, train
from ssrun.seq2seq.vocabulary import SPECIALS
from ssrun.system.threads import use_one_thread
from ssrun.tasks import TASKS, Example, Split
from ssrun.tasks.task import Drawn

LENGTH, SIZE = 14, 32  # and EOS
WARM_UP, STEPS = 5, 40
AIMS = {8_000: 0.1}  # largest share of a step, by words
MOST = 2.0  # milliseconds


class Words(Drawn):
    """Targets of random words, as many as are asked for; the source is the target."""

    name: Literal["words"] = "words"
    words: int = 26

    def draw(self, random: Random, split: Split = "training") -> Example:
        said = tuple(str(random.randrange(self.words)) for _ in range(LENGTH))
        return Example(said, said)

    def source_tokens(self) -> list[str]:
        return [str(number) for number in range(self.words)]


def measured(name: str, **fields: int) -> tuple[float, float]:
    """Seconds of a step's labels, and of the step, on a task with these fields."""
    sizes = {"validation_pairs": 10, "test_pairs": 10, **fields}
    config = resolve(name, "dagger", 0, [{"training": {"steps": WARM_UP + STEPS, "batch_size": SIZE}, "task": sizes}])
    model, vocabularies, batches, _ = prepare(config)
    batches.at(0)
    label = labelling(config.strategy, config.task, vocabularies)
    steps, labels = [], []
    start = time.process_time()
    for step in train(model, adam(model, config), batches, config):
        steps.append(time.process_time() - start)
        start = time.process_time()
        label(batches.at(step.step), step.inputs.tokens)
        labels.append(time.process_time() - start)
        start = time.process_time()
    return median(labels[WARM_UP:]), median(steps[WARM_UP:])


def main() -> None:
    use_one_thread()
    TASKS["words"] = Words
    for size in (30, 200, 8_000):
        label, step = measured("words", words=size - len(SPECIALS))
        aims = [f"aim <= {MOST:g} ms: {'met' if 1000 * label <= MOST else 'MISSED'}"]
        if aim := AIMS.get(size):
            aims.append(f"aim <= {aim:.0%}: {'met' if label <= aim * step else 'MISSED'}")
        told = f"{1000 * label:5.2f} ms, {label / step:5.1%} of a step of {1000 * step:.1f} ms"
        print(f"an expert's labels, {SIZE} x {LENGTH + 1}, {size:5,} words: {told}  ({', '.join(aims)})")
    for name in ("any-order", "captions", "frames", "path", "translation"):
        label, step = measured(name)
        told = f"{1000 * label:5.2f} ms, {label / step:5.1%} of a step of {1000 * step:.1f} ms"
        print(f"an expert's labels, {name:22}: {told}")


if __name__ == "__main__":
    main()
