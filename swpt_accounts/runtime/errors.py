"""Failures that an operator can mend: shown in clear lines, never with a traceback."""

import re
from typing import Final


class OperatorError(Exception):
    """The command cannot do its work, and the text says why and what to change.

    Raise it for what is expected to happen on real machines: a port in use, a server that is
    missing, a wrong password.  The command line prints the text and ends with `exit_code`.
    """

    exit_code = 1


class WrongUsage(OperatorError):
    """What was typed names something that does not exist; the text names what does."""

    exit_code = 2


def cause_of(error: BaseException) -> BaseException:
    """What the driver of the database has raised, where SQLAlchemy has wrapped it; else the error itself."""
    wrapped = getattr(error, "orig", None)
    return wrapped if isinstance(wrapped, BaseException) else error


def first_line(error: BaseException) -> str:
    """The first line that an error, or its cause, says about itself; its class if it says nothing."""
    cause = cause_of(error)
    lines = str(cause).strip().splitlines()
    return lines[0].strip() if lines else type(cause).__name__


_SECRETS: Final = (
    # Greedy up to the last "@", because people forget to escape "@" and "/" in passwords.
    (re.compile(r"(://[^\s:@/]*):\S*@"), r"\1:***@"),
    (re.compile(r"(password=)('(?:[^'\\]|\\.)*'|\"[^\"]*\"|[^&\s'\"]+)", re.IGNORECASE), r"\1***"),
    (re.compile(r"(\bBearer )[^\s'\"]+", re.IGNORECASE), r"\1***"),
    # Tokens of the admin listener, wherever somebody has put one: their beginning says which it is.
    (re.compile(r"(\bswpt_[\w-]{6})[\w-]{20,}", re.ASCII), r"\1***"),
)


def mask_secrets(text: str) -> str:
    """The text with the passwords of addresses and connection strings, and with tokens, replaced by `***`."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
