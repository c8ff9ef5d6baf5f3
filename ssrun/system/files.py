"""Files written whole or not at all, read with a limit, and locked: what the store, checkpoints and tables rest on.

A lock is the kernel's (`flock`): it ends with its holder, however the holder ends, and never by what a file says.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from ssrun.errors import StoreError

JSON_LIMIT = 64 * 2**20  # bytes; a larger JSON file is not ours
TABLE_LIMIT = 256 * 2**20  # bytes of a comparison's table, which with 100,000 runs has about 60 million
AT_ONCE = 2**30  # bytes that one read may ask the system for
STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
NO_FILE = "not a regular file: ssrun reads none but its own"
TEMPORARY = re.compile(r"\.(.+)\.\d+\.tmp")  # a file until it is whole: its name, the id of the thread that writes it


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the system's refusal to write a file (a disk full, read-only or gone) into a StoreError that names it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"{path}: cannot be written ({reason}): make room or give another --out DIR") from None


def write(path: Path, content: bytes) -> None:
    """Writes a file whole, or StoreError: a temporary name in the same folder, fsync, rename, fsync the folder."""
    with temporary_file(path, content) as temporary:
        temporary.replace(path)
    with writing(path):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # makes the new name durable
        finally:
            os.close(folder)


def write_first(path: Path, content: bytes) -> None:
    """Writes a file whole unless there is one of this name: of several processes the first does; or StoreError."""
    with temporary_file(path, content) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        except OSError:  # a disk without hard links
            if not path.exists():
                temporary.replace(path)


@contextmanager
def temporary_file(path: Path, content: bytes) -> Iterator[Path]:
    """The content, synced, under a temporary name beside `path`: gone after the block, unless the block renamed it."""
    temporary = path.with_name(f".{path.name}.{threading.get_native_id()}.tmp")
    with writing(path):
        try:
            with create(temporary) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                yield temporary
        finally:
            temporary.unlink(missing_ok=True)  # renamed; or swept by another since it was closed


def create(temporary: Path) -> IO[bytes]:
    """A new file, locked as long as its writer lives, so that `sweep_temporaries` knows a dead writer's."""
    while True:
        temporary.unlink(missing_ok=True)
        file = temporary.open("xb")
        with suppress(OSError):  # a disk without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # swept before it was locked


def lock(path: Path) -> IO[bytes] | None:
    """A lock, held as long as the file that it returns is open; None where another process has it.

    StoreError where there can be no such file, or no lock on this disk.
    """
    while True:
        with writing(path):
            file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666), "wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        except OSError as error:
            file.close()
            remedy = "give an --out DIR on another disk"
            raise StoreError(f"{path}: cannot be locked ({error.strerror}): {remedy}") from None
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # removed by the process that held it before


@contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Waits for a lock, and holds it as long as the block lasts; StoreError where there can be none."""
    with writing(path):
        while (held := lock(path)) is None:
            time.sleep(0.01)
    with held:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_temporary(name: str, files: Sequence[str]) -> bool:
    """Whether `write` gives this name, until it is whole, to a file whose own is one of these, or fits a pattern."""
    match = TEMPORARY.fullmatch(name)
    return match is not None and any(fnmatch(match[1], file) for file in files)


def sweep_temporaries(folder: Path, files: Sequence[str]) -> None:
    """Removes what dead writers of these files, by name or pattern, left in a folder of ours."""
    for left in folder.iterdir():
        if not is_temporary(left.name, files):
            continue
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(descriptor)


def digest(content: bytes) -> str:
    """Sha256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of(path: Path) -> str:
    """A regular file's digest, in little memory however large it is; StoreError as `reading`."""
    with reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """A regular file, open; StoreError, in one line, where it is missing, a link or another kind, or cannot be read."""
    try:
        with os.fdopen(opened(path), "rb") as file:
            yield file
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None


def opened(path: Path) -> int:
    """The descriptor of a regular file, and of nothing else; StoreError as `reading`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # waits for no writer of a pipe
    except OSError as error:
        other_kind = error.errno in (errno.ELOOP, errno.ENXIO)
        raise StoreError(f"{path}: {NO_FILE if other_kind else error.strerror or error}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(f"{path}: {NO_FILE}")
    return descriptor


def must_be_no_link(path: Path) -> None:
    """Raises StoreError where something within a folder of results is a link."""
    if path.is_symlink():
        raise StoreError(f"{path}: a link: ssrun follows none within a folder of results; remove it")


def read_bytes(path: Path, limit: int = JSON_LIMIT) -> bytes:
    """A regular file's content; StoreError as `reading`, and where it is larger than `limit` bytes."""
    descriptor = opened(path)
    try:
        if (size := os.fstat(descriptor).st_size) > limit:
            raise StoreError(f"{path}: {size:,} bytes, more than ssrun ever writes: remove the run's folder")
        return b"".join(iter(lambda: os.read(descriptor, min(size + 1, AT_ONCE)), b""))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    return parse_json(path, read_bytes(path))


def parse_json(path: Path, content: bytes) -> dict[str, Any]:
    """The strict JSON object that a file's content is; StoreError where it is not that."""
    document, _ = parsed(path, content, lambda found: STRICT.encode(found).encode())
    return document


def parsed(path: Path, content: bytes, written: Callable[[Any], bytes]) -> tuple[dict[str, Any], bytes]:
    """The strict JSON object that a file's content is, and its bytes as `written` has them; StoreError as `parse_json`.

    `written` raises ValueError where it is not.
    """
    try:
        document = json.loads(content)
        again = written(document)  # no NaN, no 1e999, no half of a character
    except (ValueError, RecursionError):
        raise StoreError(f"{path}: damaged: not strict JSON; remove the run's folder and run again") from None
    if not isinstance(document, dict):
        raise StoreError(f"{path}: damaged: not a JSON object; remove the run's folder and run again")
    return document, again
