"""Opening balances: rows of the journal that say where an account stands when the journal begins for it.

Nothing moves.  The account is both parties, which no transfer allows (rule P8); both sides have the same
principal and the number of the last AccountTransfer, and the amount is 0.  So whoever reads the journal from
either side, in either direction, gets the principal right before and right after this row.

Where the journal was cut between entries that do not follow from each other in the order of time, because
clocks differ, a chain has gaps.  Each is bridged by a row of the same form whose amount is not 0: from the
principal before the gap to the one behind it.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from swpt_accounts.wire.moments import Moment

from .accounts import Account
from .facts import Entry

OPENING: Final = "opening"
"""The coordinator type of such rows, which no message carries."""

OVERFLOWN: Final = "overflown"
"""The note of an opening balance whose account has seen an overflow before it (rule V12)."""


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
        transfer_note=OVERFLOWN if account.is_overflown else "",
    )


class Cut(NamedTuple):
    """What stands in the place of the entries of an account that are taken away."""

    principal: int
    """The opening balance."""

    bridges: list[tuple[int, int]]
    """The principals before and behind each gap that is left in what stays."""


def cut(opening: int, entries: Iterable[tuple[int, int]]) -> Cut:
    """The cut of a chain that began with `opening`, of which these entries go: principals before and after.

    They may be any entries, in any order.  With the opening balance and the bridges, those that stay add up
    to the same principal, and follow from each other (rules V9 and V10).
    """
    ends: Counter[int] = Counter()
    for before, after in entries:
        ends[after] += 1
        ends[before] -= 1
    lasts = sorted(Counter({one: number for one, number in ends.items() if number > 0}).elements())
    firsts = sorted(Counter({one: -number for one, number in ends.items() if number < 0}).elements())
    if opening in firsts:
        firsts.remove(opening)
        return Cut(lasts[0], list(zip(firsts, lasts[1:], strict=True)))
    return Cut(opening, list(zip(firsts, lasts, strict=True)))
