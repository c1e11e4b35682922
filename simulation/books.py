"""What stands in the database, in the shapes in which the worlds of the client look at a server."""

from collections import Counter
from collections.abc import Iterable, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Final

from msgspec.structs import replace

from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.facts import AccountKey, Entry, account_key, transfer_key
from swpt_accounts.rules.invariants import Violation
from swpt_accounts.rules.node import CurrencySums, ShardBooks, add_up
from swpt_accounts.rules.root_config import settings_of
from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.storage import connections
from swpt_accounts.transactions import columns
from swpt_accounts.transactions.account_locks import accounts_of
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.wire.moments import FIRST_MOMENT, Moment, render_timestamp
from swpt_accounts.wire.routing import Realm
from swpt_client.testing.tables import Tables

from .database import Database

_ACCOUNTS: Final = f"SELECT {columns.ACCOUNT_ROW} FROM account WHERE debtor_id = %s ORDER BY 1"

_PREPARED: Final = f"""
SELECT {", ".join(columns.TRANSFER_COLUMNS)} FROM prepared_transfer WHERE debtor_id = %s
"""

_JOURNAL: Final = f"""
SELECT journal_id, {", ".join(columns.JOURNAL_COLUMNS)} FROM journal WHERE debtor_id = %s ORDER BY journal_id
"""

_CHANGES: Final = """
SELECT debtor_id, creditor_id, created_at, last_change_ts, last_interest_rate_change_ts FROM account
"""


def read_tables(urls: Sequence[str], debtor_id: int) -> Tables:
    """The accounts, transfers and entries of a currency, on all shards together.

    A transfer between shards has an entry on each of them; that of the recipient tells no note here, so that
    each note is there once.  Raises AssertionError for one without the other.
    """
    tables = Tables()
    # Both children of a split have the journal of their parent.
    found: dict[tuple[int, Entry], None] = {}
    for url in urls:
        found |= dict.fromkeys(_read_shard(url, debtor_id, tables))
    entries = [entry for _, entry in found]
    sent = Counter(_crossing(one) for one in entries if one.recipient_created_at is None)
    come = Counter(_crossing(one) for one in entries if one.sender_created_at is None)
    assert sent == come, f"halves of transfers: {list((sent - come) + (come - sent))[:3]}"
    tables.journal = in_order(
        replace(one, transfer_note="") if one.sender_created_at is None else one for one in entries
    )
    return tables


def _crossing(entry: Entry) -> tuple[object, ...]:
    """What both halves of a transfer between shards have."""
    return (
        entry.debtor_id,
        entry.sender_creditor_id,
        entry.recipient_creditor_id,
        entry.amount,
        entry.committed_at,
        entry.transfer_id,
        entry.coordinator_type,
        entry.transfer_note,
    )


def _read_shard(url: str, debtor_id: int, tables: Tables) -> list[tuple[int, Entry]]:
    with (
        connections.session(url, "simulation books") as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(_ACCOUNTS, [debtor_id])
        accounts: dict[AccountKey, Account] = accounts_of(cursor, cursor.fetchall(), DebtorInfos())
        tables.accounts |= {account_key(one): one for one in accounts.values()}
        cursor.execute(_PREPARED, [debtor_id])
        for row in cursor.fetchall():
            transfer = PreparedTransfer(*row)
            tables.prepared[transfer_key(transfer)] = transfer
        cursor.execute(_JOURNAL, [debtor_id])
        return [(row[0], Entry(*row[1:])) for row in cursor.fetchall()]


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


_ROOTS: Final = """
SELECT debtor_id, coalesce(config_data, '') FROM account LEFT JOIN root_configuration USING (debtor_id)
WHERE creditor_id = 0 AND NOT deleted
"""

_RATES: Final = """
SELECT debtor_id, creditor_id, interest_rate FROM account WHERE creditor_id <> 0 AND NOT deleted
"""


def wrong_rates(databases: Sequence[Database]) -> list[str]:
    """Accounts whose interest rate is not that of their currency, on whatever shard its root account is."""
    rates: dict[int, float] = {}
    for database in databases:
        for debtor_id, config_data in database.rows(_ROOTS):
            settings = settings_of(config_data)
            assert settings is not None, "only what can be read is stored"
            rates[debtor_id] = settings.interest_rate
    accounts = [row for database in databases for row in database.rows(_RATES)]
    return [
        f"{creditor_id} of {debtor_id} has {rate} instead of {rates[debtor_id]}"
        for debtor_id, creditor_id, rate in accounts
        if rates.get(debtor_id, rate) != rate
    ]


_MOST_OWED: Final = 1000
"""Interest that is not paid yet can be spent, so that a principal may be a little below zero."""

_OVERDRAWN: Final = """
SELECT debtor_id, creditor_id, principal FROM account
WHERE creditor_id <> 0 AND principal < %s AND debtor_id = %s
"""


class Auditor:
    """Looks at the books again and again: the invariants that one look shows, and those that two show."""

    def __init__(self, url: str, realm: Realm, debtor_id: int) -> None:
        self._url = url
        self._realm = realm
        self._debtor_id = debtor_id
        self.sums: list[CurrencySums] = []
        """The money of this shard, as of the last look."""
        self._seen: dict[tuple[int, int, Moment], tuple[Moment, Moment]] = {}
        self.looks = self.foreign_accounts = 0

    def heir(self, url: str, realm: Realm) -> "Auditor":
        """Who looks at a child of this shard, and knows what was seen here."""
        heir = Auditor(url, realm, self._debtor_id)
        heir._seen, heir.looks = dict(self._seen), self.looks
        return heir

    def look(self) -> list[Violation]:
        """What is wrong now: V1 to V16, with V8 since the last look, and who has spent what he had not."""
        self.looks += 1
        with connections.session(self._url, "simulation audit") as connection:
            found = verify(connection, self._realm)
            self.sums, self.foreign_accounts = found.sums, found.foreign_accounts
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

    def books(self, now: Moment, since: Moment) -> ShardBooks:
        """What this shard says about its books, as of the last look."""
        return ShardBooks(
            name=self._realm.binding_key,
            realm=self._realm,
            realm_since=since,
            began_at=now,
            ended_at=now,
            foreign_accounts=self.foreign_accounts,
            currencies=self.sums,
        )


def look_at_node(auditors: Sequence[Auditor], now: Moment, *, is_quiet: bool) -> list[Violation]:
    """What is wrong with all shards together, each of which was just looked at.

    While a shard may be away money may be late; in the end nothing is on its way.
    """
    since = FIRST_MOMENT if is_quiet else now
    found = add_up([one.books(now, since) for one in auditors])
    violations = list(found.violations)
    if is_quiet:
        violations += [
            Violation("V3", debtor_id, None, f"{amount} is on its way for ever")
            for debtor_id, amount in found.on_the_way.items()
        ]
    return violations
