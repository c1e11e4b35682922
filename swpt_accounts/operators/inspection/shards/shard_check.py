"""The shard check: whether every row belongs to the realm of this shard (rules.md#splitting-a-shard).

It goes in pages, so that no long snapshot keeps the database from cleaning up.  Messages that an
operator has put back belong to no account, and both children of a split may send them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.storage.arrays import COLUMN_TYPES
from swpt_accounts.storage.outbox.rows import unpack_accounts
from swpt_accounts.transactions.columns import REQUEST_KEY
from swpt_accounts.wire.routing import Realm

_PAGE: Final = 10_000
_OUTBOX_PAGE: Final = 200
_EXAMPLES: Final = 10

# By table: the pages in the order of the primary key, as (key, ids of accounts).
_ACCOUNTS: Final = """
SELECT debtor_id, creditor_id FROM account
WHERE %(first)s OR (debtor_id, creditor_id) > (%(debtor_id)s, %(creditor_id)s)
ORDER BY debtor_id, creditor_id LIMIT %(limit)s
"""

_TRANSFERS: Final = """
SELECT debtor_id, creditor_id, transfer_id FROM prepared_transfer
WHERE %(first)s OR (debtor_id, creditor_id, transfer_id) > (%(debtor_id)s, %(creditor_id)s, %(transfer_id)s)
ORDER BY debtor_id, creditor_id, transfer_id LIMIT %(limit)s
"""

_WAITING: Final = """
SELECT debtor_id, creditor_id, coordinator_type, coordinator_id, coordinator_request_id FROM waiting_request
WHERE %(first)s OR (debtor_id, creditor_id, coordinator_type, coordinator_id, coordinator_request_id)
    > (%(debtor_id)s, %(creditor_id)s, %(coordinator_type)s, %(coordinator_id)s, %(coordinator_request_id)s)
ORDER BY debtor_id, creditor_id, coordinator_type, coordinator_id, coordinator_request_id LIMIT %(limit)s
"""

_OUTBOX: Final = "SELECT outbox_id, accounts FROM outbox WHERE outbox_id > %s ORDER BY outbox_id LIMIT %s"


class TableCheck(msgspec.Struct):
    """How many rows of a table were looked at, how many are foreign, and some accounts of those."""

    table: str
    rows: int = 0
    foreign: int = 0
    examples: list[AccountKey] = msgspec.field(default_factory=list)

    def look_at(self, realm: Realm, keys: list[AccountKey]) -> None:
        """Count one row that belongs to these accounts."""
        self.rows += 1
        strangers = [key for key in keys if not realm.owns(*key)]
        if strangers:
            self.foreign += 1
            self.examples += strangers[: _EXAMPLES - len(self.examples)]


def check_shard(
    connection: Any,
    realm: Realm,
    is_stopping: Callable[[], bool] = lambda: False,
    reach: Callable[[int], None] = lambda rows: None,
) -> list[TableCheck] | None:
    """Look at all rows; each is foreign or not whatever the others are.  None if it was stopped.

    `reach` is told how many rows were looked at.
    """
    checks: list[TableCheck] = []
    for table, rows in (
        ("account", _pages(connection, _ACCOUNTS, ("debtor_id", "creditor_id"))),
        ("prepared_transfer", _pages(connection, _TRANSFERS, ("debtor_id", "creditor_id", "transfer_id"))),
        ("waiting_request", _pages(connection, _WAITING, REQUEST_KEY)),
        ("outbox", _outbox_pages(connection)),
    ):
        check = TableCheck(table)
        for page in rows:
            for keys in page:
                check.look_at(realm, keys)
            reach(sum(one.rows for one in (*checks, check)))
            if is_stopping():
                return None
        checks.append(check)
    return checks


def _pages(connection: Any, query: str, key: Sequence[str]) -> Iterator[list[list[AccountKey]]]:
    """The accounts of the rows of a table, page by page, each page in a transaction of its own."""
    none = {name: "" if COLUMN_TYPES.get(name) == "text" else 0 for name in key}
    position: dict[str, Any] = {"first": True, "limit": _PAGE, **none}
    while True:
        with connection, connection.cursor() as cursor:
            cursor.execute(query, position)
            rows = cursor.fetchall()
        if not rows:
            return
        yield [[(row[0], row[1])] for row in rows]
        position |= {"first": False, **dict(zip(key, rows[-1], strict=True))}


def _outbox_pages(connection: Any) -> Iterator[list[list[AccountKey]]]:
    after = 0
    while True:
        with connection, connection.cursor() as cursor:
            cursor.execute(_OUTBOX, [after, _OUTBOX_PAGE])
            rows = cursor.fetchall()
        if not rows:
            return
        yield [unpack_accounts(bytes(packed)) for _, packed in rows]
        after = rows[-1][0]
