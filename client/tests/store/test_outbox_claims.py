"""What leaves may be claimed as it is written, so that whoever commits it sends it at once."""

import pytest

from swpt_client.inputs import Begin
from swpt_client.moments import DAY, SECOND
from swpt_client.store.base import Claim
from swpt_client.store.drive import step_claimed

from .teller import PAYMENT, REQUEST, Teller


def feed(teller, key, claim):
    """A transfer in a transaction of its own; gives the row that was claimed."""
    with teller.store.begin() as transaction:
        inputs = [Begin(key=key, request=REQUEST, decision=PAYMENT)]
        return step_claimed(transaction, inputs, teller.policy, lambda: teller.now, claim)[1]


def test_what_is_claimed_as_it_is_written_is_nobody_elses(store):
    """Until the claim is over; it is the row that anybody else would read."""
    teller = Teller(store)
    row = feed(teller, "a", Claim("writer", teller.now + 30 * SECOND))
    assert feed(teller, "b", None) is None
    assert [[one.ref and one.ref.key for one in row.parcels] for row in teller.claim()] == [["b"]]
    teller.now += 30 * SECOND
    (again,) = (one for one in teller.claim() if one.id == row.id)
    assert again == row


def test_a_claim_of_a_wrong_clock_is_not_waited_for(store):
    """Who claimed it died, and the clock is back: it leaves at its usual time, not at the far date."""
    teller = Teller(store)
    row = feed(teller, "a", Claim("writer", teller.now + 100 * DAY))
    assert teller.claim() == [row]
    assert teller.claim() == [], "it is claimed as usual from then on"


def test_a_claim_of_a_clock_that_is_a_little_ahead_holds(store):
    """Two machines never have the same time: what one sends is not sent by the other as well."""
    teller = Teller(store)
    feed(teller, "a", Claim("writer", teller.now + 60 * SECOND))
    assert teller.claim() == []


def test_what_is_claimed_is_given_back_by_its_owner(store):
    """A stopped agent leaves nothing claimed."""
    teller = Teller(store)
    row = feed(teller, "a", Claim("writer", teller.now + 30 * SECOND))
    store.release("writer")
    assert teller.claim() == [row]


def test_a_claim_that_is_not_committed_is_none(store):
    """The row is gone with it."""
    teller = Teller(store)
    with pytest.raises(ZeroDivisionError), store.begin() as transaction:
        inputs = [Begin(key="a", request=REQUEST, decision=PAYMENT)]
        claim = Claim("writer", teller.now + 30 * SECOND)
        step_claimed(transaction, inputs, teller.policy, lambda: teller.now, claim)
        raise ZeroDivisionError
    assert store.count_outbox() == 0
    teller.now += 30 * SECOND
    assert teller.claim() == []


def test_a_hurried_transaction_is_committed_like_any_other(store):
    """Only the disk is not waited for, and only this once."""
    teller = Teller(store)
    with store.begin() as transaction:
        transaction.hurry()
        inputs = [Begin(key="a", request=REQUEST, decision=PAYMENT)]
        step_claimed(transaction, inputs, teller.policy, lambda: teller.now, None)
    assert store.transfer("a") is not None
    engine = getattr(store, "engine", None)
    if engine is not None and engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
