"""Credits from other shards, and what a credit does to accounts of every kind.

See rules.md#credits-and-payments.
"""

import pytest

from swpt_accounts.events import AccountTransfer, AccountUpdate
from swpt_accounts.rules.facts import Credit
from swpt_accounts.wire.moments import T0
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    MICROSECOND,
    NOW,
    ROOT,
    YEAR,
    account,
    applied,
    batch,
    credit,
    day_of,
    deleted,
    emitted,
    kinds,
    only,
    owner,
    rich,
    root,
    text,
)

KNOWN = {(DEBTOR, ALICE, 1): Credit(BOB, 100, NOW)}
OLDEST = NOW - 90 * DAY

# -- the ladder (rules.md#credits-from-other-shards) -------------------------------------------


def test_a_credit_is_applied_and_registered():
    """The account gets the money, and the registry remembers it (rule B4)."""
    book = applied(batch(account(BOB)), credit())
    assert owner(book, BOB).principal == 100
    assert book.new_credits == KNOWN
    assert kinds(book) == ["AccountTransfer"]


def test_a_known_credit_is_not_applied_again():
    """A duplicate does nothing (behaviour 60)."""
    book = applied(batch(account(BOB), known_credits=dict(KNOWN)), credit())
    assert (book.events, book.changed_accounts(), book.new_credits) == ([], [], {})
    assert book.ignored == [("PendingBalanceChange", "B1")]


def test_duplicates_of_one_batch_are_applied_once():
    """The second copy finds the first one in the registry (behaviour 60)."""
    book = applied(batch(account(BOB)), credit(), credit(), credit())
    assert owner(book, BOB).principal == 100
    assert book.ignored == [("PendingBalanceChange", "B1")] * 2


@pytest.mark.parametrize(
    ("creditor_id", "fields"),
    [
        (BOB + 1, {}),
        (BOB, {"principal_delta": 101}),
        (BOB, {"principal_delta": -100}),
        (BOB, {"committed_at": NOW + MICROSECOND}),
        (BOB, {"committed_at": OLDEST - DAY}),  # B2 stands before B3
    ],
)
def test_a_known_key_with_other_content_is_refused(creditor_id, fields):
    """The conflict becomes a dead letter, and nothing changes (behaviour 101)."""
    message = credit(creditor_id, **fields)
    book = applied(batch(account(BOB), known_credits=dict(KNOWN)), message)
    assert [(refused.message, refused.reason) for refused in book.refused_credits] == [
        (message, "credit_conflict")
    ]
    assert (book.events, book.changed_accounts(), book.new_credits) == ([], [], {})


@pytest.mark.parametrize(
    "fields", [{"transfer_note": "other"}, {"transfer_note_format": "x"}, {"coordinator_type": "other"}]
)
def test_words_do_not_make_a_conflict(fields):
    """Only account, amount and moment are compared with the registry."""
    book = applied(batch(account(BOB), known_credits=dict(KNOWN)), credit(**fields))
    assert book.ignored == [("PendingBalanceChange", "B1")]


@pytest.mark.parametrize(("committed_at", "refused"), [(OLDEST, False), (OLDEST - MICROSECOND, True)])
def test_a_credit_that_is_too_old_is_refused(committed_at, refused):
    """Older than CREDIT_SAFE_AGE is a dead letter; exactly as old is applied (behaviour 101)."""
    old = credit(committed_at=committed_at)
    book = applied(batch(account(BOB)), old)
    assert [(one.message, one.reason) for one in book.refused_credits] == [(old, "credit_too_old")] * refused
    assert owner(book, BOB).principal == (0 if refused else 100)


def test_a_known_old_credit_is_still_a_duplicate():
    """B1 stands before B3."""
    known = {(DEBTOR, ALICE, 1): Credit(BOB, 100, OLDEST - DAY)}
    book = applied(batch(account(BOB), known_credits=known), credit(committed_at=OLDEST - DAY))
    assert book.ignored == [("PendingBalanceChange", "B1")]
    assert book.refused_credits == []


@pytest.mark.parametrize(
    "fields", [{"change_id": 2}, {"other_creditor_id": ALICE + 1}, {"other_creditor_id": ROOT}]
)
def test_another_key_is_another_credit(fields):
    """The originating account numbers its credits."""
    book = applied(batch(account(BOB), known_credits=dict(KNOWN)), credit(**fields))
    assert owner(book, BOB).principal == 100


# -- what a credit says -----------------------------------------------------------------------


def test_a_credit_says_who_paid_and_when():
    """Sender, note and the moment of the commit come from the message (behaviour 39)."""
    message = credit(committed_at=NOW - HOUR, transfer_note="n", transfer_note_format="f", change_id=9)
    book = applied(batch(rich(5, BOB, last_transfer_number=3)), message)
    assert only(emitted(book, AccountTransfer)) == AccountTransfer(
        debtor_id=DEBTOR,
        creditor_id=BOB,
        creation_date=day_of(NOW - DAY),
        transfer_number=4,
        coordinator_type="direct",
        sender=str(ALICE),
        recipient=str(BOB),
        acquired_amount=100,
        transfer_note="n",
        transfer_note_format="f",
        committed_at=text(NOW - HOUR),
        principal=105,
        ts=text(NOW),
        previous_transfer_number=3,
    )
    after = owner(book, BOB)
    assert (after.last_transfer_number, after.last_transfer_committed_at) == (4, NOW - HOUR)
    assert (after.last_change_seqnum, after.update_pending_since) == (2, NOW)


def test_the_moment_of_the_last_transfer_may_go_back():
    """It belongs to the last message, not to the latest commit (behaviour 81)."""
    book = applied(
        batch(account(BOB)),
        credit(change_id=1, committed_at=NOW),
        credit(change_id=2, committed_at=NOW - DAY),
    )
    assert [event.committed_at for event in emitted(book, AccountTransfer)] == [text(NOW), text(NOW - DAY)]
    assert owner(book, BOB).last_transfer_committed_at == NOW - DAY


def test_a_negative_credit_shows_the_account_as_sender():
    """A payment to the root account on another shard can be negative; so can any credit."""
    book = applied(batch(rich(150, BOB)), credit(principal_delta=-100, other_creditor_id=ROOT))
    event = only(emitted(book, AccountTransfer))
    assert (event.sender, event.recipient) == (str(BOB), "0")
    assert (event.acquired_amount, event.principal) == (-100, 50)
    entry = only(book.entries)
    assert entry.transfer_id == 1
    assert (entry.sender_creditor_id, entry.recipient_creditor_id, entry.amount) == (BOB, ROOT, 100)
    assert (entry.sender_principal, entry.recipient_principal) == (50, None)


def test_credits_are_not_announced_to_the_root_account():
    """It gets the money and a pending AccountUpdate, but no AccountTransfer (behaviour 33)."""
    book = applied(batch(root(principal=-500)), credit(ROOT))
    assert book.events == []
    after = owner(book, ROOT)
    assert (after.principal, after.last_transfer_number, after.last_change_seqnum) == (-400, 0, 2)
    assert after.update_pending_since == NOW


@pytest.mark.parametrize(
    ("coordinator_type", "negligible_amount", "amount", "is_announced"),
    [
        ("direct", 100.0, 100, False),
        ("direct", 99.9, 100, True),
        ("direct", 16777216.0, 16777217, True),
        ("interest", 100.0, 100, False),
        ("delete", 100.0, 100, False),
        ("agent", 1e30, 1, True),
        ("direct", 1e30, -1, True),
    ],
)
def test_negligible_credits_take_no_number(coordinator_type, negligible_amount, amount, is_announced):
    """Suppression is exact, and never meets agents or outgoing amounts (behaviours 38, 90 and 105)."""
    before = account(BOB, negligible_amount=negligible_amount, last_transfer_number=7)
    book = applied(batch(before), credit(coordinator_type=coordinator_type, principal_delta=amount))
    assert len(emitted(book, AccountTransfer)) == is_announced
    after = owner(book, BOB)
    assert after.last_transfer_number == 7 + is_announced
    assert after.last_transfer_committed_at == (NOW if is_announced else T0)
    assert (after.principal, after.last_change_seqnum, after.update_pending_since) == (amount, 2, NOW)


# -- due interest ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("late", "rate", "previous_rate", "rate_age", "due"),
    [
        (DAY, 10.0, 0.0, 50 * DAY, 0.2609790999203267),
        (60 * DAY, 10.0, 0.0, 60 * DAY, 1000 * (1.1 ** (60 / 365.25) - 1)),
        (60 * DAY, 10.0, 0.0, 0, 0.0),
        (-DAY, 10.0, 10.0, 50 * DAY, 0.0),
        (DAY, 0.0, 0.0, 50 * DAY, 0.0),
    ],
)
def test_a_late_credit_carries_due_interest(late, rate, previous_rate, rate_age, due):
    """It is added to the interest, and the balance gets its whole units (behaviour 44)."""
    before = account(
        BOB,
        interest_rate=rate,
        previous_interest_rate=previous_rate,
        last_interest_rate_change_ts=NOW - rate_age,
        created_at=NOW - YEAR,
    )
    book = applied(batch(before), credit(principal_delta=1000, committed_at=NOW - late))
    after = owner(book, BOB)
    assert after.principal == 1000
    assert after.interest == pytest.approx(due, rel=1e-9)


def test_due_interest_comes_on_top_of_what_has_accumulated():
    """Interest is brought up to date first, with the old balance (S5, behaviour 44)."""
    before = rich(1000, BOB, interest_rate=10.0, last_change_ts=NOW - YEAR, created_at=NOW - YEAR)
    book = applied(batch(before), credit(principal_delta=1000, committed_at=NOW - DAY))
    assert owner(book, BOB).interest == pytest.approx(100.2609790999203267, rel=1e-9)


# -- creation and revival (rules.md#a-credit) --------------------------------------------------


def test_a_credit_creates_an_unknown_account():
    """One update with number 1 shows the credited state and the settings (behaviours 8 and 43)."""
    book = applied(batch(root_config='{"rate":5.0}'), credit(committed_at=NOW - DAY))
    assert kinds(book) == ["AccountTransfer", "AccountUpdate"]
    update = only(emitted(book, AccountUpdate))
    assert (update.principal, update.last_change_seqnum, update.interest_rate) == (100, 1, 5.0)
    assert (update.interest, update.last_interest_rate_change_ts) == (0.0, text(NOW))
    assert (update.last_transfer_number, update.last_transfer_committed_at) == (1, text(NOW - DAY))
    assert (update.config_flags, update.negligible_amount, update.last_config_ts) == (0, 0.0, text(T0))
    assert owner(book, BOB).update_pending_since == T0


def test_a_credit_creates_the_root_account():
    """It announces itself, without a rate and without AccountTransfer (behaviour 43)."""
    book = applied(batch(), credit(ROOT))
    update = only(book.events)
    assert isinstance(update, AccountUpdate)
    assert (update.principal, update.last_change_seqnum, update.interest_rate) == (100, 1, 0.0)
    assert update.config_data == ""


def test_a_credit_revives_a_deleted_account():
    """The mark goes, bit 0 stays, and the numbers go on (behaviour 53)."""
    before = deleted(BOB, last_change_seqnum=5, last_transfer_number=3, created_at=NOW - 30 * DAY)
    book = applied(batch(before), credit())
    assert kinds(book) == ["AccountTransfer", "AccountUpdate"]
    update = only(emitted(book, AccountUpdate))
    assert (update.principal, update.config_flags, update.last_change_seqnum) == (100, 1, 6)
    assert (update.last_transfer_number, update.creation_date) == (4, day_of(NOW - 30 * DAY))
    after = owner(book, BOB)
    assert not after.is_deleted
    assert (after.update_pending_since, after.last_deletion_ts) == (T0, NOW - DAY)


def test_a_negligible_credit_revives_as_well():
    """The update is sent even though the transfer is not announced (behaviour 53)."""
    book = applied(batch(deleted(BOB, negligible_amount=1e30)), credit())
    assert kinds(book) == ["AccountUpdate"]


def test_a_revived_account_takes_the_rate_of_today_before_it_is_credited():
    """The time before the revival counts with the old rate (behaviours 44 and 53)."""
    before = deleted(BOB, interest_rate=10.0, last_interest_rate_change_ts=NOW - 80 * DAY)
    book = applied(
        batch(before, root_config='{"rate":50}'), credit(principal_delta=1000, committed_at=NOW - DAY)
    )
    update = only(emitted(book, AccountUpdate))
    assert (update.interest_rate, update.last_interest_rate_change_ts) == (50.0, text(NOW))
    assert update.interest == pytest.approx(0.2609790999203267, rel=1e-9)


def test_a_deleted_root_account_is_revived_with_its_settings():
    """Its configuration is shown as it was."""
    book = applied(batch(deleted(ROOT), root_config='{"limit":5}'), credit(ROOT))
    update = only(emitted(book, AccountUpdate))
    assert (update.config_data, update.config_flags, update.principal) == ('{"limit":5}', 1, 100)


def test_only_the_first_credit_of_a_new_account_is_announced_at_once():
    """The second one of the batch is pending, with a number of its own (S7)."""
    book = applied(batch(), credit(change_id=1), credit(change_id=2))
    assert only(emitted(book, AccountUpdate)).principal == 100
    after = owner(book, BOB)
    assert (after.principal, after.update_pending_since) == (200, NOW)
    assert after.last_change_seqnum == 2


# -- containment -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "delta", "contained"),
    [(MAX_INT64 - 50, 100, MAX_INT64), (-MAX_INT64 + 50, -100, -MAX_INT64)],
)
def test_a_principal_that_does_not_fit_raises_an_alarm(principal, delta, contained):
    """The principal is cut, the account is marked, and the alarm names it (behaviour 45)."""
    book = applied(batch(rich(principal, BOB)), credit(principal_delta=delta))
    after = owner(book, BOB)
    assert (after.principal, after.is_overflown) == (contained, True)
    assert len(book.alarms) == 1
    assert f"{DEBTOR}/{BOB}" in str(book.alarms[0])
    event = only(emitted(book, AccountTransfer))
    assert (event.acquired_amount, event.principal) == (delta, contained)


def test_a_principal_that_just_fits_raises_none():
    """MAX_INT64 itself is in range (behaviour 108)."""
    book = applied(batch(rich(MAX_INT64 - 100, BOB)), credit())
    assert owner(book, BOB).principal == MAX_INT64
    assert book.alarms == []
