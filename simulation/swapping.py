"""Names of the server that mean something else while a world is played."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def swapped(names: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """As long as it lasts each name of an owner, such as a module, has its value; then it is as before."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in names]
    try:
        for owner, name, value in names:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
