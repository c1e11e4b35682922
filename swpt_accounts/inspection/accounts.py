"""Accounts of a currency, page by page."""

from typing import Any, Final

from swpt_accounts.account_locks import accounts_of
from swpt_accounts.accounts import Account
from swpt_accounts.debtor_infos import DebtorInfos
from swpt_accounts.limits import MAX_INT64, MIN_INT64
from swpt_accounts.statements import ACCOUNT_ROW

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
