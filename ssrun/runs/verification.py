"""Damage found: every file that a table rests on against its digest, and the scores against the stored text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ssrun.analysis import bootstrap
from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder, is_transient, runs
from ssrun.runs.manifest import recall


def to_verify(results: Path) -> list[RunFolder]:
    """The runs of a folder of results.

    Raises:
        StoreError: There are none.
    """
    found = runs(results)
    if not found:
        raise StoreError(f"{results}: no runs here: give a folder that `ssrun compare` wrote, with its runs")
    return found


def missing(results: Path, folders: Sequence[RunFolder]) -> int:
    """How many runs of the comparison, or of those that were begun, are not complete."""
    paths = {folder.path for folder in folders}
    with suppress(StoreError):  # then it is among the faults
        if (results / "experiment.json").is_file():
            paths |= {results / place.name for place in recall(results)[1]}
    return sum(not RunFolder(path).complete for path in paths)


def faults_beside(results: Path) -> Iterator[str]:
    """What is wrong with the files beside the runs that a table rests on; nothing where they are whole or not there."""
    for name, read in (("experiment.json", recall), (bootstrap.FILE, bootstrap.known)):
        if (results / name).exists():
            try:
                read(results)
            except StoreError as error:
                yield str(error)


def faults_of(folder: RunFolder, results: Path | None = None) -> list[str]:
    """What is wrong with a complete run; empty where nothing is.

    Args:
        folder: The run's.
        results: The folder of results that it lies in, where it should lie at the place of its labels.
    """
    try:
        result = folder.result()
        cell = folder.cell()
    except StoreError as error:
        return [str(error)]
    faults = []
    if cell.config.id != result["run"] or folder.path.name != cell.name.rpartition("/")[2]:
        faults.append(f"{folder.path / 'run.json'}: not the configuration of this result")
    elif results not in (None, folder.path) and folder.path != results / cell.name:
        faults.append(f"{folder.path / 'run.json'}: this run belongs at {results / cell.name}")
    strange = sorted(result["files"].keys() - set(RunFolder.FILES))
    faults += [f"{folder.path / 'result.json'}: names a file that no run has: {name!r}" for name in strange]
    named = [name for name in RunFolder.FILES if name in result["files"] or result["status"] == "complete"]
    faults += folder.damage(result, named)
    known = {*named, "result.json"}
    faults += [
        f"{path}: not a file of this run"
        for path in sorted(folder.path.iterdir())
        if path.name not in known and not is_transient(path.name)
    ]
    if not faults and result["status"] == "complete":
        faults += mistakes(folder, result)
    return faults


def mistakes(folder: RunFolder, result: Mapping[str, Any]) -> Iterator[str]:
    """The scores of a result that the run's stored text does not give."""
    path = folder.path / "result.json"
    try:
        for name, value in recomputed(folder).items():
            if not math.isclose(result[name], value, rel_tol=1e-9, abs_tol=1e-9):
                yield f"{path}: {name} is {result[name]}, but the stored text gives {value}"
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        yield f"{path}: its scores cannot be recomputed from the stored text ({type(error).__name__}: {error})"


def recomputed(folder: RunFolder) -> dict[str, float]:
    """BLEU, exact match and both errors, from the run's stored text alone."""
    from ssrun.seq2seq.scoring import corpus_bleu

    outputs = [tuple(line.split(" ")) if line else () for line in folder.lines("hypotheses.txt")]
    references = [
        tuple(tuple(reference.split(" ")) for reference in line.split("\t")) for line in folder.lines("references.txt")
    ]
    known = set(folder.vocabularies()["target"])
    targets = [[*(word if word in known else "<unk>" for word in of_one[0]), "<eos>"] for of_one in references]
    bleu, _ = corpus_bleu(outputs, references)
    exact = sum(output in of_one for output, of_one in zip(outputs, references, strict=True))
    scores = {"bleu": bleu, "exact_match": 100 * exact / len(outputs)}
    for name in ("next_step", "decoding"):
        predicted = [line.split(" ") for line in folder.lines(f"{name}.txt")]
        wrong = sum(p != t for ps, ts in zip(predicted, targets, strict=True) for p, t in zip(ps, ts, strict=True))
        scores[f"{name}_error"] = 100 * wrong / sum(map(len, targets))
    return scores
