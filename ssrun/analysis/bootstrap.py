"""Test-set variance: sacreBLEU's paired bootstrap of each run against the baseline of its task and seed.

It says whether two trained models differ on more than this test set's sentences; whether two strategies do, only
seeds can say. What was computed is kept in `bootstrap.json` beside the runs, by the digests of both outputs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ssrun.analysis.document import BootstrapPair
from ssrun.config.spec import RunName
from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder
from ssrun.runs.results_folder import store_of
from ssrun.system import signals
from ssrun.system.documents import Count, Document, Number, read_sealed, write_sealed

RESAMPLES = 1000
SEED = 12345  # sacreBLEU's own default
FILE = "bootstrap.json"
REMEDY = "run the comparison again, which makes it anew"
MOST = 5_000  # pairs of runs, which take ten minutes with a thousand sentences each; of more none is computed
Bootstraps = dict[tuple[str, str], list[BootstrapPair]]  # by task and strategy, in the order of the seeds
Outputs = Mapping[RunName, str]  # of complete runs the digest of their outputs
Pair = tuple[RunName, RunName]  # a run, and its baseline's


class Kept(Document):
    """What was computed, by key: the difference in BLEU and its p."""

    store: Count = 1
    pairs: dict[str, tuple[Number, Number]]


def pairs_of(outputs: Outputs, baseline: str) -> dict[str, Pair]:
    """Each run and the baseline of its task and seed, by a key of both outputs' digests; none where they are too many.

    So many seeds say more than a test set can, and a bootstrap of each would take hours.
    """
    baselines = {(run.task, run.seed): run for run in outputs if run.strategy == baseline}
    pairs: dict[str, Pair] = {}
    for run, of_run in outputs.items():
        other = baselines.get((run.task, run.seed))
        if run.strategy != baseline and other:
            pairs[f"{run.task}/{run.strategy}/{run.seed}/{of_run}/{outputs[other]}"] = (run, other)
    return pairs if len(pairs) <= MOST else {}


def kept(results: Path) -> dict[str, tuple[float, float]]:
    """What was computed before, by key; but not what took two outputs that do not differ for two that do.

    Raises:
        StoreError: The file is damaged.
    """
    path = results / FILE
    pairs = read_sealed(path, Kept, REMEDY).pairs if path.is_file() else {}
    return {key: (difference, p) for key, (difference, p) in pairs.items() if difference or p == 1}


def fill(results: Path, outputs: Outputs, baseline: str) -> Iterator[tuple[int, int]]:
    """Computes what is missing, or damaged, and keeps it; tells how many of how many comparisons are done.

    Raises:
        Interrupted: A signal came; the next call begins again.
    """
    pairs, store = pairs_of(outputs, baseline), store_of(results)
    try:
        known = kept(results)
    except StoreError:
        known = {}
    missing = [key for key in pairs if key not in known]
    for done, key in enumerate(missing, start=1):
        signals.check()
        treatment, reference = (RunFolder.of(store, run) for run in pairs[key])
        known[key] = compare(treatment, reference)
        yield done, len(missing)
    if missing or known.keys() - pairs.keys():
        write_sealed(results / FILE, Kept(pairs={key: known[key] for key in sorted(pairs)}))


def compare(treatment: RunFolder, baseline: RunFolder) -> tuple[float, float]:
    """The difference in corpus BLEU, and the two-sided p of the paired bootstrap (Koehn 2004, as sacreBLEU does it).

    Without a difference p is 1: sacreBLEU counts the resamples that differ by more than the test set, finds that none
    differs by more than 0 where all outputs are equal, and would call that its strongest evidence.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.significance import PairedTest

    from ssrun.seq2seq.scoring import reference_streams

    streams = reference_streams([line.split("\t") for line in treatment.lines("references.txt")])
    os.environ["SACREBLEU_SEED"] = str(SEED)  # no environment variable of the user's changes a number
    metric = BLEU(tokenize="none", force=True, references=streams)
    systems: Any = [("baseline", baseline.outputs()), ("ours", treatment.outputs())]
    test = PairedTest(systems, {"BLEU": metric}, None, test_type="bs", n_samples=RESAMPLES)
    scores: Any = test()[1]["BLEU"]
    difference = float(scores[1].score - scores[0].score)
    return difference, float(scores[1].p_value) if difference else 1.0


def by_strategy(results: Path, outputs: Outputs, baseline: str) -> Bootstraps:
    """What was computed."""
    known = kept(results)
    found: Bootstraps = {}
    for key, (run, _) in pairs_of(outputs, baseline).items() if known else ():
        if key in known:
            pair = BootstrapPair(seed=run.seed, difference=known[key][0], p=known[key][1])
            found.setdefault((run.task, run.strategy), []).append(pair)
    return {labels: sorted(pairs, key=lambda pair: pair.seed) for labels, pairs in found.items()}
