"""Outgoing messages as frozen structs, their exact JSON, and where they go.

See protocol.rst#messages-from-the-server, rules.md#properties-and-headers.  The fields stand in
the order in which they are written.  Timestamps are texts already, because many events
of one batch share one moment, which is rendered once.
"""

from typing import Final, TypeAlias

import msgspec

from swpt_accounts.wire import codes, numbers

from .wire.routing import binary_key, hex_key


class _Event(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag=True, kw_only=True):
    """What all outgoing messages share: `type` is the name of the class."""


class RejectedConfig(_Event, frozen=True):
    """A ConfigureAccount was refused (protocol.rst#rejectedconfig)."""

    debtor_id: int
    creditor_id: int
    config_ts: str
    config_seqnum: int
    config_flags: int
    negligible_amount: float
    config_data: str
    rejection_code: str
    ts: str


class RejectedTransfer(_Event, frozen=True):
    """A PrepareTransfer was refused (protocol.rst#rejectedtransfer)."""

    debtor_id: int
    creditor_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    status_code: str
    total_locked_amount: int
    ts: str


class PreparedTransfer(_Event, frozen=True):
    """A transfer was prepared, or still waits (protocol.rst#preparedtransfer)."""

    debtor_id: int
    creditor_id: int
    transfer_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    locked_amount: int
    recipient: str
    prepared_at: str
    demurrage_rate: float
    deadline: str
    final_interest_rate_ts: str
    ts: str


class FinalizedTransfer(_Event, frozen=True):
    """A prepared transfer was committed or dismissed (protocol.rst#finalizedtransfer)."""

    debtor_id: int
    creditor_id: int
    transfer_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    committed_amount: int
    status_code: str
    total_locked_amount: int
    prepared_at: str
    ts: str


class AccountUpdate(_Event, frozen=True):
    """The state of an account (protocol.rst#accountupdate)."""

    debtor_id: int
    creditor_id: int
    creation_date: str
    last_change_ts: str
    last_change_seqnum: int
    principal: int
    interest: float
    interest_rate: float
    last_interest_rate_change_ts: str
    last_config_ts: str
    last_config_seqnum: int
    negligible_amount: float
    config_flags: int
    config_data: str
    account_id: str
    debtor_info_iri: str
    debtor_info_content_type: str
    debtor_info_sha256: str
    last_transfer_number: int
    last_transfer_committed_at: str
    demurrage_rate: float
    commit_period: int
    transfer_note_max_bytes: int
    ts: str
    ttl: int


class AccountPurge(_Event, frozen=True):
    """An account was removed from the database (protocol.rst#accountpurge)."""

    debtor_id: int
    creditor_id: int
    creation_date: str
    ts: str


class AccountTransfer(_Event, frozen=True):
    """A non-negligible transfer changed the principal of an account (protocol.rst#accounttransfer)."""

    debtor_id: int
    creditor_id: int
    creation_date: str
    transfer_number: int
    coordinator_type: str
    sender: str
    recipient: str
    acquired_amount: int
    transfer_note: str
    transfer_note_format: str
    committed_at: str
    principal: int
    ts: str
    previous_transfer_number: int


class PendingBalanceChange(_Event, frozen=True):
    """A credit on its way to another shard (rules.md#credits-between-shards)."""

    debtor_id: int
    creditor_id: int
    change_id: int
    coordinator_type: str
    transfer_note: str
    transfer_note_format: str
    committed_at: str
    principal_delta: int
    other_creditor_id: int


CoordinatorEvent: TypeAlias = RejectedTransfer | PreparedTransfer | FinalizedTransfer
Event: TypeAlias = (
    RejectedConfig
    | RejectedTransfer
    | PreparedTransfer
    | FinalizedTransfer
    | AccountUpdate
    | AccountPurge
    | AccountTransfer
    | PendingBalanceChange
)

TO_CREDITORS: Final = "to_creditors"
TO_DEBTORS: Final = "to_debtors"
TO_COORDINATORS: Final = "to_coordinators"
ACCOUNTS_IN: Final = "accounts_in"


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """An encoded event with everything that its publication needs (rules.md#properties-and-headers).

    `properties` is only there for a message that is not our own (see `returned`): the flags and
    values of its content header, which stand for type, ids and coordinator.
    """

    exchange: str
    routing_key: str
    type: str
    debtor_id: int
    creditor_id: int
    coordinator_type: str | None
    coordinator_id: int | None
    mandatory: bool
    body: bytes
    properties: bytes | None = None


_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The compact JSON of an event.  Raises UnicodeEncodeError for a lone surrogate."""
    return _encoder.encode(event)


def decode(body: bytes) -> Event:
    """Read back what `encode` wrote (for the outbox relay and for tests)."""
    return _decoder.decode(body)


def envelop(event: Event, body: bytes | None = None) -> Envelope:
    """Encode an event, unless its body is given, and address it (rules.md#where-messages-go)."""
    if body is None:
        body = _encoder.encode(event)
    debtor_id, creditor_id = event.debtor_id, event.creditor_id
    kind = type(event).__name__
    if isinstance(event, (PreparedTransfer, FinalizedTransfer, RejectedTransfer)):
        coordinator_id = event.coordinator_id
        return Envelope(
            TO_COORDINATORS,
            hex_key(coordinator_id),
            kind,
            debtor_id,
            creditor_id,
            event.coordinator_type,
            coordinator_id,
            True,
            body,
        )
    mandatory = True
    if isinstance(event, PendingBalanceChange):
        exchange, key = ACCOUNTS_IN, binary_key(debtor_id, creditor_id)
    elif creditor_id != numbers.ROOT_CREDITOR_ID:
        exchange, key = TO_CREDITORS, hex_key(creditor_id)
    else:
        exchange, key = TO_DEBTORS, hex_key(debtor_id)
        # The heartbeats of a currency whose debtors agent is gone vanish quietly.
        mandatory = not (
            isinstance(event, AccountUpdate) and event.config_flags & codes.SCHEDULED_FOR_DELETION_FLAG
        )
    return Envelope(exchange, key, kind, debtor_id, creditor_id, None, None, mandatory, body)
