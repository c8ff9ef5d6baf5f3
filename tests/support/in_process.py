"""Commands in this process: what they print, and how they end."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from ssrun.__main__ import run
from ssrun.system import signals
from tests.support.commands import Done

SMALL = ("--set", "model.hidden=8", "--set", "model.embedding=8", "--set", "task.test_pairs=20")
GRID = ("--tasks", "reverse,captions", "--strategies", "teacher-forcing,inverse-sigmoid", "--seeds", "0..1", "--smoke")
TRAIN = ("train", "--strategy", "inverse-sigmoid", "--steps", "12", "--set", "training.evaluate_every=6", *SMALL)


def ssrun(*arguments: object, typed: str = "") -> Done:
    """Runs a command to its end; `typed` is its stdin."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(typed.encode()))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = run([str(argument) for argument in arguments])
    finally:
        sys.stdin = stdin
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signals.check()
    return Done(code, out.getvalue(), err.getvalue())


def document(*arguments: object, typed: str = "") -> Any:
    """What a command tells as strict JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(ssrun(*arguments, "--json", typed=typed).must(0).out, parse_constant=refuse)


def python(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own."""
    command = [sys.executable, *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
