"""A run's folder: written atomically, read back, verified. The result comes last and makes the run complete.

    run.json            labels and resolved configuration; the sha256 of the configuration is the run's id
    environment.json    versions, processor, threads: an allow-list
    metrics.jsonl       one line an evaluation
    hypotheses.txt references.txt sources.txt     one line each, for any other scorer
    next_step.txt decoding.txt                    the argmax at each reference position, under either feed
    model.safetensors vocabulary.json
    result.json         metrics, and the digest of every file above

Strict JSON and safetensors only: nothing that is read can run code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ssrun.config.spec import Cell, Named
from ssrun.errors import StoreError, UsageError
from ssrun.metrics import METRICS
from ssrun.system.documents import VERSION, canonical
from ssrun.system.environment import environment
from ssrun.system.files import TEMPORARY, digest, digest_of, read_bytes, read_json, sweep_temporaries, write, writing

RESULTS = Path("results")
MARK = ".ssrun"  # in a folder of results: this folder is ours
LOCK = "lock"
TRANSIENT = (LOCK, "failure.json", "checkpoint-*", TEMPORARY)  # of a run's files, those it loses when complete


class RunFolder:
    """The folder of one run.

    Args:
        path: Where it lies; need not exist.
    """

    FILES = (
        "run.json",
        "environment.json",
        "metrics.jsonl",
        "hypotheses.txt",
        "references.txt",
        "sources.txt",
        "next_step.txt",
        "decoding.txt",
        "model.safetensors",
        "vocabulary.json",
    )

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, results: Path, cell: Named) -> RunFolder:
        """The folder of a cell of a comparison.

        Raises:
            StoreError: A link on the way leads elsewhere.
        """
        return cls.within(results, cell.name)

    @classmethod
    def within(cls, results: Path, name: str) -> RunFolder:
        """The folder of this name within a folder of results.

        Raises:
            StoreError: A link on the way leads elsewhere.
        """
        path = results / name
        for step in (path.parents[1], path.parent, path):
            must_be_no_link(step)
        return cls(path)

    def lock(self) -> FileLock:
        """The right to write here; to enter it raises `filelock.Timeout` at once where another process has it."""
        return FileLock(self.path / LOCK, timeout=0)

    @property
    def in_use(self) -> bool:
        """Whether another process trains this run."""
        if not (self.path / LOCK).exists():
            return False
        try:
            with self.lock():
                return False
        except Timeout:
            return True

    @property
    def complete(self) -> bool:
        """Whether there is a result."""
        return (self.path / "result.json").is_file()

    def make(self) -> None:
        """Makes the folder."""
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    def start(self, cell: Cell) -> None:
        """Makes the folder and writes what is known before training."""
        self.make()
        sweep_temporaries(self.path)
        write(self.path / "run.json", canonical(cell.document()))
        write(self.path / "environment.json", canonical(environment().model_dump(mode="json")))

    def cell(self) -> Cell:
        """The labels and the configuration."""
        return Cell.read(read_json(self.path / "run.json"), self.path / "run.json")

    def vocabularies(self) -> dict[str, list[str]]:
        """The real tokens of `source` and `target`."""
        return read_json(self.path / "vocabulary.json")

    def lines(self, name: str) -> list[str]:
        """The lines of a text file of a complete run, split on line feeds alone.

        Raises:
            StoreError: The file, or the result, is damaged.
        """
        for fault in self.damage(self.result(), (name,)):
            raise StoreError(fault)
        try:
            return read_bytes(self.path / name, 2**32).decode().removesuffix("\n").split("\n")
        except UnicodeDecodeError:
            raise StoreError(f"{self.path / name}: not UTF-8: remove the run's folder and run again") from None

    def write_lines(self, name: str, lines: Sequence[str]) -> None:
        """Writes a text file, one line each."""
        write(self.path / name, "".join(f"{line}\n" for line in lines).encode())

    def metrics(self) -> list[dict[str, Any]]:
        """The evaluations, to the last whole line."""
        lines = read_bytes(self.path / "metrics.jsonl", 2**32).split(b"\n")[:-1]
        evaluations = []
        for line in lines:
            try:
                evaluations.append(json.loads(line))
            except ValueError:
                break
        return evaluations

    def finish(self, result: Mapping[str, Any]) -> None:
        """Writes the result, with the digests of all files and its own, and removes what only training needs."""
        files = {name: digest_of(self.path / name) for name in self.FILES if (self.path / name).is_file()}
        document = {**result, "store": VERSION, "files": files}
        write(self.path / "result.json", canonical({**document, "digest": digest(canonical(document))}))
        self.sweep()

    def sweep(self) -> None:
        """Removes what only training needs, once the run is complete; again where that was cut short."""
        for path in list(self.path.iterdir()):
            if is_transient(path.name):
                with suppress(
                    OSError
                ):  # in a folder that is read-only it may stay, and a folder of that name is not ours
                    path.unlink()

    def damage(self, result: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
        """What is wrong with these files of a complete run, by its result's digests; nothing where they are whole."""
        for name in names:
            path = self.path / name
            try:
                if digest_of(path) != result["files"].get(name):
                    yield f"{path}: damaged: its digest does not match; remove the run's folder and run again"
            except StoreError as error:
                yield str(error)

    def result(self) -> dict[str, Any]:
        """The result, checked against its own digest.

        Raises:
            StoreError: It is damaged or too new.
        """
        path = self.path / "result.json"
        content = read_bytes(path)
        document = read_json(path)
        if isinstance(document.get("store"), int) and document["store"] > VERSION:
            raise StoreError(f"{path}: written by a newer ssrun (store {document['store']}): update ssrun")
        own = document.pop("digest", None)
        if own != digest(canonical(document)) or content != canonical({**document, "digest": own}):
            raise StoreError(f"{path}: damaged: its digest does not match; remove the run's folder and run again")
        if not is_result(document):
            raise StoreError(f"{path}: not a run's result: remove the run's folder and run again")
        return document

    def failure(self) -> dict[str, Any] | None:
        """Why the run last failed, or None.

        Raises:
            StoreError: The note is damaged.
        """
        path = self.path / "failure.json"
        if not path.is_file():
            return None
        document = read_json(path)
        if not isinstance(document.get("reason"), str) or not isinstance(document.get("attempts"), int):
            raise StoreError(f"{path}: damaged: not a failure's note; remove it and run again")
        return document

    def fail(self, reason: str) -> None:
        """Notes that an attempt failed, and why."""
        attempts = 1
        with suppress(StoreError):  # a damaged note is written anew
            attempts += (self.failure() or {"attempts": 0})["attempts"]
        self.make()
        write(self.path / "failure.json", canonical({"reason": reason, "attempts": attempts}))


def must_be_no_link(path: Path) -> None:
    """Raises StoreError where something within a folder of results is a link."""
    if path.is_symlink():
        raise StoreError(f"{path}: a link: ssrun follows none within a folder of results; remove it")


def claim(results: Path) -> None:
    """Makes a folder of results ours: new, empty, or ours already.

    Raises:
        UsageError: It is a file, or holds something else.
        StoreError: There can be none of this name.
    """
    with writing(results):
        if results.is_dir():
            ours = (results / MARK).is_file()
            if not ours and not is_reference(results):
                raise UsageError(f"{results}: holds files that are not ssrun's: give another --out DIR")
        elif results.exists():
            raise UsageError(f"{results}: not a folder: give another --out DIR")


def is_result(document: Mapping[str, Any]) -> bool:
    """Whether a document has what every reader of a result asks for."""
    kinds = {"run": str, "task": str, "strategy": str, "seed": int, "files": dict}
    if document.get("store") != VERSION or any(not isinstance(document.get(name), kinds[name]) for name in kinds):
        return False
    if document.get("status") == "diverged":
        return isinstance(document.get("reason"), str)
    numbers = [document.get(name, 0) for name in METRICS]
    return (
        document.get("status") == "complete"
        and {"bleu", "free_running_loss", "teacher_forced_loss", "steps", "seconds"} <= document.keys()
        and isinstance(document.get("bleu_signature"), str)
        and all(isinstance(number, int | float) for number in numbers)
    )


def is_transient(name: str) -> bool:
    """Whether a file of this name is one that a run loses when it is complete."""
    return any(fnmatch(name, pattern) for pattern in TRANSIENT)


def is_reference(results: Path) -> bool:
    """Whether a folder holds only the committed tables of a comparison, or nothing but what a dead writer left."""
    names = [path.name for path in results.iterdir()]
    return all(name.startswith(("table.", "report.")) or fnmatch(name, TEMPORARY) for name in names)


def mark(results: Path) -> None:
    """Writes the mark that says a folder of results is ours, and sweeps what dead writers left in it."""
    with writing(results):
        results.mkdir(parents=True, exist_ok=True)
    sweep_temporaries(results)
    if not (results / MARK).is_file():
        write(results / MARK, b"A folder of results of ssrun.\n")


def runs(results: Path) -> list[RunFolder]:
    """The run folders within a folder of results (or the one that it is itself), in order of their names.

    Raises:
        StoreError: One of them is a link.
    """
    if any((results / name).is_file() for name in ("run.json", "result.json")):
        return [RunFolder(results)]
    names = sorted(path.relative_to(results).as_posix() for path in results.glob("*/*/seed-*"))
    folders = (RunFolder.within(results, name) for name in names)
    return [folder for folder in folders if folder.complete or (folder.path / "run.json").is_file()]
