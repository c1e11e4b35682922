"""The messages of a two-phase transfer as values, and the keys by which they travel.

As a peer knows them: moments stay texts, because nobody here calculates with them.
"""

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import md5
from typing import Final, TypeAlias

import msgspec

ACCOUNTS_IN: Final = "accounts_in"
TO_CREDITORS: Final = "to_creditors"
TO_DEBTORS: Final = "to_debtors"
TO_COORDINATORS: Final = "to_coordinators"
FAR_FUTURE: Final = "9999-12-31T23:59:59+00:00"
EPOCH: Final = "1970-01-01T00:00:00+00:00"
MAX_DELAY: Final = 2147483647
DIRECT: Final = "direct"
ISSUING: Final = "issuing"

encode: Final = msgspec.json.Encoder().encode


class _Shape(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag=True):
    """What all messages share: `type` is the name of the class."""


class ConfigureAccount(_Shape, frozen=True, gc=False):
    """Opens an account, or asks for its state once more."""

    debtor_id: int
    creditor_id: int
    negligible_amount: float
    config_flags: int
    config_data: str
    ts: str
    seqnum: int


class PrepareTransfer(_Shape, frozen=True, gc=False):
    """The first message of a transfer."""

    debtor_id: int
    creditor_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    min_locked_amount: int
    max_locked_amount: int
    recipient: str
    final_interest_rate_ts: str
    max_commit_delay: int
    ts: str


class FinalizeTransfer(_Shape, frozen=True, gc=False):
    """The second message of a transfer."""

    debtor_id: int
    creditor_id: int
    transfer_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    committed_amount: int
    transfer_note: str
    transfer_note_format: str
    ts: str


class RejectedConfig(_Shape, frozen=True, gc=False):
    """Nothing that a benchmark wants to see."""

    debtor_id: int
    creditor_id: int
    rejection_code: str


class RejectedTransfer(_Shape, frozen=True, gc=False):
    """Nothing that a benchmark wants to see."""

    debtor_id: int
    creditor_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    status_code: str
    total_locked_amount: int
    ts: str


class PreparedTransfer(_Shape, frozen=True, gc=False):
    """The answer to PrepareTransfer."""

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


class FinalizedTransfer(_Shape, frozen=True, gc=False):
    """The answer to FinalizeTransfer."""

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


class AccountUpdate(_Shape, frozen=True, gc=False):
    """The state of an account."""

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


class AccountTransfer(_Shape, frozen=True, gc=False):
    """What a transfer has done to one of its accounts."""

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


Command: TypeAlias = ConfigureAccount | PrepareTransfer | FinalizeTransfer
Event: TypeAlias = (
    RejectedConfig | RejectedTransfer | PreparedTransfer | FinalizedTransfer | AccountUpdate | AccountTransfer
)

decode_command: Final[msgspec.json.Decoder[Command]] = msgspec.json.Decoder(Command)
decode_event: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)


def now_text() -> str:
    """This moment, as messages write it."""
    return datetime.now(UTC).isoformat()


def account_id(creditor_id: int) -> str:
    """How messages name the account of a creditor."""
    return str(creditor_id % 2**64)


@lru_cache(maxsize=1 << 20)
def account_key(debtor_id: int, creditor_id: int) -> str:
    """The routing key of messages to an account: 24 dotted bits of a digest."""
    key = debtor_id.to_bytes(8, "big", signed=True) + creditor_id.to_bytes(8, "big", signed=True)
    first = int.from_bytes(md5(key, usedforsecurity=False).digest()[:3], "big")
    return ".".join(f"{first:024b}")


@lru_cache(maxsize=1 << 20)
def agent_key(number: int) -> str:
    """The routing key of messages to an agent: eight dotted bytes of its id."""
    return number.to_bytes(8, "big", signed=True).hex(".")
