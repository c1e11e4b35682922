"""How stories of money begin: a currency, an account with money, another one that is empty."""

from swpt_accounts.messages import Message
from tests.builders import (
    ALICE,
    BOB,
    DEBTOR,
    FIRST_TRANSFER_ID,
    ROOT,
    configure,
    finalize,
    prepared,
    request,
)

from .stand import Stand


def issue(recipient_id: int = ALICE, amount: int = 1000, serial: int = 1) -> tuple[Message, ...]:
    """Messages that create a root account and an account, and issue money to it."""
    asked = request(
        ROOT, recipient_id, coordinator_type="issuing", coordinator_id=DEBTOR, coordinator_request_id=serial
    )
    # The first transfer of an account, the second, and so on.
    transfer = prepared(
        ROOT,
        recipient_id,
        coordinator_type="issuing",
        coordinator_id=DEBTOR,
        coordinator_request_id=serial,
        transfer_id=FIRST_TRANSFER_ID + serial - 1,
    )
    return (
        configure(ROOT, negligible_amount=1e30),
        configure(recipient_id, seqnum=serial),
        asked,
        finalize(transfer, amount),
    )


def seed(stand: Stand, amount: int = 1000) -> None:
    """Give ALICE money and BOB an account, with everything published."""
    stand.apply(*issue(ALICE, amount), configure(BOB))
    clear_outbox(stand)


def clear_outbox(stand: Stand) -> None:
    """Act as if everything had been published."""
    stand.execute("DELETE FROM outbox")
