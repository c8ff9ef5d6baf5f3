"""Damage found in runs: every file against its digest, and the scores against the stored text."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from ssrun.config.spec import place
from ssrun.errors import StoreError
from ssrun.runs.folder import REMEDY, TEXT_LIMIT, RunFolder, is_transient
from ssrun.runs.manifest import read_manifest
from ssrun.runs.result import CompleteResult, Evaluation
from ssrun.runs.results_folder import is_marked, run_folders, store_of
from ssrun.system.files import read_bytes


def to_verify(path: Path) -> list[RunFolder]:
    """The runs of a comparison, of a store, or the one run that a folder is; StoreError where there are none."""
    folders = run_folders(path)
    if is_marked(path):
        store = store_of(path)
        with suppress(StoreError):  # then it is among the faults, and all of the store is verified
            return [RunFolder.of(store, run) for run in dict.fromkeys(read_manifest(path).runs)]
        folders = run_folders(store)
    if not folders:
        raise StoreError(f"{path}: no runs here: give a folder that `ssrun compare` wrote, or a store of runs")
    return folders


def faults_of(folder: RunFolder) -> list[str]:
    """What is wrong with a trained run and its scores; empty where nothing is."""
    path = folder.path
    try:
        result = folder.result()
        config = folder.weights_config()
    except StoreError as error:
        return [str(error)]
    faults = []
    if config.weights_id != result.run or path.name != Path(place(config)).name:
        faults.append(f"{path / 'run.json'}: not the configuration of this result")
    strange = sorted(result.files.keys() - set(RunFolder.FILES))
    faults += [f"{path / 'result.json'}: names a file that no run has: {name!r}" for name in strange]
    named = [name for name in RunFolder.FILES if isinstance(result, CompleteResult) or name in result.files]
    faults += folder.damage(result, named)
    faults += [
        f"{entry}: not a file of this run"
        for entry in sorted(path.iterdir())
        if entry.name not in (*named, "result.json", "scores") and not is_transient(entry.name)
    ]
    if not faults:
        faults += nonsense(path / "metrics.jsonl")
    if isinstance(result, CompleteResult):
        faults += faults_of_scores(folder)
        if not faults:
            for scores in folder.score_paths:
                faults += mistakes(RunFolder(path, scores.name))
    return faults


def faults_of_scores(folder: RunFolder) -> Iterator[str]:
    """What is wrong with what lies among a run's scores; scores that are not whole are none."""
    for path in folder.score_paths:
        for entry in sorted(path.iterdir()):
            if entry.name not in RunFolder.SCORE_FILES and not is_transient(entry.name):
                yield f"{entry}: not a file of this run"
        if (path / "scores.json").exists():
            try:
                scored = RunFolder(folder.path, path.name)
                scored.scores()
                scored.outputs()
            except StoreError as error:
                yield str(error)


def nonsense(metrics: Path) -> Iterator[str]:
    """The lines of a file of evaluations that are none."""
    *lines, rest = read_bytes(metrics, TEXT_LIMIT).split(b"\n")
    for number, line in enumerate([*lines, rest] if rest else lines, start=1):
        try:
            Evaluation.model_validate_json(line)
        except ValidationError:
            yield f"{metrics}:{number}: not an evaluation: {REMEDY}"


def mistakes(folder: RunFolder) -> Iterator[str]:
    """The scores that the run's stored text does not give."""
    path = folder.score_path / "scores.json"
    if not path.is_file():
        return
    try:
        scored = folder.scored()
        metrics = scored.metrics if scored else {}
        for name, value in recomputed(folder, metrics).items():
            stored = metrics[name]
            if not math.isclose(stored, value, rel_tol=1e-9, abs_tol=1e-9):
                yield f"{path}: {name} is {stored}, but the stored text gives {value}"
    except (KeyError, ValueError, ZeroDivisionError) as error:
        yield f"{path}: its scores cannot be recomputed from the stored text ({type(error).__name__}: {error})"


def recomputed(folder: RunFolder, stored: Collection[str]) -> dict[str, float]:
    """BLEU, exact match, both errors and what else is stored of outputs, from the run's stored text alone."""
    from ssrun.seq2seq.edits import distinct, edit_rate
    from ssrun.seq2seq.scoring import TEXT_METRICS, corpus_bleu
    from ssrun.seq2seq.vocabulary import Vocabularies

    outputs = [tuple(line.split(" ")) if line else () for line in folder.outputs()]
    references = [
        tuple(tuple(reference.split(" ")) for reference in line.split("\t")) for line in folder.lines("references.txt")
    ]
    vocabulary = Vocabularies.read(folder.vocabularies()).target
    targets = [[vocabulary.tokens[index] for index in vocabulary.encode(first)] for first, *_ in references]
    bleu, _ = corpus_bleu(outputs, references)
    exact = sum(output in accepted for output, accepted in zip(outputs, references, strict=True))
    scores = {"bleu": bleu, "exact_match": 100 * exact / len(outputs)}
    if "edit_rate" in stored:
        scores["edit_rate"] = edit_rate(outputs, references)
    if "distinct" in stored:
        scores["distinct"] = distinct([tuple(line.split(" ")) for line in folder.lines("sources.txt")], outputs)
    for name, text_metric in TEXT_METRICS.items():
        if name in stored and (found := text_metric(outputs, references)):
            scores[name], _ = found
    for name in ("next_step", "decoding"):
        predicted = [line.split(" ") for line in folder.lines(f"{name}.txt")]
        wrong = sum(p != t for ps, ts in zip(predicted, targets, strict=True) for p, t in zip(ps, ts, strict=True))
        scores[f"{name}_error"] = 100 * wrong / sum(map(len, targets))
    return scores
