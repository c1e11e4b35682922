"""What is measured of one application: how it is made ready, and what one caller asks again and again."""

from collections.abc import Callable, Mapping

import msgspec

from tests.backstage.running import Program


class Question(msgspec.Struct, frozen=True):
    """One request that moves money."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    expected: int
    """The status of success; another one ends the run."""


Asker = Callable[[int], Question]
"""Of the number of the request, which never comes twice, the next question of a caller."""


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
