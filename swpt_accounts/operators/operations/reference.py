"""Imports a database of the public reference server (docs/from-the-reference.md).

Everything is written in one transaction, and proved before its end: whoever is interrupted leaves an empty
database, and whoever comes again finds the import done or does it from the beginning.  Rows go in pages from
a snapshot of the source, so that memory does not grow with the number of accounts.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from swpt_accounts.operators.inspection.reference import Examined, read_accounts, read_transfers
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.currency import NO_DEBTOR_INFO, DebtorInfo
from swpt_accounts.rules.openings import opening_balance
from swpt_accounts.rules.reference import account_of, root_configuration_of, transfer_of
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.arrays import arrays
from swpt_accounts.storage.prepared import Statement
from swpt_accounts.transactions import columns
from swpt_accounts.transactions import writing as sql
from swpt_accounts.wire.moments import T0, Moment, render_timestamp

from .conflicts import transact
from .orders import Order

ACTION: Final = "import-reference"

_MOST_INFOS: Final = 10_000
_INFO: Final = columns.ACCOUNT_COLUMNS.index("debtor_info_id")
_astuple = msgspec.structs.astuple

# Nobody who writes accounts gets in between, and no second import.
_LOCK: Final = "LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE"

_EMPTY: Final = (
    "account",
    "account_update_due",
    "journal",
    "outbox",
    "prepared_transfer",
    "registered_balance_change",
    "root_configuration",
)
_HOLDS_ROWS: Final = "SELECT EXISTS (SELECT 1 FROM {table})"

_FIND_IMPORT: Final = "SELECT happened_at FROM audit WHERE action = %s ORDER BY audit_id DESC LIMIT 1"

_SETTINGS_VERSION: Final = "SELECT settings_version FROM server_record"

# A number that was given before finds itself, because the text of an info is unique.
_NUMBER_OF_INFO: Final = """
INSERT INTO debtor_info (iri, content_type, sha256) VALUES (%(iri)s, %(content_type)s, %(sha256)s)
ON CONFLICT (iri, content_type, sha256) DO UPDATE SET iri = excluded.iri
RETURNING debtor_info_id
"""

_ANALYZE: Final = "ANALYZE account, prepared_transfer"

# What must not change on the way, as each database sees it by itself.
_PRINT_ACCOUNTS: Final = """
SELECT count(*), coalesce(sum(hashtextextended(concat_ws(',', debtor_id, creditor_id, principal,
    last_transfer_id, last_transfer_number, last_change_seqnum, last_config_seqnum, config_flags,
    total_locked_amount, pending_transfers_count), 0)::numeric), 0)::text
FROM account
"""
_PRINT_TRANSFERS: Final = """
SELECT count(*), coalesce(sum(hashtextextended(concat_ws(',', debtor_id, {sender}, transfer_id,
    coordinator_type, coordinator_id, coordinator_request_id, recipient_creditor_id, locked_amount),
    0)::numeric), 0)::text
FROM prepared_transfer
"""

_COUNT_WRONG: Final = """
SELECT
  (SELECT count(*) FROM (SELECT FROM account GROUP BY debtor_id
                         HAVING sum(principal) <> 0 AND NOT bool_or(overflown)) AS unbalanced),
  (SELECT count(*) FROM account a
   FULL JOIN (SELECT debtor_id, creditor_id, count(*) AS number, sum(locked_amount) AS locked,
                     max(transfer_id) AS greatest
              FROM prepared_transfer GROUP BY 1, 2) AS t USING (debtor_id, creditor_id)
   WHERE coalesce(a.pending_transfers_count, -1) <> coalesce(t.number, 0)
      OR coalesce(a.total_locked_amount, -1) <> least(coalesce(t.locked, 0), 9223372036854775807)
      OR a.last_transfer_id < t.greatest),
  (SELECT count(*) FROM account a
   FULL JOIN journal j ON j.debtor_id = a.debtor_id AND j.recipient_creditor_id = a.creditor_id
   WHERE (a.principal, a.last_transfer_number, a.created_at)
      IS DISTINCT FROM (j.recipient_principal, j.recipient_transfer_number, j.recipient_created_at))
"""


class Imported(msgspec.Struct, frozen=True):
    """What an import has written, and when; nothing if it was stopped."""

    imported_at: Moment
    accounts: int
    transfers: int
    is_finished: bool


class _StoppedError(Exception):
    """Somebody has asked us to stop: the transaction is rolled back."""


def import_reference(
    connection: Any,
    source: Any,
    examined: Examined,
    *,
    order: Order,
    progress: Callable[[int], None] = lambda rows: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Imported:
    """Write the accounts and prepared transfers of the source into this database, which has to be empty.

    `examined` is what was found in the same snapshot; `progress` hears how many rows are written.  Raises
    OperatorError, with the reasons, if the source can not be taken over, or if this database is in use.
    """
    if examined.problems:
        raise OperatorError("nothing is imported:\n" + "\n".join(f"- {one}" for one in examined.problems))

    def run(cursor: Any) -> Imported:
        _check_empty(cursor)
        writer = _Writer(cursor, order.clock(), progress, is_stopping)
        writer.write_accounts(source)
        writer.write_transfers(source)
        cursor.execute(_ANALYZE)
        _prove(cursor, source)
        assert (writer.accounts, writer.transfers) == (examined.accounts, examined.transfers), "one snapshot"
        detail = f"{writer.accounts} accounts, {writer.transfers} prepared transfers"
        order.write_down(cursor, ACTION, "a database of the reference server", detail)
        return Imported(writer.now, writer.accounts, writer.transfers, True)

    try:
        return transact(connection, run)
    except _StoppedError:
        return Imported(T0, 0, 0, False)


def _check_empty(cursor: Any) -> None:
    cursor.execute(_LOCK)
    cursor.execute(_FIND_IMPORT, [ACTION])
    if row := cursor.fetchone():
        raise OperatorError(f"nothing is imported: an import was finished here at {render_timestamp(row[0])}")
    for table in _EMPTY:
        cursor.execute(_HOLDS_ROWS.format(table=table))
        if cursor.fetchone()[0]:
            raise OperatorError(
                f"nothing is imported: the table {table} holds rows, and an import needs a new database"
            )


class _Writer:
    """Writes page after page in the transaction of a cursor."""

    def __init__(
        self, cursor: Any, now: Moment, progress: Callable[[int], None], is_stopping: Callable[[], bool]
    ) -> None:
        cursor.execute(_SETTINGS_VERSION)
        [self._settings_version] = cursor.fetchone()
        self._cursor = cursor
        self._progress = progress
        self._is_stopping = is_stopping
        self._infos: dict[DebtorInfo, int] = {NO_DEBTOR_INFO: 0}
        self.now = now
        self.accounts = 0
        self.transfers = 0

    def write_accounts(self, source: Any) -> None:
        """All accounts: each with its opening balance, and its announcement due unless it is deleted."""
        for page in read_accounts(source):
            self._go_on()
            accounts = [account_of(one, self._settings_version, self.now) for one in page]
            self._insert(sql.INSERT_ACCOUNTS, columns.ACCOUNT_COLUMNS, [self._row(one) for one in accounts])
            openings = [_astuple(opening_balance(one, self.now)) for one in accounts]
            self._insert(sql.INSERT_ENTRIES, columns.JOURNAL_COLUMNS, openings)
            due = [(one.debtor_id, one.creditor_id, self.now) for one in accounts if not one.is_deleted]
            self._insert(sql.INSERT_UPDATES_DUE, [*columns.ACCOUNT_KEY, "due_at"], due)
            for one in page:
                config_data = root_configuration_of(one)
                if config_data is not None:
                    row = {"debtor_id": one.debtor_id, "config_data": config_data}
                    self._cursor.execute(sql.STORE_ROOT_CONFIGURATION, row)
            self.accounts += len(page)

    def write_transfers(self, source: Any) -> None:
        """All prepared transfers."""
        for page in read_transfers(source):
            self._go_on()
            rows = [_astuple(transfer_of(one)) for one in page]
            self._insert(sql.INSERT_TRANSFERS, columns.TRANSFER_COLUMNS, rows)
            self.transfers += len(page)

    def _go_on(self) -> None:
        if self._is_stopping():
            raise _StoppedError
        self._progress(self.accounts + self.transfers)

    def _row(self, account: Account) -> list[object]:
        row = list(_astuple(account))
        row[_INFO] = self._number(account.debtor_info)
        return row

    def _number(self, info: DebtorInfo) -> int:
        """The number of a debtor info, of which most accounts of a currency have the same."""
        number = self._infos.get(info)
        if number is None:
            if len(self._infos) >= _MOST_INFOS:
                self._infos = {NO_DEBTOR_INFO: 0}
            self._cursor.execute(_NUMBER_OF_INFO, msgspec.structs.asdict(info))
            number = self._infos[info] = self._cursor.fetchone()[0]
        return number

    def _insert(self, statement: Statement, names: Sequence[str], rows: Sequence[Iterable[object]]) -> None:
        if rows:
            statement.run(self._cursor, arrays(names, rows))
            assert self._cursor.rowcount == len(rows), statement.name


def _prove(cursor: Any, source: Any) -> None:
    """What was written is what was read, and the books are in order; the ids and numbers continue."""
    for query, there in (
        (_PRINT_ACCOUNTS, _PRINT_ACCOUNTS),
        (_PRINT_TRANSFERS.format(sender="creditor_id"), _PRINT_TRANSFERS.format(sender="sender_creditor_id")),
    ):
        cursor.execute(query)
        with source.cursor() as reader:
            reader.execute(there)
            assert cursor.fetchone() == reader.fetchone(), "what was written is not what was read"
    cursor.execute(_COUNT_WRONG)
    unbalanced, wrong_locks, wrong_openings = cursor.fetchone()
    assert unbalanced == 0, f"{unbalanced} currencies do not add up to 0"
    assert wrong_locks == 0, f"{wrong_locks} accounts do not agree with their prepared transfers"
    assert wrong_openings == 0, f"{wrong_openings} accounts do not agree with their opening balances"
