"""Chore: looks at every account once per period (spec: accounting.md section 12).

Purges, deletes, applies settings that were put off, pays interest, and sends heartbeats.  Most
accounts need nothing, so a step first reads many of them without locks and tries the rules on the
copies; only those that would change are then locked, and the rules decide again.
"""

from functools import partial
from logging import getLogger
from typing import Any, Final

from swpt_accounts import statements as sql
from swpt_accounts.accounts import Account
from swpt_accounts.book import Book
from swpt_accounts.facts import AccountKey, Facts
from swpt_accounts.gathering import accounts_of, load_currencies, lock_accounts, settings_of
from swpt_accounts.limits import ROOT_CREDITOR_ID
from swpt_accounts.log_fields import about_account
from swpt_accounts.metrics import DEBT_FORGIVEN, PRINCIPAL_OVERFLOW
from swpt_accounts.statements import arrays
from swpt_accounts.storing import store
from swpt_accounts.upkeep import is_deletable, is_purgeable, tend

from .chore import Position, Progress, Tools
from .isolation import attempt

_logger: Final = getLogger(__name__)

_COLUMNS: Final = ", ".join(sql.ACCOUNT_COLUMNS)

_READ_FIRST: Final = f"SELECT {_COLUMNS} FROM account ORDER BY debtor_id, creditor_id LIMIT %s"  # noqa: S608

_READ_NEXT: Final = f"""
SELECT {_COLUMNS} FROM account WHERE (debtor_id, creditor_id) > (%s, %s)
ORDER BY debtor_id, creditor_id LIMIT %s
"""  # noqa: S608 - constants only


def tend_accounts(cursor: Any, position: Position, tools: Tools) -> Progress:
    """Tend to the accounts behind `position`."""
    bench = tools.bench
    if position is None:
        cursor.execute(_READ_FIRST, [tools.rows])
    else:
        cursor.execute(_READ_NEXT, [*position, tools.rows])
    accounts = accounts_of(cursor, cursor.fetchall(), bench.infos)
    position = None if len(accounts) < tools.rows else list(next(reversed(accounts)))
    wanted, touched = _try_out(cursor, accounts, tools)
    if not wanted:
        return Progress(0, position)
    book = _gather(cursor, touched, tools)
    changed = sum(tend(book, key, tools.periods) for key in wanted)
    stored = store(cursor, book, bench.infos, bench.publisher_key)
    DEBT_FORGIVEN.inc(book.debts_forgiven)
    PRINCIPAL_OVERFLOW.inc(book.overflows)
    for alarm in book.alarms:
        _logger.error("ALARM: %s", alarm, extra=about_account(alarm.account))
    return Progress(changed, position, stored)


def _try_out(
    cursor: Any, accounts: dict[AccountKey, Account], tools: Tools
) -> tuple[list[AccountKey], set[AccountKey]]:
    """Which accounts seem to need something, and which have to be locked for it."""
    bench = tools.bench
    now, owns = bench.clock(), bench.policy.realm.owns
    currencies = load_currencies(cursor, {debtor_id for debtor_id, _ in accounts})
    wanted: list[AccountKey] = []
    touched: set[AccountKey] = set()
    for key, account in accounts.items():
        if not owns(*key):
            continue
        # A book for each, because what is tried out for one account must not be seen by the next ones.
        currency = {key[0]: currencies[key[0]]} if key[0] in currencies else {}
        facts = Facts(now=now, policy=bench.policy, accounts={key: account}, currencies=currency)
        book = Book(facts, settings_of)
        if attempt(partial(tend, book, key, tools.periods), key, "tended", otherwise=False):
            wanted.append(key)
            touched.add(key)
            if book.entries:  # The other party of all payments.
                touched.add((key[0], ROOT_CREDITOR_ID))
    return wanted, touched


def _gather(cursor: Any, touched: set[AccountKey], tools: Tools) -> Book:
    """Lock the accounts in key order, and load what the rules ask for.

    If a payment has become due since the accounts were read, its root account is not among them: then
    the book creates it, the table has it already, and the step is tried again.
    """
    bench = tools.bench
    accounts = lock_accounts(cursor, touched, bench.infos)
    currencies = load_currencies(cursor, {debtor_id for debtor_id, _ in touched})
    now = bench.clock()
    leaving = [
        account
        for account in accounts.values()
        if is_deletable(account, now, tools.periods) or is_purgeable(account, now, tools.periods)
    ]
    incoming: set[AccountKey] = set()
    if leaving:
        keys = [(account.debtor_id, account.creditor_id) for account in leaving]
        sql.FIND_INCOMING.run(cursor, [*arrays(("debtor_id", "creditor_id"), keys), now])
        incoming = set(cursor.fetchall())
    facts = Facts(now=now, policy=bench.policy, accounts=accounts, currencies=currencies, incoming=incoming)
    return Book(facts, settings_of)
