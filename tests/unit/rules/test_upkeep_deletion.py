"""Safe deletion, revival, purge, and what comes after it (rules.md#deletion)."""

import msgspec
import pytest

from swpt_accounts.events import AccountTransfer, AccountUpdate, RejectedTransfer
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.policy import Periods, Policy
from swpt_accounts.rules.upkeep import delete, heartbeat, purge, tend
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    NOW,
    PERIODS,
    ROOT,
    YEAR,
    applied,
    batch,
    buried,
    configure,
    credit,
    day_of,
    deleted,
    emitted,
    kinds,
    only,
    owner,
    request,
    rich,
    root,
    scheduled,
    text,
)
from tests.backstage.builders import MICROSECOND as MICRO

KEY = DEBTOR, ALICE


def after_deletion(before: Account, *others: Account, periods: Periods = PERIODS, **options) -> Book:
    """The book after an account was looked at."""
    book = batch(before, *others, **options)
    delete(book, (DEBTOR, before.creditor_id), periods)
    return book


# -- whether an account is deleted (rules.md#deletion) -----------------------------------------


@pytest.mark.parametrize(
    ("before", "is_deleted"),
    [
        pytest.param(scheduled(), True, id="all conditions hold"),
        pytest.param(scheduled(config_flags=-1), True, id="D1: all other bits do not matter"),
        pytest.param(scheduled(config_flags=0), False, id="D1: not scheduled"),
        pytest.param(scheduled(config_flags=-2), False, id="D1: all bits but the one"),
        pytest.param(scheduled(created_at=NOW - DAY), True, id="D2: a day old"),
        pytest.param(scheduled(created_at=NOW - DAY + MICRO), False, id="D2: not quite a day old"),
        pytest.param(scheduled(last_config_applied_at=NOW - 7 * DAY), True, id="D3: quiet for a week"),
        pytest.param(scheduled(last_config_applied_at=NOW - 7 * DAY + MICRO), False, id="D3: not quite"),
        pytest.param(scheduled(last_config_ts=NOW + YEAR), True, id="D3: the server's own time counts"),
        pytest.param(scheduled(last_config_applied_at=NOW + HOUR), False, id="D3: the clock was set back"),
        pytest.param(scheduled(pending_transfers_count=1), False, id="D4: a transfer with a lock of 0"),
        pytest.param(scheduled(principal=1), False, id="D6: one unit matters"),
        pytest.param(scheduled(interest=0.99), True, id="D6: a fraction does not"),
        pytest.param(scheduled(interest=1.0), False, id="D6: interest counts"),
        pytest.param(scheduled(principal=2, interest=-1.5), True, id="D6: negative interest counts as well"),
        pytest.param(
            scheduled(principal=10**6, interest_rate=-50.0, negligible_amount=5e5, last_change_ts=NOW - YEAR),
            True,
            id="D6: at this moment",
        ),
        pytest.param(scheduled(principal=2, negligible_amount=2.0), True, id="D6: just negligible"),
        pytest.param(scheduled(principal=2, negligible_amount=1.99), False, id="D6: not quite negligible"),
        pytest.param(
            scheduled(principal=2**53 + 1, negligible_amount=2.0**53), False, id="D6: compared exactly"
        ),
        pytest.param(scheduled(principal=-5000), True, id="D6: a debt is nobody's loss"),
        pytest.param(scheduled(principal=MAX_INT64, negligible_amount=1e30), True, id="D6: the owner's word"),
        pytest.param(scheduled(ROOT), True, id="D6: an empty root account"),
        pytest.param(scheduled(ROOT, principal=1, negligible_amount=1e30), False, id="D6: a root's surplus"),
        pytest.param(scheduled(ROOT, principal=-1, negligible_amount=1e30), False, id="D6: issued money"),
        pytest.param(
            scheduled(last_deletion_ts=NOW - 14 * DAY), True, id="D7: revived and deleted a fortnight later"
        ),
        pytest.param(scheduled(last_deletion_ts=NOW - 14 * DAY + MICRO), False, id="D7: not quite"),
        pytest.param(deleted(), True, id="D1: deleted already"),
    ],
)
def test_an_account_is_deleted_when_all_conditions_hold(before: Account, is_deleted: bool):
    """Each condition is checked exactly at its boundary (behaviours 48, 49, 50, 51 and 98)."""
    book = after_deletion(before, *([] if before.is_root else [root()]))
    after = owner(book, before.creditor_id)
    assert after.is_deleted is is_deleted
    if before.is_deleted or not is_deleted:
        assert after is before
        assert book.events == []


@pytest.mark.parametrize(("amount", "is_deleted"), [(-1, True), (0, True), (2, True), (3, False)])
def test_dust_is_forfeited_where_the_operator_says_so(amount, is_deleted):
    """A balance up to DELETION_DUST_AMOUNT counts as nothing, whatever is negligible (behaviour 50)."""
    periods = msgspec.structs.replace(PERIODS, deletion_dust_amount=2)
    book = after_deletion(scheduled(principal=amount), root(), periods=periods)
    assert owner(book, ALICE).is_deleted is is_deleted


def test_an_incoming_transfer_keeps_the_account():
    """Neither deleted nor purged while a prepared transfer to it can be committed (D5, G4, behaviour 99)."""
    for before, act in ((scheduled(), delete), (buried(), purge)):
        book = batch(before, root())
        book.incoming.add(KEY)
        assert not act(book, KEY, PERIODS)
        assert book.events == []
        book.incoming.clear()
        assert act(book, KEY, PERIODS)


def test_an_account_that_does_not_exist_is_left_alone():
    """Another process may have been faster."""
    book = batch(root())
    assert not tend(book, KEY, PERIODS)
    assert not tend(batch(), (DEBTOR, ROOT), PERIODS)


# -- what a deletion does ----------------------------------------------------------------------


def test_an_empty_account_is_deleted_silently():
    """One number, one AccountUpdate with bit 0, no transfer (behaviour 48)."""
    book = after_deletion(scheduled(interest=0.5, negligible_amount=7.5), root(), now=NOW)
    assert kinds(book) == ["AccountUpdate"]
    update = only(emitted(book, AccountUpdate))
    assert (update.principal, update.interest, update.config_flags) == (0, 0.0, 1)
    assert (update.last_change_seqnum, update.last_change_ts, update.ts) == (2, text(NOW), text(NOW))
    after = owner(book, ALICE)
    assert (after.is_deleted, after.last_deletion_ts, after.interest) == (True, NOW, 0.0)
    assert after.update_pending_since == 0
    assert owner(book, ROOT) == root()


def test_a_rest_goes_to_the_root_account_with_a_reason():
    """The AccountTransfer shows -2 and principal 0 (behaviours 42, 50 and 104)."""
    book = after_deletion(
        scheduled(principal=2, interest=0.25, negligible_amount=2.0, last_transfer_number=6),
        root(principal=-2),
    )
    assert kinds(book) == ["AccountTransfer", "AccountUpdate"]
    assert only(emitted(book, AccountTransfer)) == AccountTransfer(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        creation_date=day_of(NOW - 30 * DAY),
        transfer_number=7,
        coordinator_type="delete",
        sender=str(ALICE),
        recipient="0",
        acquired_amount=-2,
        transfer_note="Zeroing out before account deletion",
        transfer_note_format="",
        committed_at=text(NOW),
        principal=0,
        ts=text(NOW),
        previous_transfer_number=6,
    )
    update = only(emitted(book, AccountUpdate))
    assert (update.principal, update.interest, update.last_change_seqnum) == (0, 0.0, 2)
    assert update.last_transfer_number == 7
    assert owner(book, ROOT).principal == 0
    assert owner(book, ROOT).update_pending_since == NOW
    entry = only(book.entries)
    assert (entry.amount, entry.coordinator_type, entry.sender_principal) == (2, "delete", 0)


@pytest.mark.parametrize(("negligible_amount", "is_announced"), [(0.0, True), (5000.0, False)])
def test_a_debt_is_forgiven(negligible_amount, is_announced):
    """The root account pays it, and it is counted; a negligible payment is not announced."""
    book = after_deletion(
        scheduled(principal=-5000, negligible_amount=negligible_amount), root(principal=5000)
    )
    assert book.debts_forgiven == 1
    assert owner(book, ALICE).principal == 0
    assert owner(book, ROOT).principal == 0
    assert len(emitted(book, AccountTransfer)) == is_announced
    if is_announced:
        assert only(emitted(book, AccountTransfer)).acquired_amount == 5000


def test_debts_that_are_forgiven_are_counted():
    """Each of a batch, and no account that owes nothing."""
    debtors = [scheduled(ALICE, principal=-5), scheduled(BOB, principal=-7), scheduled(BOB + 1)]
    book = batch(*debtors, root(principal=12))
    for debtor in debtors:
        assert delete(book, (DEBTOR, debtor.creditor_id), PERIODS)
    assert book.debts_forgiven == 2


def test_what_an_overflow_has_left_locked_is_gone():
    """Without transfers nothing is locked."""
    book = after_deletion(scheduled(total_locked_amount=5), root())
    assert owner(book, ALICE).total_locked_amount == 0


def test_only_interest_that_is_owed_is_a_debt_as_well():
    """A negative balance without principal is forgiven without a payment."""
    book = after_deletion(scheduled(interest=-0.5), root())
    assert book.debts_forgiven == 1
    assert kinds(book) == ["AccountUpdate"]


@pytest.mark.parametrize(("limit", "note"), [(35, "Zeroing out before account deletion"), (34, "")])
def test_a_long_reason_is_left_out(limit, note):
    """A small TRANSFER_NOTE_MAX_BYTES does not hinder a deletion (rules.md#payments-of-the-server)."""
    policy = Policy(transfer_note_max_bytes=limit)
    book = after_deletion(scheduled(principal=1, negligible_amount=1.0), root(), policy=policy)
    assert only(emitted(book, AccountTransfer)).transfer_note == note


def test_a_root_account_is_deleted_without_a_payment():
    """Its AccountUpdate still shows its configuration."""
    config_data = '{"rate":5}'
    book = after_deletion(scheduled(ROOT), root_config=config_data)
    assert kinds(book) == ["AccountUpdate"]
    assert only(emitted(book, AccountUpdate)).config_data == config_data
    assert owner(book, ROOT).is_deleted


def test_the_rest_of_an_account_revives_its_deleted_root_account():
    """Nothing is lost, also if the root account was deleted a moment before."""
    book = batch(
        scheduled(ROOT), scheduled(ALICE, principal=2, negligible_amount=2.0), scheduled(BOB, principal=-2)
    )
    for creditor_id in (ROOT, ALICE, BOB):
        tend(book, (DEBTOR, creditor_id), PERIODS)
    assert owner(book, ALICE).is_deleted
    assert owner(book, BOB).is_deleted
    after = owner(book, ROOT)
    assert (after.principal, after.is_deleted, after.config_flags) == (0, False, 1)
    assert not delete(book, (DEBTOR, ROOT), PERIODS), "D7: a second deletion waits"


# -- after the deletion ------------------------------------------------------------------------


def test_a_deleted_account_is_silent_and_unreachable():
    """No heartbeats, no transfers to it or from it (behaviour 48, rules.md#life-of-an-account)."""
    book = batch(deleted(last_update_ts=NOW - 90 * DAY), rich(100, BOB), deleted(1003), reachable=[])
    assert not heartbeat(book, KEY, PERIODS)
    assert not tend(book, KEY, PERIODS)
    applied(book, request(BOB, ALICE), request(ALICE, BOB, coordinator_request_id=2))
    codes = [rejected.status_code for rejected in emitted(book, RejectedTransfer)]
    assert codes == ["RECIPIENT_IS_UNREACHABLE", "SENDER_IS_UNREACHABLE"]


@pytest.mark.parametrize("flags", [0, 1])
def test_a_configuration_revives_a_deleted_account(flags):
    """Creation date, numbers, ids and rate stay; bit 0 is as configured (behaviour 52)."""
    before = after_deletion(
        scheduled(
            interest_rate=3.5,
            previous_interest_rate=1.0,
            last_interest_rate_change_ts=NOW - 20 * DAY,
            last_transfer_number=9,
            last_transfer_id=4711,
        ),
        root(),
    )
    book = applied(batch(owner(before, ALICE), now=NOW + DAY), configure(ts=NOW + DAY, config_flags=flags))
    after = owner(book, ALICE)
    assert (after.is_deleted, after.config_flags) == (False, flags)
    assert after.created_at == NOW - 30 * DAY
    assert (after.interest_rate, after.previous_interest_rate) == (3.5, 1.0)
    assert (after.last_transfer_number, after.last_transfer_id) == (9, 4711)
    update = only(emitted(book, AccountUpdate))
    assert (update.last_change_seqnum, update.creation_date) == (3, day_of(NOW - 30 * DAY))
    assert not delete(book, KEY, PERIODS), "D3: the quiet time begins anew"


def test_a_revived_account_takes_settings_that_have_changed_meanwhile():
    """Rate and info are those of the currency now, in the one AccountUpdate (behaviour 52)."""
    before = deleted(interest_rate=3.5, last_interest_rate_change_ts=NOW - 20 * DAY)
    book = applied(batch(before, root(), root_config='{"rate":7,"info":{"iri":"x"}}'), configure())
    update = only(emitted(book, AccountUpdate))
    assert (update.interest_rate, update.debtor_info_iri) == (7.0, "x")
    assert update.last_interest_rate_change_ts == text(NOW)


@pytest.mark.parametrize(("age", "is_revived"), [(7 * DAY, True), (7 * DAY + MICRO, False)])
def test_an_old_configuration_does_not_revive(age, is_revived):
    """A message that wandered longer than MAX_CONFIG_DELAY finds nobody (behaviour 102)."""
    book = applied(batch(deleted()), configure(ts=NOW - age))
    assert owner(book, ALICE).is_deleted is not is_revived
    assert bool(book.events) is is_revived


def test_a_credit_revives_a_deleted_account():
    """It is announced with the money, and bit 0 stays set (behaviour 53)."""
    book = applied(
        batch(deleted(last_transfer_number=4, created_at=NOW - 30 * DAY)),
        credit(ALICE, 10, other_creditor_id=BOB),
    )
    after = owner(book, ALICE)
    assert (after.is_deleted, after.config_flags, after.principal) == (False, 1, 10)
    update = only(emitted(book, AccountUpdate))
    assert (update.principal, update.config_flags, update.creation_date) == (10, 1, day_of(NOW - 30 * DAY))
    assert only(emitted(book, AccountTransfer)).transfer_number == 5


def test_a_revived_account_is_deleted_again_a_fortnight_later():
    """The rest that has come late is forfeited in its turn (D7)."""
    before = scheduled(principal=2, negligible_amount=2.0, last_deletion_ts=NOW - DAY)
    assert not owner(after_deletion(before, root()), ALICE).is_deleted
    assert owner(after_deletion(before, root(), now=NOW + 13 * DAY), ALICE).is_deleted
