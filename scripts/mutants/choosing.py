"""Which tests a mutant meets first, and by which names pytest knows them."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

_FILES_FIRST: Final = 2


def nearest(mutant: str, tests: Iterable[str]) -> list[str]:
    """Those in files that are named after the room of the mutant, or that touch its function most often."""
    room = mutant.rpartition(".x")[0].rpartition(".")[2]
    listed = list(tests)
    counts = Counter(_file_of(test) for test in listed)
    files = sorted(counts, key=lambda file: (room not in file, -counts[file], file))[:_FILES_FIRST]
    return [test for test in listed if _file_of(test) in files]


def found_by_pytest(tests: Iterable[str]) -> list[str]:
    """The same tests by names that pytest takes: it knows none with a backslash, so all cases of theirs.

    It would end with an error, and mutmut would take that for a mutant that was killed.
    """
    return list(dict.fromkeys(test.partition("[")[0] if "\\" in test else test for test in tests))


def _file_of(test: str) -> str:
    return test.partition("::")[0]
