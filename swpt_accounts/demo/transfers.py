"""A transfer, as its coordinator knows it: what is wanted, how far it is, what came of it."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.numbers import u64


class Wish(Enum):
    """What the coordinator wants to come of a transfer."""

    COMMIT = "commit"
    DISMISS = "dismiss"
    LOCK_TOO_MUCH = "lock more than there is"
    COMMIT_TOO_MUCH = "commit more than there is"
    PAY_NOBODY = "pay to an account that does not exist"


class Status(Enum):
    """The status of a running transfer record (protocol.rst#running-transfer-records)."""

    INITIATED = "initiated"
    SETTLED = "settled"
    FINISHED = "finished"


class RequestKey(NamedTuple):
    """What the coordinator's answers are recognized by."""

    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int


COMMITTED = "OK"
DISMISSED = "dismissed"


@dataclass(kw_only=True)
class Transfer:
    """A running transfer record, kept for the proof when it is finished.

    The decision is known in advance, so a record passes from initiated directly to settled.
    """

    key: RequestKey
    debtor_id: int
    creditor_id: int
    recipient_id: int
    wish: Wish
    amount: int
    min_locked: int = 0
    max_locked: int = 0
    status: Status = Status.INITIATED
    asked_at: Moment = 0
    transfer_id: int | None = None
    committed_amount: int = 0
    """What was decided, from the moment when the record is settled."""
    outcome: str = ""
    """COMMITTED, DISMISSED, or the status code of the refusal; empty while it is open."""
    total_locked_amount: int | None = None
    """What the refusal says about the sender's account."""

    @property
    def note(self) -> str:
        """A note by which both parties recognize the transfer."""
        return f"{self.key.coordinator_type} transfer {self.key.coordinator_request_id}"

    @property
    def recipient(self) -> str:
        """The public identifier of the recipient's account."""
        return str(u64(self.recipient_id))
