"""What commands show of values that come from outside."""

from swpt_accounts.commands.display import plain, show_fields, show_rows


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
