"""Test-set variance: sacreBLEU's paired bootstrap of each run against the baseline of its task and seed.

It says whether two trained models differ on more than this test set's sentences; whether two strategies do, only
seeds can say. What was computed is kept in `bootstrap.json` beside the runs, by the digests of both outputs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ssrun.config.run import canonical
from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import read_manifest
from ssrun.system.files import digest, read_json, write

RESAMPLES = 1000
SEED = 12345  # sacreBLEU's own default
FILE = "bootstrap.json"
Pair = tuple[RunFolder, RunFolder]


def pairs_of(results: Path, places: Sequence[Any], baseline: str) -> dict[str, Pair]:
    """Each complete run and the complete baseline of its task and seed, by a key of both outputs' digests."""
    folders = {
        (place.task, place.strategy, place.seed): RunFolder(results / place.name)
        for place in places
        if RunFolder(results / place.name).complete
    }
    outputs = {key: folder.result()["files"].get("hypotheses.txt") for key, folder in folders.items()}
    found = {}
    for (task, strategy, seed), folder in folders.items():
        other = (task, baseline, seed)
        if strategy != baseline and other in folders and outputs[task, strategy, seed] and outputs[other]:
            key = f"{task}/{strategy}/{seed}/{outputs[task, strategy, seed]}/{outputs[other]}"
            found[key] = (folder, folders[other])
    return found


def known(results: Path) -> dict[str, list[float]]:
    """What was computed before, by key: the difference in BLEU and its p.

    Raises:
        StoreError: The file is damaged.
    """
    path = results / FILE
    if not path.is_file():
        return {}
    document = read_json(path)
    pairs = document.get("pairs")
    if not isinstance(pairs, dict) or document.get("digest") != digest(canonical(pairs)) or not are_pairs(pairs):
        raise StoreError(f"{path}: damaged: its digest does not match; run the comparison again, which makes it anew")
    return pairs


def are_pairs(pairs: dict[str, Any]) -> bool:
    """Whether each value is a difference and a p."""
    return all(
        isinstance(value, list) and len(value) == 2 and all(isinstance(number, int | float) for number in value)
        for value in pairs.values()
    )


def fill(results: Path, places: Sequence[Any], baseline: str) -> Iterator[tuple[int, int]]:
    """Computes what is missing, or damaged, and keeps it; tells how many of how many comparisons are done."""
    wanted = pairs_of(results, places, baseline)
    try:
        have = known(results)
    except StoreError:
        have = {}
    missing = [key for key in wanted if key not in have]
    left = have.keys() - wanted.keys()
    for count, key in enumerate(missing, start=1):
        have[key] = list(compare(*wanted[key]))
        yield count, len(missing)
    if missing or left:
        kept = {key: have[key] for key in sorted(wanted)}
        write(results / FILE, canonical({"pairs": kept, "digest": digest(canonical(kept))}))


def compare(ours: RunFolder, baseline: RunFolder) -> tuple[float, float]:
    """The difference in corpus BLEU, and the two-sided p of the paired bootstrap (Koehn 2004, as sacreBLEU does it)."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.significance import PairedTest

    lines = [line.split("\t") for line in ours.lines("references.txt")]
    streams: Any = [[line[k] if k < len(line) else None for line in lines] for k in range(max(map(len, lines)))]
    os.environ["SACREBLEU_SEED"] = str(SEED)  # no environment variable of the user's changes a number
    metric = BLEU(tokenize="none", force=True, references=streams)
    systems: Any = [("baseline", baseline.lines("hypotheses.txt")), ("ours", ours.lines("hypotheses.txt"))]
    test = PairedTest(systems, {"BLEU": metric}, None, test_type="bs", n_samples=RESAMPLES)
    scores: Any = test()[1]["BLEU"]
    return float(scores[1].score - scores[0].score), float(scores[1].p_value)


def attach(document: dict[str, Any], results: Path, places: Sequence[Any]) -> None:
    """Adds to each row's BLEU, for each seed, what the bootstrap says: `seed`, `difference`, `p`."""
    have = known(results)
    if not have:
        return
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for key in pairs_of(results, places, document["baseline"]):
        if key in have:
            task, strategy, seed, *_ = key.split("/")
            one = {"seed": int(seed), "difference": have[key][0], "p": have[key][1]}
            found.setdefault((task, strategy), []).append(one)
    for row in document["rows"]:
        if "bleu" in row and (row["task"], row["strategy"]) in found:
            row["bleu"]["bootstrap"] = sorted(found[row["task"], row["strategy"]], key=lambda one: one["seed"])


def faults_beside(results: Path) -> Iterator[str]:
    """What is wrong with the files beside the runs that a table rests on; nothing where they are whole or not there."""
    for name, read in (("experiment.json", read_manifest), (FILE, known)):
        if (results / name).exists():
            try:
                read(results)
            except StoreError as error:
                yield str(error)
