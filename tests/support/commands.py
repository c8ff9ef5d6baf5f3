"""Commands in processes of their own, with faults put into them.

`ForkServer` is a process that has imported everything once and forks a child for each command, so that a test may
start a hundred. A child's comparison forks its workers the same way. `process` starts a command the ordinary way.
"""

from __future__ import annotations

import atexit
import functools
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

from tests.support.faults import Fault, install, renew_streams

ROOT = Path(__file__).parents[2]


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


class ForkServer:
    """See the module."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.commands"]
        pipe = subprocess.PIPE
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "100"}
        self.server = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, env=variables, text=True)
        self.child = 0
        atexit.register(self.close)

    def close(self) -> None:
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()

    def start(
        self,
        arguments: Sequence[object],
        folder: Path,
        faults: Sequence[Fault] = (),
        file_limit: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Forks a child that runs `ssrun` with these arguments in `folder`; returns its process id.

        The faults are put in place before; `file_limit` is RLIMIT_FSIZE, in bytes.
        """
        if self.child:  # of a test that failed before it waited
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
            self.wait()
        job: dict[str, object] = {"arguments": [str(argument) for argument in arguments], "folder": str(folder)}
        job |= {"faults": list(faults), "file_limit": file_limit, "environment": dict(environment or {})}
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()
        self.child = int(self.server.stdout.readline())
        return self.child

    def wait(self) -> Done:
        self.child = 0
        return Done(*json.loads(self.server.stdout.readline()))


@functools.cache
def fork_server() -> ForkServer:
    """This test process' server."""
    return ForkServer()


def ssrun(*arguments: object, folder: Path, **more: Any) -> Done:
    """Runs a command in a forked process, to its end."""
    fork_server().start(arguments, folder, **more)
    return fork_server().wait()


def ssrun_killed(*arguments: object, folder: Path, after: float, **more: Any) -> tuple[Done, float]:
    """Runs a command in a forked process and kills it after so many seconds; also the seconds it then took."""
    process_id = fork_server().start(arguments, folder, **more)
    time.sleep(after)
    sent = time.monotonic()
    with suppress(ProcessLookupError):  # it had ended
        os.kill(process_id, signal.SIGKILL)
    return fork_server().wait(), time.monotonic() - sent


def process(
    arguments: Sequence[object],
    folder: Path,
    faults: Sequence[Fault] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a command the ordinary way; `faults` as for the server, in its workers too."""
    variables = {**os.environ, **(environment or {})}
    if faults:
        fault_folder = folder / ".faults"
        fault_folder.mkdir(exist_ok=True)
        code = f"from tests.support.faults import install\ninstall({list(faults)!r})\n"
        (fault_folder / "sitecustomize.py").write_text(code, encoding="utf-8")
        variables["PYTHONPATH"] = f"{fault_folder}{os.pathsep}{ROOT}"
    command = [sys.executable, "-m", "ssrun", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)


def ended(child: subprocess.Popen[bytes], timeout: float = 300) -> Done:
    """Waits for an ordinary process."""
    out, err = child.communicate(timeout=timeout)
    code = child.returncode
    return Done(128 - code if code < 0 else code, out.decode(), err.decode())


# ---------------------------------------------------------------------------------------------- -the server's own side


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
            renew_streams()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            from ssrun.engines import worker
            from ssrun.system import signals

            signals._received.clear()
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
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have it ignored
    os.chdir(job["folder"])
    os.environ.update(job["environment"])
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    renew_streams()
    if job["file_limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], job["file_limit"]))

    def body() -> None:
        from ssrun.__main__ import main

        install(job["faults"])
        sys.argv = ["ssrun", *job["arguments"]]
        main()

    leave(body)


def serve() -> None:
    """Forks a child for each line of stdin; tells its process id, then how it ended."""
    import tempfile

    import scipy.stats  # noqa: F401
    import torch

    import ssrun.cli.app  # noqa: F401
    from ssrun.engines import local, worker  # noqa: F401
    from tests.support.runs import finished, small_run

    torch.set_num_threads(1)
    scratch = Path(tempfile.mkdtemp())
    finished(scratch / "warm-up", small_run(steps=2))  # what torch imports on first use is there
    shutil.rmtree(scratch / "warm-up")

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
