"""What the rules can not deal with is passed over with an alarm, and stops nothing else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from logging import getLogger
from typing import Any, Final, TypeVar

from swpt_accounts.roles.culprits import are_too_many, find_culprits
from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.runtime.logs import about_account
from swpt_accounts.storage.faults import Fault, fault_of

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

    What the tables refuse shows only when it is stored, and then nothing of the step is stored.  So those
    to blame are looked for by bisection, with trials that are taken back; they get an alarm each and are
    left out.  Errors that are no account's fault come out, and so does the last one if so many accounts
    fail that the fault must be ours (rules.md#failures says it of messages).
    """
    try:
        with _taken_back_if_it_fails(cursor):
            return step(keys)
    except Exception as error:
        if not _blames_an_account(error):
            raise

    def try_out(some: Sequence[AccountKey]) -> None:
        with suppress(_TakeBack), _taken_back_if_it_fails(cursor):
            step(some)
            raise _TakeBack

    culprits = dict(find_culprits(keys, try_out, _blames_an_account))
    if are_too_many(len(culprits), len(keys)):
        raise next(reversed(culprits.values()))
    for key, why in culprits.items():
        _alarm(why, key, done)
    return step([key for key in keys if key not in culprits])


class _TakeBack(Exception):
    """It was only a trial."""


@contextmanager
def _taken_back_if_it_fails(cursor: Any) -> Iterator[None]:
    """A part of a transaction that leaves no trace in the tables if it fails."""
    cursor.execute("SAVEPOINT part")
    try:
        yield
    except Exception as error:
        if _blames_an_account(error):
            cursor.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
        raise
    cursor.execute("RELEASE SAVEPOINT part")


def _blames_an_account(error: Exception) -> bool:
    return fault_of(error) is Fault.MESSAGE


def _alarm(error: Exception, key: AccountKey, done: str) -> None:
    _logger.error(
        "ALARM: account %d of debtor %d can not be %s; the others are",
        key[1],
        key[0],
        done,
        exc_info=error,
        extra=about_account(key),
    )
