"""The book of a batch: what an account's change leaves behind, and what the journal keeps of a transfer."""

import pytest

from swpt_accounts.rules.accounts import replace
from swpt_accounts.rules.book import Alarm
from swpt_accounts.rules.facts import Entry, Payment
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, HOUR, NOW, ROOT, batch, only, owner, rich, root

PAYMENT = Payment(
    coordinator_type="direct",
    committed_at=NOW - HOUR,
    transfer_note="for the bread",
    transfer_note_format="f",
    transfer_id=77,
    coordinator_id=5,
    coordinator_request_id=6,
)
SENDER = rich(900, ALICE, created_at=NOW - 3 * DAY, last_transfer_number=4)
RECIPIENT = rich(300, BOB, created_at=NOW - 2 * DAY, last_transfer_number=8)

ENTRY = Entry(
    applied_at=NOW,
    debtor_id=DEBTOR,
    sender_creditor_id=ALICE,
    recipient_creditor_id=BOB,
    amount=100,
    sender_principal=900,
    recipient_principal=300,
    sender_created_at=NOW - 3 * DAY,
    recipient_created_at=NOW - 2 * DAY,
    sender_transfer_number=4,
    recipient_transfer_number=8,
    committed_at=NOW - HOUR,
    transfer_id=77,
    coordinator_id=5,
    coordinator_request_id=6,
    coordinator_type="direct",
    transfer_note_format="f",
    transfer_note="for the bread",
)
NO_SENDER = {"sender_principal": None, "sender_created_at": None, "sender_transfer_number": 0}
NO_RECIPIENT = {"recipient_principal": None, "recipient_created_at": None, "recipient_transfer_number": 0}

# -- the journal -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "recipient", "differences"),
    [
        (SENDER, RECIPIENT, {}),
        (None, RECIPIENT, NO_SENDER),
        (SENDER, None, NO_RECIPIENT),
    ],
)
def test_the_journal_keeps_all_of_a_transfer_that_this_shard_knows(sender, recipient, differences):
    """Both parties as they are after it, or nothing of one that lives on another shard."""
    book = batch()
    book.enter(sender, recipient, (DEBTOR, ALICE, BOB), 100, PAYMENT)
    expected = {name: getattr(ENTRY, name) for name in ENTRY.__struct_fields__} | differences
    assert only(book.entries) == Entry(**expected)


@pytest.mark.parametrize(
    ("negligible_amount", "coordinator_type", "numbers"),
    [
        (99.9, "direct", (4, 8)),
        (100.0, "direct", (4, 0)),
        (1e30, "direct", (4, 0)),
        (1e30, "agent", (4, 8)),
    ],
)
def test_a_transfer_that_is_negligible_has_no_number_for_its_recipient(
    negligible_amount, coordinator_type, numbers
):
    """The sender gets a number, however small it is for both of them (behaviour 38)."""
    parties = [replace(party, negligible_amount=negligible_amount) for party in (SENDER, RECIPIENT)]
    payment = Payment(coordinator_type, NOW)
    book = batch()
    book.enter(parties[0], parties[1], (DEBTOR, ALICE, BOB), 100, payment)
    entry = only(book.entries)
    assert (entry.sender_transfer_number, entry.recipient_transfer_number) == numbers


def test_a_root_account_numbers_no_transfers():
    """It hears of none, so there is no number of it in the journal (rule V7)."""
    book = batch()
    book.enter(root(), RECIPIENT, (DEBTOR, ROOT, BOB), 100, PAYMENT)
    book.enter(SENDER, root(), (DEBTOR, ALICE, ROOT), 100, PAYMENT)
    numbers = [(entry.sender_transfer_number, entry.recipient_transfer_number) for entry in book.entries]
    assert numbers == [(0, 8), (4, 0)]


# -- containment -------------------------------------------------------------------------------


def test_every_principal_that_does_not_fit_is_counted_and_told():
    """Each time anew, with the account that it is about (behaviour 45)."""
    book = batch(rich(MAX_INT64, ALICE), rich(-MAX_INT64, BOB), rich(0, BOB + 1))
    for creditor_id, amount in [(ALICE, 5), (BOB, -5), (BOB + 1, 5), (ALICE, 1)]:
        book.change(owner(book, creditor_id), amount, ROOT, PAYMENT, announce=False)
    assert book.overflows == 3
    told = [(DEBTOR, ALICE), (DEBTOR, BOB), (DEBTOR, ALICE)]
    assert book.alarms == [Alarm("principal overflow", key) for key in told]
