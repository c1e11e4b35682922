"""The search for inputs that break a promise: changes of inputs, led by the lines that they run through.

What comes to a line as nothing before is kept, and changed again.  What breaks a promise is made smaller and
written into the corpus.
"""

import re
import signal
import traceback
from collections.abc import Callable, Iterator
from random import Random
from types import FrameType
from typing import Any, NamedTuple

from .case import Case, corpus_of
from .doors.door import Door, Fields
from .tracing import Tracer

MOST_PROCESSOR_SECONDS = 30
_MOST_TRIES = 600
# Fields that say where an input goes.
_WHOLE = frozenset({"listener", "method", "path", "role"})
_UNKNOWN = "? (write down what it must be, once it is)"


class Failure(NamedTuple):
    """An input that breaks a promise, as small as it was made."""

    case: Case
    trace: str


class Search:
    """A search at one door, all of which follows from a seed."""

    def __init__(self, door: Door, seed: int) -> None:
        self.door = door
        self.tracer = Tracer(door.code)
        self.inputs = 0
        self.failures: dict[str, Failure] = {}
        self._random = Random(f"{door.name} {seed}")
        self._seed = seed
        self.pool: list[Fields] = []

    @property
    def kept(self) -> int:
        """How many inputs have led somewhere new."""
        return len(self.pool)

    def go_on(self, is_over: Callable[[], bool]) -> None:
        """Try inputs until it is over."""
        if not self.pool:
            for fields in [*self.door.seeds(), *(case.fields for case in corpus_of(self.door.name))]:
                self._try(fields)
        while not is_over():
            # Half of the time those that came last, which are the least worn.
            start = max(0, len(self.pool) - 20) if self._random.random() < 0.5 else 0
            fields = self.pool[self._random.randrange(start, len(self.pool))] if self.pool else {}
            self._try(self.door.changed(fields, self._random))

    def _try(self, fields: Fields) -> None:
        self.inputs += 1
        broken: list[str] = []
        if self.tracer.is_new(lambda: broken.extend(self._broken(fields))):
            self.pool.append(fields)
        if broken and broken[0] not in self.failures:
            smaller = self._smaller(fields, broken[0])
            title = f"{broken[0].splitlines()[0][:80]}"
            found = f"make fuzz SEED={self._seed}, input {self.inputs}"
            self.failures[broken[0]] = Failure(Case(title, found, smaller, _UNKNOWN), broken[-1])

    def _broken(self, fields: Fields) -> Iterator[str]:
        """What an input breaks, by its kind, and where; nothing, usually."""
        signal.signal(signal.SIGVTALRM, _give_up)
        signal.setitimer(signal.ITIMER_VIRTUAL, MOST_PROCESSOR_SECONDS)
        try:
            self.door.answer(**fields)
        except Exception as error:
            yield re.sub(r"\d+", "0", f"{type(error).__name__}: {error}"[:120])
            yield traceback.format_exc(limit=-4)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _smaller(self, fields: Fields, kind: str) -> Fields:
        """The same input without the parts that do not matter."""
        tries = 0
        size = max(map(_size, fields.values()), default=0)
        while size and tries < _MOST_TRIES:
            for candidate in _without_parts(fields, size):
                tries += 1
                if next(self._broken(candidate), None) == kind:
                    fields = candidate
                    break
                if tries >= _MOST_TRIES:
                    break
            else:
                size //= 2
        return fields


def _without_parts(fields: Fields, size: int) -> Iterator[dict[str, Any]]:
    """The input without one part of this size, from the end on."""
    for name, value in fields.items():
        if name in _WHOLE:
            continue
        for start in range(_size(value) - size, -1, -size):
            yield {**fields, name: value[:start] + value[start + size :]}


def _size(value: Any) -> int:
    return len(value) if isinstance(value, bytes | str | list) else 0


def _give_up(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError("it takes too long")
