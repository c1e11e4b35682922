"""Gathers the facts of a batch: has its accounts locked, then loads what the rules ask for."""

from collections.abc import Callable, Collection, Container, Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from logging import getLogger
from typing import Any, Final

from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.currency import Currency
from swpt_accounts.rules.facts import (
    AccountKey,
    Credit,
    CreditKey,
    Facts,
    RequestKey,
    TransferKey,
    account_key,
    credit_key,
    request_key,
    transfer_key,
)
from swpt_accounts.rules.policy import Policy
from swpt_accounts.rules.root_config import settings_of
from swpt_accounts.rules.transfers import PreparedTransfer, parse_recipient
from swpt_accounts.storage.arrays import arrays, int_array
from swpt_accounts.storage.faults import BatchConflictError
from swpt_accounts.wire.messages import (
    ConfigureAccount,
    FinalizeTransfer,
    Message,
    PendingBalanceChange,
    PrepareTransfer,
)
from swpt_accounts.wire.moments import Moment, most_ahead
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID
from swpt_accounts.wire.routing import Realm

from . import columns
from . import reading as sql
from .account_locks import ask_for_accounts
from .context import TransactionContext
from .waiting import load_waiting, take_waiting

_logger: Final = getLogger(__name__)


def gather(
    cursor: Any,
    messages: Sequence[Message],
    context: TransactionContext,
    answered: Collection[RequestKey] = (),
) -> Facts:
    """Lock and load everything that the messages can touch, then read the moment (rule S3).

    The transfers that are finalized are read before the locks, because they say whom to lock.  If one
    of them has ended in between, that is noticed here or when it is deleted: then BatchConflictError
    is raised, and the transaction has to be tried again.

    The `answered` requests that still wait are taken from their table under the locks of their senders.

    What needs no answer is worked out between a question and its answer, for which an eager
    connection does not wait meanwhile.
    """
    policy = context.policy
    prepares = [m for m in messages if isinstance(m, PrepareTransfer)]
    finalizes = [m for m in messages if isinstance(m, FinalizeTransfer)]
    balance_changes = [m for m in messages if isinstance(m, PendingBalanceChange)]
    configures = [m for m in messages if isinstance(m, ConfigureAccount)]

    take_transfers = ask_for_transfers(cursor, set(map(transfer_key, finalizes)))
    changing: list[Message] = [*configures, *prepares, *balance_changes]
    touched = set(map(account_key, changing))
    touched.update(key[:2] for key in answered)
    if finalizes and prepares:
        touched.update(filter(policy.realm.owns_key, _recipients_within(prepares, finalizes)))
    prepared = take_transfers()
    _add_parties(touched, prepared.values(), policy.realm)
    take_accounts = ask_for_accounts(cursor, touched, context.infos, context.memory)
    requests = set(map(request_key, prepares))
    others = _recipients_outside(prepares, touched)
    foreign = {key for key in others if not policy.realm.owns_key(key)} if policy.realm.bits else set()
    accounts = take_accounts()
    missing = touched - accounts.keys()
    assert len(accounts) + len(missing) == len(touched), "nothing is read but what is locked"
    take_repeated = _ask_for_repeated(cursor, requests)
    if missing:
        # Nobody purges an account that has prepared transfers; so those of a missing one have ended.
        prepared = {key: transfer for key, transfer in prepared.items() if key[:2] not in missing}
    repeated = take_repeated()
    taken = take_waiting(cursor, answered) if answered else {}
    waiting = load_waiting(cursor, requests) if policy.realm.bits else {}
    take_reachable = _ask_for_reachable(cursor, others - foreign)
    _add_repeated(prepared, repeated, requests)
    roots = {debtor_id for debtor_id, creditor_id in touched if creditor_id == ROOT_CREDITOR_ID}
    newcomers = _debtors_of_newcomers(accounts.values(), missing)
    reachable = take_reachable()
    currencies = load_currencies(cursor, roots | newcomers, policy.realm, creates_accounts=bool(newcomers))
    known_credits = _load_credits(cursor, balance_changes)
    return Facts(
        now=context.clock(),
        policy=policy,
        accounts=accounts,
        prepared=prepared,
        reachable=reachable | context.reachable_memory.recall(foreign) if foreign else reachable,
        currencies=currencies,
        credits=known_credits,
        waiting=waiting,
        answered=taken,
    )


def _add_parties(touched: set[AccountKey], prepared: Iterable[PreparedTransfer], realm: Realm) -> None:
    """Senders, and recipients as far as they are on this shard."""
    for transfer in prepared:
        touched.add((transfer.debtor_id, transfer.creditor_id))
        if realm.owns(transfer.debtor_id, transfer.recipient_creditor_id):
            touched.add((transfer.debtor_id, transfer.recipient_creditor_id))


def _debtors_of_newcomers(accounts: Iterable[Account], missing: Iterable[AccountKey]) -> set[int]:
    """The debtors of accounts that the batch may create or revive."""
    newcomers = {debtor_id for debtor_id, _ in missing}
    newcomers.update(account.debtor_id for account in accounts if account.is_deleted)
    return newcomers


def load_currencies(
    cursor: Any, debtor_ids: Iterable[int], realm: Realm, *, creates_accounts: bool = False
) -> dict[int, Currency]:
    """The root configurations of those debtors whose root account exists on this shard.

    Rows of a root account that a split has left here count for nothing (decision 53).

    A transaction that creates accounts gets its id before it reads the configurations, so that
    the propagation of a later configuration can wait for it.
    """
    ordered = sorted({one for one in debtor_ids if realm.owns(one, ROOT_CREDITOR_ID)})
    if not ordered:
        return {}
    if creates_accounts:
        cursor.execute(sql.GET_TRANSACTION_ID)
    sql.LOAD_CURRENCIES.run(cursor, [int_array(ordered)])
    return {debtor_id: _currency(debtor_id, config_data) for debtor_id, config_data in cursor.fetchall()}


def load_foreign_currencies(
    cursor: Any, debtor_ids: Iterable[int], policy: Policy, now: Moment
) -> dict[int, Currency]:
    """The settings of those debtors whose root account is on another shard (rule R2).

    Not those that were read too long ago, or never, or while the clock was ahead.
    """
    ordered = sorted({one for one in debtor_ids if not policy.realm.owns(one, ROOT_CREDITOR_ID)})
    if not ordered:
        return {}
    oldest, newest = now - policy.settings_max_age, now + most_ahead(policy.settings_max_age)
    sql.LOAD_FOREIGN_CURRENCIES.run(cursor, [int_array(ordered), oldest, newest])
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
    requests = set(map(request_key, finalizes))
    found = set()
    for m in prepares:
        if request_key(m) in requests:
            recipient_id = parse_recipient(m.recipient)
            if recipient_id is not None:
                found.add((m.debtor_id, recipient_id))
    return found


# -- transfers ---------------------------------------------------------------------------------


def ask_for_transfers(
    cursor: Any, keys: Collection[TransferKey]
) -> Callable[[], dict[TransferKey, PreparedTransfer]]:
    """Those of these prepared transfers that are still there.

    One that is committed only after this has not been announced yet: who finalizes it has guessed its id.
    """
    if not keys:
        return dict
    sql.LOAD_TRANSFERS.run(cursor, arrays(columns.TRANSFER_KEY, sorted(keys)))
    return lambda: {(row[0], row[1], row[2]): PreparedTransfer(*row) for row in cursor.fetchall()}


def _ask_for_repeated(cursor: Any, requests: Collection[RequestKey]) -> Callable[[], list[PreparedTransfer]]:
    """The prepared transfers of earlier deliveries of the same requests, under the senders' locks."""
    if not requests:
        return list
    sql.LOAD_REPEATED.run(cursor, arrays(columns.REQUEST_KEY, sorted(requests)))
    return lambda: [PreparedTransfer(*row) for row in cursor.fetchall()]


def _add_repeated(
    prepared: dict[TransferKey, PreparedTransfer],
    repeated: Sequence[PreparedTransfer],
    requests: AbstractSet[RequestKey],
) -> None:
    known = set(map(request_key, prepared.values()))
    if not (known & requests) <= set(map(request_key, repeated)):
        raise BatchConflictError("a transfer was finalized by another worker")
    prepared.update((transfer_key(transfer), transfer) for transfer in repeated)


def _recipients_outside(
    prepares: Sequence[PrepareTransfer], touched: Container[AccountKey]
) -> set[AccountKey]:
    """The recipients of transfers that are not locked."""
    found = set()
    for m in prepares:
        recipient_id = parse_recipient(m.recipient)
        if recipient_id is not None and (key := (m.debtor_id, recipient_id)) not in touched:
            found.add(key)
    return found


def _ask_for_reachable(cursor: Any, keys: Iterable[AccountKey]) -> Callable[[], set[AccountKey]]:
    """Those of the accounts that accept transfers."""
    if not keys:
        return set
    sql.FIND_REACHABLE.run(cursor, arrays(columns.ACCOUNT_KEY, sorted(keys)))
    return lambda: set(cursor.fetchall())


def _load_credits(cursor: Any, balance_changes: Sequence[PendingBalanceChange]) -> dict[CreditKey, Credit]:
    keys = sorted(set(map(credit_key, balance_changes)))
    if not keys:
        return {}
    sql.LOAD_CREDITS.run(cursor, arrays(columns.CREDIT_KEY, keys))
    return {(row[0], row[1], row[2]): Credit(*row[3:]) for row in cursor.fetchall()}
