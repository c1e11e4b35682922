"""Opening balances: rows of the journal that say where an account stands when the journal begins for it.

Nothing moves.  The account is both parties, which no transfer allows (rule P8); both sides have the same
principal and the number of the last AccountTransfer, and the amount is 0.  So whoever reads the journal from
either side, in either direction, gets the principal right before and right after this row.
"""

from typing import Final

from swpt_accounts.wire.moments import Moment

from .accounts import Account
from .facts import Entry

OPENING: Final = "opening"
"""The coordinator type of such rows, which no message carries."""


def opening_balance(account: Account, opened_at: Moment) -> Entry:
    """The row for an account that the journal knows from this moment on (rule V9)."""
    return Entry(
        applied_at=opened_at,
        debtor_id=account.debtor_id,
        sender_creditor_id=account.creditor_id,
        recipient_creditor_id=account.creditor_id,
        amount=0,
        sender_principal=account.principal,
        recipient_principal=account.principal,
        sender_created_at=account.created_at,
        recipient_created_at=account.created_at,
        sender_transfer_number=account.last_transfer_number,
        recipient_transfer_number=account.last_transfer_number,
        committed_at=opened_at,
        transfer_id=0,
        coordinator_id=0,
        coordinator_request_id=0,
        coordinator_type=OPENING,
        transfer_note_format="",
        transfer_note="",
    )
