"""How the commands of this folder behave: wrong usage, what goes wrong, and who wants them to end."""

import signal
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

INTERRUPTED: Final = 130
"""The exit code of shells for Ctrl-C."""


@contextmanager
def mannered(*errors: type[Exception]) -> Iterator[None]:
    """Tell these errors in one line, with exit code 1; end after a signal as after Ctrl-C, with 130.

    So contexts are left in order, and databases and virtual hosts are dropped.  A signal that the process
    was started to ignore is ignored, as by `nohup`.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    except errors as error:
        sys.exit(f"{type(error).__name__}: {error}" if str(error) else repr(error))
    except KeyboardInterrupt:
        print("interrupted; what was made is dropped", file=sys.stderr)
        sys.exit(INTERRUPTED)


def whole(text: str) -> int:
    """A number of things: at least one."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("1 or more is needed")
    return number


def positive(text: str) -> float:
    """A time or a rate that is neither nothing nor endless."""
    number = float(text)
    if not 0.0 < number < inf:
        raise ArgumentTypeError("a number above 0 is needed")
    return number


def not_negative(text: str) -> float:
    """The same, where 0 means: none."""
    number = float(text)
    if not 0.0 <= number < inf:
        raise ArgumentTypeError("0 or a number above is needed")
    return number


def amqp_url(text: str) -> str:
    """The address of a virtual host."""
    if urlsplit(text).scheme not in ("amqp", "amqps") or not urlsplit(text).hostname:
        raise ArgumentTypeError("an address like amqp://guest:guest@127.0.0.1:5672/name is needed")
    return text


def checkout(text: str) -> Path:
    """A folder with a checkout of this project."""
    path = Path(text)
    if not (path / "benchmarks" / "procedures.py").is_file():
        raise ArgumentTypeError(f"{text} is no checkout")
    return path


def new_file(text: str) -> Path:
    """A file that can be written: better to know it before a long run."""
    path = Path(text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise ArgumentTypeError(f"can not be written: {error.strerror}") from None
    return path
