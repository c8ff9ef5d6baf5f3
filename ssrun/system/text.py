"""Text that steers nothing: whatever a user can name or write, shown so that no terminal, page or log obeys it."""

from __future__ import annotations

import os
import re
import shlex

CONTROL = re.compile(  # and the halves of characters, as which Python holds the bytes of a name that is no UTF-8
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: object) -> str:
    """Text with every control character shown as its escape."""
    return CONTROL.sub(lambda match: ascii(match.group())[1:-1], str(text))


def is_unicode(text: str) -> bool:
    """Whether text can be written as UTF-8, as a path of other bytes cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shell_word(text: str) -> str:
    r"""Text as a word for a shell that can always be written: a path of any bytes as bash's `$'\xff/a'`."""
    if is_unicode(text):
        return shlex.quote(text)
    letters = (chr(byte) if re.match(rb"[\w/.-]", bytes([byte])) else rf"\x{byte:02x}" for byte in os.fsencode(text))
    return f"$'{''.join(letters)}'"


def ellipsis(text: object, longest: int) -> str:
    """Visible text, cut to `longest` characters with an ellipsis at its end where it is longer."""
    shown = visible(text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 error`, `2 errors`, `1,200 runs`."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def shown_value(value: object, longest: int = 60) -> str:
    """A value as an error message shows it: one line, printable, never long."""
    try:
        text = repr(value) if isinstance(value, str) else ascii(value)
    except ValueError:  # an integer of too many digits
        return "a number of thousands of digits"
    except RecursionError:
        return "something nested too deeply"
    return text if len(text) <= longest else f"{text[:longest]}..."
