"""What is done to a command before it starts, so that tests see what then holds: each fault patches the package.

`fault(stop_after, step=5)` names one so that it can be handed to another process, where `install` puts it in place.
"""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

Fault = tuple[str, dict[str, Any]]


def fault(function: Callable[..., None], /, **options: Any) -> Fault:
    """A fault by its name and its options, which are JSON."""
    return function.__name__, options


def install(faults: Iterable[Fault]) -> None:
    """Puts faults in place, in this process and what it forks."""
    for name, options in faults:
        globals()[name](**options)


# ------------------------------------------------------------------------------------------------------------ training


def _with_each_step(act: Callable[[Any, Any, Any], None], begin: Callable[[Any, int], None] | None = None) -> None:
    """Lets training call `begin(config, first)` at first, and `act(model, config, step)` before each step is out."""
    from ssrun.runs import execution

    real = execution.train

    def train(model: Any, optimiser: Any, batches: Any, config: Any, first: int = 0, *more: Any) -> Iterator[Any]:
        if begin:
            begin(config, first)
        for step in real(model, optimiser, batches, config, first, *more):
            act(model, config, step)
            yield step

    execution.train = train


def stop_after(step: int) -> None:
    """A signal comes when so many steps are done."""
    from ssrun.system import signals

    _with_each_step(lambda model, config, done: signals.request(15) if done.step + 1 == step else None)


def _raise(of: Any) -> None:
    raise RuntimeError("no luck\n\x1b[2J today")


ACTIONS: dict[str, Callable[[Any], object]] = {
    "exits by itself": lambda model: os._exit(7),
    "is killed": lambda model: os.kill(os.getpid(), signal.SIGKILL),
    "crashes": lambda model: ctypes.string_at(0),
    "is asked to stop": lambda model: os.kill(os.getpid(), signal.SIGTERM),
    "raises": _raise,
    "hangs": lambda model: time.sleep(600),
    "loses its weights": lambda model: model.output.bias.data.fill_(float("nan")),
}


def at_step(action: str, seed: int, step: int, once: bool = False, schedule: str = "linear") -> None:
    """Something happens in the runs of this schedule and seed, at this step (from 0)."""

    def act(model: Any, config: Any, done: Any) -> None:
        if (config.seed, config.strategy.schedule.name, done.step) == (seed, schedule, step):
            if once and Path("once").exists():
                return
            if once:
                Path("once").touch()
            ACTIONS[action](model)

    _with_each_step(act)


def note_training(seconds: float = 0) -> None:
    """Each beginning of training is written down with the process that does it; a step takes so many seconds more."""

    def begin(config: Any, first: int) -> None:
        Path("workers").mkdir(exist_ok=True)
        Path(f"workers/{os.getpid()}").touch()
        with Path("trained").open("a", encoding="utf-8") as file:
            file.write(f"{config.weights_id[:10]} {first}\n")

    _with_each_step(lambda model, config, done: time.sleep(seconds), begin)


def trained(folder: Path) -> list[tuple[str, int]]:
    """What `note_training` wrote down: each beginning of training by the run's id and the step it began with."""
    path = folder / "trained"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def fail_to_prepare() -> None:
    """No run can be prepared."""
    from ssrun.runs import execution

    execution.prepare = _raise


def lose_moments() -> None:
    """A resumed run forgets the optimiser's moments."""
    from ssrun.runs import checkpoints

    def restore(model: Any, optimiser: Any, tensors: dict[str, Any]) -> None:
        model.load_state_dict({name[6:]: part for name, part in tensors.items() if name.startswith("model.")})

    checkpoints.restore = restore


def lose_key(purpose: str) -> None:
    """Random draws of one purpose are those of the next step."""
    from ssrun.seq2seq import streams

    real = streams.key
    streams.key = lambda seed, drawn, index=0: real(seed, drawn, index + (drawn == purpose))


def pause(module: str, function: str, turn: int, seconds: float) -> None:
    """A function waits when it is called for the n-th time, and touches the file `reached`."""
    owner = import_module(module)
    real, calls = getattr(owner, function), []

    def paused(*arguments: Any, **options: Any) -> Any:
        calls.append(0)
        if len(calls) == turn:
            Path("reached").touch()
            time.sleep(seconds)
        return real(*arguments, **options)

    setattr(owner, function, paused)


def run_backwards() -> None:
    """The runs of a comparison are done in reversed order."""
    for module in [module for name, module in sys.modules.items() if name.startswith("ssrun.")]:
        if real := getattr(module, "incomplete", None):
            module.incomplete = lambda *arguments, real=real: real(*arguments)[::-1]


# --------------------------------------------------------------------------------------------------- disks and streams


def die_at_write(number: int) -> None:
    """The process is killed at its n-th fsync or rename."""
    left = number

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments)

        return function

    os.fsync, Path.replace = counted(os.fsync), counted(Path.replace)


def fill_disk(writes: int) -> None:
    """The disk is full after so many fsyncs."""
    left, real = writes, os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        real(descriptor)

    os.fsync = fsync


def refuse_writes(below: str) -> None:
    """Nothing can be written where a path holds this text."""
    changes = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink"}

    def refuse(event: str, arguments: Sequence[Any]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 0o1103
        if (writes or event in changes) and below in str(arguments[0]):
            raise PermissionError(13, "Read-only", str(arguments[0]))

    sys.addaudithook(refuse)


def refuse_network() -> None:
    """A socket that is used is written down, and refused."""
    events = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostby", "socket.send")

    def refuse(event: str, arguments: Sequence[Any]) -> None:
        if event.startswith(events):
            Path("network").write_text(event, encoding="utf-8")
            raise AssertionError(event)

    sys.addaudithook(refuse)


def give_stdin(text: str) -> None:
    """What the command reads."""
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))


def renew_streams() -> None:
    """New streams over the numbers 0 to 2."""
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def lose_reader(numbers: Sequence[int]) -> None:
    """Nobody reads stdout (1), stderr (2) or both."""
    reader, writer = os.pipe()
    os.close(reader)
    for number in numbers:
        os.dup2(writer, number)
    renew_streams()


def fill_device(number: int) -> None:
    """Stdout (1) or stderr (2) is a full device."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)
    renew_streams()


def close_streams(numbers: Sequence[int]) -> None:
    """Some of stdin, stdout and stderr are closed."""
    for number in numbers:
        os.close(number)
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)


def use_terminal(path: str) -> None:
    """Stdout and stderr are a terminal."""
    terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.dup2(terminal, 1)
    os.dup2(terminal, 2)
    renew_streams()
