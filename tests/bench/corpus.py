"""What millions of pairs cost: read and checked, words counted, batches cut, and trained on; part of `make bench`.

    python tests/bench/corpus.py [PAIRS]        1,000,000 unless told

The words of both sides are drawn from 50,000 by Zipf's law, 5 to 15 a sentence. Seconds are of the processor, beside
those of `wc` and of a loop that reads the lines in Python; memory is what a process ever held.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.bench.scale import seconds, ssrun

PAIRS = 1_000_000
WORDS = 50_000
AT_ONCE = 100_000  # pairs that are drawn together
STEPS = 20
LOADED = """
import sys, time
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.vocabulary import Vocabularies
from ssrun.tasks.corpus import Corpus
def lap(what):
    global since
    (most,) = (int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(f"{what:28}{time.process_time() - since:7.1f} s, at most {most:,.0f} MB so far", flush=True)
    since = time.process_time()
since = time.process_time()
lap("  (imports)")
task = Corpus(path=sys.argv[1], source_language="de", target_language="en").prepared()
lap("  read, checked, digested")
words = Vocabularies.of(task)
lap("  words counted")
batches = Batches(task, words, 32, 0)
batches.at(0)
lap("  order of an epoch, a pool")
for step in range(100, 1100):
    batches.at(step)
lap("  1,000 batches of 32")
"""


def corpus(folder: Path, pairs: int) -> None:
    """Files of so many training pairs, and of some held-out ones."""
    draw = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(WORDS)])
    shares = 1 / np.arange(1, WORDS + 1)
    until = np.cumsum(shares / shares.sum())
    for split, size in (("train", pairs), ("valid", 100), ("test", 100)):
        for side in ("de", "en"):
            with (folder / f"{split}.{side}").open("w", encoding="utf-8") as file:
                for start in range(0, size, AT_ONCE):
                    lengths = draw.integers(5, 16, min(AT_ONCE, size - start))
                    drawn = words[np.searchsorted(until, draw.random(lengths.sum()))].tolist()
                    ends = np.cumsum(lengths).tolist()
                    file.writelines(
                        " ".join(drawn[end - length : end]) + "\n"
                        for end, length in zip(ends, lengths.tolist(), strict=True)
                    )


def figures(folder: Path, pairs: int) -> Iterator[str]:
    """A line for each step."""
    corpus(folder, pairs)
    sides = [folder / f"train.{side}" for side in ("de", "en")]
    yield f"{pairs:,} pairs, {sum(side.stat().st_size for side in sides) / 1e6:,.0f} MB"
    since = seconds()
    subprocess.run(["wc", "-lw", *sides], check=True, stdout=subprocess.DEVNULL)
    yield f"wc -lw                      {seconds() - since:7.1f} s"
    since = seconds()
    for side in sides:
        with side.open(encoding="utf-8") as file:
            for line in file:
                line.split(" ")
    loop = max(seconds() - since, 0.01)  # the clock of the processor ticks in hundredths
    yield f"lines read and split        {loop:7.1f} s"
    since = seconds()
    found = subprocess.run([sys.executable, "-c", LOADED, folder], check=True, capture_output=True, text=True)
    yield found.stdout.rstrip()
    taken = max(seconds() - since, 0.01)
    yield f"  all of it / the loop       {taken / loop:6.1f}, {pairs / taken:,.0f} pairs a second"
    corpus_options = ("--task=corpus", f"--corpus={folder}", "--source-language=de", "--target-language=en")
    small = ("--set=model.hidden=16", "--set=model.embedding=16", "--set=task.minimum_frequency=1000")
    trained = ssrun(folder, "train", *corpus_options, *small, f"--steps={STEPS}", "--out=results", "--quiet")
    yield f"train --steps {STEPS}            {trained}"


def main(pairs: int) -> None:
    """Prints the figures."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")))
    try:
        for line in figures(folder, pairs):
            print(line, flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)
