"""From a leg of ours to a leg of a bundle: how much is locked, and under which terms."""

from typing import Final

from swpt_client.formulas import amount_to_lock
from swpt_client.limits import AGENT
from swpt_client.records import AccountData, Leg, Request, Terms

_ROUND_SECONDS: Final = 60
"""Between the lock, and the answer that it is there."""


def make_leg(
    *,
    debtor_id: int,
    sender: int,
    data: AccountData,
    recipient: str,
    cents: int,
    note: str,
    coordinator_id: int,
    certain_seconds: int,
    payback: tuple[int, str] | None = None,
) -> Leg:
    """A leg that pays `cents` from the account `sender`, of which the server has told `data`.

    It is pinned to the sender's newest rate: if the rate changes before the commit, nothing moves on this
    leg.  So where the rate is not negative, the amount itself is locked, and a whole balance can be given.
    Where it is negative, so much more is locked that the amount is certain for `certain_seconds`.
    `payback` is the creditor id of the recipient, and the public identifier of the sender, in escrow.
    """
    locked = cents
    if data.interest_rate < 0.0:
        # None: no lock is enough; the bundle will see that the amount is not certain, and move nothing.
        locked = amount_to_lock(cents, data.demurrage_rate, certain_seconds + _ROUND_SECONDS) or cents
    payback_creditor_id, payback_recipient = payback or (None, "")
    return Leg(
        request=Request(
            debtor_id=debtor_id,
            creditor_id=sender,
            recipient=recipient,
            min_locked_amount=locked,
            max_locked_amount=locked,
            coordinator_type=AGENT,
            coordinator_id=coordinator_id,
            terms=Terms(final_interest_rate_ts=data.last_interest_rate_change_ts),
        ),
        committed_amount=cents,
        transfer_note=note,
        payback_creditor_id=payback_creditor_id,
        payback_recipient=payback_recipient,
    )
