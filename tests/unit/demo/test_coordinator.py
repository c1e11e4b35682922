"""The coordinator of the demonstration: the table of transitions of a running transfer record."""

import pytest

from swpt_accounts.demo.coordinator import Coordinator
from swpt_accounts.demo.transfers import RequestKey, Transfer, Wish
from swpt_accounts.wire.moments import parse_timestamp

DEBTOR_ID, ALICE, BOB = 7, 101, 102
NOW = parse_timestamp("2026-11-21T10:00:00Z")
DEADLINE = "2027-02-19T10:00:00+00:00"


def request(**changes):
    """A transfer that was not asked for yet, over 10 from Alice to Bob."""
    return Transfer(
        **{
            "key": RequestKey("direct", ALICE, 1),
            "debtor_id": DEBTOR_ID,
            "creditor_id": ALICE,
            "recipient_id": BOB,
            "wish": Wish.COMMIT,
            "amount": 10,
            "max_locked": 10,
            **changes,
        }
    )


def prepared(transfer_id, **changes):
    """The server's PreparedTransfer for `request`."""
    return {
        "type": "PreparedTransfer",
        "debtor_id": DEBTOR_ID,
        "creditor_id": ALICE,
        "transfer_id": transfer_id,
        "coordinator_type": "direct",
        "coordinator_id": ALICE,
        "coordinator_request_id": 1,
        "locked_amount": 10,
        "recipient": str(BOB),
        "demurrage_rate": -50.0,
        "deadline": DEADLINE,
        **changes,
    }


def finalized(transfer_id, status_code, amount):
    """The server's FinalizedTransfer for `request`."""
    return prepared(transfer_id) | {"status_code": status_code, "committed_amount": amount}


def amounts(messages):
    """Which transfers are finalized, with which amounts."""
    return [(message["transfer_id"], message["committed_amount"]) for message in messages]


def test_the_coordinator_keeps_to_its_table():
    """It commits what it wants once, says the same again, and dismisses every surplus lock."""
    coordinator = Coordinator()
    assert amounts(coordinator.take_prepared(prepared(3), NOW)) == [(3, 0)]  # row 7
    coordinator.begin(request(), NOW)
    coordinator.take_finalized(finalized(3, "OK", 0))  # row 18
    assert amounts(coordinator.take_prepared(prepared(4), NOW)) == [(4, 10)]  # rows 10 and 15
    assert amounts(coordinator.take_prepared(prepared(4), NOW + 9)) == [(4, 10)]  # row 13
    assert amounts(coordinator.take_prepared(prepared(5), NOW)) == [(5, 0)]  # row 14
    coordinator.take_finalized(finalized(5, "OK", 0))  # row 20
    assert coordinator.finished == []
    coordinator.take_finalized(finalized(4, "OK", 10))  # row 19
    coordinator.take_finalized(finalized(4, "OK", 10))  # row 17
    assert [one.outcome for one in coordinator.finished] == ["OK"]
    assert amounts(coordinator.take_prepared(prepared(4), NOW)) == [(4, 0)]
    assert coordinator.unexpected == []


@pytest.mark.parametrize(
    "terms",
    [
        {"locked_amount": 11},
        {"deadline": "2026-11-21T09:59:59+00:00"},
        {"demurrage_rate": -50.1},
        {"recipient": "0"},
    ],
)
def test_the_coordinator_reads_what_it_signs(terms):
    """A transfer on terms that nobody asked for is dismissed and reported."""
    coordinator = Coordinator()
    coordinator.begin(request(), NOW)
    assert amounts(coordinator.take_prepared(prepared(4, **terms), NOW)) == [(4, 0)]
    assert len(coordinator.unexpected) == 1


@pytest.mark.parametrize(("status_code", "amount"), [("OK", 9), ("OK", 0), ("TIMEOUT", 10)])
def test_the_coordinator_notices_what_was_never_sent(status_code, amount):
    """An end that does not fit to the decision is reported."""
    coordinator = Coordinator()
    coordinator.begin(request(), NOW)
    coordinator.take_prepared(prepared(4), NOW)
    coordinator.take_finalized(finalized(4, status_code, amount))
    assert len(coordinator.unexpected) == 1


def test_the_coordinator_asks_again_until_it_is_answered():
    """A request without an answer is repeated with the same key and a newer moment; others are not."""
    coordinator = Coordinator()
    first = coordinator.begin(request(), NOW)
    assert coordinator.repeat(NOW + 5, patience=5) == []
    [again] = coordinator.repeat(NOW + 6, patience=5)
    assert {**again, "ts": first["ts"]} == first
    assert parse_timestamp(again["ts"]) == NOW + 6
    coordinator.take_rejected(prepared(0) | {"status_code": "TIMEOUT", "total_locked_amount": 3})
    assert coordinator.repeat(NOW + 99, patience=5) == []
    assert [(one.outcome, one.total_locked_amount) for one in coordinator.finished] == [("TIMEOUT", 3)]
