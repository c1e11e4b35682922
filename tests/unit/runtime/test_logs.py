"""Log lines: one a message, and never a password."""

import json
import logging
import subprocess
import sys

import pytest

from swpt_accounts.runtime.errors import mask_secrets
from swpt_accounts.runtime.logs import JsonFormatter, TextFormatter

ODD = ["\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069", "\u200e", "\u061c", "\ufeff", "\ud800"]


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
        ("password='h u' host=h", "password=*** host=h"),
        (r"sslpassword='h\'u' host=h", "sslpassword=*** host=h"),
        ('password="h u" host=h', "password=*** host=h"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("GET /admin/swpt_Ab-_90defghijklmnopqrstuvwxyz", "GET /admin/swpt_Ab-_90***"),
        ("swpt_accounts.swpt_accounts_worker", "swpt_accounts.swpt_accounts_worker"),
        ("nothing", "nothing"),
    ],
)
def test_passwords_in_addresses_are_masked(text, masked):
    """The user and the host stay readable, the password does not."""
    assert mask_secrets(text) == masked


def test_a_text_line_has_moment_level_origin_and_message():
    """Text lines are for people: UTC with milliseconds, level, logger, message."""
    line = TextFormatter().format(record("cannot reach %s", "amqp://u:hush@h"))
    assert line == "2026-11-21T09:30:00.123Z WARNING swpt_accounts.x: cannot reach amqp://u:***@h"


def test_a_message_cannot_forge_a_second_line():
    """Line breaks inside a message are written as escapes."""
    assert TextFormatter().format(record("a\r\nb")).endswith(": a\\r\\nb")


def test_an_error_cannot_forge_a_line():
    """All lines of a traceback are indented, so that only lines of the log begin with a moment."""
    try:
        raise ValueError("a\n2026-11-21T09:30:00.123Z ERROR swpt_accounts.x: ALARM\x1b[2J\u2028b")
    except ValueError as error:
        line = TextFormatter().format(record("a", exc_info=(type(error), error, error.__traceback__)))
    first, *trace = line.split("\n")
    assert first.endswith(": a")
    assert trace[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") and line.isprintable() for line in trace)
    assert trace[-1].endswith("ALARM\\x1b[2J\\u2028b")


@pytest.mark.parametrize("odd", [*ODD, *map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))], ids=ascii)
def test_a_terminal_obeys_nothing_that_others_have_written(odd):
    """Control characters and those that turn the direction are spelled out, letters of all scripts stay."""
    line = TextFormatter().format(record("refused GET /%s", f"благо{odd}"))
    assert line.isprintable()
    assert line.endswith(f"refused GET /благо{ascii(odd)[1:-1]}")
    with_fields = record("a")
    with_fields.fields = {"text": f"a{odd}"}
    assert TextFormatter().format(with_fields).isprintable()
    assert JsonFormatter().format(with_fields).isprintable()


def test_a_thread_that_ends_by_a_bug_shows_no_password():
    """Also an error that nobody has expected goes through the log, masked."""
    program = (
        "import threading; from swpt_accounts.runtime import logs, settings;"
        "logs.set_up(settings.load({'POSTGRES_URL': 'postgresql://u:hush@h/d'}))\n"
        "def fail(): raise ValueError('amqp://u:hush@h \\x1b[2J')\n"
        "thread = threading.Thread(target=fail, name='reader'); thread.start(); thread.join()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "CRITICAL swpt_accounts.runtime.logs: The thread reader ended because of a bug." in done.stderr
    assert "ValueError: amqp://u:***@h \\x1b[2J" in done.stderr
    assert "hush" not in done.stderr


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
