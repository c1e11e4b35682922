"""What the rules can not deal with is passed over with an alarm, and stops nothing else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging import getLogger
from typing import Any, Final, TypeVar

from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.runtime.logs import about_account
from swpt_accounts.storage.faults import Fault, fault_of

_T = TypeVar("_T")
_Other = TypeVar("_Other")

# As many accounts of a step may always fail for a reason of their own.
_FEW: Final = 3

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

    What the tables refuse shows only when it is stored, and then nothing of the step is stored.  So those
    to blame are looked for by bisection, with trials that are taken back; they get an alarm each and are
    left out.  Errors that are no account's fault come out, and so does the last one if so many accounts
    fail that the fault must be ours (rules.md#failures says it of messages).
    """
    try:
        with _taken_back_if_it_fails(cursor):
            return step(keys)
    except Exception as error:
        if fault_of(error) is not Fault.MESSAGE:
            raise
    culprits = _find_culprits(cursor, step, keys)
    if len(culprits) > max(_FEW, len(keys) // 10):
        raise next(reversed(culprits.values()))
    for key, why in culprits.items():
        _alarm(why, key, done)
    return step([key for key in keys if key not in culprits])


def _find_culprits(
    cursor: Any, step: Callable[[Sequence[AccountKey]], object], keys: Sequence[AccountKey]
) -> dict[AccountKey, Exception]:
    """Those accounts for which the step fails, each with its error; nothing of it stays in the tables."""
    try:
        with _taken_back_if_it_fails(cursor):
            step(keys)
            raise _TakeBack
    except _TakeBack:
        return {}
    except Exception as error:
        if fault_of(error) is not Fault.MESSAGE:
            raise
        if len(keys) == 1:
            return {keys[0]: error}
    middle = len(keys) // 2
    return _find_culprits(cursor, step, keys[:middle]) | _find_culprits(cursor, step, keys[middle:])


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
            cursor.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
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
