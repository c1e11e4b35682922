"""Flows: money between shards, counted by currency and by when its transfer was committed (rules.md#v3).

What a shard has sent, and what another one has applied, carry the same moment of the commitment.  So both
are counted in slots of that moment, and what was committed before the end of a slot can be compared, however
much is on its way just now.
"""

from typing import Final, TypeAlias

from swpt_accounts.wire.moments import Moment, seconds

SLOT: Final = seconds(600)

KEPT: Final = seconds(3 * 3600)
"""For so long slots are kept apart; then they become one, whose moment is 0."""

LATE: Final = seconds(3600)
"""What was committed before that, and has not come, is late."""

Flow: TypeAlias = tuple[int, Moment]
"""Debtor, and the slot in which the transfers were committed."""


def slot_of(committed_at: Moment) -> Moment:
    """The beginning of the slot of a transfer."""
    return committed_at - committed_at % SLOT


def late_before(now: Moment) -> Moment:
    """Transfers of the slots before this one should have come."""
    return slot_of(now - LATE)
