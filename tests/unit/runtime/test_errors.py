"""What an error says in one line."""

from swpt_accounts.runtime.errors import first_line


class Wrapped(Exception):
    """As SQLAlchemy wraps what the driver has raised."""

    def __init__(self, orig):
        super().__init__("(psycopg2.OperationalError) the driver says it in other words\n[SQL: SELECT 1]")
        self.orig = orig


def test_the_first_line_is_that_of_the_driver():
    """What SQLAlchemy adds, such as the statement, is left out."""
    assert (
        first_line(Wrapped(ValueError("connection refused\nIs the server running?"))) == "connection refused"
    )


def test_an_error_without_words_is_called_by_its_class():
    """Wrapped or not."""
    assert first_line(TimeoutError()) == "TimeoutError"
    assert first_line(Wrapped(TimeoutError())) == "TimeoutError"
    assert first_line(Wrapped(None)).startswith("(psycopg2.OperationalError)")
