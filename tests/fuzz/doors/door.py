"""What all doors have in common."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol, TypeAlias

Fields: TypeAlias = Mapping[str, Any]
"""An input: what goes through a door, by names."""


class Door(Protocol):
    """One way in."""

    name: str

    code: tuple[str, ...]
    """The files of the server that stand behind it, whose coverage guides the search."""

    @property
    def answer(self) -> Callable[..., str]:
        """What comes of an input, in a word or two; raises AssertionError if a promise is broken."""

    def seeds(self) -> list[Fields]:
        """Inputs to begin with, besides those of the corpus."""

    def changed(self, fields: Fields, random: Random) -> Fields:
        """Another input like this one."""
