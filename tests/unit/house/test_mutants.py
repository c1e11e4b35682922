"""The mutants that may live: which they are, and that the document which says why does not grow old."""

import pytest

from scripts.mutants import explained
from scripts.mutants.choosing import found_by_pytest, nearest
from scripts.mutants.parts import PARTS
from scripts.mutants.results import Change

SERVER = PARTS["server"]
KNOWN = explained.read(SERVER.explained.read_text())

DOCUMENT = """
They change nothing.

```diff
# swpt_accounts/rules/balances.py contain
-if -MAX_INT64 <= value <= MAX_INT64:
+if -MAX_INT64 < value <= MAX_INT64:

# swpt_accounts/rules/book.py Book.store
-a = 1
-b = 2
+a = b = None
```

```diff
# swpt_accounts/rules/book.py Book.store
-a = 1
-b = 2
+a = b = None
```
"""
ONE = Change(
    "swpt_accounts/rules/balances.py",
    "contain",
    ("-if -MAX_INT64 <= value <= MAX_INT64:", "+if -MAX_INT64 < value <= MAX_INT64:"),
)
OTHER = Change("swpt_accounts/rules/book.py", "Book.store", ("-a = 1", "-b = 2", "+a = b = None"))


def test_a_change_is_read_as_it_is_shown():
    """What the command prints can stand in the document."""
    known = explained.read(DOCUMENT)
    assert known == {ONE: 1, OTHER: 2}
    assert explained.read(f"```diff\n{ONE}\n\n{OTHER}\n```\n") == {ONE: 1, OTHER: 1}


@pytest.mark.parametrize(
    ("living", "left"),
    [
        ([], []),
        ([ONE, OTHER, OTHER], []),
        ([OTHER] * 3, [OTHER]),
        ([ONE, ONE], [ONE]),
        ([ONE._replace(function="store")], [ONE._replace(function="store")]),
    ],
)
def test_one_explanation_is_for_one_mutant(living, left):
    """Of the same function, file and lines."""
    assert explained.unexplained(living, explained.read(DOCUMENT)) == left


def test_a_mutant_meets_the_tests_of_its_room_first():
    """Then those of the file that touches its function most often; not those of a third one."""
    rooms = ["rules/test_accounts.py::a", "rules/test_deciding.py::b", "rules/test_deciding.py::c"]
    tests = [*rooms, "rules/test_transfers.py::d"]
    assert nearest("swpt_accounts.rules.transfers.x_prepare__mutmut_1", tests) == [*rooms[1:], tests[3]]
    assert nearest("swpt_accounts.rules.book.xǁBookǁstore__mutmut_1", tests) == rooms


def test_a_case_whose_name_has_a_backslash_is_run_with_all_others_of_its_test():
    """pytest finds no such name, and its error would count as a mutant that was killed."""
    tests = ["a.py::one[x]", "a.py::two[\\n]", "a.py::two[y]", "a.py::two[\\0]"]
    assert found_by_pytest(tests) == ["a.py::one[x]", "a.py::two", "a.py::two[y]"]


def test_what_is_explained_is_still_there():
    """Whoever changes a line takes its mutants out of the document; `make mutants-gate` finds new ones."""
    for change in KNOWN:
        assert SERVER.mutates(change.path)
        lines = [line.strip() for line in (SERVER.folder / change.path).read_text().splitlines()]
        for line in change.lines:
            assert line.startswith("+") or line[1:] in lines, f"{change.path}: {line[1:]}"
