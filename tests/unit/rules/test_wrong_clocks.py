"""What the rules make of moments that a wrong clock has written: a table for each of them.

The clock stood 100 days ahead for a while, and is right again.  Waits come back to the clock; what clients
have seen never decreases; and no interest is made of time that has not passed.
"""

import pytest

from swpt_accounts.rules.accounts import interest_at, moved, settings_changes, update_due_at
from swpt_accounts.rules.balances import due_interest
from swpt_accounts.rules.currency import NO_DEBTOR_INFO, CurrencySettings
from swpt_accounts.rules.upkeep import (
    announce_pending,
    begin_wait_anew,
    capitalize,
    delete,
    heartbeat,
    purge,
    remind,
    tend,
)
from swpt_accounts.wire.moments import T0, is_astray, is_over, latest_due
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import (
    ALICE,
    DAY,
    DEBTOR,
    HOUR,
    MINUTE,
    NOW,
    PERIODS,
    POLICY,
    SECOND,
    YEAR,
    account,
    batch,
    buried,
    owner,
    prepared,
    rich,
    scheduled,
    with_locks,
)

KEY = DEBTOR, ALICE
AHEAD = NOW + 100 * DAY
AGES = NOW + 7000 * YEAR


@pytest.mark.parametrize(
    ("since", "duration", "over"),
    [
        (NOW - 7 * DAY, 7 * DAY, True),
        (NOW - 7 * DAY + 1, 7 * DAY, False),
        (NOW, 7 * DAY, False),
        (NOW + HOUR, 7 * DAY, False),  # clocks differ by an hour at most
        (NOW + HOUR + 1, 7 * DAY, True),
        (AHEAD, 7 * DAY, True),
        (AGES, 7 * DAY, True),
        (NOW + MINUTE // 24, MINUTE, False),  # and by little where little is waited for
        (NOW + MINUTE // 24 + 1, MINUTE, True),
        (NOW, 0, True),
        (T0, 7 * DAY, True),
    ],
)
def test_a_wait_is_over_when_it_can_not_have_begun(since, duration, over):
    """A moment further ahead than clocks differ keeps nobody waiting; nothing waits for twice its time."""
    assert is_over(since, duration, NOW) is over
    assert is_astray(since, duration, NOW) <= over
    assert over or since + duration <= latest_due(duration, NOW)


@pytest.mark.parametrize(
    ("since", "last", "due"),
    [
        (AHEAD, T0, NOW),
        (AHEAD, AHEAD, NOW),
        (AHEAD, NOW - 10 * SECOND, NOW + 50 * SECOND),
        (NOW, AHEAD, NOW + SECOND),
        (NOW - HOUR, AGES, NOW - HOUR + SECOND),
    ],
)
def test_changed_balances_are_announced(since, last, due):
    """10.2: whenever it changed, it is announced at the latest after the usual pause."""
    waiting = rich(update_pending_since=since, last_delayed_update_ts=last, last_change_ts=AHEAD)
    assert update_due_at(waiting, POLICY, NOW) == due
    book = batch(waiting, now=max(NOW, due))
    assert announce_pending(book, KEY)
    assert owner(book, ALICE).last_delayed_update_ts == book.now


@pytest.mark.parametrize(
    ("last", "is_due"),
    [(AHEAD, True), (AGES, True), (NOW + HOUR, False), (NOW, False), (NOW - 8 * DAY, True)],
)
def test_heartbeats_go_on(last, is_due):
    """10.3: the first one comes at once, the next ones in their interval."""
    book = batch(account(last_update_ts=last, last_change_ts=last))
    assert heartbeat(book, KEY, PERIODS) is is_due
    assert not heartbeat(book, KEY, PERIODS)


@pytest.mark.parametrize(
    ("prepared_at", "last", "is_due"),
    [
        (AHEAD, T0, True),
        (NOW - 8 * DAY, AHEAD, True),
        (AHEAD, AHEAD, True),
        (AHEAD, NOW, False),
        (NOW, AHEAD, False),
    ],
)
def test_reminders_go_on(prepared_at, last, is_due):
    """12.2: of a transfer that was prepared, or reminded of, while the clock was wrong."""
    transfer = prepared(prepared_at=prepared_at, last_reminder_ts=last)
    book = batch(with_locks(rich(), transfer), prepared=[transfer])
    key = DEBTOR, ALICE, transfer.transfer_id
    assert remind(book, key, PERIODS) is is_due
    assert not remind(book, key, PERIODS)


@pytest.mark.parametrize(
    ("last", "is_paid"), [(AHEAD, True), (NOW + HOUR, False), (NOW, False), (NOW - 15 * DAY, True)]
)
def test_interest_is_paid_again(last, is_paid):
    """K2: what has accumulated is paid, and not a unit more; the next time in two weeks."""
    book = batch(rich(interest=7.5, interest_rate=10.0, last_capitalization_ts=last, last_change_ts=AHEAD))
    assert capitalize(book, KEY, PERIODS) is is_paid
    after = owner(book, ALICE)
    assert (after.principal, after.interest) == ((1007, 0.5) if is_paid else (1000, 7.5))
    assert after.last_change_ts == AHEAD
    assert not capitalize(book, KEY, PERIODS)


@pytest.mark.parametrize("last_change", [NOW + 1, AHEAD, AGES])
def test_no_interest_is_made_of_time_that_has_not_passed(last_change):
    """4.2, S4, V8: interest that was made too early is not made again; the last change never decreases."""
    early = rich(interest=3.25, interest_rate=10.0, last_change_ts=last_change)
    assert interest_at(early, NOW) == 3.25
    after = moved(early, 100, NOW, True, NOW)
    assert (after.interest, after.last_change_ts) == (3.25, last_change)
    assert interest_at(after, last_change) == 3.25
    assert interest_at(after, last_change + YEAR) > 100


@pytest.mark.parametrize(
    ("committed_at", "changed_at", "due"),
    [
        (AHEAD, T0, 0.0),
        (NOW - YEAR, AHEAD, 50.0),  # all of it under the previous rate
        (NOW - YEAR, T0, 100.0),
        (AHEAD, AHEAD, 0.0),
    ],
)
def test_a_late_credit_is_never_due_for_less_than_no_time(committed_at, changed_at, due):
    """4.5: negative differences count as nothing, wherever the moments lie."""
    amount = due_interest(1000, committed_at, NOW, 10.0, 5.0, changed_at)
    assert amount == pytest.approx(due, rel=0.01)


@pytest.mark.parametrize(
    ("last", "changed_at"),
    [(AHEAD, AHEAD + 1), (AGES, AGES + 1), (NOW, None), (NOW - 9 * DAY, NOW)],
)
def test_rates_can_be_changed_again(last, changed_at):
    """R6, R7, V8: at once, and with a later moment, because senders ask whether it has changed since."""
    before = rich(interest_rate=5.0, last_interest_rate_change_ts=last)
    settings = CurrencySettings(10.0, MAX_INT64, NO_DEBTOR_INFO)
    changes = settings_changes(before, settings, POLICY, NOW)
    assert changes.get("last_interest_rate_change_ts") == changed_at


def test_the_quiet_time_before_a_deletion_begins_anew():
    """D2, D3: it protects the owner, so it is not cut short, and lasts no longer than usual."""
    before = scheduled(created_at=AHEAD, last_config_applied_at=AHEAD, last_change_ts=AHEAD)
    assert not delete(batch(before), KEY, PERIODS)
    book = batch(before)
    assert tend(book, KEY, PERIODS)
    after = owner(book, ALICE)
    assert (after.last_config_applied_at, after.is_deleted) == (NOW, False)
    assert not delete(batch(after, now=NOW + 7 * DAY - 1), KEY, PERIODS)
    assert delete(batch(after, now=NOW + 7 * DAY), KEY, PERIODS)


@pytest.mark.parametrize(
    ("before", "is_begun_anew"),
    [
        (scheduled(last_config_applied_at=AHEAD), True),
        (scheduled(last_deletion_ts=AHEAD), True),
        (buried(last_deletion_ts=AHEAD), True),
        (scheduled(), False),
        (rich(last_config_applied_at=AHEAD), False),
    ],
)
def test_a_wait_that_begins_anew_is_told(before, is_begun_anew):
    """The chore that looks at accounts stores what has changed, and counts it."""
    book = batch(before)
    assert begin_wait_anew(book, KEY, PERIODS) is is_begun_anew
    assert bool(book.changed_accounts()) is is_begun_anew


def test_a_revived_account_can_be_deleted_again():
    """D7: a fortnight after somebody has looked at it."""
    book = batch(scheduled(last_deletion_ts=AHEAD))
    assert tend(book, KEY, PERIODS)
    after = owner(book, ALICE)
    assert (after.last_deletion_ts, after.is_deleted) == (NOW, False)
    assert delete(batch(after, now=NOW + 14 * DAY), KEY, PERIODS)


@pytest.mark.parametrize(
    ("changed_at", "deleted_at", "purged_at"),
    [
        (AGES, AGES, NOW + 106 * DAY + 1),
        (AGES, NOW - DAY, NOW - DAY + 106 * DAY + 1),
        (AHEAD, AHEAD, AHEAD + 106 * DAY + 1),  # by then it is a moment like any other
        (NOW - DAY, NOW - DAY, NOW - DAY + 106 * DAY + 1),
    ],
)
def test_a_deleted_account_is_purged_in_time(changed_at, deleted_at, purged_at):
    """G2: by the moment of its deletion as long as the last change lies ahead, and never earlier."""
    before = buried(created_at=NOW - YEAR, last_change_ts=changed_at, last_deletion_ts=deleted_at)
    book = batch(before)
    tend(book, KEY, PERIODS)
    after = owner(book, ALICE)
    assert not purge(batch(after, now=purged_at - 1), KEY, PERIODS)
    assert purge(batch(after, now=purged_at), KEY, PERIODS)


def test_an_account_that_was_created_ahead_is_not_purged_before_its_day():
    """G3: an account that is created again must have a later day of creation, whatever the clock says."""
    before = buried(created_at=AHEAD, last_change_ts=NOW - 200 * DAY, last_deletion_ts=NOW - 200 * DAY)
    assert not purge(batch(before), KEY, PERIODS)
    assert purge(batch(before, now=AHEAD + 4 * DAY), KEY, PERIODS)
