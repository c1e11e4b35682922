"""What became of each mutant, as mutmut has left it, and what each has changed."""

import difflib
import json
from collections.abc import Iterator
from typing import NamedTuple

from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

from .parts import Part

_KILLED = frozenset({"killed", "timeout"})


class Mutant(NamedTuple):
    """One planted fault."""

    path: str
    """The file, relative to the folder of its part."""

    key: str
    state: str

    @property
    def was_tried(self) -> bool:
        """Whether tests have met it."""
        return self.state != "not checked"

    @property
    def is_killed(self) -> bool:
        """Whether a test has noticed it; one that runs into its time limit counts, as for mutmut itself."""
        return self.state in _KILLED

    @property
    def function(self) -> str:
        """The function that it has changed, such as `Book.open`."""
        name, of = orig_function_and_class_names_from_key(self.key)
        return f"{of}.{name}" if of else name


class Change(NamedTuple):
    """What a mutant has changed, however mutants are numbered: lines before and after, without indents."""

    path: str
    function: str
    lines: tuple[str, ...]
    """Those that went, each behind a `-`, and those that came, each behind a `+`."""

    def __str__(self) -> str:
        return "\n".join([f"# {self.path} {self.function}", *self.lines])


def mutants_of(part: Part) -> Iterator[Mutant]:
    """All mutants of the last runs, file by file."""
    for meta in sorted(part.results.rglob("*.meta")):
        path = str(meta.relative_to(part.results)).removesuffix(".meta")
        for key, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            yield Mutant(path, key, status_by_exit_code[code])


def change_of(part: Part, mutant: Mutant) -> Change:
    """What a mutant has changed, read from the file that mutmut has made."""
    name = mutant.key.rpartition(".")[2]
    original = name.partition("__mutmut_")[0] + "__mutmut_orig"
    before, after = (_lines(part, mutant.path, one) for one in (original, name))
    return Change(mutant.path, mutant.function, _difference(before, after))


def _lines(part: Part, path: str, name: str) -> list[str]:
    """One of the functions that mutmut has written, without indents and without the name it has there."""
    start, end = json.loads((part.results / f"{path}.spans").read_text())["spans"][name]
    text = (part.results / path).read_text().splitlines()
    return [line.strip().replace(name, "") for line in text[start - 1 : end]]


def _difference(before: list[str], after: list[str]) -> tuple[str, ...]:
    lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return tuple(line for line in lines if not line.startswith("@@"))
