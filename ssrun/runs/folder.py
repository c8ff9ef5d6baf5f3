"""A run's folder: written atomically, read back, locked. The result comes last and makes the run complete.

    run.json            labels and resolved configuration; the sha256 of the configuration is the run's id
    environment.json    versions, processor, threads: an allow-list; of every environment that it was trained in
    metrics.jsonl       one line an evaluation
    hypotheses.txt references.txt sources.txt     one line each, for any other scorer
    next_step.txt decoding.txt                    the argmax at each reference position, under either feed
    model.safetensors vocabulary.json
    result.json         metrics, and the digest of every file above

Strict JSON and safetensors only: nothing that is read can run code.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, ClassVar

from pydantic import Field, TypeAdapter, ValidationError

from ssrun.config.spec import RunDocument, RunName, RunSpec, read_run
from ssrun.errors import StoreError
from ssrun.runs.result import RESULT, Evaluation, Failure, Result
from ssrun.system import files
from ssrun.system.documents import canonical, read_as, read_sealed, write_sealed
from ssrun.system.environment import Environment

LOCK = "lock"
TRANSIENT = (LOCK, "failure.json", "checkpoint-*")  # of a run's files, those it loses when complete
TEXTS = ("hypotheses.txt", "references.txt", "sources.txt", "next_step.txt", "decoding.txt")
TEXT_LIMIT = 2**32  # bytes of a file of lines
REMEDY = "remove the run's folder and run again"
CHANGED = "changed by somebody while the run was in training: run the same command again, which goes on from before"
VOCABULARIES = TypeAdapter(dict[str, list[str]])


class Busy(StoreError):
    """Another process has what is asked for."""


class MadeIn(Environment):
    """`environment.json`: where a run came to its end, and where it had been `earlier`, before it was resumed there."""

    earlier: list[Environment] = Field(default_factory=list)


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, which need not exist, and the files of a complete one.

    `RunFolder.of` is the way to a run within a folder of results; a folder that a person names is taken as it is.
    """

    FILES: ClassVar = ("run.json", "environment.json", "metrics.jsonl", *TEXTS, "model.safetensors", "vocabulary.json")
    ALL_FILES: ClassVar = (*FILES, "result.json")

    path: Path

    @classmethod
    def of(cls, results: Path, name: RunName) -> RunFolder:
        """The folder of a run within a folder of results; StoreError where a link on the way leads elsewhere."""
        return cls.at(results / name.path)

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """The folder of this path, `.../<task>/<strategy>/<run>`; StoreError where one of the three is a link."""
        for step in (path.parents[1], path.parent, path):
            files.must_be_no_link(step)
        return cls(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder (or StoreError), and keeps other processes from writing to it; Busy where one does."""
        self.make()
        held = files.lock(self.path / LOCK)
        if held is None:
            raise Busy(f"{self.path}: another process is training this run: wait for it")
        with held:
            yield

    @property
    def in_use(self) -> bool:
        if not (self.path / LOCK).exists():
            return False
        try:
            with self.locked():
                return False
        except Busy:
            return True

    @property
    def complete(self) -> bool:
        return (self.path / "result.json").is_file()

    @property
    def begun(self) -> bool:
        """Whether there is a run, complete or not."""
        return self.complete or (self.path / "run.json").is_file()

    def make(self) -> None:
        with files.writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    def start(self, run: RunSpec) -> None:
        """Writes what is known before training; in a locked folder, of which it sweeps what dead writers left."""
        self.sweep_temporaries()
        files.write(self.path / "run.json", canonical(RunDocument.of(run).model_dump(mode="json")))

    def spec(self) -> RunSpec:
        """The labels and the configuration."""
        path = self.path / "run.json"
        return read_run(files.read_json(path), path)

    def environments(self) -> list[Environment]:
        """Where the run was made: several where it was resumed elsewhere, its end last; none where that is unknown."""
        path = self.path / "environment.json"
        if not path.is_file():
            return []
        made = read_as(path, files.read_json(path), MadeIn, REMEDY)
        return [*made.earlier, Environment.model_validate(made.model_dump(exclude={"earlier"}))]

    def write_environments(self, environments: Sequence[Environment]) -> None:
        *earlier, last = (environment.model_dump(mode="json") for environment in environments)
        files.write(self.path / "environment.json", canonical({**last, **({"earlier": earlier} if earlier else {})}))

    def vocabularies(self) -> dict[str, list[str]]:
        """The real tokens of `source` and `target`."""
        path = self.path / "vocabulary.json"
        return read_as(path, files.read_json(path), VOCABULARIES, REMEDY)

    def lines(self, name: str) -> list[str]:
        """The lines of a text file of a complete run, split on line feeds alone; StoreError where it is damaged."""
        for fault in self.damage(self.result(), (name,)):
            raise StoreError(fault)
        try:
            return files.read_bytes(self.path / name, TEXT_LIMIT).decode().removesuffix("\n").split("\n")
        except UnicodeDecodeError:
            raise StoreError(f"{self.path / name}: not UTF-8: {REMEDY}") from None

    def write_lines(self, name: str, lines: Sequence[str]) -> None:
        files.write(self.path / name, "".join(f"{line}\n" for line in lines).encode())

    def evaluations(self) -> list[Evaluation]:
        """The evaluations, to the last whole line; StoreError where a whole line is none."""
        path = self.path / "metrics.jsonl"
        evaluations = []
        for line in files.read_bytes(path, TEXT_LIMIT).split(b"\n")[:-1]:
            try:
                evaluations.append(Evaluation.model_validate_json(line))
            except ValidationError as error:
                if error.errors()[0]["type"] == "json_invalid":  # torn, and so the last
                    break
                raise StoreError(f"{path}: damaged: a line is no evaluation; {REMEDY}") from None
        return evaluations

    def digest_of_evaluations(self, size: int) -> str | None:
        """The digest of the first so many bytes of the evaluations; None where there are not so many."""
        content = files.read_bytes(self.path / "metrics.jsonl", TEXT_LIMIT)[:size] if size else b""
        return files.digest(content) if len(content) == size else None

    def append(self, evaluation: Evaluation, metrics: str) -> tuple[int, str]:
        """Adds an evaluation to those whose digest is `metrics`, and returns the bytes and the digest of them all.

        StoreError where the others are no longer as they were written.
        """
        path = self.path / "metrics.jsonl"
        before = files.read_bytes(path, TEXT_LIMIT)
        if files.digest(before) != metrics:
            raise StoreError(f"{path}: {CHANGED}")
        line = canonical(evaluation.model_dump(mode="json")) + b"\n"
        with self._opened_evaluations() as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        return len(before + line), files.digest(before + line)

    def cut_evaluations(self, size: int) -> None:
        with self._opened_evaluations() as file:
            file.truncate(size)

    @contextmanager
    def _opened_evaluations(self) -> Iterator[IO[bytes]]:
        """The file of evaluations, to append to, and no link to another, nor a pipe that nobody reads."""
        path = self.path / "metrics.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        with files.writing(path), os.fdopen(os.open(path, flags, 0o666), "ab") as file:
            yield file

    def result(self) -> Result:
        """The result, checked against its own digest; StoreError where it is damaged or too new."""
        return read_sealed(self.path / "result.json", RESULT, REMEDY, exact=True)

    def finish(self, result: Result, metrics: str) -> Result:
        """Writes the result, with the digests of all files and its own, and removes what only training needs.

        StoreError where the evaluations are no longer those whose digest is `metrics`.
        """
        digests = {name: files.digest_of(self.path / name) for name in self.FILES if (self.path / name).is_file()}
        if digests.get("metrics.jsonl") != metrics:
            raise StoreError(f"{self.path / 'metrics.jsonl'}: {CHANGED}")
        result = result.model_copy(update={"files": digests})
        write_sealed(self.path / "result.json", result)
        self.sweep()
        return result

    def sweep_temporaries(self) -> None:
        """Removes what writers left that died before a file was whole."""
        files.sweep_temporaries(self.path, (*self.ALL_FILES, *TRANSIENT))

    def sweep(self) -> None:
        """Removes what only training needs, once the run is complete; again where that was cut short."""
        for path in list(self.path.iterdir()):
            if is_transient(path.name):
                with suppress(OSError):  # a folder that is read-only keeps it, and a folder of that name is not ours
                    path.unlink()

    def damage(self, result: Result, names: Iterable[str]) -> Iterator[str]:
        """What is wrong with these files of a complete run, by its result's digests; nothing where they are whole."""
        for name in names:
            path = self.path / name
            try:
                if files.digest_of(path) != result.files.get(name):
                    yield f"{path}: damaged: its digest does not match; {REMEDY}"
            except StoreError as error:
                yield str(error)

    def failure(self) -> Failure | None:
        """Why the run last failed, or None; StoreError where the note is damaged."""
        path = self.path / "failure.json"
        return read_as(path, files.read_json(path), Failure, "remove it and run again") if path.is_file() else None

    def fail(self, reason: str) -> None:
        attempts = 1
        with suppress(StoreError):  # a damaged note is written anew
            if failure := self.failure():
                attempts += failure.attempts
        self.note(Failure(reason=reason, attempts=attempts))

    def note(self, failure: Failure) -> None:
        self.make()
        files.write(self.path / "failure.json", canonical(failure.model_dump(mode="json")))


def is_transient(name: str) -> bool:
    """Whether a file of this name is one that a run loses when it is complete."""
    unfinished = files.is_temporary(name, (*RunFolder.ALL_FILES, *TRANSIENT))
    return unfinished or any(fnmatch(name, pattern) for pattern in TRANSIENT)
