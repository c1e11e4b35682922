"""Stories of configuring: accounts come into being, and change their configuration."""

from datetime import UTC, datetime, timedelta

import pytest

from .currency import (
    ALICE,
    BOB,
    COMMIT_PERIOD_SECONDS,
    MAX_INT64,
    MIN_INT64,
    T0,
    account_id,
    instant,
    same_instant,
)


def ago(**duration: float) -> str:
    """A moment of the past."""
    return (datetime.now(UTC) - timedelta(**duration)).isoformat()


@pytest.mark.parametrize("creditor_id", [ALICE, -1, 1, MIN_INT64])
def test_a_new_account_announces_itself_once(currency, creditor_id):
    """Its only AccountUpdate has number 1 and nothing but defaults (behaviour 1)."""
    update = currency.open(creditor_id)
    assert update.has(
        creation_date=instant(update.ts).date().isoformat(),
        last_change_seqnum=1,
        principal=0,
        interest=0.0,
        interest_rate=0.0,
        last_interest_rate_change_ts=T0,
        config_flags=0,
        config_data="",
        account_id=account_id(creditor_id),
        debtor_info_iri="",
        debtor_info_content_type="",
        debtor_info_sha256="",
        last_transfer_number=0,
        last_transfer_committed_at=T0,
        demurrage_rate=-50.0,
        commit_period=COMMIT_PERIOD_SECONDS,
        transfer_note_max_bytes=500,
        ttl=604800,
    )
    assert update.last_change_ts == update.ts
    assert abs(datetime.now(UTC) - instant(update.ts)) < timedelta(seconds=10)
    currency.silent()


def test_the_same_configuration_again_says_nothing(currency):
    """A repetition is ignored; the next number at the same moment is another change (behaviour 2)."""
    message = currency.configuration(ALICE, seqnum=5)
    currency.agent.send(message)
    currency.take("AccountUpdate", last_config_seqnum=5)
    currency.agent.send(message)
    currency.silent()
    currency.agent.send(message | {"seqnum": 6, "config_flags": 2})
    assert currency.take("AccountUpdate", last_config_seqnum=6).has(last_change_seqnum=2, config_flags=2)
    currency.silent()


def test_older_configurations_are_ignored(currency):
    """An older number, or an older moment with a higher number, changes nothing (behaviour 3)."""
    ts = ago(hours=1)
    earlier = (instant(ts) - timedelta(microseconds=1)).isoformat()
    currency.open(ALICE, ts=ts, seqnum=7)
    currency.configure(ALICE, ts=ts, seqnum=6, config_data="xxx")
    currency.configure(ALICE, ts=ts, seqnum=6, config_flags=1)
    currency.configure(ALICE, ts=earlier, seqnum=8, config_flags=1)
    currency.silent()


def test_an_ordinary_account_takes_no_config_data(currency, is_reachable):
    """RejectedConfig echoes every field, and no account is created (behaviour 4)."""
    message = currency.configure(
        ALICE,
        negligible_amount=0.1,
        config_flags=-7,
        config_data="xxx",
        seqnum=-3,
        ts=ago(days=1),
    )
    rejected = currency.take("RejectedConfig")
    assert rejected.has(
        creditor_id=ALICE,
        config_seqnum=-3,
        config_flags=-7,
        negligible_amount=0.1,
        config_data="xxx",
        rejection_code="INVALID_CONFIGURATION",
    )
    assert same_instant(rejected.config_ts, message["ts"])
    currency.silent()
    assert not is_reachable(currency, ALICE)


def test_an_old_configuration_creates_nothing(currency, is_reachable):
    """More than a week is too old for what does not exist, half a minute less is not (behaviour 5)."""
    currency.configure(ALICE, ts=ago(days=7, seconds=1))
    currency.configure(ALICE, ts=ago(days=7, seconds=1), config_data="xxx")
    currency.silent()
    assert not is_reachable(currency, ALICE)
    currency.open(BOB, ts=ago(days=7, seconds=-30))
    currency.open(BOB, ts=ago(days=7, seconds=-31))
    currency.silent()


def test_the_numbers_of_configurations_wrap(currency):
    """At one moment the smallest number follows the largest one, not the other way round (behaviour 6)."""
    ts = ago(minutes=1)
    currency.open(ALICE, ts=ts, seqnum=2147483647)
    currency.open(ALICE, ts=ts, seqnum=-2147483648)
    currency.configure(ALICE, ts=ts, seqnum=2147483647)
    currency.silent()


def test_the_far_future_is_accepted(currency):
    """A configuration of the year 2099 is applied, and stands above all of today (behaviour 7)."""
    currency.open(ALICE, ts="2099-12-31T23:59:59.999999+00:00")
    currency.configure(ALICE)
    currency.silent()


def test_a_new_account_starts_with_the_settings_of_its_currency(currency, chores_done):
    """Rate and debtor info stand in its first and only AccountUpdate (behaviour 8)."""
    info = {"iri": "https://example.com/монета", "contentType": "text/html", "sha256": "0A" * 32}
    currency.open_root({"rate": 3.567, "info": info})
    update = currency.open(ALICE)
    assert update.has(
        last_change_seqnum=1,
        interest_rate=3.567,
        debtor_info_iri="https://example.com/монета",
        debtor_info_content_type="text/html",
        debtor_info_sha256="0A" * 32,
        last_interest_rate_change_ts=update.last_change_ts,
    )
    assert abs(datetime.now(UTC) - instant(update.last_change_ts)) < timedelta(seconds=10)
    chores_done()
    currency.silent()


@pytest.mark.parametrize("seen", ["present", "absent"])
def test_a_rejected_configuration_does_not_count(currency, seen):
    """A valid one with a moment between the applied and the rejected one is applied (behaviour 109)."""
    if seen == "present":
        currency.open(ALICE, ts=ago(minutes=3))
    between = currency.configuration(ALICE, ts=ago(minutes=2), config_flags=4)
    currency.configure(ALICE, ts=ago(minutes=1), config_data="xxx")
    currency.take("RejectedConfig")
    currency.agent.send(between)
    assert currency.take("AccountUpdate").config_flags == 4
    currency.silent()


@pytest.mark.parametrize("flags", [0, 1, 2, 65534, -65536, 2147483647, -2147483648, -1])
def test_flags_come_back_unchanged(currency, flags):
    """All 32 bits are echoed, whatever they mean (behaviour 110)."""
    assert currency.open(ALICE, config_flags=flags).config_flags == flags


@pytest.mark.parametrize("creditor_id", [MIN_INT64, MAX_INT64, -1, 1])
def test_extreme_creditors_pay_and_are_paid(currency, creditor_id):
    """Every 64-bit integer names an account like any other (behaviour 110)."""
    currency.rich(creditor_id, 100)
    currency.open(BOB)
    currency.pay(creditor_id, BOB, 40)
    sent = currency.take("AccountTransfer", creditor_id=creditor_id)
    received = currency.take("AccountTransfer", creditor_id=BOB)
    assert sent.has(sender=account_id(creditor_id), acquired_amount=-40, principal=60)
    assert received.has(sender=account_id(creditor_id), acquired_amount=40, principal=40)


@pytest.mark.parametrize("debtor_id", [MIN_INT64, -1, MAX_INT64 - 1])
def test_extreme_debtors_have_accounts(agent, currency, debtor_id):
    """A debtor may have any 64-bit integer (behaviour 110)."""
    currency.debtor_id = debtor_id
    currency.open_root()
    assert currency.open(ALICE).debtor_id == debtor_id
    currency.issue(ALICE, 5)
    assert currency.take("AccountTransfer").principal == 5


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{year}-06-01T12:00:00Z", "{year}-06-01T12:00:00+00:00"),
        ("{year}-06-01T12:00:00+05:30", "{year}-06-01T06:30:00+00:00"),
        ("{year}-06-01T12:00:00.123+00:00", "{year}-06-01T12:00:00.123000+00:00"),
        ("{year}-06-01T12:00:00.123456-0030", "{year}-06-01T12:30:00.123456+00:00"),
        ("{year}-06-01T12:00:00.1234569Z", "{year}-06-01T12:00:00.123456+00:00"),
        ("{year}-06-01T12:00+02", "{year}-06-01T10:00:00+00:00"),
    ],
)
def test_timestamps_are_read_in_many_forms(currency, written, meant):
    """However the moment is written, the same instant comes back in UTC (behaviour 87)."""
    year = datetime.now(UTC).year + 1
    currency.configure(ALICE, ts=written.format(year=year))
    assert currency.take("AccountUpdate").last_config_ts == meant.format(year=year)


@pytest.mark.parametrize(
    "amount", [123456789.125, 0.1, 9007199254740991.0, 1e300, 5e-324, 1.7976931348623157e308, 1e-7]
)
def test_a_negligible_amount_comes_back_exactly(currency, amount):
    """All 64 bits of the number are kept (behaviour 88)."""
    assert currency.open(ALICE, negligible_amount=amount).negligible_amount == amount


def test_a_number_without_a_point_is_a_float_as_well(currency):
    """An integer for a field of type float is accepted, and echoed with a point (behaviour 86)."""
    message = currency.configuration(ALICE)
    currency.agent.send(message | {"negligible_amount": 7})
    assert b'"negligible_amount":7.0,' in currency.take("AccountUpdate").body
    currency.configure(ALICE, negligible_amount=7, config_data="xxx")
    assert b'"negligible_amount":7.0,' in currency.take("RejectedConfig").body


def test_unknown_members_are_ignored(currency):
    """A message of a later version of the protocol is understood as far as it goes (behaviour 10)."""
    assert (
        currency.open(ALICE, config_flags=2, colour="red", more={"deep": [None, 1, True]}).config_flags == 2
    )
    currency.silent()
