"""What a step of the chores has to tell operators: counters, and alarms for the log."""

from logging import getLogger
from typing import Final

from swpt_accounts.rules.book import Book
from swpt_accounts.runtime.logs import about_account
from swpt_accounts.runtime.metrics import DEBT_FORGIVEN, PRINCIPAL_OVERFLOW

_logger: Final = getLogger(__name__)


def tell(book: Book) -> None:
    """Count and log what has happened to the money of a book that is stored."""
    DEBT_FORGIVEN.inc(book.debts_forgiven)
    PRINCIPAL_OVERFLOW.inc(book.overflows)
    for alarm in (*book.alarms, *book.interest_alarms()):
        _logger.error("ALARM: %s", alarm, extra=about_account(alarm.account))
