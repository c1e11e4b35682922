"""What the command line says of an error that nobody has expected."""

import subprocess
import sys

PROGRAM = """
import sys
from swpt_accounts.commands import cli

@cli.program.command()
def fail():
    raise {error}

sys.argv[1:] = ["fail"]
cli.main()
"""


def fail(error):
    """What a command prints that ends with this error."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(error=error)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "\x1b" not in done.stderr
    assert "hush" not in done.stderr
    return done.stderr


def test_a_bug_is_reported_with_a_traceback_and_without_secrets():
    """Everything that is needed to find it, but no password, and nothing that a terminal would obey."""
    said = fail(r"KeyError('amqp://u:hush@h \\x1b[2J')")
    assert said.startswith("Traceback (most recent call last):\n")
    assert "amqp://u:***@h" in said


def test_an_outage_is_reported_in_one_line():
    """What the driver quotes of others is spelled out."""
    said = fail(r"__import__('psycopg2').OperationalError('postgresql://u:hush@h \x1b[2J\nmore')")
    assert said == "postgresql://u:***@h \\x1b[2J\n"
