"""Chore: looks at every account once per period (rules.md#periodic-work).

Purges, deletes, applies settings that were put off, pays interest, and sends heartbeats.  Most
accounts need nothing, so a step first reads many of them without locks and tries the rules on the
copies; only those that would change are then locked, and the rules decide again.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.facts import AccountKey, Facts, account_key
from swpt_accounts.rules.upkeep import tend
from swpt_accounts.storage.arrays import arrays
from swpt_accounts.transactions import columns
from swpt_accounts.transactions import reading as sql
from swpt_accounts.transactions.account_locks import accounts_of
from swpt_accounts.transactions.books import Outcome, close_book, open_book
from swpt_accounts.transactions.context import TransactionContext
from swpt_accounts.transactions.gathering import load_currencies, load_foreign_currencies
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

from .chore import Position, Progress, StepContext
from .isolation import attempt, attempt_together

_TENDED: Final = "tended"

_READ_FIRST: Final = f"SELECT {columns.ACCOUNT_ROW} FROM account ORDER BY debtor_id, creditor_id LIMIT %s"  # noqa: S608

_READ_NEXT: Final = f"""
SELECT {columns.ACCOUNT_ROW} FROM account WHERE (debtor_id, creditor_id) > (%s, %s)
ORDER BY debtor_id, creditor_id LIMIT %s
"""  # noqa: S608 - constants only


def tend_accounts(cursor: Any, position: Position, context: StepContext) -> Progress:
    """Tend to the accounts behind `position`."""
    transaction = context.transaction
    if position is None:
        cursor.execute(_READ_FIRST, [context.rows])
    else:
        cursor.execute(_READ_NEXT, [*position, context.rows])
    accounts = accounts_of(cursor, cursor.fetchall(), transaction.infos)
    position = None if len(accounts) < context.rows else list(next(reversed(accounts)))
    wanted = _try_out(cursor, accounts, context)
    if not wanted:
        return Progress(0, position)

    def tend_these(keys: Sequence[AccountKey]) -> _Done:
        return _tend(cursor, {key: wanted[key] for key in keys}, context)

    done = attempt_together(cursor, tend_these, list(wanted), _TENDED)
    return Progress(done.changed, position, done.outcome)


class _Done(NamedTuple):
    """What was changed in the transaction."""

    changed: int
    outcome: Outcome


def _tend(cursor: Any, wanted: dict[AccountKey, set[AccountKey]], context: StepContext) -> _Done:
    """Lock the accounts and those that go with them, and do whatever is due."""
    transaction = context.transaction
    book = _open(cursor, set().union(*wanted.values()), transaction)
    changed = sum(tend(book, key, context.periods) for key in wanted)
    return _Done(changed, close_book(cursor, transaction, book))


def _try_out(
    cursor: Any, accounts: dict[AccountKey, Account], context: StepContext
) -> dict[AccountKey, set[AccountKey]]:
    """Which accounts seem to need something, each with those that have to be locked for it."""
    transaction = context.transaction
    now, owns = transaction.clock(), transaction.policy.realm.owns
    currencies = load_currencies(cursor, {debtor_id for debtor_id, _ in accounts}, transaction.policy.realm)
    if transaction.policy.realm.bits:
        debtor_ids = {debtor_id for debtor_id, _ in accounts}
        currencies |= load_foreign_currencies(cursor, debtor_ids, transaction.policy, now)
    wanted: dict[AccountKey, set[AccountKey]] = {}
    for key, account in accounts.items():
        if not owns(*key):
            continue
        # A book for each, because what is tried out for one account must not be seen by the next ones.
        currency = {key[0]: currencies[key[0]]} if key[0] in currencies else {}
        facts = Facts(now=now, policy=transaction.policy, accounts={key: account}, currencies=currency)
        book = Book(facts)
        if attempt(partial(tend, book, key, context.periods), key, _TENDED, otherwise=False):
            wanted[key] = {key}
            root = key[0], ROOT_CREDITOR_ID
            if book.entries and owns(*root):  # The other party of all payments.
                wanted[key].add(root)
    return wanted


def _open(cursor: Any, touched: set[AccountKey], transaction: TransactionContext) -> Book:
    """Lock the accounts, and load what the rules ask for.

    If a payment has become due since the accounts were read, its root account is not among them: then
    the book creates it, the table has it already, and the step is tried again.
    """
    book = open_book(cursor, transaction, touched)
    # Not only those that can leave now: a payment of this step may be what the root account waits for.
    leaving = [a for a in book.accounts.values() if a.is_deleted or a.is_scheduled_for_deletion]
    if leaving:
        keys = list(map(account_key, leaving))
        sql.FIND_INCOMING.run(cursor, [*arrays(columns.ACCOUNT_KEY, keys), book.now])
        book.incoming.update(cursor.fetchall())
    return book
