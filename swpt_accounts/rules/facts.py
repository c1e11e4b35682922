"""What a batch knows and what it leaves behind: the values around a book."""

from typing import TypeAlias

import msgspec

from swpt_accounts.wire.messages import FinalizeTransfer, Message, PendingBalanceChange, PrepareTransfer
from swpt_accounts.wire.moments import Moment

from .accounts import Account
from .currency import Currency
from .policy import Policy
from .transfers import PreparedTransfer

AccountKey: TypeAlias = tuple[int, int]
TransferKey: TypeAlias = tuple[int, int, int]
RequestKey: TypeAlias = tuple[int, int, str, int, int]
CreditKey: TypeAlias = tuple[int, int, int]


def account_key(named: Account | PreparedTransfer | Message) -> AccountKey:
    """The account itself, the sender of a transfer, or the account that a message is for."""
    return named.debtor_id, named.creditor_id


def transfer_key(named: PreparedTransfer | FinalizeTransfer) -> TransferKey:
    """What identifies a prepared transfer (rules.md#prepared-transfers)."""
    return named.debtor_id, named.creditor_id, named.transfer_id


def request_key(named: PrepareTransfer | FinalizeTransfer | PreparedTransfer) -> RequestKey:
    """What identifies a request for its sender (rules.md#prepared-transfers)."""
    return (
        named.debtor_id,
        named.creditor_id,
        named.coordinator_type,
        named.coordinator_id,
        named.coordinator_request_id,
    )


def credit_key(named: PendingBalanceChange) -> CreditKey:
    """What identifies a cross-shard credit, which its sender has numbered (rules.md#registry-of-credits)."""
    return named.debtor_id, named.other_creditor_id, named.change_id


class Credit(msgspec.Struct, frozen=True):
    """What the registry remembers of an applied cross-shard credit (rules.md#registry-of-credits)."""

    creditor_id: int
    principal_delta: int
    committed_at: Moment


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A committed transfer for the journal.  None: the party is on another shard.  Fields as in its table."""

    applied_at: Moment
    debtor_id: int
    sender_creditor_id: int
    recipient_creditor_id: int
    amount: int
    sender_principal: int | None
    recipient_principal: int | None
    sender_created_at: Moment | None
    recipient_created_at: Moment | None
    sender_transfer_number: int
    recipient_transfer_number: int
    committed_at: Moment
    transfer_id: int
    coordinator_id: int
    coordinator_request_id: int
    coordinator_type: str
    transfer_note_format: str
    transfer_note: str


class Facts(msgspec.Struct, kw_only=True):
    """What was gathered under the locks of a batch.

    `accounts` holds every account that the batch may change; one that is missing does not exist.
    `reachable` holds the other recipients that accept transfers; of those on other shards the ones that
    have just said so.  `waiting` holds the requests of this batch that wait for another shard already, and
    `answered` those that have waited for an answer which is decided with the batch.
    `currencies` holds the debtors whose root account exists, as far as the batch needs them.  `incoming`
    holds the accounts to which a prepared transfer can still be committed, as far as deletions need them.
    """

    now: Moment
    policy: Policy
    accounts: dict[AccountKey, Account] = msgspec.field(default_factory=dict)
    prepared: dict[TransferKey, PreparedTransfer] = msgspec.field(default_factory=dict)
    reachable: set[AccountKey] = msgspec.field(default_factory=set)
    currencies: dict[int, Currency] = msgspec.field(default_factory=dict)
    credits: dict[CreditKey, Credit] = msgspec.field(default_factory=dict)
    waiting: dict[RequestKey, PrepareTransfer] = msgspec.field(default_factory=dict)
    answered: dict[RequestKey, PrepareTransfer] = msgspec.field(default_factory=dict)
    incoming: set[AccountKey] = msgspec.field(default_factory=set)


class RefusedCredit(msgspec.Struct, frozen=True):
    """A cross-shard credit that becomes a dead letter with an alarm (rules.md#credits-from-other-shards)."""

    message: PendingBalanceChange
    reason: str


class Payment(msgspec.Struct, frozen=True, gc=False):
    """What both parties of a committed transfer share; the ids are 0 for payments of the server.

    `transfer_id` is also the number of a credit that goes to another shard, or comes from one.
    """

    coordinator_type: str
    committed_at: Moment
    transfer_note: str = ""
    transfer_note_format: str = ""
    transfer_id: int = 0
    coordinator_id: int = 0
    coordinator_request_id: int = 0
