"""Interest payments, and the payments of the server between an account and the root account.

See rules.md#interest-payments.
"""

import math

import pytest

from swpt_accounts.events import AccountTransfer, AccountUpdate, PendingBalanceChange
from swpt_accounts.rules.accounts import Account, balance_at, begin_change, interest_at, moved, replace
from swpt_accounts.rules.policy import Policy
from swpt_accounts.rules.upkeep import announce_pending, capitalize, pay, tend
from swpt_accounts.wire.moments import MICROSECONDS, T0
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import (
    ALICE,
    DAY,
    DEBTOR,
    MICROSECOND,
    NOW,
    PERIODS,
    ROOT,
    SECOND,
    SHARD,
    YEAR,
    batch,
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

KEY = DEBTOR, ALICE


def capitalized(before: Account, *others: Account, **options):
    """The book after the interest of an account was looked at, and whether it was paid."""
    book = batch(before, *others, **options)
    return book, capitalize(book, (before.debtor_id, before.creditor_id), PERIODS)


# -- whether interest is paid (rules.md#interest-payments) -------------------------------------


@pytest.mark.parametrize(
    ("before", "is_paid"),
    [
        pytest.param(rich(1000, interest=5.5), True, id="K5: interest was never paid before"),
        pytest.param(root(principal=-1000, interest=5.5), False, id="K1: the root account"),
        pytest.param(deleted(), False, id="K1: a deleted account"),
        pytest.param(deleted(interest=5.5), False, id="K1: a deleted account, whatever is stored"),
        pytest.param(
            rich(1000, interest=5.5, last_capitalization_ts=NOW - 14 * DAY + MICROSECOND),
            False,
            id="K2: a microsecond before the interval is over",
        ),
        pytest.param(
            rich(1000, interest=5.5, last_capitalization_ts=NOW - 14 * DAY),
            True,
            id="K2: the interval is over",
        ),
        pytest.param(
            rich(1000, interest=5.5, last_capitalization_ts=NOW + DAY // 24),
            False,
            id="K2: the clock was set back",
        ),
        pytest.param(rich(1000, interest=0.999), False, id="K3: less than one"),
        pytest.param(rich(0, interest=1.0), True, id="K3: just one"),
        pytest.param(rich(0, interest=-0.3), True, id="K3: any debt is one unit"),
        pytest.param(rich(9999, interest=1.9), False, id="K4: 1 of 9999 is just the ratio"),
        pytest.param(rich(9998, interest=1.0), True, id="K4: 1 of 9998 is more"),
        pytest.param(rich(-9999, interest=1.0), False, id="K4: a debt of 9999 counts like a balance"),
        pytest.param(rich(9998, interest=-0.5), True, id="K4: -1 of 9998 is more"),
        pytest.param(rich(9999, interest=-0.5), False, id="K4: -1 of 9999 is not"),
        pytest.param(rich(10**18, interest=1e14), False, id="K4: 10^14 of 10^18 is not quite"),
        pytest.param(rich(10**18, interest=1.01e14), True, id="K4: a bit more of 10^18 is"),
    ],
)
def test_interest_is_paid_when_it_is_worth_it(before: Account, is_paid: bool):
    """The first rule that matches decides, exactly at its boundary (behaviour 47)."""
    book, did = capitalized(before, *([] if before.is_root else [root()]))
    assert did is is_paid
    if not is_paid:
        assert book.events == []
        assert book.changed_accounts() == []


def test_the_ratio_is_passed_when_the_rules_say():
    """At 5 % and with a principal of 10^15, the ratio 0.0001 is passed after 0.7486 days."""
    before = rich(10**15, interest_rate=5.0, last_change_ts=NOW)
    passed = next(s for s in range(86400) if capitalized(before, root(), now=NOW + s * SECOND)[1])
    assert round(passed / 86400, 4) == 0.7486


def test_the_longer_story_of_the_rules():
    """Thirty days, a commit, ten days, an interest payment of 4822, and a rate of -2.

    See rules.md#whole-balance.
    """
    born = rich(1_000_000, interest_rate=5.0, last_change_ts=NOW)
    day_30, day_40, day_60 = NOW + 30 * DAY, NOW + 40 * DAY, NOW + 60 * DAY
    assert interest_at(born, day_30) == pytest.approx(4015.446068191015, rel=1e-9)
    assert balance_at(born, day_30) == 1_004_015

    after_commit = moved(born, -400_000, day_30, True, day_30)
    assert after_commit.principal == 600_000
    assert after_commit.interest == pytest.approx(4015.446068191015, rel=1e-9)
    assert balance_at(after_commit, day_30) == 604_015
    assert interest_at(after_commit, day_40) == pytest.approx(4822.830177461985, rel=1e-9)
    assert balance_at(after_commit, day_40) == 604_822

    book, did = capitalized(after_commit, root(), now=day_40)
    after_payment = owner(book, ALICE)
    assert did
    assert only(emitted(book, AccountTransfer)).acquired_amount == 4822
    assert after_payment.principal == 604_822
    assert after_payment.interest == pytest.approx(0.8301774619849311, rel=1e-6)
    assert balance_at(after_payment, day_40) == 604_822
    assert owner(book, ROOT).principal == -4822

    slower = replace(begin_change(after_payment, day_40), interest_rate=-2.0)
    assert interest_at(slower, day_60) == pytest.approx(-667.8790629530273, rel=1e-9)
    assert balance_at(slower, day_60) == 604_154


# -- what an interest payment does (rules.md#payments-of-the-server) ---------------------------


def test_an_interest_payment_is_a_transfer_from_the_root_account():
    """Number, principal, note and parties are those of a transfer from `0` (behaviours 41 and 104)."""
    book, _ = capitalized(rich(1000, interest=5.75, last_transfer_number=3), root(principal=-1000))
    assert kinds(book) == ["AccountTransfer"]
    transfer = only(emitted(book, AccountTransfer))
    assert transfer == AccountTransfer(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        creation_date=day_of(NOW - DAY),
        transfer_number=4,
        coordinator_type="interest",
        sender="0",
        recipient=str(ALICE),
        acquired_amount=5,
        transfer_note="Interest payment",
        transfer_note_format="",
        committed_at=text(NOW),
        principal=1005,
        ts=text(NOW),
        previous_transfer_number=3,
    )
    after = owner(book, ALICE)
    assert (after.principal, after.interest) == (1005, 0.75)
    assert after.last_capitalization_ts == NOW
    assert after.last_change_seqnum == 2
    assert owner(book, ROOT).principal == -1005
    assert owner(book, ROOT).last_transfer_number == 0


def test_an_interest_payment_is_announced_later():
    """Both accounts take one number, and their AccountUpdates are pending (rules.md#numbers-by-event)."""
    book, _ = capitalized(rich(1000, interest=5.75), root(principal=-1000))
    for creditor_id in (ALICE, ROOT):
        assert owner(book, creditor_id).update_pending_since == NOW
        assert owner(book, creditor_id).last_change_seqnum == 2
    later = batch(owner(book, ALICE), now=NOW + 60 * SECOND)
    assert announce_pending(later, KEY)
    assert only(emitted(later, AccountUpdate)).principal == 1005


def test_negative_interest_goes_to_the_root_account():
    """The account pays, always announced; the fraction that is left is not negative (behaviour 47)."""
    book, did = capitalized(rich(1000, interest=-5.25, negligible_amount=1e30), root(principal=-1000))
    assert did
    transfer = only(emitted(book, AccountTransfer))
    assert (transfer.acquired_amount, transfer.sender, transfer.recipient) == (-6, str(ALICE), "0")
    assert (owner(book, ALICE).principal, owner(book, ALICE).interest) == (994, 0.75)
    assert owner(book, ROOT).principal == -994


@pytest.mark.parametrize("principal", [0, 1, 12345, -50, 2**53 + 1, 10**18])
@pytest.mark.parametrize(
    "interest", [1.0, 1.5, -0.3, -1.0, 4822.830177461985, -667.8790629530273, 1e15 + 0.5]
)
@pytest.mark.parametrize("rate", [-50.0, 0.0, 100.0])
def test_a_payment_leaves_the_balance_and_a_fraction(principal, interest, rate):
    """W is the same before and after, and 0 <= interest < 1 (behaviours 41 and 47)."""
    before = rich(principal, interest=interest, interest_rate=rate, last_change_ts=NOW - 3 * DAY)
    book, did = capitalized(before, root())
    after = owner(book, ALICE)
    assert balance_at(after, NOW) == balance_at(before, NOW)
    if did:
        assert 0.0 <= after.interest < 1.0
        assert after.principal + owner(book, ROOT).principal == principal
        assert not capitalize(book, KEY, PERIODS)


def test_interest_that_hardly_differs_from_zero_becomes_one():
    """Binary64 has no number close below 1 for it; the balance is still the same."""
    book, _ = capitalized(rich(0, interest=-1e-20), root())
    assert (owner(book, ALICE).principal, owner(book, ALICE).interest) == (-1, 1.0)
    assert balance_at(owner(book, ALICE), NOW) == 0


@pytest.mark.parametrize(
    ("negligible_amount", "is_announced"), [(0.0, True), (4.9, True), (5.0, False), (1e30, False)]
)
def test_negligible_interest_is_paid_silently(negligible_amount, is_announced):
    """An AccountTransfer is left out like for any small transfer; the money moves.

    See rules.md#transfers-that-are-announced.
    """
    book, did = capitalized(rich(1000, interest=5.75, negligible_amount=negligible_amount), root())
    assert did
    assert len(emitted(book, AccountTransfer)) == is_announced
    assert owner(book, ALICE).last_transfer_number == is_announced
    assert owner(book, ALICE).last_transfer_committed_at == (NOW if is_announced else T0)
    assert owner(book, ALICE).principal == 1005
    assert only(book.entries).recipient_transfer_number == is_announced


@pytest.mark.parametrize(("limit", "note"), [(500, "Interest payment"), (16, "Interest payment"), (15, "")])
def test_a_note_that_is_too_long_is_left_out(limit, note):
    """With a small TRANSFER_NOTE_MAX_BYTES the payment is made without a word.

    See rules.md#payments-of-the-server.
    """
    book, _ = capitalized(rich(1000, interest=5.75), root(), policy=Policy(transfer_note_max_bytes=limit))
    assert only(emitted(book, AccountTransfer)).transfer_note == note
    assert only(book.entries).transfer_note == note


def test_the_journal_knows_who_has_paid():
    """The root account pays positive interest and gets negative interest; ids of requests are 0."""
    book, _ = capitalized(rich(1000, interest=5.75), root(principal=-1000))
    entry = only(book.entries)
    assert (entry.sender_creditor_id, entry.recipient_creditor_id, entry.amount) == (ROOT, ALICE, 5)
    assert (entry.sender_principal, entry.recipient_principal) == (-1005, 1005)
    assert (entry.transfer_id, entry.coordinator_id, entry.coordinator_request_id) == (0, 0, 0)
    assert entry.coordinator_type == "interest"
    book, _ = capitalized(rich(1000, interest=-5.75), root(principal=-1000))
    entry = only(book.entries)
    assert (entry.sender_creditor_id, entry.recipient_creditor_id, entry.amount) == (ALICE, ROOT, 6)
    assert (entry.sender_principal, entry.recipient_principal) == (994, -994)


# -- the root side -----------------------------------------------------------------------------


def test_a_payment_creates_the_root_account():
    """An account whose root account is missing gets its interest; the new root account is announced."""
    book, did = capitalized(rich(1000, interest=5.75))
    assert did
    assert owner(book, ROOT).principal == -5
    update = only(emitted(book, AccountUpdate))
    assert (update.creditor_id, update.principal, update.last_change_seqnum) == (ROOT, -5, 1)
    assert update.config_data == ""
    assert [created.creditor_id for created in book.created_accounts()] == [ROOT]


def test_a_payment_revives_a_deleted_root_account():
    """It is announced at once, with the payment, and stays scheduled for deletion."""
    book, _ = capitalized(rich(1000, interest=5.75), deleted(ROOT, negligible_amount=1e30))
    after = owner(book, ROOT)
    assert (after.is_deleted, after.config_flags, after.principal) == (False, 1, -5)
    assert only(emitted(book, AccountUpdate)).creditor_id == ROOT


def test_a_payment_to_a_root_account_elsewhere_travels_as_a_message():
    """The change id is the next number of the account's own transfer counter (rules.md#ids-of-transfers)."""
    debtor_id = next(d for d in range(1, 1000) if not SHARD.owns(d, ROOT) and SHARD.owns(d, ALICE))
    before = replace(rich(1000, interest=5.75, last_transfer_id=77), debtor_id=debtor_id)
    book, did = capitalized(before, policy=Policy(realm=SHARD))
    assert did
    change = only(emitted(book, PendingBalanceChange))
    assert change == PendingBalanceChange(
        debtor_id=debtor_id,
        creditor_id=ROOT,
        change_id=78,
        coordinator_type="interest",
        transfer_note="Interest payment",
        transfer_note_format="",
        committed_at=text(NOW),
        principal_delta=-5,
        other_creditor_id=ALICE,
    )
    assert book.accounts[debtor_id, ALICE].last_transfer_id == 78
    assert (debtor_id, ROOT) not in book.accounts


# -- containment -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "interest", "paid"),
    [
        (MAX_INT64 - 3, 1e18, 3),
        (MAX_INT64 - 3, 2.0**63, 3),
        (-MAX_INT64 + 3, -1e18, -3),
        (0, 2.0**63, MAX_INT64),
        (0, -(2.0**63), -MAX_INT64),
        # From one end of the range to the other is more than an amount can be.
        (-1, 2.0**63, MAX_INT64),
        (1, -(2.0**63), -MAX_INT64),
        (-MAX_INT64, 2.0**63, MAX_INT64),
    ],
)
def test_the_server_pays_no_more_than_fits(principal, interest, paid):
    """The account stays in range and is no case for an alarm; what was not paid stays interest.

    See rules.md#payments-of-the-server.
    """
    book, did = capitalized(rich(principal, interest=interest), root())
    after = owner(book, ALICE)
    assert did
    assert after.principal == principal + paid
    assert after.interest == interest - float(paid)
    assert not after.is_overflown
    assert owner(book, ROOT).principal == -paid
    assert book.alarms == []


def test_a_full_account_gets_nothing():
    """Where nothing fits, nothing happens at all (behaviour 40)."""
    book, did = capitalized(rich(MAX_INT64, interest=1e18), root())
    assert not did
    assert book.events == []
    assert book.changed_accounts() == []


def test_a_root_account_that_overflows_is_an_alarm():
    """The root account takes what the accounts are paid, and its own principal is contained."""
    book, did = capitalized(rich(0, interest=100.0), root(principal=-MAX_INT64))
    assert did
    assert owner(book, ROOT).principal == -MAX_INT64
    assert owner(book, ROOT).is_overflown
    assert book.overflows == 1


def test_an_account_with_an_overflown_principal_earns_interest_like_others():
    """The mark stays, and changes nothing (behaviour 45)."""
    book, did = capitalized(rich(1000, interest=5.5, is_overflown=True), root(is_overflown=True))
    assert did
    assert owner(book, ALICE).principal == 1005
    assert owner(book, ALICE).is_overflown


# -- time --------------------------------------------------------------------------------------


def test_interest_is_brought_up_to_date_first():
    """What is paid is the interest of this moment, not the stored one (S5)."""
    before = rich(10**6, interest_rate=10.0, last_change_ts=NOW - YEAR)
    book, _ = capitalized(before, root())
    assert (
        only(emitted(book, AccountTransfer)).acquired_amount == math.floor(interest_at(before, NOW)) >= 99_999
    )


def test_a_clock_that_was_set_back_makes_no_interest():
    """No interest accrues before the last change, and the moment of the last change stays (V8)."""
    before = rich(10**6, interest_rate=10.0, interest=200.0, last_change_ts=NOW)
    book, did = capitalized(before, root(last_change_ts=NOW), now=NOW - 3600 * MICROSECONDS)
    assert did
    after = owner(book, ALICE)
    assert (after.principal, after.interest) == (10**6 + 200, 0.0)
    assert after.last_change_ts == NOW
    assert owner(book, ROOT).last_change_ts == NOW


def test_a_payment_of_a_whole_amount_returns_the_account():
    """`pay` leaves the interest alone, and gives the changed account back."""
    book = batch(rich(10, interest=0.5), root())
    after = pay(book, owner(book, ALICE), 3, "interest", "why")
    assert after is owner(book, ALICE)
    assert (after.principal, after.interest) == (13, 0.5)


def test_interest_is_paid_when_an_account_is_tended():
    """Among all else that may be due."""
    book = batch(rich(1000, interest=5.5), root(principal=-1000))
    assert tend(book, KEY, PERIODS)
    assert owner(book, ALICE).principal == 1005
