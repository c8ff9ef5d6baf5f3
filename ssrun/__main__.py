"""`ssrun` and `python -m ssrun`: runs a command and turns its errors into one line and an exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ssrun.errors import SsrunError, StoreError
from ssrun.system.threads import use_one_thread

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def main() -> None:
    use_one_thread()
    open_streams()
    try:
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def open_streams() -> None:
    """Opens what the starter of this process closed, and makes stderr one that fails no command."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # keep its number from the next file opened
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for good
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    raw = io.BufferedWriter(Dropping(sys.stderr.fileno(), "w", closefd=False))
    sys.stderr = io.TextIOWrapper(raw, sys.stderr.encoding, "backslashreplace", line_buffering=True)


class Dropping(io.FileIO):
    """Drops what cannot be written: its reader is gone or its device full, and progress is not worth a training."""

    def write(self, data: ReadableBuffer, /) -> int:
        with suppress(OSError):
            if written := super().write(data):
                return written
        return memoryview(data).nbytes


def run(arguments: list[str]) -> int:
    """Runs a command and returns its exit code."""
    import typer

    from ssrun.cli import completion
    from ssrun.cli.app import app

    debug = "--debug" in arguments  # wherever it stands
    arguments = [argument for argument in arguments if argument != "--debug"]
    if arguments[:1] in ([], ["help"]):
        arguments = [*arguments[1:], "--help"]
    try:
        program = typer.main.get_command(app)
        if completion.is_asked(arguments):
            return completion.complete(program)
        code = program.main(arguments, prog_name="ssrun", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # nobody reads stdout on; SystemExit is typer's word for it
        silence()
        return 0
    except Exception as error:
        if debug:
            raise
        return exit_code_of(error)
    return code if isinstance(code, int) else 0


def exit_code_of(error: Exception) -> int:
    """Says in one line what went wrong, and returns the exit code."""
    import typer

    if isinstance(error, SsrunError):
        for line in (str(error), *error.more):
            say(line)
        return error.exit_code
    if isinstance(error, OSError) and error.filename:
        reason = error.strerror or type(error).__name__
        say(f"{os.fsdecode(error.filename)}: {reason}: check that it is there, and may be read and written")
        silence()
        return StoreError.exit_code
    if hasattr(error, "format_message"):  # typer's own: wrong usage
        say(f"{error.format_message()} (see: ssrun --help)")
        return 2
    if isinstance(error, typer.Abort):
        say("nothing done: no answer was given (or give --yes)")
        return 1
    say(f"{type(error).__name__}: {error} (a traceback with: ssrun --debug ...)")
    silence()
    return 1


def say(message: str) -> None:
    from ssrun.cli.output import tell

    tell(f"ssrun: {' '.join(message.split())}")


def silence() -> None:
    """Nothing more to a stdout that is gone."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
