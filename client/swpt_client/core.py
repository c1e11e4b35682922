"""Folds the tables over a batch: records and inputs in; changed records, messages and news out.

How a store drives it, in one transaction:

1. `needs(inputs)` names the keys of the records that the inputs touch.  The store completes them
   (a request key leads to its transfer, a transfer with a `bundle_key` to its bundle, a bundle to
   its `transfers_of` and its `accounts_of`), locks transfers that belong to no bundle, then bundles,
   then their transfers, then accounts, each by key, and reads the records under the lock.
2. `needs_stored(inputs, records, now)` names the accounts whose stored transfers are needed, all
   of their latest ledger.  In ordinary life there are none, and nothing is asked for.
3. `fold(inputs, records, now, chance, policy)` decides.  It never fails: "no" is a `Refusal` in
   `Result.answers`, a message that is not ours is in `Result.foreign`.
4. The store upserts `accounts`, `transfers` and `bundles`, deletes what `deleted_…` names, inserts
   `entries`, inserts `stored` where it is not there yet, deletes what `unstored` names, and puts
   `outgoing` with their `ref` into the outbox.  It hands `news` to the handlers.  It commits.
5. When the broker has confirmed a message with a `ref`, the outbox row goes, and a `Sent` with
   that `ref` comes in, both in one transaction (a lost report only means that the row is still
   there, so the message is sent and reported again).
6. A timer reads keys of records with `due_at` ≤ now, and feeds `Due`; the records are read again
   under the lock, and `fold` ignores what is not due any more.

A store may fold inputs one by one or in batches of any size, with the same result, except that
repeated messages and news are fewer in batches.  `chance` is 64 fresh random bits for each fold:
request ids and the jitter of repetitions are made from them.  If the unique index of request keys
refuses a new transfer, the transaction is repeated with a new `chance`.  `now` is read once, after
the records are locked; a clock that steps back does no harm.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from . import account_rows, bundle, ledger, pace, transfer_rows
from .desk import Answer, Desk, Records, Result
from .inputs import (
    Abandon,
    Begin,
    BeginBundle,
    CloseTail,
    Commit,
    Configure,
    Dismiss,
    DismissBundle,
    Due,
    Input,
    Park,
    Refusal,
    Resume,
    Sent,
)
from .messages import (
    AccountPurge,
    AccountTransfer,
    AccountUpdate,
    FinalizedTransfer,
    PreparedTransfer,
    RejectedConfig,
    RejectedTransfer,
)
from .moments import Moment
from .policy import Policy
from .records import Account, AccountKey, Bundle, RequestKey
from .step import Outgoing

__all__ = [
    "Answer",
    "Needs",
    "Outgoing",
    "Records",
    "Result",
    "accounts_of",
    "fold",
    "needs",
    "needs_stored",
    "transfers_of",
]


class Needs(msgspec.Struct, frozen=True):
    """Keys of the records that some inputs touch, before the store completes them."""

    accounts: set[AccountKey]
    transfers: set[str]
    requests: set[RequestKey]
    bundles: set[str]
    glimpses: set[AccountKey]
    """Accounts that are only looked at: nobody has to wait for what others do with them."""


def needs(inputs: Iterable[Input]) -> Needs:
    """The keys of the records that the inputs touch.  Takes no records and no clock."""
    wanted = Needs(set(), set(), set(), set(), set())
    one: Any
    for one in inputs:
        kind = type(one)
        if kind in _ANSWERS:
            wanted.requests.add(
                RequestKey(one.coordinator_type, one.coordinator_id, one.coordinator_request_id)
            )
        elif kind in _STATEMENTS:
            wanted.accounts.add(AccountKey(one.debtor_id, one.creditor_id))
        elif isinstance(one, Begin):
            wanted.transfers.add(one.key)
            wanted.glimpses.add(AccountKey(one.request.debtor_id, one.request.creditor_id))
        elif isinstance(one, BeginBundle):
            wanted.bundles.add(one.key)
            wanted.glimpses.update(bundle.accounts_of_legs(one.legs))
        elif isinstance(one, Commit | Dismiss):
            wanted.transfers.add(one.key)
        elif isinstance(one, DismissBundle):
            wanted.bundles.add(one.key)
        elif isinstance(one, Configure | CloseTail):
            wanted.accounts.add(one.key)
        elif isinstance(one, Sent):
            _name(wanted, one.ref.kind, one.ref.key)
        else:
            _name(wanted, one.kind, one.key)
    return wanted


def _name(wanted: Needs, kind: str, key: str | AccountKey) -> None:
    if isinstance(key, str):
        (wanted.bundles if kind == "bundle" else wanted.transfers).add(key)
    else:
        wanted.accounts.add(AccountKey(*key))


def transfers_of(one: Bundle) -> set[str]:
    """The transfers that must be read with a bundle."""
    return bundle.transfers_of(one)


def accounts_of(one: Bundle) -> set[AccountKey]:
    """The accounts that must be read with a bundle."""
    return bundle.accounts_of(one)


def needs_stored(inputs: Iterable[Input], records: Records, now: Moment) -> set[AccountKey]:
    """The accounts whose stored transfers the fold will want to see."""
    wanted = set()
    for one in inputs:
        if isinstance(one, AccountTransfer | AccountUpdate):
            record = records.accounts.get(AccountKey(one.debtor_id, one.creditor_id))
            if record is not None and _wants_stored(record, one):
                wanted.add(record.key)
        elif isinstance(one, Due | CloseTail) and not isinstance(one.key, str):
            record = records.accounts.get(AccountKey(*one.key))
            if record is None or record.ledger is None or record.ledger.gap_since is None:
                continue
            if isinstance(one, CloseTail) or pace.is_past(record.due_at, now):
                wanted.add(record.key)
    return wanted


def _wants_stored(record: Account, message: AccountTransfer | AccountUpdate) -> bool:
    if record.ledger is None:
        return False
    if isinstance(message, AccountTransfer):
        return ledger.needs_stored(record.ledger, message)
    return record.ledger.gap_since is not None and message.creation_date > record.ledger.creation_date


def fold(inputs: Sequence[Input], records: Records, now: Moment, chance: int, policy: Policy) -> Result:
    """Take the inputs one after the other, and decide."""
    desk = Desk(records, now, chance, policy)
    answers: list[Answer] = [None] * len(inputs)
    calls: list[int] = []
    one: Any
    for index, one in enumerate(inputs):
        kind = type(one)
        if kind in _ANSWERS:
            if policy.owns_coordinator(one.coordinator_type, one.coordinator_id):
                _ANSWERS[kind](desk, one)
            else:
                desk.result.foreign.append(index)
        elif kind in _STATEMENTS:
            if policy.owns_account(one.debtor_id, one.creditor_id):
                _STATEMENTS[kind](desk, one)
            else:
                desk.result.foreign.append(index)
        elif kind in _CALLS:
            answers[index] = _CALLS[kind](desk, one)
            calls.append(index)
        else:
            _TICKS[kind](desk, one)
    transfer_rows.advance_bundles(desk)
    desk.file()
    for index in calls:
        if answers[index] is None:
            answers[index] = _answer(desk, inputs[index])
    desk.result.answers = answers
    return desk.result


def _sent(desk: Desk, one: Sent) -> None:
    ref = one.ref
    if isinstance(ref.key, str):
        transfer_rows.sent(desk, ref.key, ref.copy, one.at)
    else:
        account_rows.sent(desk, AccountKey(*ref.key), ref.copy, one.at)


def _due(desk: Desk, one: Due) -> None:
    if not isinstance(one.key, str):
        account_rows.due(desk, AccountKey(*one.key))
    elif one.kind == "bundle":
        transfer_rows.due_bundle(desk, one.key)
    else:
        transfer_rows.due(desk, one.key)


_ANSWERS: Final[dict[type, Callable[[Desk, Any], None]]] = {
    PreparedTransfer: transfer_rows.prepared,
    FinalizedTransfer: transfer_rows.finalized,
    RejectedTransfer: transfer_rows.rejected,
}
"""To a coordinator."""
_STATEMENTS: Final[dict[type, Callable[[Desk, Any], None]]] = {
    AccountUpdate: account_rows.account_update,
    AccountTransfer: account_rows.account_transfer,
    AccountPurge: account_rows.account_purge,
    RejectedConfig: account_rows.rejected_config,
}
"""About an account."""
_CALLS: Final[dict[type, Callable[[Desk, Any], Refusal | None]]] = {
    Configure: account_rows.configure,
    CloseTail: account_rows.close_tail,
    Begin: transfer_rows.begin,
    Commit: transfer_rows.commit,
    Dismiss: transfer_rows.dismiss,
    BeginBundle: transfer_rows.begin_bundle,
    DismissBundle: transfer_rows.dismiss_bundle,
    Park: transfer_rows.park,
    Resume: transfer_rows.resume,
    Abandon: transfer_rows.abandon,
}
_TICKS: Final[dict[type, Callable[[Desk, Any], None]]] = {Sent: _sent, Due: _due}
_BUNDLE_CALLS: Final = (BeginBundle, DismissBundle)


def _answer(desk: Desk, one: Any) -> Answer:
    """The record of a call, as it is at the end."""
    key = one.key
    if type(one) is Begin:
        return desk.result.transfers.get(key) or desk.transfer(key)
    if not isinstance(key, str):
        return desk.result.accounts.get(key) or desk.account(key)
    if isinstance(one, _BUNDLE_CALLS) or getattr(one, "kind", "") == "bundle":
        return desk.result.bundles.get(key) or desk.bundle(key)
    return desk.result.transfers.get(key) or desk.transfer(key)
