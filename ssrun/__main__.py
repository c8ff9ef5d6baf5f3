"""`ssrun` and `python -m ssrun`: runs a command and turns its errors into one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from ssrun.errors import SsrunError, StoreError
from ssrun.system.threads import use_one_thread


def main() -> None:
    """Runs the command line and exits."""
    use_one_thread()
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us: keep its number from the next file opened
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for good
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs a command and returns its exit code."""
    import typer

    from ssrun.cli.commands import app

    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a stream that tests put in place
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="ssrun", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # nobody reads on; SystemExit is typer's word for it
        silence()
        return 0
    except Exception as error:
        if "--debug" in arguments:
            raise
        return report(error)
    return code if isinstance(code, int) else 0


def report(error: Exception) -> int:
    """Says what went wrong in one line, and returns the exit code."""
    import typer

    if isinstance(error, SsrunError):
        say(str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.filename:
        reason = error.strerror or type(error).__name__
        say(f"{os.fsdecode(error.filename)}: {reason}: check that it is there, and may be read and written")
        silence()
        return StoreError.exit_code
    if hasattr(error, "format_message"):  # typer's own: wrong usage
        say(error.format_message(), " (see: ssrun --help)")
        return 2
    if isinstance(error, typer.Abort):
        say("nothing done: no answer was given (or give --yes)")
        return 1
    say(f"{type(error).__name__}: {error}", " (a traceback with: ssrun --debug ...)")
    silence()
    return 1


def say(message: str, more: str = "") -> None:
    """One line to stderr."""
    from ssrun.views.tables.cells import visible

    with suppress(OSError):
        print(f"ssrun: {visible(' '.join(message.split()))}{more}", file=sys.stderr)


def silence() -> None:
    """Nothing more to a stdout that is gone."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
