"""`ssrun` and `python -m ssrun`: runs a command and turns its errors into one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from ssrun.errors import SsrunError


def main() -> None:
    """Runs the command line and exits."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs a command and returns its exit code."""
    import typer

    from ssrun.commands import app

    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a stream that tests put in place
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="ssrun", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        silence()
        return 0
    except SsrunError as error:
        if "--debug" in arguments:
            raise
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own: wrong usage
            say(error.format_message(), " (see: ssrun --help)")
            return 2
        if "--debug" in arguments:
            raise
        say(f"{type(error).__name__}: {error}", " (a traceback with: ssrun --debug ...)")
        silence()
        return 1
    return code if isinstance(code, int) else 0


def say(message: str, more: str = "") -> None:
    """One line to stderr."""
    from ssrun.tables import visible

    with suppress(OSError):
        print(f"ssrun: {visible(' '.join(message.split()))}{more}", file=sys.stderr)


def silence() -> None:
    """Nothing more to a stdout that is gone."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
