"""Gathers the facts of a batch: locks its accounts in key order, then loads what the rules ask for."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from logging import getLogger
from typing import Any, Final, get_type_hints

import msgspec

from . import statements as sql
from .account_memory import UNKNOWN, AccountMemory
from .accounts import Account
from .currency import DebtorInfo
from .debtor_infos import DebtorInfos
from .facts import AccountKey, Credit, CreditKey, Currency, Facts, TransferKey, request_key
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

# A row of `sql.ACCOUNT_ROW`: the fields of an account, but with the number of the info, and the version.
_ROW_TYPES: Final = tuple(
    int if kind is DebtorInfo else kind for kind in (*get_type_hints(Account).values(), int)
)
_read_rows: Final = msgspec.json.Decoder(list[tuple[_ROW_TYPES]]).decode  # type: ignore[valid-type]

settings_of = lru_cache(maxsize=4096)(parse_root_config)
"""`schemas.parse_root_config`, remembered: a root configuration is parsed once, not once a batch."""


def gather(
    cursor: Any,
    messages: Sequence[Message],
    policy: Policy,
    infos: DebtorInfos,
    memory: AccountMemory,
    clock: Callable[[], Moment],
) -> Facts:
    """Lock and load everything that the messages can touch, then read the moment.

    The transfers that are finalized are read before the locks, because they tell whom to lock.  If one
    of them has ended in between, that is noticed here or when it is deleted: then BatchConflictError
    is raised, and the transaction has to be tried again.
    """
    prepares = [m for m in messages if isinstance(m, PrepareTransfer)]
    finalizes = [m for m in messages if isinstance(m, FinalizeTransfer)]
    balance_changes = [m for m in messages if isinstance(m, PendingBalanceChange)]
    configures = [m for m in messages if isinstance(m, ConfigureAccount)]

    prepared = _load_transfers(cursor, finalizes)
    touched = {(m.debtor_id, m.creditor_id) for m in configures}
    touched.update((m.debtor_id, m.creditor_id) for m in prepares)
    touched.update((m.debtor_id, m.creditor_id) for m in balance_changes)
    for (debtor_id, creditor_id, _), transfer in prepared.items():
        touched.add((debtor_id, creditor_id))
        touched.add((debtor_id, transfer.recipient_creditor_id))
    if finalizes and prepares:
        touched.update(_recipients_within(prepares, finalizes))

    accounts = lock_accounts(cursor, touched, infos, memory)
    # Nobody purges an account that has prepared transfers; so those of a missing one have ended.
    prepared = {key: transfer for key, transfer in prepared.items() if key[:2] in accounts}
    _load_repeated(cursor, prepares, prepared)
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


def lock_accounts(
    cursor: Any, keys: Iterable[AccountKey], infos: DebtorInfos, memory: AccountMemory | None = None
) -> dict[AccountKey, Account]:
    """Lock the existing ones of these accounts in key order, and load those that `memory` does not know."""
    ordered = sorted(keys)
    if not ordered:
        return {}
    known = {} if memory is None else memory.recall(cursor.connection, ordered)
    rows = [(*key, known[key][0] if key in known else UNKNOWN) for key in ordered]
    sql.LOCK_ACCOUNTS.run(cursor, arrays(("debtor_id", "creditor_id", "version"), rows))
    found: dict[AccountKey, str | None] = {(row[0], row[1]): row[2] for row in cursor.fetchall()}
    fresh = _read_accounts(cursor, [text for text in found.values() if text is not None], infos, memory)
    return {key: known[key][1] if text is None else fresh[key] for key, text in found.items()}


def accounts_of(cursor: Any, rows: Sequence[Any], infos: DebtorInfos) -> dict[AccountKey, Account]:
    """Rows that hold `statements.ACCOUNT_ROW` alone as accounts, in the order of the rows."""
    return _read_accounts(cursor, [text for (text,) in rows], infos, None)


def _read_accounts(
    cursor: Any, texts: Sequence[str], infos: DebtorInfos, memory: AccountMemory | None
) -> dict[AccountKey, Account]:
    if not texts:
        return {}
    # PostgreSQL writes -0.0 as an integer, which has no sign in JSON.
    text = f"[{','.join(texts)}]".replace("-0,", "-0.0,")
    rows: list[Any] = _read_rows(text)
    known = infos.load(cursor, {row[_INFO] for row in rows})
    accounts = {}
    for row in rows:
        account = Account(*row[:_INFO], known[row[_INFO]], *row[_INFO + 1 : -1])  # type: ignore[call-arg]
        accounts[row[0], row[1]] = account
        if memory is not None:
            memory.keep(row[-1], [account])
    return accounts


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
    cursor: Any, finalizes: Sequence[FinalizeTransfer]
) -> dict[TransferKey, PreparedTransfer]:
    """The prepared transfers that the messages finalize.

    One that is committed only after this has not been announced yet: who finalizes it has guessed its id.
    """
    if not finalizes:
        return {}
    keys = sorted({(m.debtor_id, m.creditor_id, m.transfer_id) for m in finalizes})
    sql.LOAD_TRANSFERS.run(cursor, arrays(("debtor_id", "creditor_id", "transfer_id"), keys))
    return {(row[0], row[1], row[2]): PreparedTransfer(*row) for row in cursor.fetchall()}


def _load_repeated(
    cursor: Any, prepares: Sequence[PrepareTransfer], prepared: dict[TransferKey, PreparedTransfer]
) -> None:
    """Add the prepared transfers of earlier deliveries of the same requests, under the senders' locks."""
    if not prepares:
        return
    requests = {request_key(m) for m in prepares}
    known = {request_key(transfer) for transfer in prepared.values()}
    sql.LOAD_REPEATED.run(cursor, arrays(sql.REQUEST_KEY, sorted(requests)))
    repeated = [PreparedTransfer(*row) for row in cursor.fetchall()]
    if not (known & requests) <= {request_key(transfer) for transfer in repeated}:
        raise BatchConflictError("a transfer was finalized by another worker")
    prepared.update({(t.debtor_id, t.creditor_id, t.transfer_id): t for t in repeated})


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
