"""What commands say: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from ssrun.system.text import CONTROL, visible


def emit(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def emit_json(document: Any) -> None:
    """One strict JSON document in one line, to stdout; what could steer a terminal is escaped."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    emit(CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n")


def answer(as_json: bool, document: Any, text: str) -> None:
    if as_json:
        emit_json(document)
    else:
        emit(text)


def answer_view(as_json: bool, document: Any, view: Callable[..., Any], *parts: Any) -> None:
    """A document; or for people a view of these parts, which also asks whether the terminal has ASCII alone."""
    from ssrun.views.terminal.console import stdout_console

    if as_json:
        emit_json(document)
    else:
        console = stdout_console()
        console.print(view(*parts, console.options.ascii_only))


def tell(line: str) -> None:
    sys.stderr.write(f"{visible(line)}\n")
    sys.stderr.flush()
