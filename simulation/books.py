"""What stands in the database, in the shapes in which the worlds of the client look at a server."""

from collections.abc import Iterable
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Final

from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.facts import AccountKey, Entry, account_key, transfer_key
from swpt_accounts.rules.invariants import Violation
from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.storage import connections
from swpt_accounts.transactions import columns
from swpt_accounts.transactions.account_locks import accounts_of
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.wire.moments import Moment, render_timestamp
from swpt_accounts.wire.routing import Realm
from swpt_client.testing.tables import Tables

_ACCOUNTS: Final = f"SELECT {columns.ACCOUNT_ROW} FROM account WHERE debtor_id = %s ORDER BY 1"

_PREPARED: Final = f"""
SELECT {", ".join(columns.TRANSFER_COLUMNS)} FROM prepared_transfer WHERE debtor_id = %s
"""

_JOURNAL: Final = f"""
SELECT {", ".join(columns.JOURNAL_COLUMNS)} FROM journal WHERE debtor_id = %s ORDER BY journal_id
"""

_CHANGES: Final = """
SELECT debtor_id, creditor_id, created_at, last_change_ts, last_interest_rate_change_ts FROM account
"""


def read_tables(url: str, debtor_id: int) -> Tables:
    """The accounts, transfers and entries of a currency."""
    tables = Tables()
    with (
        connections.session(url, "simulation books") as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(_ACCOUNTS, [debtor_id])
        accounts: dict[AccountKey, Account] = accounts_of(cursor, cursor.fetchall(), DebtorInfos())
        tables.accounts = {account_key(one): one for one in accounts.values()}
        cursor.execute(_PREPARED, [debtor_id])
        for row in cursor.fetchall():
            transfer = PreparedTransfer(*row)
            tables.prepared[transfer_key(transfer)] = transfer
        cursor.execute(_JOURNAL, [debtor_id])
        tables.journal = in_order([Entry(*row) for row in cursor.fetchall()])
    return tables


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries in an order in which the numbers of each account grow.

    Workers draw the ids of the journal in portions, and clocks differ: nothing else says who was first.
    """
    entries = list(entries)
    numbered: dict[tuple[AccountKey, Moment | None], list[tuple[int, int]]] = {}
    for place, one in enumerate(entries):
        for creditor_id, created_at, number in (
            (one.sender_creditor_id, one.sender_created_at, one.sender_transfer_number),
            (one.recipient_creditor_id, one.recipient_created_at, one.recipient_transfer_number),
        ):
            if number:
                account = (one.debtor_id, creditor_id), created_at
                numbered.setdefault(account, []).append((number, place))
    sorter: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(range(len(entries)), ()))
    for places in numbered.values():
        places.sort()
        for (_, before), (_, after) in pairwise(places):
            sorter.add(after, before)
    return [entries[place] for place in sorter.static_order()]


_MOST_OWED: Final = 1000
"""Interest that is not paid yet can be spent, so that a principal may be a little below zero."""

_OVERDRAWN: Final = """
SELECT debtor_id, creditor_id, principal FROM account
WHERE creditor_id <> 0 AND principal < %s AND debtor_id = %s
"""


class Auditor:
    """Looks at the books again and again: the invariants that one look shows, and those that two show."""

    def __init__(self, url: str, debtor_id: int) -> None:
        self._url = url
        self._debtor_id = debtor_id
        self._seen: dict[tuple[int, int, Moment], tuple[Moment, Moment]] = {}
        self.looks = 0

    def look(self) -> list[Violation]:
        """What is wrong now: V1 to V16, with V8 since the last look, and who has spent what he had not."""
        self.looks += 1
        with connections.session(self._url, "simulation audit") as connection:
            found = verify(connection, Realm(0, 0))
            violations = list(found.violations)
            connection.set_session(isolation_level="DEFAULT", readonly=False)
            with connection, connection.cursor() as cursor:
                cursor.execute(_CHANGES)
                for debtor_id, creditor_id, created_at, *moments in cursor.fetchall():
                    life = debtor_id, creditor_id, created_at
                    now, before = (moments[0], moments[1]), self._seen.get(life)
                    if before is not None and (now[0] < before[0] or now[1] < before[1]):
                        shown = ", ".join(map(render_timestamp, (*before, *now)))
                        violations.append(Violation("V8", debtor_id, creditor_id, f"went back: {shown}"))
                    self._seen[life] = now
                cursor.execute(_OVERDRAWN, [-_MOST_OWED, self._debtor_id])
                violations += [
                    Violation("overdrawn", debtor_id, creditor_id, f"owes {-principal}")
                    for debtor_id, creditor_id, principal in cursor.fetchall()
                ]
        return violations
