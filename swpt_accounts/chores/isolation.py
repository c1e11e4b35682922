"""What the rules can not deal with is passed over with an alarm, and stops nothing else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging import getLogger
from typing import Any, Final, TypeVar

from swpt_accounts.facts import AccountKey
from swpt_accounts.faults import Fault, fault_of
from swpt_accounts.log_fields import about_account

_T = TypeVar("_T")
_Other = TypeVar("_Other")

_logger: Final = getLogger(__name__)


def attempt(rule: Callable[[], _T], key: AccountKey, done: str, otherwise: _Other) -> _T | _Other:
    """What the rule says about an account; `otherwise` if it breaks, and so the account can not be `done`."""
    try:
        return rule()
    except Exception as error:
        _alarm(error, key, done)
        return otherwise


def attempt_together(
    cursor: Any, step: Callable[[Sequence[AccountKey]], _T], keys: Sequence[AccountKey], done: str
) -> _T:
    """Do the step for all these accounts; if it can not be, for those for which it can.

    What the tables refuse shows only when it is stored, and then nothing of the step is stored.  So each
    account is tried alone, which is taken back, and who fails gets an alarm and is left out.  Errors that
    are no account's fault come out.
    """
    try:
        with _taken_back_if_it_fails(cursor):
            return step(keys)
    except Exception as error:
        if fault_of(error) is not Fault.MESSAGE:
            raise
    return step([key for key in keys if _goes_alone(cursor, step, key, done)])


def _goes_alone(
    cursor: Any, step: Callable[[Sequence[AccountKey]], object], key: AccountKey, done: str
) -> bool:
    try:
        with _taken_back_if_it_fails(cursor):
            step([key])
            raise _TakeBack
    except _TakeBack:
        return True
    except Exception as error:
        if fault_of(error) is not Fault.MESSAGE:
            raise
        _alarm(error, key, done)
        return False


class _TakeBack(Exception):
    """It was only a trial."""


@contextmanager
def _taken_back_if_it_fails(cursor: Any) -> Iterator[None]:
    """A part of a transaction that leaves no trace in the tables if it fails."""
    cursor.execute("SAVEPOINT part")
    try:
        yield
    except Exception as error:
        if fault_of(error) is Fault.MESSAGE:
            cursor.execute("ROLLBACK TO SAVEPOINT part")
        raise
    cursor.execute("RELEASE SAVEPOINT part")


def _alarm(error: Exception, key: AccountKey, done: str) -> None:
    _logger.error(
        "ALARM: account %d of debtor %d can not be %s; the others are",
        key[1],
        key[0],
        done,
        exc_info=error,
        extra=about_account(key),
    )
