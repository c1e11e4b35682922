"""Who is to blame when many things are tried together and that fails: found by halves."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

_T = TypeVar("_T")

FEW: Final = 3
"""So many may always fail for a reason of their own."""


def are_too_many(culprits: int, size: int) -> bool:
    """Whether so many of `size` things fail that the fault must be ours (rules.md#failures)."""
    return culprits > max(FEW, size // 10)


def find_culprits(
    things: Sequence[_T], attempt: Callable[[Sequence[_T]], object], can_blame: Callable[[Exception], bool]
) -> Iterator[tuple[_T, Exception]]:
    """Attempt the things together, then by halves; each with its error that fails also alone.

    They come in their order, and before those behind them are attempted.  An error that blames none of
    them comes out.
    """
    assert things, "nothing can not fail"
    try:
        attempt(things)
    except Exception as error:
        if not can_blame(error):
            raise
        if len(things) == 1:
            yield things[0], error
            return
    else:
        return
    middle = len(things) // 2
    yield from find_culprits(things[:middle], attempt, can_blame)
    yield from find_culprits(things[middle:], attempt, can_blame)
