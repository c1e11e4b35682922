"""Decisions about one account: configurations, settings, credits, limits, due times."""

import math

import pytest

from swpt_accounts.rules.accounts import (
    Account,
    announced,
    available_at,
    balance_at,
    begin_change,
    configured,
    interest_at,
    is_negligible,
    is_reachable,
    judge_configuration,
    min_balance,
    moved,
    new_account,
    replace,
    settings_changes,
    update_due_at,
)
from swpt_accounts.rules.currency import CurrencySettings, DebtorInfo
from swpt_accounts.wire.moments import T0, T_FAR
from swpt_accounts.wire.numbers import MAX_INT32, MAX_INT64, MIN_INT32
from tests.backstage.builders import (
    ALICE,
    DAY,
    FIRST_TRANSFER_ID,
    HOUR,
    MICROSECOND,
    MINUTE,
    NOW,
    POLICY,
    ROOT,
    SECOND,
    YEAR,
    account,
    configure,
    deleted,
    rich,
    root,
)

WEEK = 7 * DAY
INFO = DebtorInfo(iri="https://example.com/", content_type="text/html", sha256="0" * 64)

# -- creation ----------------------------------------------------------------------------------


def test_a_new_account_counts_its_transfers_from_its_day_of_creation():
    """The first transfer id is days(creation_date) · 2^40 + 1 (behaviour 79)."""
    assert new_account(7, ALICE, 20778 * DAY + HOUR).last_transfer_id + 1 == 22845652601929729
    assert new_account(7, ALICE, NOW).last_transfer_id + 1 == FIRST_TRANSFER_ID


@pytest.mark.parametrize(
    ("created_at", "days"),
    [(20778 * DAY, 20778), (20779 * DAY - 1, 20778), (20779 * DAY, 20779), (0, 0)],
)
def test_the_day_of_creation_ends_at_midnight_in_utc(created_at, days):
    """A microsecond before midnight belongs to the old day, midnight to the new one."""
    assert new_account(7, ALICE, created_at).last_transfer_id == days * 2**40


def test_a_new_account_is_empty():
    """Zeros, no texts and T0, but for who owns it, its first moments and its ids (rules.md#accounts)."""
    assert new_account(7, ALICE, NOW) == Account(
        debtor_id=7,
        creditor_id=ALICE,
        created_at=NOW,
        interest_rate=0.0,
        previous_interest_rate=0.0,
        last_interest_rate_change_ts=T0,
        last_capitalization_ts=T0,
        last_config_ts=T0,
        last_config_seqnum=0,
        last_config_applied_at=T0,
        negligible_amount=0.0,
        config_flags=0,
        debtor_info=DebtorInfo(iri="", content_type="", sha256=""),
        last_deletion_ts=T0,
        announced_settings=0,
        is_deleted=False,
        is_overflown=False,
        last_change_seqnum=0,
        last_change_ts=NOW,
        principal=0,
        interest=0.0,
        last_transfer_number=0,
        last_transfer_committed_at=T0,
        last_transfer_id=FIRST_TRANSFER_ID - 1,
        total_locked_amount=0,
        pending_transfers_count=0,
        last_update_ts=NOW,
        last_delayed_update_ts=T0,
        update_pending_since=T0,
    )


# -- ConfigureAccount (rules.md#configurations) ------------------------------------------------


def test_the_ladder_of_configurations_has_four_rungs():
    """The first rule that matches decides: C1 before C2 before C3 before C4."""
    old, ancient = account(last_config_ts=NOW), NOW - 8 * DAY
    assert judge_configuration(old, configure(ts=ancient), False, POLICY, NOW) == "C1"
    assert judge_configuration(None, configure(ts=ancient), False, POLICY, NOW) == "C2"
    assert judge_configuration(None, configure(), False, POLICY, NOW) == "C3"
    assert judge_configuration(None, configure(), True, POLICY, NOW) == "C4"


@pytest.mark.parametrize(
    ("ts", "seqnum", "rule"),
    [
        (NOW, 5, "C1"),  # the same again
        (NOW, 6, "C4"),
        (NOW, 4, "C1"),
        (NOW - MICROSECOND, 6, "C1"),  # the moment counts first
        (NOW + MICROSECOND, 4, "C4"),
        (NOW, 5 + 2**31 - 1, "C4"),  # the farthest later number
        (NOW, 5 - 2**31, "C1"),  # neither later nor earlier
        (T_FAR, 5, "C4"),
    ],
)
def test_only_later_configurations_are_applied(ts, seqnum, rule):
    """The moment decides, then the number, and the same is not later (behaviours 2, 3 and 7)."""
    seqnum = (seqnum - MIN_INT32) % 2**32 + MIN_INT32
    existing = account(last_config_ts=NOW, last_config_seqnum=5)
    assert judge_configuration(existing, configure(ts=ts, seqnum=seqnum), True, POLICY, NOW) == rule


@pytest.mark.parametrize(
    ("last", "new", "rule"), [(MAX_INT32, MIN_INT32, "C4"), (MIN_INT32, MAX_INT32, "C1")]
)
def test_the_numbers_of_configurations_wrap(last, new, rule):
    """The smallest number follows the largest one (behaviour 6)."""
    existing = account(last_config_ts=NOW, last_config_seqnum=last)
    assert judge_configuration(existing, configure(seqnum=new), True, POLICY, NOW) == rule


@pytest.mark.parametrize(
    ("existing", "age", "rule"),
    [
        (None, WEEK, "C4"),  # exactly the longest delay
        (None, WEEK + MICROSECOND, "C2"),
        (deleted(), WEEK, "C4"),
        (deleted(), WEEK + MICROSECOND, "C2"),
        (account(), WEEK + MICROSECOND, "C4"),  # existing accounts do not mind
        (account(config_flags=1), 100 * WEEK, "C4"),
        (deleted(last_config_ts=NOW - WEEK - MICROSECOND), WEEK + MICROSECOND, "C1"),
    ],
)
def test_old_configurations_create_and_revive_nothing(existing, age, rule):
    """Older than MAX_CONFIG_DELAY is too old for what does not exist (behaviours 5 and 102)."""
    assert judge_configuration(existing, configure(ts=NOW - age), True, POLICY, NOW) == rule


@pytest.mark.parametrize("existing", [None, account(), deleted()])
def test_a_configuration_of_the_future_is_applied(existing):
    """A moment in the future is no obstacle (behaviour 7)."""
    assert judge_configuration(existing, configure(ts=NOW + 73 * YEAR), True, POLICY, NOW) == "C4"


def test_a_configuration_replaces_everything_that_it_names():
    """Flags, amount and order key are replaced together; the rest of a deleted account stays."""
    before = deleted(interest_rate=5.0, last_transfer_number=9, debtor_info=INFO)
    message = configure(config_flags=-2, negligible_amount=5e-324, ts=NOW - HOUR, seqnum=-3)
    assert configured(before, message, NOW) == replace(
        before,
        is_deleted=False,
        config_flags=-2,
        negligible_amount=5e-324,
        last_config_ts=NOW - HOUR,
        last_config_seqnum=-3,
        last_config_applied_at=NOW,
    )


# -- numbers of changes (S4, S5) ---------------------------------------------------------------


def test_a_change_brings_interest_up_to_date_and_takes_a_number():
    """Interest accumulates with the old rate up to the moment of the change."""
    before = rich(1000, interest_rate=10.0, last_change_ts=NOW - YEAR)
    after = begin_change(before, NOW)
    assert after.interest == pytest.approx(100.0, abs=1e-10)
    assert (after.last_change_ts, after.last_change_seqnum) == (NOW, 2)


def test_the_moment_of_the_last_change_never_decreases():
    """A clock that was set back changes the number only (behaviour 80)."""
    after = begin_change(rich(1000, interest_rate=10.0, last_change_ts=NOW + HOUR), NOW)
    assert (after.last_change_ts, after.last_change_seqnum, after.interest) == (NOW + HOUR, 2, 0.0)


def test_the_numbers_of_changes_wrap():
    """After the largest number comes the smallest one."""
    assert begin_change(account(last_change_seqnum=MAX_INT32), NOW).last_change_seqnum == MIN_INT32


# -- balances ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "balance", "available"),
    [
        (rich(1000), 1000, 1000),
        (rich(1000, total_locked_amount=400), 1000, 600),
        (rich(1000, total_locked_amount=1400), 1000, -400),
        (rich(200, interest=-150.0), 50, 50),
        (rich(1000, interest_rate=10.0, last_change_ts=NOW - YEAR - SECOND), 1100, 1100),
        (rich(-1000, interest_rate=10.0, last_change_ts=NOW - YEAR), -1000, -1000),
        # the root account has no interest, whatever is stored
        (root(principal=-500, interest=300.0), -500, -500),
        (root(principal=500, interest=-1.0, interest_rate=50.0, last_change_ts=NOW - YEAR), 500, 500),
        # what the interest adds is contained before the locks are subtracted
        (rich(MAX_INT64, interest=1e18, total_locked_amount=1), MAX_INT64, MAX_INT64 - 1),
    ],
)
def test_the_available_amount_is_the_balance_minus_what_is_locked(owner, balance, available):
    """Interest of both signs counts on ordinary accounts, and never on the root (behaviours 34 and 46)."""
    assert balance_at(owner, NOW) == balance
    assert available_at(owner, NOW) == available


def test_a_root_account_forgets_stored_interest_with_its_next_change():
    """The interest of a root account is 0.0 at every moment."""
    assert interest_at(root(interest=300.0), NOW) == 0.0
    assert begin_change(root(interest=300.0), NOW).interest == 0.0


@pytest.mark.parametrize(
    ("negligible_amount", "limit", "expected"),
    [
        (0.0, MAX_INT64, 0),
        (1e30, MAX_INT64, -9223372036854775807),
        (9.223372036854776e18, MAX_INT64, -9223372036854775807),
        (1e30, 100, -100),
        (100.7, MAX_INT64, -100),
        (123456789.0, MAX_INT64, -123456789),
        (100.0, 0, 0),
        (50.0, 100, -50),
        (0.999, 100, 0),
        (9007199254740993.0, MAX_INT64, -9007199254740992),
        (1.7976931348623157e308, MAX_INT64, -9223372036854775807),
    ],
)
def test_how_far_a_root_account_may_fall(negligible_amount, limit, expected):
    """The minimal balance is the smaller one of limit and negligible amount (behaviours 27, 28 and 92)."""
    settings = CurrencySettings(issuing_limit=limit)
    assert min_balance(root(negligible_amount=negligible_amount), settings) == expected
    assert min_balance(root(negligible_amount=negligible_amount), None) == 0  # a limit nobody can read


def test_an_ordinary_account_may_fall_to_zero_only():
    """A large negligible amount is no credit line."""
    assert min_balance(rich(negligible_amount=1e30), CurrencySettings(issuing_limit=5)) == 0


@pytest.mark.parametrize(
    ("owner", "reachable"),
    [
        (None, False),
        (account(), True),
        (account(config_flags=2), True),
        (account(config_flags=1), False),
        (account(config_flags=-1), False),
        (deleted(), False),
        (deleted(config_flags=0), False),
    ],
)
def test_who_accepts_transfers(owner, reachable):
    """An account has to exist, and must be neither deleted nor scheduled for it (behaviour 49)."""
    assert is_reachable(owner) is reachable


# -- credits (rules.md#a-credit) ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "amount", "expected", "is_overflown"),
    [
        (MAX_INT64 - 1, 1, MAX_INT64, False),
        (MAX_INT64, 1, MAX_INT64, True),
        (MAX_INT64, MAX_INT64, MAX_INT64, True),
        (-MAX_INT64 + 1, -1, -MAX_INT64, False),
        (-MAX_INT64, -1, -MAX_INT64, True),
        (5, -5, 0, False),
    ],
)
def test_a_principal_is_contained_and_marked(principal, amount, expected, is_overflown):
    """What does not fit is cut, and leaves its mark (behaviour 45)."""
    after = moved(rich(principal), amount, NOW, False, NOW)
    assert (after.principal, after.is_overflown) == (expected, is_overflown)


def test_the_mark_of_an_overflow_sticks():
    """A later credit that fits does not wipe the mark off."""
    assert moved(rich(0, is_overflown=True), 5, NOW, False, NOW).is_overflown


def test_due_interest_goes_to_the_interest():
    """A credit of a year ago adds a year's interest, and not to the principal (behaviour 44)."""
    before = rich(0, interest=1.5, interest_rate=10.0, last_change_ts=NOW)
    after = moved(before, 1000, NOW - YEAR, False, NOW)
    assert after.principal == 1000
    assert after.interest == pytest.approx(101.5, abs=1e-9)


def test_due_interest_has_no_effect_on_a_root_account():
    """However late a credit comes, the root account gets the amount alone (behaviour 44)."""
    assert moved(root(interest_rate=10.0), 1000, NOW - YEAR, False, NOW).interest == 0.0


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sum_of_interest_and_due_interest_is_cut(sign):
    """Two interests near the bound do not add up to more than the bound."""
    before = rich(0, interest=sign * 2.0**62.5, interest_rate=100.0)
    after = moved(before, sign * MAX_INT64, NOW - YEAR, False, NOW)
    assert after.interest == sign * 2.0**63


# -- negligible transfers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("negligible_amount", "coordinator_type", "acquired_amount", "negligible"),
    [
        (100.0, "direct", 100, True),
        (100.0, "direct", 101, False),
        (100.9, "direct", 101, False),
        (100.0, "direct", 1, True),
        (100.0, "direct", 0, False),
        (100.0, "direct", -1, False),  # outgoing
        (100.0, "direct", -50, False),
        (100.0, "agent", 50, False),
        (100.0, "Agent", 50, True),  # types are case-sensitive
        (100.0, "interest", 50, True),
        (100.0, "delete", 50, True),
        (1e30, "issuing", MAX_INT64, True),
        (0.0, "direct", 1, False),
        # exact: neither binary32 nor binary64 may round the amount
        (16777216.0, "direct", 16777217, False),
        (16777216.0, "direct", 16777216, True),
        (9007199254740992.0, "direct", 9007199254740993, False),
        (9.223372036854775e18, "direct", MAX_INT64, False),
        (9.223372036854776e18, "direct", MAX_INT64, True),
    ],
)
def test_which_transfers_are_negligible(negligible_amount, coordinator_type, acquired_amount, negligible):
    """Small incoming transfers are, exactly compared; agents' never are (behaviours 38 and 90)."""
    owner = account(negligible_amount=negligible_amount)
    assert is_negligible(owner, coordinator_type, acquired_amount) is negligible


# -- settings of the currency (rules.md#rate-and-info-of-an-account) ---------------------------


def rate(value: float) -> CurrencySettings:
    return CurrencySettings(interest_rate=value)


@pytest.mark.parametrize(
    ("owner", "target", "new_rate"),
    [
        (root(), 5.0, None),  # R1
        (deleted(), 5.0, None),  # R1
        (account(), math.nan, None),  # R3
        (account(), math.inf, None),  # R3
        (account(), 100.0, 100.0),
        (account(), 1e9, 100.0),  # R4
        (account(), -50.0, -50.0),
        (account(), -1e9, -50.0),  # R4
        (account(interest_rate=100.0), 1e9, None),  # R4 before R5
        (account(interest_rate=5.0), 5.0, None),  # R5
        (account(), -0.0, None),  # R5
        (account(interest_rate=3.567891234), 3.567891234, None),  # R5
        (account(interest_rate=1.0, last_interest_rate_change_ts=NOW - 8 * DAY + 1), 5.0, None),  # R6
        (account(interest_rate=1.0, last_interest_rate_change_ts=NOW - 8 * DAY), 5.0, 5.0),  # R7
        (account(interest_rate=1.0, last_interest_rate_change_ts=NOW + HOUR), 5.0, None),  # R6
        (account(), 3.567, 3.567),  # R7, the first change
    ],
)
def test_when_a_rate_takes_effect(owner, target, new_rate):
    """Rules R1 to R7 decide in order; targets are cut, and changes keep apart (behaviours 54 and 91)."""
    changes = settings_changes(owner, rate(target), POLICY, NOW)
    if new_rate is None:
        assert changes == {}
    else:
        assert changes == {
            "previous_interest_rate": owner.interest_rate,
            "interest_rate": new_rate,
            "last_interest_rate_change_ts": NOW,
        }


@pytest.mark.parametrize(
    ("owner", "info", "changes"),
    [
        (account(), INFO, {"debtor_info": INFO}),
        (account(debtor_info=INFO), INFO, {}),
        (account(debtor_info=INFO), CurrencySettings().debtor_info, {"debtor_info": account().debtor_info}),
        (root(), INFO, {}),
        (deleted(), INFO, {}),
    ],
)
def test_debtor_info_is_replaced_as_a_whole(owner, info, changes):
    """Other info replaces all three texts, the same info changes nothing (behaviour 55)."""
    assert settings_changes(owner, CurrencySettings(debtor_info=info), POLICY, NOW) == changes


def test_debtor_info_does_not_wait_for_the_rate():
    """A rate that is put off, or is no number, does not hold up the info."""
    recent = account(interest_rate=1.0, last_interest_rate_change_ts=NOW - DAY)
    for target in (5.0, math.nan):
        settings = CurrencySettings(interest_rate=target, debtor_info=INFO)
        assert settings_changes(recent, settings, POLICY, NOW) == {"debtor_info": INFO}


# -- pending updates (rules.md#balance-changes) ------------------------------------------------


@pytest.mark.parametrize(
    ("pending_since", "last_delayed", "due"),
    [
        (NOW, T0, NOW + SECOND),
        (NOW, NOW - 10 * SECOND, NOW + 50 * SECOND),
        (NOW, NOW - MINUTE + SECOND, NOW + SECOND),
        (NOW, NOW - HOUR, NOW + SECOND),
    ],
)
def test_when_a_pending_update_is_due(pending_since, last_delayed, due):
    """One second after the first change, and a minute after the last delayed one (behaviour 96)."""
    owner = account(update_pending_since=pending_since, last_delayed_update_ts=last_delayed)
    assert update_due_at(owner, POLICY, NOW) == due


def test_only_the_first_change_starts_the_waiting():
    """Further changes do not postpone the update (behaviour 96)."""
    once = moved(account(), 1, NOW, True, NOW)
    assert once.update_pending_since == NOW
    assert moved(once, 1, NOW + SECOND, True, NOW + SECOND).update_pending_since == NOW


def test_every_announcement_settles_what_is_pending():
    """An update for whatever reason leaves nothing to announce, and does not count as a delayed one."""
    before = account(update_pending_since=NOW - SECOND, last_delayed_update_ts=NOW - HOUR)
    after = announced(before, POLICY, NOW)
    assert after.update_pending_since == T0
    assert after.last_update_ts == NOW
    assert after.last_delayed_update_ts == NOW - HOUR
    assert after.announced_settings == POLICY.settings_version


def test_the_story_of_ten_o_clock():
    """Changes at 10:00:05.0, :05.3, :20 and :50, and at 15:00 make three delayed updates (behaviour 96)."""
    ten = NOW
    fifteen = ten + 5 * HOUR
    changes = [ten + 5 * SECOND, ten + 5300 * 1000, ten + 20 * SECOND, ten + 50 * SECOND, fifteen]
    owner = announced(account(), POLICY, ten)
    sent = []
    for change in changes:
        if owner.update_pending_since != T0 and update_due_at(owner, POLICY, change) <= change:
            due = update_due_at(owner, POLICY, change)
            owner = replace(announced(owner, POLICY, due), last_delayed_update_ts=due)
            sent.append(due)
        owner = moved(owner, 1, change, True, change)
    sent.append(update_due_at(owner, POLICY, fifteen))
    assert sent == [ten + 6 * SECOND, ten + 66 * SECOND, fifteen + SECOND]


def test_the_root_account_is_the_one_with_the_number_zero():
    """Only creditor id 0 names a root account."""
    assert root().creditor_id == ROOT
    assert root().is_root
    assert not account(-1).is_root
