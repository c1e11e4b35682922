"""What outgoing messages say of accounts and transfers."""

from datetime import UTC, datetime

import pytest

from swpt_accounts.rules.announcements import account_transfer, creation_date
from swpt_accounts.rules.facts import Payment
from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, from_datetime
from tests.backstage.builders import ALICE, BOB, NOW, rich


@pytest.mark.parametrize(
    ("amount", "sender", "recipient"),
    [(100, BOB, ALICE), (1, BOB, ALICE), (-1, ALICE, BOB), (-100, ALICE, BOB)],
)
def test_who_acquires_something_is_the_recipient(amount, sender, recipient):
    """Be it a single unit; who loses it is the sender (rules.md#transfers-that-are-announced)."""
    event = account_transfer(rich(5), 0, amount, BOB, Payment("direct", NOW), NOW)
    assert (event.sender, event.recipient) == (str(sender), str(recipient))
    assert event.acquired_amount == amount


@pytest.mark.parametrize(
    ("created_at", "day"),
    [
        (FIRST_MOMENT, "0001-01-01"),
        (-1, "1969-12-31"),
        (0, "1970-01-01"),
        (from_datetime(datetime(2026, 11, 21, tzinfo=UTC)) - 1, "2026-11-20"),
        (from_datetime(datetime(2026, 11, 21, tzinfo=UTC)), "2026-11-21"),
        (from_datetime(datetime(9000, 1, 1, tzinfo=UTC)) - 1, "8999-12-31"),
        (LAST_MOMENT, "9999-12-31"),
    ],
)
def test_the_day_of_creation_lasts_until_its_last_microsecond(created_at, day):
    """In UTC, and in all years of the protocol."""
    assert creation_date(created_at) == day
