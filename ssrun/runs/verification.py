"""Damage found in runs: every file against its digest, and the scores against the stored text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from ssrun.errors import StoreError
from ssrun.runs.folder import REMEDY, TEXT_LIMIT, RunFolder, is_transient
from ssrun.runs.manifest import read_manifest
from ssrun.runs.result import CompleteResult, Evaluation
from ssrun.runs.results_folder import run_folders
from ssrun.system.files import read_bytes


def to_verify(results: Path) -> list[RunFolder]:
    """The runs of a folder of results; StoreError where there are none."""
    folders = run_folders(results)
    if not folders:
        raise StoreError(f"{results}: no runs here: give a folder that `ssrun compare` wrote, with its runs")
    return folders


def missing(results: Path, folders: Sequence[RunFolder]) -> int:
    """How many runs of the comparison, or of those that were begun, are not complete."""
    known = set(folders)
    with suppress(StoreError):  # then it is among the faults
        if (results / "experiment.json").is_file():
            known |= {RunFolder.of(results, run) for run in read_manifest(results).runs}
    return sum(not folder.complete for folder in known)


def faults_of(folder: RunFolder, results: Path | None = None) -> list[str]:
    """What is wrong with a complete run; empty where nothing is.

    Where `results` are given, the run should lie in them at the path of its labels.
    """
    path = folder.path
    try:
        result = folder.result()
        run = folder.spec()
    except StoreError as error:
        return [str(error)]
    faults = []
    if run.config.id != result.run or path.name != Path(run.name.path).name:
        faults.append(f"{path / 'run.json'}: not the configuration of this result")
    elif results not in (None, path) and path != results / run.name.path:
        faults.append(f"{path / 'run.json'}: this run belongs at {results / run.name.path}")
    strange = sorted(result.files.keys() - set(RunFolder.FILES))
    faults += [f"{path / 'result.json'}: names a file that no run has: {name!r}" for name in strange]
    named = [name for name in RunFolder.FILES if isinstance(result, CompleteResult) or name in result.files]
    faults += folder.damage(result, named)
    faults += [
        f"{entry}: not a file of this run"
        for entry in sorted(path.iterdir())
        if entry.name not in (*named, "result.json") and not is_transient(entry.name)
    ]
    if not faults:
        faults += nonsense(path / "metrics.jsonl")
    if not faults and isinstance(result, CompleteResult):
        faults += mistakes(folder, result)
    return faults


def nonsense(metrics: Path) -> Iterator[str]:
    """The lines of a file of evaluations that are none."""
    *lines, rest = read_bytes(metrics, TEXT_LIMIT).split(b"\n")
    for number, line in enumerate([*lines, rest] if rest else lines, start=1):
        try:
            Evaluation.model_validate_json(line)
        except ValidationError:
            yield f"{metrics}:{number}: not an evaluation: {REMEDY}"


def mistakes(folder: RunFolder, result: CompleteResult) -> Iterator[str]:
    """The scores of a result that the run's stored text does not give."""
    path = folder.path / "result.json"
    try:
        for name, value in recomputed(folder).items():
            stored = result.metrics[name]
            if not math.isclose(stored, value, rel_tol=1e-9, abs_tol=1e-9):
                yield f"{path}: {name} is {stored}, but the stored text gives {value}"
    except (KeyError, ValueError, ZeroDivisionError) as error:
        yield f"{path}: its scores cannot be recomputed from the stored text ({type(error).__name__}: {error})"


def recomputed(folder: RunFolder) -> dict[str, float]:
    """BLEU, exact match and both errors, from the run's stored text alone."""
    from ssrun.seq2seq.scoring import corpus_bleu

    outputs = [tuple(line.split(" ")) if line else () for line in folder.lines("hypotheses.txt")]
    references = [
        tuple(tuple(reference.split(" ")) for reference in line.split("\t")) for line in folder.lines("references.txt")
    ]
    known = set(folder.vocabularies()["target"])
    targets = [[*(word if word in known else "<unk>" for word in first), "<eos>"] for first, *_ in references]
    bleu, _ = corpus_bleu(outputs, references)
    exact = sum(output in accepted for output, accepted in zip(outputs, references, strict=True))
    scores = {"bleu": bleu, "exact_match": 100 * exact / len(outputs)}
    for name in ("next_step", "decoding"):
        predicted = [line.split(" ") for line in folder.lines(f"{name}.txt")]
        wrong = sum(p != t for ps, ts in zip(predicted, targets, strict=True) for p, t in zip(ps, ts, strict=True))
        scores[f"{name}_error"] = 100 * wrong / sum(map(len, targets))
    return scores
