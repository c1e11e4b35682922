"""What commands show of values that come from outside; nothing is cut, and no number is broken."""

import re

import pytest

from swpt_accounts.commands.display import plain, record_of, show_fields, show_rows, table_of

ID = 9223372036854775807
ROW = {
    "refused_at": "2026-11-21T10:00:00.123456+00:00",
    "debtor_id": -ID,
    "creditor_id": ID,
    "amount": ID,
    "note": "two words " * 50,
}


def test_no_value_can_move_the_cursor():
    """Control characters and line breaks are spelled out; letters of all scripts stay."""
    assert plain("a\x1b[31mb\nc\u202e благо") == "a\\x1b[31mb\\nc\\u202e благо"
    assert plain({"a": "\x07"}) == '{"a": "\\u0007"}'
    assert plain(None) == ""


def test_a_table_shows_markup_as_it_is(capsys):
    """Square brackets are text, and long values are wrapped, not cut."""
    show_rows([{"detail": "[bold]x[/bold]", "body": "y" * 500}], as_json=False)
    shown = capsys.readouterr().out
    assert "[bold]x[/bold]" in shown
    assert shown.count("y") == 500 + "body".count("y")


def test_json_is_one_line(capsys):
    """Machines get one document in ASCII, with the values as they are."""
    show_fields({"id": 2**63 - 1, "text": "\nблаго", "none": None}, as_json=True)
    expected = '{"id":9223372036854775807,"text":"\\n\\u0431\\u043b\\u0430\\u0433\\u043e","none":null}\n'
    assert capsys.readouterr().out == expected


def test_an_empty_table_says_so(capsys):
    """A command that finds nothing says none, or an empty list."""
    show_rows([], as_json=False)
    show_rows([], as_json=True)
    assert capsys.readouterr().out == "none\n[]\n"


def test_in_a_pipe_a_row_is_a_line():
    """However long it is, so that programs can look for lines."""
    lines = table_of([ROW, ROW], width=None).splitlines()
    assert len(lines) == 4
    assert str(ID) in lines[2]
    assert lines[2].endswith("two words")


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_a_table_that_is_too_wide_becomes_blocks_of_lines(width):
    """No line is longer than the terminal (of 40 columns at least), and every number is whole."""
    shown = table_of([ROW, ROW], width)
    assert shown.count(str(-ID)) == 2
    assert shown.count("creditor id") == 2
    assert max(map(len, shown.splitlines())) <= max(width, 50)


def test_a_table_that_fits_stays_one():
    """Columns stand below their titles."""
    shown = table_of([{"id": 1, "name": "a"}, {"id": 22, "name": None}], width=80)
    assert shown == "id  name\n--  ----\n1   a\n22\n"


def test_what_others_wrote_does_not_move_the_cursor():
    """Wide characters take two columns, and those that turn a line are spelled out."""
    shown = record_of({"note": "漢字\x1b[2J\u202e"}, width=80)
    assert shown == "note  漢字\\x1b[2J\\u202e\n"
    table = table_of([{"note": "漢", "id": 1}, {"note": "ab", "id": 2}], width=80)
    assert re.findall(r"(?m)\d$", table) == ["1", "2"]
    assert table.splitlines()[2:] == ["漢    1", "ab    2"]
