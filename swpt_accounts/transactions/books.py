"""Opens a book on locked accounts, and closes it: the frame of every step that changes accounts."""

from collections.abc import Collection, Iterable
from logging import getLogger
from typing import Any, Final

import msgspec

from swpt_accounts.rules.book import Alarm, Book
from swpt_accounts.rules.facts import AccountKey, Facts, TransferKey
from swpt_accounts.runtime.logs import about_account
from swpt_accounts.runtime.metrics import DEBT_FORGIVEN, PRINCIPAL_OVERFLOW
from swpt_accounts.storage.outbox.rows import Stored

from .account_locks import lock_accounts
from .context import TransactionContext
from .gathering import ask_for_transfers, load_currencies, load_foreign_currencies
from .storing import store

_logger: Final = getLogger(__name__)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a closed book leaves to do after the commit: events to publish, and what operators must hear."""

    stored: Stored | None
    alarms: list[Alarm]
    overflows: int
    debts_forgiven: int


def open_book(
    cursor: Any,
    context: TransactionContext,
    keys: Collection[AccountKey],
    *,
    debtor_ids: Iterable[int] | None = None,
    transfers: Collection[TransferKey] = (),
) -> Book:
    """Lock the existing ones of these accounts in key order, and open a book on them, at the moment after.

    The currencies in it are those of `debtor_ids`; of all these accounts, if it is not given.  The prepared
    `transfers` of these accounts are read under the locks, where nobody can finalize them.
    """
    accounts = lock_accounts(cursor, keys, context.infos)
    if debtor_ids is None:
        debtor_ids = {debtor_id for debtor_id, _ in keys}
    debtor_ids = list(debtor_ids)
    prepared = ask_for_transfers(cursor, transfers)()
    currencies = load_currencies(cursor, debtor_ids, context.policy.realm)
    now = context.clock()
    if context.policy.realm.bits:
        currencies |= load_foreign_currencies(cursor, debtor_ids, context.policy, now)
    facts = Facts(
        now=now,
        policy=context.policy,
        accounts=accounts,
        currencies=currencies,
        prepared=prepared,
    )
    return Book(facts)


def close_book(cursor: Any, context: TransactionContext, book: Book) -> Outcome:
    """Store what a book has collected; the only way to do so, because nothing that is an alarm may be lost.

    Raises BatchConflictError, as `store` does.
    """
    stored = store(cursor, book, context.infos, context.publisher_key)
    return Outcome(
        stored=stored,
        alarms=[*book.alarms, *book.interest_alarms()],
        overflows=book.overflows,
        debts_forgiven=book.debts_forgiven,
    )


def log_outcome(outcome: Outcome) -> None:
    """Count and log what has happened to the money.  To be called after the commit, when it is true."""
    DEBT_FORGIVEN.inc(outcome.debts_forgiven)
    PRINCIPAL_OVERFLOW.inc(outcome.overflows)
    for alarm in outcome.alarms:
        _logger.error("ALARM: %s", alarm, extra=about_account(alarm.account))
