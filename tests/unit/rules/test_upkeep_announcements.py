"""Announcements in silence: heartbeats, reminders, pending updates (rules.md#announcements)."""

import msgspec
import pytest

from swpt_accounts.events import AccountUpdate, PreparedTransfer
from swpt_accounts.rules.accounts import Account, replace
from swpt_accounts.rules.policy import Policy
from swpt_accounts.rules.upkeep import announce_anew, announce_pending, due_later, heartbeat, remind, tend
from swpt_accounts.wire.moments import T0
from tests.backstage.builders import (
    ALICE,
    DAY,
    DEBTOR,
    FIRST_TRANSFER_ID,
    HOUR,
    MINUTE,
    NOW,
    PERIODS,
    POLICY,
    SECOND,
    account,
    applied,
    batch,
    buried,
    configure,
    deleted,
    emitted,
    finalize,
    only,
    owner,
    prepared,
    request,
    rich,
    root,
    text,
    with_locks,
)
from tests.backstage.builders import MICROSECOND as MICRO

KEY = DEBTOR, ALICE
WEEK = 7 * DAY
GROWN = Policy(transfer_note_max_bytes=500, commit_period_seconds=7776001, settings_version=2)

# -- heartbeats (rules.md#heartbeats) ----------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "is_due"),
    [
        pytest.param(account(last_update_ts=NOW - WEEK), False, id="silent for a week"),
        pytest.param(account(last_update_ts=NOW - WEEK - MICRO), True, id="a bit longer"),
        pytest.param(account(last_update_ts=NOW + HOUR), False, id="the clock was set back"),
        pytest.param(root(last_update_ts=NOW - WEEK - MICRO), True, id="the root account"),
        pytest.param(account(last_update_ts=NOW - WEEK - MICRO, config_flags=1), True, id="scheduled"),
        pytest.param(deleted(last_update_ts=NOW - 30 * DAY), False, id="deleted"),
    ],
)
def test_a_silent_account_is_announced_again(before: Account, is_due: bool):
    """A heartbeat comes when the interval has passed, and never for a deleted account (behaviour 57)."""
    book = batch(before)
    assert heartbeat(book, (DEBTOR, before.creditor_id), PERIODS) is is_due
    assert len(book.events) == is_due


def test_a_heartbeat_repeats_the_announced_state():
    """It is newer, otherwise identical: the number and the interest stay (behaviours 57 and 80)."""
    configured = applied(batch(account(interest_rate=5.0, principal=1000)), configure())
    first = only(emitted(configured, AccountUpdate))
    silent = owner(configured, ALICE)
    book = batch(silent, now=NOW + 8 * DAY)
    assert heartbeat(book, KEY, PERIODS)
    again = only(emitted(book, AccountUpdate))
    assert again == msgspec.structs.replace(first, ts=text(NOW + 8 * DAY))
    assert owner(book, ALICE) == replace(silent, last_update_ts=NOW + 8 * DAY)
    assert not heartbeat(book, KEY, PERIODS), "one is enough"


def test_a_heartbeat_shows_what_was_pending():
    """A pending change is announced with it, under its number (rules.md#balance-changes)."""
    waiting = rich(
        100, last_change_seqnum=5, update_pending_since=NOW - 8 * DAY, last_update_ts=NOW - 8 * DAY
    )
    book = batch(waiting)
    assert heartbeat(book, KEY, PERIODS)
    assert only(emitted(book, AccountUpdate)).last_change_seqnum == 5
    assert due_later(book, KEY) is None


def test_after_the_clock_was_set_back_an_update_is_never_dated_before_the_change():
    """`ts` is the moment of the last change then (rules.md#content-of-accountupdate)."""
    book = batch(account(last_change_ts=NOW + HOUR, last_update_ts=NOW - 8 * DAY))
    assert heartbeat(book, KEY, PERIODS)
    assert only(emitted(book, AccountUpdate)).ts == text(NOW + HOUR)


def test_a_clock_set_back_by_an_hour_only_makes_silence_longer():
    """Nothing is announced twice, and an hour later everything goes on."""
    book = batch(account(last_update_ts=NOW), now=NOW - HOUR)
    assert not tend(book, KEY, PERIODS)
    assert book.events == []
    later = batch(account(last_update_ts=NOW), now=NOW + WEEK + MICRO)
    assert heartbeat(later, KEY, PERIODS)


# -- grown settings of the server (rules.md#promises-of-the-server) ----------------------------


def test_grown_settings_are_announced_with_a_new_number():
    """The next heartbeat is a meaningful change, with its interest (behaviour 111)."""
    before = rich(1000, interest_rate=5.0, last_change_ts=NOW - 8 * DAY, last_update_ts=NOW - 8 * DAY)
    book = batch(before, policy=GROWN)
    assert heartbeat(book, KEY, PERIODS)
    update = only(emitted(book, AccountUpdate))
    assert (update.commit_period, update.last_change_seqnum) == (7776001, 2)
    assert update.last_change_ts == text(NOW)
    assert update.interest == owner(book, ALICE).interest > 1.0
    assert owner(book, ALICE).announced_settings == 2
    again = batch(owner(book, ALICE), policy=GROWN, now=NOW + 8 * DAY)
    assert heartbeat(again, KEY, PERIODS)
    assert only(emitted(again, AccountUpdate)).last_change_seqnum == 2


def test_any_other_announcement_carries_grown_settings_as_well():
    """It has a number of its own anyway, and the heartbeat does not take another (behaviour 111)."""
    book = applied(batch(account(), policy=GROWN), configure())
    assert only(emitted(book, AccountUpdate)).last_change_seqnum == 2
    assert owner(book, ALICE).announced_settings == 2
    silent = batch(owner(book, ALICE), policy=GROWN, now=NOW + 8 * DAY)
    assert heartbeat(silent, KEY, PERIODS)
    assert only(emitted(silent, AccountUpdate)).last_change_seqnum == 2


def test_grown_settings_wait_for_the_heartbeat():
    """An account that has spoken lately is not announced because of them."""
    book = batch(account(), policy=GROWN)
    assert not tend(book, KEY, PERIODS)
    assert POLICY.settings_version == 1


# -- pending updates (rules.md#balance-changes) ------------------------------------------------


def test_a_pending_update_changes_nothing_but_its_own_marks():
    """Neither number, nor last_change_ts, nor interest move; due_later forgets it."""
    waiting = rich(100, interest_rate=9.0, update_pending_since=NOW - SECOND)
    book = batch(waiting)
    assert announce_pending(book, KEY)
    assert owner(book, ALICE) == replace(
        waiting, update_pending_since=T0, last_update_ts=NOW, last_delayed_update_ts=NOW
    )
    assert due_later(book, KEY) is None
    assert not announce_pending(book, KEY)


@pytest.mark.parametrize(
    ("since", "last", "due"),
    [
        (NOW, T0, NOW + SECOND),
        (NOW, NOW - MINUTE, NOW + SECOND),
        (NOW, NOW - 10 * SECOND, NOW + 50 * SECOND),
        (NOW, NOW + MINUTE // 24, NOW + MINUTE // 24 + MINUTE),
        (NOW, NOW + HOUR, NOW + SECOND),
    ],
)
def test_a_pending_update_is_due_after_delay_and_interval(since, last, due):
    """The later one of both decides, exactly (rules.md#balance-changes)."""
    waiting = rich(update_pending_since=since, last_delayed_update_ts=last)
    assert due_later(batch(waiting), KEY) == due
    assert not announce_pending(batch(waiting, now=due - MICRO), KEY)
    assert announce_pending(batch(waiting, now=due), KEY)


def test_a_deleted_or_missing_account_has_nothing_pending():
    """A row of due updates that is left over says nothing."""
    for book in (batch(buried(update_pending_since=NOW - DAY)), batch()):
        assert due_later(book, KEY) is None
        assert not announce_pending(book, KEY)
        assert book.events == []


# -- the command after a restore ---------------------------------------------------------------


def test_an_account_can_be_announced_anew():
    """With a number of its own, except a deleted or missing one (rules.md#after-a-restore)."""
    book = batch(rich(1000, interest_rate=5.0, last_change_ts=NOW - DAY), deleted(1002))
    assert announce_anew(book, KEY)
    assert only(emitted(book, AccountUpdate)).last_change_seqnum == 2
    assert not announce_anew(book, (DEBTOR, 1002))
    assert not announce_anew(book, (DEBTOR, 1003))


# -- reminders (rules.md#reminders) ------------------------------------------------------------

TRANSFER = DEBTOR, ALICE, FIRST_TRANSFER_ID


@pytest.mark.parametrize(
    ("fields", "is_due"),
    [
        pytest.param({"prepared_at": NOW - WEEK}, False, id="prepared a week ago"),
        pytest.param({"prepared_at": NOW - WEEK - MICRO}, True, id="a bit longer"),
        pytest.param(
            {"prepared_at": NOW - 3 * WEEK, "last_reminder_ts": NOW - WEEK}, False, id="reminded a week ago"
        ),
        pytest.param(
            {"prepared_at": NOW - 3 * WEEK, "last_reminder_ts": NOW - WEEK - MICRO},
            True,
            id="reminded longer ago",
        ),
        pytest.param(
            {"prepared_at": NOW - 8 * WEEK, "deadline": NOW - WEEK}, True, id="the deadline has passed"
        ),
        pytest.param({"prepared_at": NOW - 8 * WEEK, "deadline": T0}, True, id="it had passed at once"),
        pytest.param({"prepared_at": NOW + HOUR}, False, id="the clock was set back"),
        pytest.param(
            {"prepared_at": NOW - 3 * WEEK, "last_reminder_ts": NOW + HOUR}, False, id="set back, reminded"
        ),
    ],
)
def test_a_transfer_that_waits_is_announced_again(fields, is_due):
    """Once per interval, also after the deadline (behaviour 58)."""
    transfer = prepared(**fields)
    book = batch(with_locks(rich(), transfer), prepared=[transfer])
    assert remind(book, TRANSFER, PERIODS) is is_due
    assert len(book.events) == is_due
    assert book.reminded_transfers == ([TRANSFER] if is_due else [])
    assert book.changed_accounts() == []


def test_a_reminder_differs_only_in_its_moment():
    """All other fields are those of the first PreparedTransfer (behaviour 58)."""
    first_book = applied(batch(rich(), reachable=[1002]), request())
    first = only(emitted(first_book, PreparedTransfer))
    [(key, transfer)] = first_book.new_transfers.items()
    book = batch(owner(first_book, ALICE), prepared=[transfer], now=NOW + 9 * DAY)
    assert remind(book, key, PERIODS)
    assert only(emitted(book, PreparedTransfer)) == msgspec.structs.replace(first, ts=text(NOW + 9 * DAY))
    assert not remind(book, key, PERIODS), "once per interval"
    assert book.prepared[key].last_reminder_ts == NOW + 9 * DAY


def test_reminders_go_on_forever():
    """One every week, through the deadline and for years after it (rules.md#reminders)."""
    transfer = prepared(prepared_at=NOW, deadline=NOW + 90 * DAY)
    count = 0
    for day in range(1, 366):
        book = batch(with_locks(rich(), transfer), prepared=[transfer], now=NOW + day * DAY)
        count += remind(book, TRANSFER, PERIODS)
        transfer = book.prepared[TRANSFER]
    assert count == 45, "every eighth day, because the interval has to have passed"


def test_a_repeated_request_is_no_reminder():
    """The emission of rule P2 does not count, and does not put a reminder off (rules.md#reminders)."""
    transfer = prepared(prepared_at=NOW - 8 * DAY)
    book = applied(batch(with_locks(rich(), transfer), prepared=[transfer]), request())
    assert len(emitted(book, PreparedTransfer)) == 1
    assert book.prepared[TRANSFER].last_reminder_ts == T0
    assert remind(book, TRANSFER, PERIODS)


def test_nobody_is_reminded_of_what_is_finalized():
    """The transfer is gone, in the same batch or before."""
    transfer = prepared(prepared_at=NOW - 8 * DAY)
    book = applied(batch(with_locks(rich(), transfer), prepared=[transfer]), finalize(transfer))
    assert not remind(book, TRANSFER, PERIODS)
    assert not remind(batch(rich()), TRANSFER, PERIODS)
    assert owner(book, ALICE).pending_transfers_count == 0
