"""Log lines: one a message, and never a password."""

import json
import logging

import pytest

from swpt_accounts.runtime.errors import mask_url
from swpt_accounts.runtime.logs import JsonFormatter, TextFormatter


def record(message, *args, exc_info=None):
    """A log record as the server makes them."""
    made = logging.LogRecord("swpt_accounts.x", logging.WARNING, "x.py", 1, message, args, exc_info)
    made.created = 1795253400.123
    return made


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("amqp://guest:guest@h:5672/v", "amqp://guest:***@h:5672/v"),
        ("postgresql://u:p/w@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p@w@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql:///d?user=u&password=p&host=h", "postgresql:///d?user=u&password=***&host=h"),
        ("http://h:80/x", "http://h:80/x"),
        ("amqp://a:b@c and amqp://d:e@f", "amqp://a:***@c and amqp://d:***@f"),
        ("nothing", "nothing"),
    ],
)
def test_passwords_in_addresses_are_masked(text, masked):
    """The user and the host stay readable, the password does not."""
    assert mask_url(text) == masked


def test_a_text_line_has_moment_level_origin_and_message():
    """Text lines are for people: UTC with milliseconds, level, logger, message."""
    line = TextFormatter().format(record("cannot reach %s", "amqp://u:hush@h"))
    assert line == "2026-11-21T09:30:00.123Z WARNING swpt_accounts.x: cannot reach amqp://u:***@h"


def test_a_message_cannot_forge_a_second_line():
    """Line breaks inside a message are written as escapes."""
    assert TextFormatter().format(record("a\r\nb")).endswith(": a\\r\\nb")


def test_a_json_line_is_one_object():
    """JSON lines hold the same facts as members, and an unexpected error as `trace`."""
    try:
        raise ValueError("amqp://u:hush@h")
    except ValueError as error:
        line = JsonFormatter().format(record("a\nb", exc_info=(type(error), error, error.__traceback__)))
    assert "\n" not in line
    assert "hush" not in line
    fields = json.loads(line)
    assert fields["ts"] == "2026-11-21T09:30:00.123Z"
    assert (fields["level"], fields["logger"], fields["message"]) == ("warning", "swpt_accounts.x", "a\nb")
    assert "ValueError: amqp://u:***@h" in fields["trace"]
