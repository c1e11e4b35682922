"""Every behaviour of rules.md#behaviours is named by a test, and its scenario is there or left for later.

A docstring names their rows: "(behaviour 25)", "(behaviours 14 to 18 and 78)".
"""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

from tests.backstage.rules import table

TESTS = Path(__file__).parents[2]

BEHAVIOURS: Final = range(1, 115)

NEEDS_MORE: Final = frozenset(
    {18, 34, 35, *range(40, 43), *range(44, 49), *range(50, 54), *range(56, 63), 69, 70, 91}
    | {98, 99, 100, 101, 102, 104, 111, 114}
)
"""What does not show on one shard with default settings; unit tests may be all that names it."""

LATER: Final = frozenset({56})
"""Behaviours without a scenario of their own yet, though inner rings name the rule behind them.

When their scenarios come, they leave this set.  The part of 8 with several shards is missing as well.
"""

_ROW: Final = r"\d+(?: to \d+)?"
_MENTION: Final = re.compile(rf"\bbehaviours? ({_ROW}(?:(?:, | and ){_ROW})*)")


def rows_named_in(text: str) -> set[int]:
    """The numbers that a docstring names: `behaviours 14 to 18, 21 and 78`."""
    found: set[int] = set()
    for mention in _MENTION.findall(text):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", mention):
            found.update(range(int(first), int(last or first) + 1))
    return found


def find_tests() -> dict[int, list[str]]:
    """Which tests name each behaviour, as `ring/file::test`."""
    found = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for row in rows_named_in(ast.get_docstring(node) or ""):
                    found[row].append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


NAMED_BY: Final = find_tests()


def test_every_behaviour_has_a_line_in_the_rules():
    """Whoever reads a number in a docstring can look it up."""
    assert [int(row["number"]) for row in table("Behaviours", "number")] == list(BEHAVIOURS)


@pytest.mark.parametrize("row", BEHAVIOURS)
def test_a_behaviour_is_named_by_a_test(row):
    """Each row has a test, in whatever ring."""
    assert NAMED_BY.get(row), f"no docstring says (behaviour {row})"


@pytest.mark.parametrize("row", sorted(set(BEHAVIOURS) - NEEDS_MORE))
def test_what_clients_see_has_a_scenario(row):
    """What shows over AMQP and HTTP with default settings is tested there, on a running server."""
    assert [test for test in NAMED_BY.get(row, []) if test.startswith("scenarios/")], NAMED_BY.get(row)


@pytest.mark.parametrize("row", sorted(LATER))
def test_what_is_left_for_later_is_really_missing(row):
    """A row that has got its scenario must leave the set."""
    assert not [test for test in NAMED_BY.get(row, []) if test.startswith("scenarios/")]


def test_only_rows_that_exist_are_named():
    """A docstring with a wrong number would hide a gap."""
    assert set(NAMED_BY) <= set(BEHAVIOURS)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("All of it (behaviour 7).", {7}),
        ("(behaviours 14 to 16, 21 and 78)", {14, 15, 16, 21, 78}),
        ("(S5, behaviours 44 and 53, rules.md#new-and-revived-accounts)", {44, 53}),
        ("The behaviour of 5 accounts.", set()),
    ],
)
def test_how_behaviours_are_named(text, rows):
    """One row, several, or a range, beside other references."""
    assert rows_named_in(text) == rows
