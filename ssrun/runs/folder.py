"""A run's folder: written atomically, read back, locked. The result comes last and makes the run trained.

    run.json            resolved configuration; the sha256 of what decides the weights is the run's id
    environment.json    versions, processor, threads: an allow-list; of every environment that it was trained in
    metrics.jsonl       one line an evaluation
    references.txt sources.txt      the test pairs, one line each, for any other scorer
    next_step.txt decoding.txt      the argmax at each reference position, under either feed
    model.safetensors vocabulary.json
    result.json         losses and errors, and the digest of every file above
    scores/<id>/        the outputs under one scoring configuration, and how good they are:
        hypotheses.txt  one line each
        scores.json     metrics, and the digests of the outputs and of the weights

Strict JSON and safetensors only: nothing that is read can run code.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError

from ssrun.config.run import RunConfig, ScoringConfig, validated
from ssrun.config.spec import SHORT, RunDocument, RunName
from ssrun.errors import StoreError, UsageError
from ssrun.runs.result import RESULT, CompleteResult, Evaluation, Failure, OutputScores, Result, Scored
from ssrun.strategies import SCHEDULES
from ssrun.system import files
from ssrun.system.documents import canonical, read_as, read_sealed, write_sealed
from ssrun.system.environment import Environment
from ssrun.system.plugins import Plugin, Registry
from ssrun.tasks import TASKS, Example, Tokens

LOCK = "lock"
TRANSIENT = (LOCK, "failure.json", "checkpoint-*")  # of a run's files, those it loses when complete
TEXTS = ("references.txt", "sources.txt", "next_step.txt", "decoding.txt")
OUTPUTS = "hypotheses.txt"
TEXT_LIMIT = 2**32  # bytes of a file of lines
REMEDY = "remove the run's folder and run again"
NO_RUN = "remove the run's folder"
GREEDY = ScoringConfig().id[:SHORT]  # the folder of the scores of greedy outputs
CHANGED = "changed by somebody while the run was in training: run the same command again, which goes on from before"
VOCABULARIES = TypeAdapter(dict[str, list[str]])
EVALUATIONS = TypeAdapter(list[Evaluation])


class Busy(StoreError):
    """Another process has what is asked for."""


class MadeIn(Environment):
    """`environment.json`: where a run came to its end, and where it had been `earlier`, before it was resumed there."""

    earlier: list[Environment] = Field(default_factory=list)


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, which need not exist, and the files of a complete one.

    `RunFolder.of` is the way to a run within a store; a folder that a person names is taken as it is. `scoring` is the
    short id of the scores that are meant: a run is complete when it is trained and has these. Of a folder without it
    the greedy ones are meant, or else the first.
    """

    FILES: ClassVar = ("run.json", "environment.json", "metrics.jsonl", *TEXTS, "model.safetensors", "vocabulary.json")
    ALL_FILES: ClassVar = (*FILES, "result.json")
    SCORE_FILES: ClassVar = (OUTPUTS, "scores.json")

    path: Path
    scoring: str = ""

    @classmethod
    def of(cls, store: Path, name: RunName) -> RunFolder:
        """The folder of a run within a store; StoreError where a link on the way leads elsewhere."""
        return cls.at(store / name.place, name.scoring)

    @classmethod
    def at(cls, path: Path, scoring: str = "") -> RunFolder:
        """The folder of this path, `<store>/<task>/<run>`; StoreError where a link is on the way, or in it."""
        for step in (path.parent, path, path / "scores"):
            files.must_be_no_link(step)
        return cls(path, scoring)

    @property
    def store(self) -> Path:
        """The store that it lies in, if it lies in one."""
        return self.path.absolute().parents[1]

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
    def trained(self) -> bool:
        return (self.path / "result.json").is_file()

    @property
    def complete(self) -> bool:
        """Whether it is trained, and scored if there is something to score; StoreError where the result is damaged."""
        return self.trained and (
            (self.score_path / "scores.json").is_file() or not isinstance(self.result(), CompleteResult)
        )

    @property
    def begun(self) -> bool:
        """Whether there is a run, complete or not, or one that somebody just begins."""
        return any((self.path / name).is_file() for name in ("result.json", "run.json", LOCK))

    @property
    def score_paths(self) -> list[Path]:
        """The folders of its scores, whole or not."""
        if (self.path / "scores").is_symlink():
            return []
        return sorted(path for path in self.path.glob("scores/*") if path.is_dir() and not path.is_symlink())

    @property
    def score_path(self) -> Path:
        """The folder of the scores that are meant."""
        if self.scoring:
            return self.path / "scores" / self.scoring
        greedy = self.path / "scores" / GREEDY
        return greedy if greedy.is_dir() else next(iter(self.score_paths), greedy)

    def make(self) -> None:
        with files.writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    def start(self, config: RunConfig) -> None:
        """Writes what is known before training; in a locked folder, of which it sweeps what dead writers left."""
        self.sweep_temporaries()
        run = RunDocument(run=config.weights_id, config=config)
        files.write(self.path / "run.json", canonical(run.model_dump(mode="json", exclude={"config": {"scoring"}})))

    def weights_config(self) -> RunConfig:
        """The configuration that decides the weights, with the default scoring."""
        path = self.path / "run.json"
        return read_as(path, files.read_json(path), RunDocument, NO_RUN).config

    def config(self) -> RunConfig:
        """The configuration; its scoring is that of the scores that are meant, where there are any."""
        config = self.weights_config()
        if not self.trained or not (self.score_path / "scores.json").is_file():
            return config
        return config.model_copy(update={"scoring": self.scores().scoring})

    def plugins(self) -> list[Plugin]:
        """Where what plugins have made of the run comes from, as it says itself; StoreError where it is damaged."""
        return [plugin for environment in self.environments()[-1:] for plugin in environment.plugins]

    def live_config(self) -> RunConfig:
        """The configuration with its plugins loaded, by the names in it; UsageError where one is not there."""
        config = self.config()
        known = {(plugin.kind, plugin.name): plugin for plugin in self.plugins()}
        named: list[tuple[Registry[Any], str]] = [
            (TASKS, config.task.name),
            (SCHEDULES, config.strategy.schedule.name),
        ]
        for registry, name in named:
            if name not in registry and (plugin := known.get((registry.kind, name))):
                raise UsageError(plugin.lacking)
        return validated(RunConfig, config.model_dump(mode="json"))

    def environments(self) -> list[Environment]:
        """Where the run was made: several where it was resumed elsewhere, its end last; none where that is unknown."""
        path = self.path / "environment.json"
        return self.environments_in(files.read_bytes(path)) if path.is_file() else []

    def environments_in(self, content: bytes) -> list[Environment]:
        """Those that a file of environments says; StoreError where it is damaged."""
        path = self.path / "environment.json"
        made = read_as(path, files.parse_json(path, content), MadeIn, REMEDY)
        return [*made.earlier, Environment.model_validate_json(made.model_dump_json(exclude={"earlier"}))]

    def write_environments(self, environments: Sequence[Environment]) -> None:
        *earlier, last = (environment.model_dump(mode="json") for environment in environments)
        files.write(self.path / "environment.json", canonical({**last, **({"earlier": earlier} if earlier else {})}))

    def vocabularies(self) -> dict[str, list[str]]:
        """The real tokens of `source` and `target`."""
        path = self.path / "vocabulary.json"
        return read_as(path, files.read_json(path), VOCABULARIES, REMEDY)

    def lines(self, name: str) -> list[str]:
        """The lines of a text file of a complete run, split on line feeds alone; StoreError where it is damaged."""
        return checked_lines(self.path / name, self.result().files)

    def test_pairs(self) -> list[Example]:
        """The test pairs, as the run stored them; StoreError where they are damaged."""
        pairs = []
        for source, references in zip(self.lines("sources.txt"), self.lines("references.txt"), strict=True):
            target, *others = map(tokens_of, references.split("\t"))
            pairs.append(Example(tokens_of(source), target, tuple(others)))
        return pairs

    def outputs(self) -> list[str]:
        """The decoded outputs, a line each; StoreError where they are damaged."""
        return checked_lines(self.score_path / OUTPUTS, self.scores().files)

    def write_lines(self, name: str, lines: Sequence[str]) -> None:
        files.write(self.path / name, text_of(lines))

    def evaluations(self) -> list[Evaluation]:
        """The evaluations, to the last whole line; StoreError where a whole line is none."""
        return self.evaluations_in(files.read_bytes(self.path / "metrics.jsonl", TEXT_LIMIT))

    def evaluations_in(self, content: bytes) -> list[Evaluation]:
        """Those that a file of evaluations holds, as `evaluations`."""
        lines = content.split(b"\n")[:-1]
        with suppress(ValidationError):  # all at once, where nothing is wrong
            return EVALUATIONS.validate_json(b"[%b]" % b",".join(lines))
        evaluations = []
        for line in lines:
            try:
                evaluations.append(Evaluation.model_validate_json(line))
            except ValidationError as error:
                if error.errors()[0]["type"] == "json_invalid":  # torn, and so the last
                    break
                path = self.path / "metrics.jsonl"
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

        StoreError where a file has gone that the run had written, or the evaluations are no longer those whose digest
        is `metrics`.
        """
        names = self.FILES if isinstance(result, CompleteResult) else self.FILES[:3]
        digests = {name: files.digest_of(self.path / name) for name in names}
        if digests["metrics.jsonl"] != metrics:
            raise StoreError(f"{self.path / 'metrics.jsonl'}: {CHANGED}")
        result = result.model_copy(update={"files": digests})
        write_sealed(self.path / "result.json", result)
        self.sweep()
        return result

    def scores(self) -> OutputScores:
        """The scores that are meant; StoreError where they are missing, damaged, or not of these weights."""
        return self.scores_of(self.result())

    def scores_of(self, trained: Result) -> OutputScores:
        """The scores that are meant of a run with this result, as `scores`."""
        path = self.score_path / "scores.json"
        files.must_be_no_link(path.parent)
        scores = read_sealed(path, OutputScores, "remove its folder and run again, which scores again", exact=True)
        weights = [one.files.get("model.safetensors") for one in (scores, trained)]
        if (scores.run, weights[0]) != (trained.run, weights[1]) or scores.scoring.id[:SHORT] != path.parent.name:
            raise StoreError(f"{path}: damaged: of another run or scoring; remove its folder and run again")
        return scores

    def write_scores(self, scores: OutputScores, outputs: Sequence[str]) -> OutputScores:
        """Writes the outputs and then their scores, with the digests of the outputs and of the weights."""
        path = self.score_path
        files.must_be_no_link(path.parent)
        files.must_be_no_link(path)
        with files.writing(path):
            path.mkdir(parents=True, exist_ok=True)
        files.sweep_temporaries(path, self.SCORE_FILES)
        files.write(path / OUTPUTS, text_of(outputs))
        weights = files.digest_of(self.path / "model.safetensors")
        digests = {OUTPUTS: files.digest_of(path / OUTPUTS), "model.safetensors": weights}
        scores = scores.model_copy(update={"files": digests})
        write_sealed(path / "scores.json", scores)
        return scores

    def scored(self) -> Scored | None:
        """The result with the scores that are meant, of a complete run; None where it diverged."""
        result = self.result()
        return Scored(result, self.scores_of(result)) if isinstance(result, CompleteResult) else None

    def sweep_temporaries(self) -> None:
        """Removes what writers left that died before a file was whole."""
        files.sweep_temporaries(self.path, (*self.ALL_FILES, *TRANSIENT))

    def sweep(self) -> None:
        """Removes what only training needs, once the run is complete; again where that was cut short."""
        for path in list(self.path.iterdir()):
            if path.name not in self.ALL_FILES and is_transient(path.name):
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


def tokens_of(line: str) -> Tokens:
    return tuple(filter(None, line.split(" ")))


def text_of(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def checked_content(path: Path, digests: Mapping[str, str]) -> bytes:
    """A file's content; StoreError where its digest is not the one among these by its name."""
    content = files.read_bytes(path, TEXT_LIMIT)
    if files.digest(content) != digests.get(path.name):
        raise StoreError(f"{path}: damaged: its digest does not match; {REMEDY}")
    return content


def checked_lines(path: Path, digests: Mapping[str, str]) -> list[str]:
    """A file's lines, split on line feeds alone; StoreError as `checked_content`."""
    content = checked_content(path, digests)
    try:
        return content.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise StoreError(f"{path}: not UTF-8: {REMEDY}") from None


def is_transient(name: str) -> bool:
    """Whether a file of this name is one that a run loses when it is complete."""
    unfinished = files.is_temporary(name, (*RunFolder.ALL_FILES, *RunFolder.SCORE_FILES, *TRANSIENT))
    return unfinished or any(fnmatch(name, pattern) for pattern in TRANSIENT)
