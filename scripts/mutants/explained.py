"""The mutants that may live, each with its reason, as a person has written them into a document.

They stand there in blocks of the kind `diff`, each under the sentences that say why no test can notice it.
A line `# FILE FUNCTION` is followed by the lines that went and the lines that came.  Numbers of mutants are
not used, because every change of a function gives others.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from .results import Change

_BLOCK = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(text: str) -> Counter[Change]:
    """The changes that a document explains; one that stands there twice explains two mutants."""
    return Counter(change for block in _BLOCK.findall(text) for change in _changes(block))


def unexplained(living: Iterable[Change], known: Counter[Change]) -> list[Change]:
    """Those that live without a reason."""
    return sorted((Counter(living) - known).elements())


def _changes(block: str) -> Iterator[Change]:
    for entry in re.split(r"^# ", block, flags=re.MULTILINE)[1:]:
        head, *lines = entry.splitlines()
        path, function = head.split()
        yield Change(path, function, tuple(line for line in lines if line.strip()))
