"""Stories of preparing: requests are granted, repeated, or refused for the first reason that holds."""

from datetime import UTC, date, datetime, timedelta

import pytest

from .currency import (
    ALICE,
    BOB,
    CAROL,
    COMMIT_PERIOD_SECONDS,
    MAX_INT64,
    ROOT,
    T0,
    T_FAR,
    account_id,
    instant,
    same_instant,
)

LAST_YEAR = datetime.now(UTC).year - 1
JUST_BEFORE_T0 = "1969-12-31T23:59:59.999999+00:00"


def test_three_ways_to_be_unreachable(currency):
    """No number, no account, another subnet: each rejection echoes its coordinator (behaviour 14)."""
    currency.rich(ALICE, 100)
    currency.open(CAROL)
    agent = {"coordinator_type": "agent", "coordinator_id": BOB}
    for recipient, fields in (("alice@example.com", {}), (BOB, {}), (CAROL, agent)):
        request = currency.request(ALICE, recipient, 1, **fields)
        rejected = currency.answer(request, "RejectedTransfer")
        assert rejected.has(
            creditor_id=ALICE,
            coordinator_type=request["coordinator_type"],
            coordinator_id=request["coordinator_id"],
            coordinator_request_id=request["coordinator_request_id"],
            status_code="RECIPIENT_IS_UNREACHABLE",
            total_locked_amount=0,
        )
    currency.silent()


@pytest.mark.parametrize(
    "recipient",
    ["05", "+5", " 5", "5 ", "1_0", "5\n", "", "-1", "5.0", "0x5", "18446744073709551616", "9" * 100],
)
def test_an_identifier_has_one_form(currency, recipient):
    """Any other text than the canonical number is unreachable, also if the account exists (behaviour 89)."""
    currency.open_root()
    for creditor_id in (5, 10, -1):
        currency.open(creditor_id)
    rejected = currency.rejected(ROOT, recipient)
    assert rejected.status_code == "RECIPIENT_IS_UNREACHABLE"
    assert currency.prepared(ROOT, "5").recipient == "5"
    assert currency.prepared(ROOT, "18446744073709551615").recipient == "18446744073709551615"


def test_a_missing_sender_is_not_created(currency, is_reachable):
    """SENDER_IS_UNREACHABLE with nothing locked, and still there is no account (behaviour 15)."""
    currency.open(BOB)
    assert currency.rejected(ALICE, BOB).has(status_code="SENDER_IS_UNREACHABLE", total_locked_amount=0)
    assert currency.rejected(ROOT, BOB).has(status_code="SENDER_IS_UNREACHABLE", total_locked_amount=0)
    currency.silent()
    assert not is_reachable(currency, ALICE)


def test_not_enough_money_locks_nothing(currency):
    """INSUFFICIENT_AVAILABLE_AMOUNT, and all the money is still free afterwards (behaviour 16)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    rejected = currency.rejected(ALICE, BOB, 101)
    assert rejected.has(status_code="INSUFFICIENT_AVAILABLE_AMOUNT", total_locked_amount=0)
    currency.silent()
    assert currency.prepared(ALICE, BOB, 100).locked_amount == 100


def test_nobody_pays_himself(currency):
    """A transfer to the own account is refused, from root to root as well (behaviour 17)."""
    currency.rich(ALICE, 100)
    assert currency.rejected(ALICE, ALICE, 1).status_code == "RECIPIENT_SAME_AS_SENDER"
    assert currency.rejected(ROOT, ROOT, 1).status_code == "RECIPIENT_SAME_AS_SENDER"
    currency.silent()


def test_an_unreachable_recipient_comes_before_all_problems_of_the_sender(currency):
    """Missing, poor, closed to himself or late: the sender hears about the recipient (behaviour 21)."""
    currency.open(ALICE)
    currency.open(CAROL, config_flags=1)
    unreachable = [
        currency.rejected(BOB, 77),
        currency.rejected(ALICE, "nobody", 1000),
        currency.rejected(CAROL, CAROL),
        currency.rejected(ALICE, 77, final_interest_rate_ts=JUST_BEFORE_T0),
        currency.rejected(BOB, "", coordinator_type="agent", coordinator_id=ALICE),
    ]
    assert {event.status_code for event in unreachable} == {"RECIPIENT_IS_UNREACHABLE"}


def test_the_rate_may_not_have_changed_after_the_final_moment(currency):
    """A microsecond before T0 is refused on an account without changes; T0 itself is not (behaviour 22)."""
    currency.open_root()
    currency.open(ALICE)
    currency.open(BOB)
    rejected = currency.rejected(ALICE, BOB, final_interest_rate_ts=JUST_BEFORE_T0)
    assert rejected.status_code == "NEWER_INTEREST_RATE"
    assert currency.prepared(ALICE, BOB, final_interest_rate_ts=T0).final_interest_rate_ts == T0


def test_a_prepared_transfer_says_its_terms(currency, chores_done):
    """What is there is locked, the deadline is a commit period away, no update comes (behaviour 23)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    request = currency.request(
        ALICE,
        BOB,
        min_locked_amount=1,
        max_locked_amount=200,
        final_interest_rate_ts="2096-01-02T03:04:05.678+02:00",
    )
    prepared = currency.answer(request, "PreparedTransfer")
    assert prepared.has(
        creditor_id=ALICE,
        coordinator_type="direct",
        coordinator_id=ALICE,
        coordinator_request_id=request["coordinator_request_id"],
        locked_amount=100,
        recipient=account_id(BOB),
        demurrage_rate=-50.0,
        prepared_at=prepared.ts,
    )
    assert same_instant(prepared.final_interest_rate_ts, request["final_interest_rate_ts"])
    assert instant(prepared.deadline) - instant(prepared.ts) == timedelta(seconds=COMMIT_PERIOD_SECONDS)
    assert abs(datetime.now(UTC) - instant(prepared.ts)) < timedelta(seconds=10)
    chores_done()
    currency.silent()


def test_the_request_may_shorten_its_deadline(currency):
    """The deadline is the earlier one of both sides, also if it has passed already (behaviour 23)."""
    currency.open_root()
    currency.open(ALICE)
    for ts, delay, deadline in (
        (f"{LAST_YEAR}-01-01T00:00:00Z", 90, f"{LAST_YEAR}-01-01T00:01:30+00:00"),
        ("0001-01-01T00:00:00Z", 0, "0001-01-01T00:00:00+00:00"),
    ):
        assert currency.prepared(ROOT, ALICE, 7, ts=ts, max_commit_delay=delay).has(
            deadline=deadline, locked_amount=7
        )


@pytest.mark.parametrize("ts", [T_FAR, "9999-12-31T23:59:59.999999+00:00", "2096-01-01T00:00:00Z"])
def test_a_deadline_never_lies_behind_the_commit_period(currency, ts):
    """A request of the year 9999 with the longest delay gets the usual deadline (behaviour 103)."""
    currency.open_root()
    currency.open(ALICE)
    prepared = currency.prepared(ROOT, ALICE, ts=ts)
    assert instant(prepared.deadline) - instant(prepared.prepared_at) == timedelta(
        seconds=COMMIT_PERIOD_SECONDS
    )


def test_a_repeated_request_gets_the_same_transfer(currency):
    """Only ts differs, and nothing is locked twice, whatever else the repetition says (behaviour 71)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    request = currency.request(ALICE, BOB, 60)
    first = currency.answer(request, "PreparedTransfer")
    for change in ({}, {"max_locked_amount": 99, "recipient": "nobody", "ts": T_FAR}):
        currency.agent.send(request | change)
        again = currency.answer(request, "PreparedTransfer")
        assert {**again.fields, "ts": ""} == {**first.fields, "ts": ""}
        assert instant(again.ts) > instant(first.ts)
    assert currency.rejected(ALICE, BOB, 41).has(total_locked_amount=60)
    assert currency.finalize(first, 0).total_locked_amount == 0
    currency.silent()


def test_a_request_is_named_by_its_coordinator_too(currency):
    """The same request id with another coordinator type is another transfer (behaviour 73)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    one = currency.prepared(ALICE, BOB, 30, coordinator_request_id=1)
    two = currency.prepared(ALICE, BOB, 30, coordinator_request_id=1, coordinator_type="agent")
    three = currency.prepared(ALICE, BOB, 30, coordinator_request_id=1, coordinator_type="other")
    assert len({one.transfer_id, two.transfer_id, three.transfer_id}) == 3
    assert currency.rejected(ALICE, BOB, 11).total_locked_amount == 90


@pytest.mark.parametrize("coordinator_type", ["x", "Direct", "ISSUING", "agents", "swap/1 ~", "t" * 30])
@pytest.mark.parametrize("coordinator_id", [0, -1, MAX_INT64])
def test_other_coordinators_have_no_rules(currency, coordinator_type, coordinator_id):
    """Any other type may come with any coordinator, from any sender (behaviour 12)."""
    currency.open_root()
    currency.open(ALICE)
    prepared = currency.prepared(
        ROOT, ALICE, coordinator_type=coordinator_type, coordinator_id=coordinator_id
    )
    assert prepared.has(coordinator_type=coordinator_type, coordinator_id=coordinator_id)


def test_transfer_ids_count_from_the_day_of_creation(currency):
    """The first is days(creation_date) · 2^40 + 1, and each takes the next (behaviour 79)."""
    currency.open_root()
    currency.open(BOB)
    creation_date = date.fromisoformat(currency.open(ALICE).creation_date)
    first = (creation_date - date(1970, 1, 1)).days * 2**40 + 1
    assert [currency.prepared(ALICE, BOB).transfer_id for _ in range(3)] == [first, first + 1, first + 2]
    assert currency.prepared(ROOT, BOB).transfer_id == first
    currency.rejected(ALICE, BOB, 5)
    assert currency.prepared(ALICE, BOB).transfer_id == first + 3


def test_rejections_say_what_is_locked(currency):
    """Once the sender is looked at, the sum of its locks is announced; before that it is 0 (behaviour 78)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    currency.prepared(ALICE, BOB, 30)
    currency.prepared(ALICE, BOB, 40)
    assert currency.rejected(ALICE, "nobody").total_locked_amount == 0
    for rejected in (
        currency.rejected(ALICE, ALICE),
        currency.rejected(ALICE, BOB, final_interest_rate_ts=JUST_BEFORE_T0),
        currency.rejected(ALICE, BOB, 31),
    ):
        assert rejected.total_locked_amount == 70
