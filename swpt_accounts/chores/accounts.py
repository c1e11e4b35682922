"""Chore: looks at every account once per period (spec: accounting.md section 12).

Purges, deletes, applies settings that were put off, pays interest, and sends heartbeats.  Most
accounts need nothing, so a step first reads many of them without locks and tries the rules on the
copies; only those that would change are then locked, and the rules decide again.
"""

from collections.abc import Sequence
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
from swpt_accounts.upkeep import Periods, is_deletable, is_purgeable, tend

from .chore import Position, Progress, Tools

# What is read beyond the accounts that a step changes is read again by the next one.  With 200 a pass
# of heartbeats takes 0.6 of the time that it takes with 1000, and one that finds nothing little more.
_READ: Final = 200
# Locked accounts keep transfers waiting, so they are few at a time.
_CHANGE: Final = 100

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
        cursor.execute(_READ_FIRST, [_READ])
    else:
        cursor.execute(_READ_NEXT, [*position, _READ])
    accounts = accounts_of(cursor, cursor.fetchall(), bench.infos)
    wanted, last = _try_out(cursor, accounts, tools)
    is_over = len(accounts) < _READ and (not accounts or last == next(reversed(accounts)))
    position = None if is_over else list(last)
    if not wanted:
        return Progress(0, position)
    book = _gather(cursor, wanted, tools)
    changed = sum(tend(book, key, tools.periods) for key in wanted)
    stored = store(cursor, book, bench.infos, bench.publisher_key)
    DEBT_FORGIVEN.inc(book.debts_forgiven)
    PRINCIPAL_OVERFLOW.inc(book.overflows)
    for alarm in book.alarms:
        _logger.error("ALARM: %s", alarm, extra=about_account(alarm.account))
    return Progress(changed, position, stored)


def _try_out(
    cursor: Any, accounts: dict[AccountKey, Account], tools: Tools
) -> tuple[list[AccountKey], AccountKey]:
    """Which accounts seem to need something, not too many; and the last one that was looked at."""
    bench = tools.bench
    now, owns = bench.clock(), bench.policy.realm.owns
    currencies = load_currencies(cursor, {debtor_id for debtor_id, _ in accounts})
    wanted: list[AccountKey] = []
    last: AccountKey = (0, 0)
    book = None
    for last in accounts:
        # What is tried out for one account must not be seen by the next ones.
        if book is None:
            facts = Facts(now=now, policy=bench.policy, accounts=dict(accounts), currencies=dict(currencies))
            book = Book(facts, settings_of)
        if owns(*last) and _needs_something(book, last, tools.periods):
            book = None
            wanted.append(last)
            if len(wanted) == _CHANGE:
                break
    return wanted, last


def _needs_something(book: Book, key: AccountKey, periods: Periods) -> bool:
    """Whether the rules would change the account; one that breaks them must not stop the pass."""
    try:
        return tend(book, key, periods)
    except Exception:
        _logger.exception(
            "ALARM: account %d of debtor %d can not be tended; the others are",
            key[1],
            key[0],
            extra=about_account(key),
        )
        return False


def _gather(cursor: Any, wanted: Sequence[AccountKey], tools: Tools) -> Book:
    """Lock the accounts and their root accounts in key order, and load what the rules ask for."""
    bench = tools.bench
    debtor_ids = {debtor_id for debtor_id, _ in wanted}
    # Interest and the rest of a deleted account are paid by the root account.
    touched = {*wanted, *((debtor_id, ROOT_CREDITOR_ID) for debtor_id in debtor_ids)}
    accounts = lock_accounts(cursor, touched, bench.infos)
    currencies = load_currencies(cursor, debtor_ids)
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
