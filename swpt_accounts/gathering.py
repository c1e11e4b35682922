"""Gathers the facts of a batch: locks its accounts in key order, then loads what the rules ask for."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from logging import getLogger
from typing import Any, Final

from . import statements as sql
from .accounts import Account
from .currency import DebtorInfo
from .debtor_infos import DebtorInfos
from .facts import AccountKey, Credit, CreditKey, Currency, Facts, TransferKey
from .faults import BatchConflictError
from .limits import ROOT_CREDITOR_ID
from .messages import ConfigureAccount, FinalizeTransfer, Message, PendingBalanceChange, PrepareTransfer
from .moments import Moment
from .policy import Policy
from .schemas import parse_root_config
from .statements import arrays, int_array
from .transfers import PreparedTransfer, parse_recipient

_logger: Final = getLogger(__name__)

_INFO: Final = sql.ACCOUNT_COLUMNS.index("debtor_info_id")

settings_of = lru_cache(maxsize=4096)(parse_root_config)
"""`schemas.parse_root_config`, remembered: a root configuration is parsed once, not once a batch."""


def gather(
    cursor: Any, messages: Sequence[Message], policy: Policy, infos: DebtorInfos, clock: Callable[[], Moment]
) -> Facts:
    """Lock and load everything that the messages can touch, then read the moment.

    Raises BatchConflictError if another worker changed the picture in between: the transaction
    has to be tried again.
    """
    prepares = [m for m in messages if isinstance(m, PrepareTransfer)]
    finalizes = [m for m in messages if isinstance(m, FinalizeTransfer)]
    balance_changes = [m for m in messages if isinstance(m, PendingBalanceChange)]
    configures = [m for m in messages if isinstance(m, ConfigureAccount)]

    recipients = _find_recipients(cursor, finalizes)
    touched = {(m.debtor_id, m.creditor_id) for m in configures}
    touched.update((m.debtor_id, m.creditor_id) for m in prepares)
    touched.update((m.debtor_id, m.creditor_id) for m in balance_changes)
    for (debtor_id, creditor_id, _), recipient_id in recipients.items():
        touched.add((debtor_id, creditor_id))
        touched.add((debtor_id, recipient_id))
    if finalizes and prepares:
        touched.update(_recipients_within(prepares, finalizes))

    accounts = lock_accounts(cursor, touched, infos)
    prepared = _load_transfers(cursor, finalizes, prepares)
    _check_recipients(recipients, prepared, accounts.keys() | touched, finalizes)
    reachable = _find_reachable(cursor, prepares, touched)
    debtor_ids, creates_accounts = _debtors_to_load(touched, accounts)
    currencies = load_currencies(cursor, debtor_ids, creates_accounts=creates_accounts)
    known_credits = _load_credits(cursor, balance_changes)
    return Facts(
        now=clock(),
        policy=policy,
        accounts=accounts,
        prepared=prepared,
        reachable=reachable,
        currencies=currencies,
        credits=known_credits,
    )


def lock_accounts(cursor: Any, keys: Iterable[AccountKey], infos: DebtorInfos) -> dict[AccountKey, Account]:
    """Lock the existing ones of these accounts in key order, and load them."""
    ordered = sorted(keys)
    if not ordered:
        return {}
    sql.LOCK_ACCOUNTS.run(cursor, arrays(("debtor_id", "creditor_id"), ordered))
    return accounts_of(cursor, cursor.fetchall(), infos)


def accounts_of(cursor: Any, rows: Sequence[Any], infos: DebtorInfos) -> dict[AccountKey, Account]:
    """Rows of the table `account` as accounts, in the order of the rows."""
    known = infos.load(cursor, {row[_INFO] for row in rows})
    return {(row[0], row[1]): _account(row, known) for row in rows}


def _account(row: Any, known: dict[int, DebtorInfo]) -> Account:
    values = list(row)
    values[_INFO] = known[values[_INFO]]
    return Account(*values)


def _debtors_to_load(
    touched: Iterable[AccountKey], accounts: dict[AccountKey, Account]
) -> tuple[set[int], bool]:
    """Whose root configurations the batch asks for, and whether it may create or revive accounts."""
    roots = {debtor_id for debtor_id, creditor_id in touched if creditor_id == ROOT_CREDITOR_ID}
    newcomers = {key[0] for key in touched if key not in accounts or accounts[key].is_deleted}
    return roots | newcomers, bool(newcomers)


def load_currencies(
    cursor: Any, debtor_ids: Iterable[int], *, creates_accounts: bool = False
) -> dict[int, Currency]:
    """The root configurations of those debtors whose root account exists.

    A transaction that creates accounts gets its id before it reads the configurations, so that
    the propagation of a later configuration can wait for it.
    """
    ordered = sorted(set(debtor_ids))
    if not ordered:
        return {}
    if creates_accounts:
        cursor.execute(sql.GET_TRANSACTION_ID)
    sql.LOAD_CURRENCIES.run(cursor, [int_array(ordered)])
    return {debtor_id: _currency(debtor_id, config_data) for debtor_id, config_data in cursor.fetchall()}


@lru_cache(maxsize=4096)
def _currency(debtor_id: int, config_data: str) -> Currency:
    """Remembered also because one alarm of a process is enough."""
    settings = settings_of(config_data)
    if settings is None:
        _logger.error(
            "ALARM: the stored root configuration of debtor %d can not be read; nothing is issued, and its "
            "accounts keep rate and info, until it is configured anew",
            debtor_id,
        )
    return Currency(config_data, settings)


def _transfer_keys(finalizes: Sequence[FinalizeTransfer]) -> list[TransferKey]:
    return sorted({(m.debtor_id, m.creditor_id, m.transfer_id) for m in finalizes})


def _find_recipients(cursor: Any, finalizes: Sequence[FinalizeTransfer]) -> dict[TransferKey, int]:
    keys = _transfer_keys(finalizes)
    if not keys:
        return {}
    sql.FIND_RECIPIENTS.run(cursor, arrays(("debtor_id", "creditor_id", "transfer_id"), keys))
    return {(row[0], row[1], row[2]): row[3] for row in cursor.fetchall()}


def _recipients_within(
    prepares: Sequence[PrepareTransfer], finalizes: Sequence[FinalizeTransfer]
) -> set[AccountKey]:
    """Recipients of transfers that this batch may both prepare and finalize."""
    requests = {
        (m.debtor_id, m.creditor_id, m.coordinator_type, m.coordinator_id, m.coordinator_request_id)
        for m in finalizes
    }
    found = set()
    for m in prepares:
        key = m.debtor_id, m.creditor_id, m.coordinator_type, m.coordinator_id, m.coordinator_request_id
        if key in requests:
            recipient_id = parse_recipient(m.recipient)
            if recipient_id is not None:
                found.add((m.debtor_id, recipient_id))
    return found


def _load_transfers(
    cursor: Any, finalizes: Sequence[FinalizeTransfer], prepares: Sequence[PrepareTransfer]
) -> dict[TransferKey, PreparedTransfer]:
    """The prepared transfers of the batch, read under the locks of their senders."""
    rows = []
    keys = _transfer_keys(finalizes)
    if keys:
        sql.LOAD_TRANSFERS.run(cursor, arrays(("debtor_id", "creditor_id", "transfer_id"), keys))
        rows += cursor.fetchall()
    if prepares:
        requests = {
            (m.debtor_id, m.creditor_id, m.coordinator_type, m.coordinator_id, m.coordinator_request_id)
            for m in prepares
        }
        sql.LOAD_REPEATED.run(cursor, arrays(sql.REQUEST_KEY, sorted(requests)))
        rows += cursor.fetchall()
    return {(row[0], row[1], row[2]): PreparedTransfer(*row) for row in rows}


def _check_recipients(
    recipients: dict[TransferKey, int],
    prepared: dict[TransferKey, PreparedTransfer],
    locked: Iterable[AccountKey],
    finalizes: Sequence[FinalizeTransfer],
) -> None:
    """Make sure that both parties of every transfer that may be finalized are locked."""
    locked = set(locked)
    for key in _transfer_keys(finalizes):
        transfer = prepared.get(key)
        if transfer is None or key in recipients:
            continue
        parties = {key[:2], (key[0], transfer.recipient_creditor_id)}
        if not parties <= locked:
            raise BatchConflictError("a transfer was prepared while the batch was gathered")


def _find_reachable(
    cursor: Any, prepares: Sequence[PrepareTransfer], touched: set[AccountKey]
) -> set[AccountKey]:
    """The recipients of other accounts' transfers that accept them; locked ones are known already."""
    asked = set()
    for m in prepares:
        recipient_id = parse_recipient(m.recipient)
        if recipient_id is not None and (m.debtor_id, recipient_id) not in touched:
            asked.add((m.debtor_id, recipient_id))
    if not asked:
        return set()
    sql.FIND_REACHABLE.run(cursor, arrays(("debtor_id", "creditor_id"), sorted(asked)))
    return set(cursor.fetchall())


def _load_credits(cursor: Any, balance_changes: Sequence[PendingBalanceChange]) -> dict[CreditKey, Credit]:
    keys = sorted({(m.debtor_id, m.other_creditor_id, m.change_id) for m in balance_changes})
    if not keys:
        return {}
    sql.LOAD_CREDITS.run(cursor, arrays(("debtor_id", "other_creditor_id", "change_id"), keys))
    return {(row[0], row[1], row[2]): Credit(*row[3:]) for row in cursor.fetchall()}
