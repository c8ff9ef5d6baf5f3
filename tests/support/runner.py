"""What the tests of the six promises share: commands in processes of their own, faults put into them, small runs.

`Nursery` is a process that has imported everything once and forks a child for each command, so that a test may start
a hundred processes. A child's comparison forks its workers the same way. `process` starts a command the ordinary way.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ssrun.runs.folder import RunFolder

FILES = (*RunFolder.FILES, "result.json")
TINY = (
    "--set=model.hidden=8",
    "--set=model.embedding=8",
    "--set=training.batch_size=8",
    "--set=task.validation_pairs=10",
    "--set=task.test_pairs=10",
)
STEPS = 24
EVALUATE = 5
SIZES = (*TINY, f"--steps={STEPS}", f"--set=training.evaluate_every={EVALUATE}")
TIMES = ("seconds", "seconds_to_reach")


def say(figures: str) -> None:
    """Figures of a slow test, for the terminal: pytest-xdist passes on only what goes to stderr, with `-s`."""
    print(f"\n{figures}", file=sys.stderr, flush=True)


class Done(NamedTuple):
    """How a command ended: the exit code as a shell sees it, and what it said."""

    code: int
    out: str
    err: str

    def must(self, *codes: int) -> Done:
        assert self.code in codes, f"exit {self.code}, not {codes}\n{self.out[-2000:]}\n{self.err[-4000:]}"
        assert "Traceback" not in self.out + self.err, self.err[-4000:]
        return self


class Nursery:
    """See the module."""

    def __init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "100"},
            text=True,
        )
        self.child = 0
        atexit.register(self.close)

    def close(self) -> None:
        assert self.server.stdin
        assert self.server.stdout
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        faults: Mapping[str, str] | None = None,
        file_limit: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Forks a child that runs the command in `folder`; returns its process id.

        Args:
            arguments: After `ssrun`.
            folder: The working folder.
            faults: Code by module, run in the module's names before the command.
            file_limit: RLIMIT_FSIZE, in bytes.
            environment: Variables to add.
        """
        if self.child:  # of a test that failed before it waited
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
            self.wait()
        job = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(folder),
            "faults": dict(faults or {}),
            "file_limit": file_limit,
            "environment": dict(environment or {}),
        }
        assert self.server.stdin
        assert self.server.stdout
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()
        self.child = int(self.server.stdout.readline())
        return self.child

    def wait(self) -> Done:
        """Waits for the child."""
        assert self.server.stdout
        self.child = 0
        return Done(*json.loads(self.server.stdout.readline()))


@functools.cache
def nursery() -> Nursery:
    """This test process' nursery."""
    return Nursery()


def ssrun(*arguments: object, folder: Path, **more: Any) -> Done:
    """Runs a command in a forked process, to its end."""
    nursery().start([str(argument) for argument in arguments], folder, **more)
    return nursery().wait()


def ssrun_killed(
    *arguments: object, folder: Path, after: float, number: int = signal.SIGKILL, **more: Any
) -> tuple[Done, float]:
    """Runs a command in a forked process and sends it a signal after so many seconds; also the seconds it then took."""
    process_id = nursery().start([str(argument) for argument in arguments], folder, **more)
    time.sleep(after)
    sent = time.monotonic()
    with suppress(ProcessLookupError):  # it had ended
        os.kill(process_id, number)
    return nursery().wait(), time.monotonic() - sent


def process(
    arguments: Sequence[object],
    folder: Path,
    faults: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    **more: Any,
) -> subprocess.Popen[bytes]:
    """Starts a command the ordinary way; `faults` as for the nursery, in its workers too."""
    variables = {**os.environ, **(environment or {})}
    if faults:
        fault_folder = folder / ".faults"
        fault_folder.mkdir(exist_ok=True)
        (fault_folder / "sitecustomize.py").write_text(SITECUSTOMIZE.format(faults=dict(faults)), encoding="utf-8")
        variables["PYTHONPATH"] = str(fault_folder)
    command = [sys.executable, "-m", "ssrun", *map(str, arguments)]
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen(command, cwd=folder, env=variables, **options)


def ended(child: subprocess.Popen[bytes], timeout: float = 120) -> Done:
    """Waits for an ordinary process."""
    out, err = child.communicate(timeout=timeout)
    code = child.returncode
    return Done(128 - code if code < 0 else code, (out or b"").decode(), (err or b"").decode())


SITECUSTOMIZE = """
import importlib.abc, importlib.util, sys

FAULTS = {faults!r}


class Loader(importlib.abc.Loader):
    def __init__(self, loader, code):
        self.loader, self.code = loader, code

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        exec(self.code, module.__dict__)


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name not in FAULTS:
            return None
        code = FAULTS.pop(name)
        spec = importlib.util.find_spec(name)
        spec.loader = Loader(spec.loader, code)
        return spec


if "" in FAULTS:
    exec(FAULTS.pop(""))
sys.meta_path.insert(0, Finder())
"""


def train(folder: Path, *more: object, seed: int = 0, **options: Any) -> Done:
    """A tiny run of `ssrun train`, its folder `folder/runs`."""
    return ssrun("train", "--task=copy", f"--seed={seed}", *SIZES, "--out=runs", *more, folder=folder, **options)


def run_folders(results: Path) -> list[Path]:
    """The run folders, by name."""
    return sorted(results.glob("*/*/seed-*"))


def run_folder(results: Path) -> Path:
    """The only run folder."""
    (found,) = run_folders(results)
    return found


def without_times(value: Any) -> Any:
    """A document without its times."""
    if isinstance(value, dict):
        return {name: without_times(part) for name, part in value.items() if name not in (*TIMES, "digest", "files")}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def fingerprint(run: Path) -> str:
    """Sha256 over everything a complete run holds, but for the times (and the digests of files that hold times)."""
    content = hashlib.sha256()
    names = sorted(path.name for path in run.iterdir())
    for name in names:
        data = (run / name).read_bytes()
        if name in ("metrics.jsonl", "result.json"):
            data = b"\n".join(
                json.dumps(without_times(json.loads(line)), sort_keys=True).encode() for line in data.splitlines()
            )
        content.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return content.hexdigest()


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file below a folder, with the time of its last change and its digest; links are not followed."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            "link" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def strays(results: Path) -> list[str]:
    """What ought not to lie in a finished folder of results: temporary files, locks, checkpoints, notes of failure."""
    tables = [f"table.{end}" for end in ("md", "csv", "json", "tex")]
    known = {*FILES, ".ssrun", "experiment.json", "bootstrap.json", *tables}
    return [str(path.relative_to(results)) for path in results.rglob("*") if path.is_file() and path.name not in known]


def flip(path: Path, position: int, bit: int = 0) -> None:
    """Flips one bit of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(bytes(data))


def experiment(folder: Path, text: str, name: str = "grid") -> Path:
    """An experiment's file."""
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


GRID = f"""
question = "Which?"
tasks = ["copy"]
strategies = ["teacher-forcing", "linear"]
seeds = "0..1"
[model]
hidden = 8
embedding = 8
[training]
steps = {STEPS}
batch_size = 8
evaluate_every = {EVALUATE}
[task]
validation_pairs = 10
test_pairs = 10
"""


# ---------------------------------------------------------------------------------------------- the nursery's own side


class ForkedProcess:
    """A worker as `subprocess.Popen` would start it, but forked: what `ssrun.engines.local` uses of one."""

    def __init__(self, command: Sequence[str], errors: int) -> None:
        to_read, to_write = os.pipe(), os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            os.dup2(to_read[0], 0)
            os.dup2(to_write[1], 1)
            os.dup2(errors, 2)
            os.closerange(3, 256)
            standard_streams()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            from ssrun.engines import worker
            from ssrun.system import signals as interruption

            interruption._received.clear()
            leave(worker.main)
        os.close(to_read[0])
        os.close(to_write[1])
        self.stdin = os.fdopen(to_read[1], "wb")
        self.stdout = os.fdopen(to_write[0], "rb")
        self.code: int | None = None

    def poll(self) -> int | None:
        if self.code is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if found else None
        return self.code

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def standard_streams() -> None:
    """New streams over the numbers 0 to 2."""
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def leave(body: Callable[[], object]) -> None:
    """Runs `body` and ends this forked process, as the interpreter would."""
    code = 1
    try:
        body()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = 120
    os._exit(code)


def child(job: dict[str, Any], out: Path, err: Path) -> None:
    """A command in a forked process."""
    os.setpgid(0, 0)
    os.chdir(job["folder"])
    os.environ.update(job["environment"])
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    standard_streams()
    if job["file_limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], job["file_limit"]))

    def body() -> None:
        from ssrun.__main__ import main

        for module, code in job["faults"].items():
            exec(code, sys.modules[module].__dict__)
        sys.argv = ["ssrun", *job["arguments"]]
        main()

    leave(body)


def warm_up(folder: Path) -> None:
    """A run in this process, so that what torch imports on first use is there."""
    from ssrun.config.run import resolve
    from ssrun.config.spec import Cell
    from ssrun.runs.execution import execute
    from ssrun.runs.folder import RunFolder

    small = {
        "task": {"validation_pairs": 2, "test_pairs": 2},
        "model": {"hidden": 4, "dropout": 0.1},
        "training": {"steps": 2, "batch_size": 2},
    }
    for _ in execute(Cell("copy", "linear", resolve("copy", "linear", 0, [small])), RunFolder(folder / "warm-up")):
        pass
    shutil.rmtree(folder / "warm-up")


def serve() -> None:
    """Forks a child for each line of stdin; tells its process id, then how it ended."""
    import tempfile

    import scipy.stats  # noqa: F401
    import torch

    import ssrun.cli.app  # noqa: F401
    from ssrun.engines import local, worker  # noqa: F401

    torch.set_num_threads(1)
    scratch = Path(tempfile.mkdtemp())
    warm_up(scratch)

    class Forking:
        PIPE = subprocess.PIPE

        @staticmethod
        def Popen(command: Sequence[str], **options: Any) -> ForkedProcess:
            return ForkedProcess(command, options["stderr"].fileno())

    local.subprocess = Forking  # type: ignore[attr-defined]
    answers = os.fdopen(os.dup(1), "w")
    out, err = scratch / "out", scratch / "err"
    for line in sys.stdin:
        process_id = os.fork()
        if not process_id:
            child(json.loads(line), out, err)
        print(process_id, file=answers, flush=True)
        _, status = os.waitpid(process_id, 0)
        code = os.waitstatus_to_exitcode(status)
        said = [path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in (out, err)]
        print(json.dumps([128 - code if code < 0 else code, *said]), file=answers, flush=True)
        for path in (out, err):
            path.unlink(missing_ok=True)
    scratch.rmdir()


if __name__ == "__main__":
    serve()
