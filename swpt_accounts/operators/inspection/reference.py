"""A database of the public reference server: its rows, and whether it can be imported.

All of it is read in one snapshot that can not write.  Rows stream through cursors of the server, so that
memory does not grow with the number of accounts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

from swpt_accounts.rules.reference import (
    ReferenceAccount,
    ReferenceTransfer,
    root_configuration_of,
    why_not_account,
    why_not_transfer,
)
from swpt_accounts.rules.root_config import parse_root_config
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage import connections

PAGE: Final = 1000
_MOST_LISTED: Final = 5

T = TypeVar("T")


def _moment(column: str) -> str:
    """A moment in whole microseconds, exact in any year: `extract(epoch …)` is not, before version 14."""
    whole = f"extract(epoch FROM date_trunc('second', {column}))::int8 * 1000000"
    return f"{whole} + extract(microseconds FROM {column})::int8 % 1000000 AS {column}"


def _exact(column: str) -> str:
    """What the shortest decimal form of a 32-bit number says, or 2.3 would become 2.299999952316284."""
    return f"{column}::text::float8 AS {column}"


_HOW: Final = {
    "creation_date": "(creation_date - DATE '1970-01-01')::int8 * 86400000000 AS creation_date",
    "debtor_info_sha256": "upper(encode(debtor_info_sha256, 'hex')) AS debtor_info_sha256",
    **{
        name: _exact(name)
        for name in ("interest_rate", "previous_interest_rate", "negligible_amount", "demurrage_rate")
    },
    **{
        name: _moment(name)
        for name in (
            "last_change_ts",
            "last_interest_rate_change_ts",
            "last_config_ts",
            "last_transfer_committed_at",
            "last_heartbeat_ts",
            "last_interest_capitalization_ts",
            "last_deletion_attempt_ts",
            "prepared_at",
            "deadline",
            "final_interest_rate_ts",
            "last_reminder_ts",
        )
    },
}


def _columns(row: type[msgspec.Struct]) -> str:
    return ", ".join(_HOW.get(name, name) for name in row.__struct_fields__)


_ACCOUNTS: Final = f"SELECT {_columns(ReferenceAccount)} FROM account ORDER BY debtor_id, creditor_id"  # noqa: S608
_TRANSFERS: Final = f"""
SELECT {_columns(ReferenceTransfer)} FROM prepared_transfer
ORDER BY debtor_id, sender_creditor_id, transfer_id
"""  # noqa: S608 - constants only

_FIND_COLUMNS: Final = """
SELECT table_name::text, column_name::text FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name IN ('account', 'prepared_transfer')
"""

# Whatever the version: what ends like this waits to be sent or processed.
_FIND_WAITING_TABLES: Final = r"""
SELECT table_name::text FROM information_schema.tables
WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
  AND (table_name ~ '_(signal|request)$' OR table_name = 'pending_balance_change')
ORDER BY 1
"""

_COUNT: Final = 'SELECT count(*) FROM "{table}"'

_FIND_OTHERS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
"""

_FIND_ENDLESS: Final = "SELECT count(*) FROM {table} WHERE NOT ({finite})"

# Each finds what must not be: the text for a row begins with its number of such rows in all.
_FIND_WRONG_LOCKS: Final = """
SELECT debtor_id, creditor_id, count(*) OVER ()
FROM (SELECT debtor_id, creditor_id, total_locked_amount, pending_transfers_count, last_transfer_id
      FROM account) AS a
FULL JOIN (SELECT debtor_id, sender_creditor_id AS creditor_id, count(*) AS number,
                  sum(locked_amount) AS locked, max(transfer_id) AS greatest
           FROM prepared_transfer GROUP BY 1, 2) AS t USING (debtor_id, creditor_id)
WHERE coalesce(a.pending_transfers_count, -1) <> coalesce(t.number, 0)
   OR coalesce(a.total_locked_amount, -1) <> least(coalesce(t.locked, 0), 9223372036854775807)
   OR a.last_transfer_id < t.greatest
ORDER BY debtor_id, creditor_id LIMIT %s
"""

_FIND_TWINS: Final = """
SELECT debtor_id, sender_creditor_id, count(*) OVER () FROM prepared_transfer
GROUP BY debtor_id, sender_creditor_id, coordinator_type, coordinator_id, coordinator_request_id
HAVING count(*) > 1
ORDER BY debtor_id, sender_creditor_id LIMIT %s
"""

_FIND_UNBALANCED: Final = """
SELECT debtor_id, sum(principal)::text, count(*) OVER () FROM account GROUP BY debtor_id
HAVING sum(principal) <> 0 AND NOT bool_or(status_flags & 2 <> 0)
ORDER BY debtor_id LIMIT %s
"""


class Examined(msgspec.Struct):
    """What was found: the numbers of rows, why they can not be imported, and what is lost if they are."""

    accounts: int = 0
    transfers: int = 0
    problems: list[str] = msgspec.field(default_factory=list)
    losses: list[str] = msgspec.field(default_factory=list)


@contextmanager
def reference_source(url: str) -> Iterator[Any]:
    """A connection to the database, in a snapshot that lasts to the end and can not write."""
    connection = connections.connect(url, "swpt_accounts import")
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        yield connection
    finally:
        connection.close()


def read_accounts(source: Any) -> Iterator[list[ReferenceAccount]]:
    """All accounts by their ids, in pages."""
    yield from _read(source, _ACCOUNTS, ReferenceAccount)


def read_transfers(source: Any) -> Iterator[list[ReferenceTransfer]]:
    """All prepared transfers by their ids, in pages."""
    yield from _read(source, _TRANSFERS, ReferenceTransfer)


def _read(source: Any, query: str, row: type[T]) -> Iterator[list[T]]:
    with source.cursor("reference") as cursor:
        cursor.itersize = PAGE
        cursor.execute(query)
        while page := cursor.fetchmany(PAGE):
            yield [row(*values) for values in page]


def examine(source: Any, *, is_forced: bool = False) -> Examined:
    """Look at everything before anything is written.  Raises OperatorError if it is no such database."""
    examined = Examined()
    with source.cursor() as cursor:
        _check_form(cursor)
        if not is_forced:
            _check_stopped(cursor, examined)
        _check_drained(cursor, examined)
        are_finite = _check_moments(cursor, examined)
        _check_books(cursor, examined)
        _count_losses(cursor, examined)
    if are_finite:
        _check_rows(source, examined)
    return examined


def _check_form(cursor: Any) -> None:
    cursor.execute(_FIND_COLUMNS)
    found = set(cursor.fetchall())
    wanted = {("account", name) for name in ReferenceAccount.__struct_fields__}
    wanted |= {("prepared_transfer", name) for name in ReferenceTransfer.__struct_fields__}
    if missing := sorted(".".join(one) for one in wanted - found):
        listed = ", ".join(missing[:_MOST_LISTED])
        raise OperatorError(
            f"this is no database of the reference server in a form that is known: no {listed}"
        )


def _check_stopped(cursor: Any, examined: Examined) -> None:
    cursor.execute(_FIND_OTHERS)
    others = cursor.fetchone()[0]
    if others:
        examined.problems.append(
            f"{others} others are connected to the source: stop the reference server, or use --force if it is"
            " not one of them"
        )


def _check_drained(cursor: Any, examined: Examined) -> None:
    cursor.execute(_FIND_WAITING_TABLES)
    for (table,) in cursor.fetchall():
        if rows := _count(cursor, table):
            examined.problems.append(
                f"{rows} rows wait in {table}: let the reference server work until it is empty, then stop it"
            )


def _check_moments(cursor: Any, examined: Examined) -> bool:
    """Infinite moments can not even be read."""
    are_finite = True
    for table, row in (("account", ReferenceAccount), ("prepared_transfer", ReferenceTransfer)):
        finite = " AND ".join(
            f"isfinite(coalesce({name}, DATE '1970-01-01'))"
            for name in row.__struct_fields__
            if "epoch" in _HOW.get(name, "") or name == "creation_date"
        )
        cursor.execute(_FIND_ENDLESS.format(table=table, finite=finite))
        if rows := cursor.fetchone()[0]:
            examined.problems.append(f"{rows} rows of {table} have an infinite moment")
            are_finite = False
    return are_finite


def _check_books(cursor: Any, examined: Examined) -> None:
    for query, what in (
        (_FIND_WRONG_LOCKS, "accounts do not agree with their prepared transfers"),
        (_FIND_TWINS, "requests have two prepared transfers"),
    ):
        cursor.execute(query, [_MOST_LISTED])
        if rows := cursor.fetchall():
            listed = ", ".join(f"{debtor_id}/{creditor_id}" for debtor_id, creditor_id, _ in rows)
            examined.problems.append(f"{rows[0][2]} {what}: {listed}")
    cursor.execute(_FIND_UNBALANCED, [_MOST_LISTED])
    if rows := cursor.fetchall():
        listed = ", ".join(f"those of {debtor_id} to {total}" for debtor_id, total, _ in rows)
        examined.problems.append(
            f"the principals of {rows[0][2]} currencies do not add up to 0, {listed}: credits are on their"
            " way in its queue, or it is damaged, or one shard of several, which can not be imported"
        )


def _check_rows(source: Any, examined: Examined) -> None:
    """Every row by the rules that map it."""
    reasons: list[str] = []
    refused = unreadable = 0
    for accounts in read_accounts(source):
        examined.accounts += len(accounts)
        found = [
            f"account {one.debtor_id}/{one.creditor_id} {why}"
            for one in accounts
            if (why := why_not_account(one))
        ]
        refused += len(found)
        reasons += found[: _MOST_LISTED - len(reasons)]
        unreadable += sum(not _has_readable_configuration(one) for one in accounts)
    for transfers in read_transfers(source):
        examined.transfers += len(transfers)
        found = [
            f"prepared transfer {one.debtor_id}/{one.sender_creditor_id}/{one.transfer_id} {why}"
            for one in transfers
            if (why := why_not_transfer(one))
        ]
        refused += len(found)
        reasons += found[: _MOST_LISTED - len(reasons)]
    examined.problems += reasons
    if refused > len(reasons):
        examined.problems.append(f"and so on: {refused} rows in all can not be taken over")
    if unreadable:
        examined.losses.append(
            f"{unreadable} configurations of currencies that can not be read: accounts keep their rate, and"
            " nothing is issued until they are configured anew"
        )


def _has_readable_configuration(account: ReferenceAccount) -> bool:
    config_data = root_configuration_of(account)
    return config_data is None or parse_root_config(config_data) is not None


def _count_losses(cursor: Any, examined: Examined) -> None:
    examined.losses.append("past transfers: the source keeps none, the ledgers here begin with the import")
    cursor.execute("SELECT to_regclass('registered_balance_change') IS NOT NULL")
    if cursor.fetchone()[0] and (rows := _count(cursor, "registered_balance_change")):
        examined.losses.append(
            f"{rows} rows of registered_balance_change, which have neither creditor nor amount of a credit"
        )
    cursor.execute("SELECT count(*) FROM account WHERE creditor_id <> 0 AND config_data <> ''")
    if rows := cursor.fetchone()[0]:
        examined.losses.append(f"the config_data of {rows} accounts that are no root accounts")


def _count(cursor: Any, table: str) -> int:
    cursor.execute(_COUNT.format(table=table))
    return int(cursor.fetchone()[0])
