"""Accounts of a currency, page by page."""

from typing import Any, Final

import msgspec

from swpt_accounts.rules import accounts
from swpt_accounts.rules.accounts import Account
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.transactions.account_locks import accounts_of
from swpt_accounts.transactions.columns import ACCOUNT_ROW
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.transactions.gathering import load_currencies
from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64
from swpt_accounts.wire.routing import Realm

from .keyset import WINDOW_ROWS, Cut, Page, Position, clauses, page_of

STATES: Final = {
    "any": "true",
    "open": "NOT deleted AND config_flags & 1 = 0",
    "scheduled_for_deletion": "NOT deleted AND config_flags & 1 = 1",
    "deleted": "deleted",
    "overflown": "overflown",
    "locked": "pending_transfers_count > 0",
}
"""What accounts can be asked for; only a part of the accounts is looked at for one page."""

# Of what is shown, nobody asks to whom it belongs.
_ALL: Final = Realm(0, 0)

_RANGE: Final = """
debtor_id = CAST(%(debtor_id)s AS int8)
AND creditor_id BETWEEN CAST(%(first)s AS int8) AND CAST(%(last)s AS int8) AND {cut}
"""

_WINDOW_END: Final = f"""
SELECT creditor_id FROM account WHERE {_RANGE}
ORDER BY {{order}} LIMIT 1 OFFSET {WINDOW_ROWS - 1}
"""  # noqa: S608 - constants only

_LIST: Final = f"""
SELECT {ACCOUNT_ROW} FROM account WHERE {_RANGE}
    AND (CAST(%(end)s AS int8) IS NULL OR creditor_id {{within}} CAST(%(end)s AS int8)) AND {{state}}
ORDER BY {{order}} LIMIT %(limit)s
"""  # noqa: S608 - constants only


def list_accounts(
    connection: Any,
    debtor_id: int,
    cut: Cut,
    limit: int,
    *,
    state: str = "any",
    first: int = MIN_INT64,
    last: int = MAX_INT64,
) -> Page[Account]:
    """Accounts of a debtor by creditor id (signed), within a range.

    A page looks at a bounded number of accounts, so that it may be short, even empty, before the
    end of the list; then there is a next one.
    """
    condition, order, values = clauses(cut, ["creditor_id"], newest_first=False)
    parameters = {"debtor_id": debtor_id, "first": first, "last": last, "limit": limit + 1, **values}
    within = ">=" if cut.is_backward else "<="
    with connection, connection.cursor() as cursor:
        end = None
        if state != "any":
            cursor.execute(_WINDOW_END.format(cut=condition, order=order), parameters)
            end = cursor.fetchone()
        query = _LIST.format(cut=condition, order=order, within=within, state=STATES[state])
        cursor.execute(query, parameters | {"end": end and end[0]})
        found = accounts_of(cursor, cursor.fetchall(), DebtorInfos())
    return page_of(list(found.values()), cut, limit, _position, end)


def _position(account: Account) -> Position:
    return (account.creditor_id,)


_READ_ONE = f"SELECT {ACCOUNT_ROW} FROM account WHERE debtor_id = %s AND creditor_id = %s"  # noqa: S608


class ShownAccount(msgspec.Struct, frozen=True):
    """An account with its balance at a moment, in whole units, and what of it can be spent."""

    account: Account
    at: Moment
    balance: int
    available: int
    config_data: str


def show_account(connection: Any, debtor_id: int, creditor_id: int, now: Moment) -> ShownAccount:
    """The account at this moment; raises OperatorError if there is none."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_READ_ONE, [debtor_id, creditor_id])
        found = accounts_of(cursor, cursor.fetchall(), DebtorInfos())
        account = found.get((debtor_id, creditor_id))
        if account is None:
            raise OperatorError(no_such_account(debtor_id, creditor_id))
        currency = load_currencies(cursor, [debtor_id], _ALL).get(debtor_id) if account.is_root else None
    settings = None if currency is None else currency.settings
    available = accounts.available_at(account, now) - accounts.min_balance(account, settings)
    return ShownAccount(
        account=account,
        at=now,
        balance=accounts.balance_at(account, now),
        available=available,
        config_data="" if currency is None else currency.config_data,
    )


def no_such_account(debtor_id: int, creditor_id: int) -> str:
    return f"there is no account {debtor_id}/{creditor_id}"
