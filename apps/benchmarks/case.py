"""What is measured of one application: how it is made ready, and what one caller does again and again."""

from collections.abc import Callable, Generator, Mapping
from typing import TypeAlias

import msgspec

from tests.backstage.running import Program


class Question(msgspec.Struct, frozen=True):
    """One request."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    expected: int
    """The status of success; another one but 202 ends the run."""
    running: bytes = b""
    """What stands in the body of an answer that is not the last word, beside the status 202."""


Turn: TypeAlias = Generator[Question, bytes, None]
"""Asks one question or more, and gets the body of each answer; all of it is timed as one."""
Asker: TypeAlias = Callable[[int], Turn]
"""Of a number, which never comes twice, what a caller does."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str
    """What is done, in a word: transfer, purchase, tap, sale."""
    program: str
    """The module that `python -m` runs."""
    environ: Mapping[str, str]
    make_ready: Callable[[Program, int], list[Asker]]
    """Makes people with money; one asker for each caller."""
    survives: str
    """What it stands, in a few words."""
