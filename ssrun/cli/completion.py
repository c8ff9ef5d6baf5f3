"""Shell completion, where typer's own falls short: the shell that is named, and words that bash cuts at `=`."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from typing import Any

from ssrun.cli.output import emit
from ssrun.errors import UsageError, unknown

VARIABLE = "_SSRUN_COMPLETE"  # what a shell asks for
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def is_asked(arguments: Sequence[str]) -> bool:
    """Whether a shell asks for words, or `--show-completion SHELL` for a script, as a shell would.

    UsageError for a shell that is unknown, or where the word would be ignored.
    """
    if len(arguments) == 2 and arguments[0] in ("--show-completion", "--install-completion"):
        option, shell = arguments
        if shell not in SHELLS:
            raise UsageError(f"{option}: {unknown('shell', shell, SHELLS)}")
        if option == "--install-completion":
            raise UsageError(f"{option} {shell}: it is installed for the shell that it is typed in: give it alone")
        os.environ[VARIABLE] = f"source_{shell}"
    return bool(os.environ.get(VARIABLE))


def complete(program: Any) -> int:
    """Prints what the shell asked for, from the program's own completion."""
    above = mend_words() if os.environ[VARIABLE] == "complete_bash" else ""
    told = io.StringIO()
    with redirect_stdout(told), suppress(SystemExit):
        program.main([], prog_name="ssrun", standalone_mode=False)
    del os.environ[VARIABLE]  # answered
    for line in told.getvalue().splitlines():
        emit(line.removeprefix(above).removeprefix(above.partition("=")[2]) + "\n")  # also after `--set=`
    return 0


def mend_words() -> str:
    """Puts together what bash has cut at `=`, and stands in for what a caller that is no shell has left out.

    Returns what bash takes for words before the one that is completed, such as `model.attention=`.
    """
    words = os.environ.get("COMP_WORDS", "").split()
    number = os.environ.get("COMP_CWORD", "")
    index = min(int(number), len(words)) if number.isdecimal() else len(words)
    whole: list[str] = []
    current = 0
    for position, word in enumerate([*words, ""]):
        is_value = position > 0 and words[position - 1] == "=" and word
        if whole and (word == "=" or is_value):
            whole[-1] += word
        else:
            whole.append(word)
        if position == index:
            current = len(whole) - 1
    os.environ.update(COMP_WORDS="\n".join(whole).strip("\n"), COMP_CWORD=str(current))
    before, equals, _ = whole[current].rpartition("=")
    return before + equals
