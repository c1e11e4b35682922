"""What a client remembers: frozen records, each with the moment when it wants to be looked at again.

A store keeps them as they are.  `due_at` is the moment from which `core.fold` wants a `Due`
for the record, None if nothing happens by itself; a store indexes it.
"""

from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

import msgspec

from .limits import DIRECT, MAX_DELAY
from .messages import AccountTransfer, ServerMessage
from .moments import T_FAR, Moment


class AccountKey(NamedTuple):
    """Names an account, and its record."""

    debtor_id: int
    creditor_id: int


class RequestKey(NamedTuple):
    """How the server names a running transfer.  A store keeps it unique."""

    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int


class LedgerKey(NamedTuple):
    """Names a ledger: an account that was created again has a new one beside the old one."""

    account: AccountKey
    creation_date: date


class _Record(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What all records share.

    A store does not write what has its default; so a default never changes.
    """


class Pace(_Record, frozen=True, kw_only=True):
    """How often a message was sent, and when.

    While a copy waits in the outbox, nothing is repeated; time counts from the moment at
    which the broker confirmed it.
    """

    began_at: Moment
    """When the state began that wants the message to be sent."""
    first_copy: int = 1
    """The number of the first copy of the state."""
    copies: int = 1
    """How many copies went into the outbox in all; numbers the latest one."""
    is_waiting: bool = True
    """The latest copy is not confirmed yet."""
    confirmed_at: Moment | None = None
    """When the latest copy was confirmed; None if none of the state was yet."""
    first_confirmed_at: Moment | None = None
    """When the first confirmed copy of the state was confirmed."""
    has_worried: bool = False
    """The news of the silence has been told."""


# --- accounts -----------------------------------------------------------------------------------


class ConfigurationState(StrEnum):
    """How far the server has followed the configuration that we want."""

    SENT = "sent"
    EFFECTUAL = "effectual"
    REJECTED = "rejected"
    CLOSING = "closing"
    """Scheduled for deletion, and the server has shown it; AccountPurge will end it."""
    CLOSED = "closed"


class Configuration(_Record, frozen=True, kw_only=True):
    """What we want of an account, and the order key of the latest message that said so."""

    state: ConfigurationState
    last_ts: Moment
    last_seqnum: int
    config_flags: int
    negligible_amount: float
    config_data: str
    pace: Pace
    renew_at: Moment | None = None
    """The server has shown something else: from then on a new order key may be made."""
    renewed_at: Moment | None = None
    """When the latest new order key was made for that reason."""
    rejection_code: str = ""
    closed_at: Moment | None = None


class AccountData(_Record, frozen=True, kw_only=True):
    """The latest state of the account that the server has told."""

    creation_date: date
    last_change_ts: Moment
    last_change_seqnum: int
    principal: int
    interest: float
    interest_rate: float
    """Percent per year."""
    last_interest_rate_change_ts: Moment
    last_config_ts: Moment
    last_config_seqnum: int
    account_id: str
    debtor_info_iri: str
    debtor_info_content_type: str
    debtor_info_sha256: str
    last_transfer_number: int
    last_transfer_committed_at: Moment
    demurrage_rate: float
    commit_period: int
    """Seconds."""
    transfer_note_max_bytes: int
    last_heartbeat_ts: Moment
    """The newest `ts` seen, cut to the moment of its arrival."""


class Ledger(_Record, frozen=True, kw_only=True):
    """The end of a ledger; its entries are rows of their own."""

    creation_date: date
    last_transfer_number: int = 0
    principal: int = 0
    entry_count: int = 0
    gap_since: Moment | None = None
    """There are stored transfers that wait for a predecessor; the oldest arrived then."""
    behind_since: Moment | None = None
    """The server has told a transfer number that has not arrived; told first at this moment."""
    has_worried: bool = False
    """The news that the ledger is behind has been told."""


class EntryKind(StrEnum):
    """What an entry stands for."""

    TRANSFER = "transfer"
    NEGLIGIBLE = "negligible"
    """A dummy: transfers so small that the server does not announce them."""
    MISSING = "missing"
    """A dummy: transfers that may have been announced, and never arrived."""


class Entry(_Record, frozen=True, kw_only=True):
    """One line of a ledger.  Entries are only ever added."""

    ledger: LedgerKey
    number: int
    """1, 2, 3, … within the ledger."""
    kind: EntryKind
    acquired_amount: int
    principal: int
    """After the entry."""
    added_at: Moment
    transfer: AccountTransfer | None = None
    """What arrived; None for dummies."""


class StoredTransfer(_Record, frozen=True, kw_only=True):
    """An AccountTransfer that waits for its predecessor.  Key: ledger and transfer number."""

    arrived_at: Moment
    transfer: AccountTransfer


class Account(_Record, frozen=True, kw_only=True):
    """All that is known of one account of ours."""

    key: AccountKey
    configuration: Configuration
    data: AccountData | None = None
    """None: as far as is known, there is no account at the server."""
    ledger: Ledger | None = None
    """The latest ledger."""
    silence_told_at: Moment | None = None
    due_at: Moment | None = None


# --- transfers ----------------------------------------------------------------------------------


class TransferState(StrEnum):
    """How far a running transfer has come."""

    INITIATED = "initiated"
    PREPARED = "prepared"
    SETTLED = "settled"
    """A decision has left."""
    FINISHED = "finished"
    CANCELLED = "cancelled"
    """A tombstone: nothing has been decided at the server, and what comes yet is dismissed."""
    PARKED = "parked"
    """Sends nothing and gathers evidence, until a person resumes or abandons it."""


class Terms(_Record, frozen=True, kw_only=True):
    """Under which terms a transfer may happen."""

    final_interest_rate_ts: Moment = T_FAR
    max_commit_delay: int = MAX_DELAY
    """Seconds from the beginning of the transfer; repeated requests do not move the deadline."""
    min_commit_period: int = 0
    """Seconds that must be left until the deadline when the transfer is prepared."""
    min_demurrage_rate: float = -100.0
    """Percent per year; what is prepared at a worse rate is dismissed."""
    decide_within: int | None = None
    """Seconds from the beginning; what is prepared and not decided then is dismissed.

    None: until the deadline, after which a commit would fail anyway."""
    give_up_after: int | None = None
    """Seconds from the beginning; what has no answer then is cancelled.  None: never."""


ANY_TERMS: Final = Terms()
"""Those of most transfers."""


class Decision(_Record, frozen=True, kw_only=True):
    """What is to happen with a prepared transfer; amount 0 dismisses it."""

    committed_amount: int
    transfer_note: str = ""
    transfer_note_format: str = ""


DISMISSAL = Decision(committed_amount=0)


class Outcome(StrEnum):
    """How a transfer ended, if not with a status code of the server's."""

    OK = "OK"
    DISMISSED = "DISMISSED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    """A commit has left, and nothing has come for a year."""
    UNEXPECTED = "UNEXPECTED"
    """The server's answer contradicts the decision; a person has to look at it."""


class Request(_Record, frozen=True, kw_only=True):
    """What is asked for; two calls with one key must agree in it."""

    debtor_id: int
    creditor_id: int
    """The sender's account."""
    recipient: str
    min_locked_amount: int
    max_locked_amount: int
    coordinator_type: str = DIRECT
    coordinator_id: int
    terms: Terms = ANY_TERMS


class Prepared(_Record, frozen=True, kw_only=True):
    """What the server has promised."""

    transfer_id: int
    locked_amount: int
    prepared_at: Moment
    demurrage_rate: float
    deadline: Moment


class Evidence(_Record, frozen=True, kw_only=True):
    """A message that reached a parked transfer."""

    arrived_at: Moment
    message: ServerMessage


class Transfer(_Record, frozen=True, kw_only=True):
    """A running transfer.  Its key is the caller's, and has one outcome for ever."""

    key: str
    state: TransferState
    request: Request
    coordinator_request_id: int
    began_at: Moment
    bundle_key: str | None = None
    """Only the bundle decides about its legs."""
    decision: Decision | None = None
    """Remembered in INITIATED; in SETTLED, and in FINISHED after it, it has left."""
    wanted: Decision | None = None
    """What the call that began it wanted to be decided."""
    reason: str = ""
    """Why it was dismissed or cancelled, if not by a call: TERMS, DECIDE_BY, GIVE_UP, ABANDONED."""
    prepared: Prepared | None = None
    outcome: str = ""
    """One of `Outcome`, or a status code of the server's; empty while the transfer runs."""
    total_locked_amount: int = 0
    """With INSUFFICIENT_AVAILABLE_AMOUNT: what is locked on the sender's account."""
    finished_at: Moment | None = None
    pace: Pace
    surplus_count: int = 0
    """Answers about surplus transfers that were dismissed."""
    parked_state: TransferState | None = None
    evidence: tuple[Evidence, ...] = ()
    due_at: Moment | None = None

    @property
    def request_key(self) -> RequestKey:
        """How the server's messages name this transfer."""
        return RequestKey(
            self.request.coordinator_type, self.request.coordinator_id, self.coordinator_request_id
        )


# --- bundles ------------------------------------------------------------------------------------


class BundleState(StrEnum):
    """How far a bundle has come."""

    PREPARING = "preparing"
    DISMISSING = "dismissing"
    DISMISSED = "dismissed"
    COMMITTING = "committing"
    DONE = "done"
    FAILED = "failed"
    """Decided, and nothing moved."""
    REPAIRING = "repairing"
    REVERSING = "reversing"
    REVERSED = "reversed"
    TORN = "torn"
    """A part has moved, and it is a person's turn."""
    PARKED = "parked"


class Leg(_Record, frozen=True, kw_only=True):
    """One transfer of a bundle: what to lock, and what to commit of it."""

    request: Request
    committed_amount: int
    transfer_note: str = ""
    transfer_note_format: str = ""
    payback_creditor_id: int | None = None
    """The creditor id of the recipient's account, if it is our own (escrow)."""
    payback_recipient: str = ""
    """The public identifier of the sender's account, to which it would be paid back."""


class LegStatus(_Record, frozen=True, kw_only=True):
    """Which transfer stands for a leg now."""

    transfer_key: str
    """Of the latest attempt to pay, or to pay back."""
    attempts: int = 1
    is_paid: bool = False
    is_paid_back: bool = False
    failure: str = ""
    """Once the bundle is decided, the outcome of the latest attempt, if nothing moved.

    Empty for what could not be locked before: `Bundle.reason` says why."""
    retry_at: Moment | None = None
    """When the next attempt begins; None while one runs, and when all is said."""


class Bundle(_Record, frozen=True, kw_only=True):
    """Transfers that are committed together or not at all."""

    key: str
    state: BundleState
    legs: tuple[Leg, ...]
    status: tuple[LegStatus, ...]
    """As many as legs."""
    began_at: Moment
    decide_by: Moment
    repair_for: int
    """Seconds."""
    repair_by: Moment | None = None
    """Until when legs are tried anew, in REPAIRING, or paid back, in REVERSING."""
    reason: str = ""
    """Why it was dismissed, or is torn: the outcome of the leg that could not be locked, if it was that."""
    is_alarming: bool = False
    """Waits for a person."""
    finished_at: Moment | None = None
    parked_state: BundleState | None = None
    due_at: Moment | None = None


Record: TypeAlias = Account | Transfer | Bundle
