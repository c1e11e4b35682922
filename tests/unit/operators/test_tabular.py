"""Rows as CSV that other programs read back."""

import csv
import io
from typing import Any

import pytest

from swpt_accounts.operators.inspection.keyset import Cut, Page
from swpt_accounts.operators.inspection.tabular import all_pages, csv_line, csv_lines

ID = -9223372036854775808


@pytest.mark.parametrize("value", [ID, "a,b", 'say "a"\r\nand b', "", "лев", 0.1])
def test_what_was_written_is_read_back(value):
    """Numbers to the last digit, and texts with everything that CSV itself uses."""
    [row] = csv.reader(io.StringIO(csv_line([value, "x"]), newline=""))
    assert row == [str(value), "x"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx"])
def test_a_text_of_others_is_no_formula(text):
    """It has an apostrophe before it; numbers have none."""
    [row] = csv.reader(io.StringIO(csv_line([text, ID]), newline=""))
    assert row == ["'" + text, str(ID)]


def test_lists_are_written_page_by_page():
    """A page that is empty ends nothing; None is an empty cell, and a truth value a word."""
    pages: dict[Any, Page[Any]] = {
        None: Page([], None, Cut((1,))),
        (1,): Page([{"a": None, "b": True}], None, None),
    }
    lines = list(csv_lines(["a", "b"], all_pages(lambda cut, items: pages[cut.position])))
    assert lines == ["a,b\r\n", "", ",yes\r\n"]
