"""Many payments in one call: all of them are stored, or none is."""

import asyncio

import pytest
from sqlalchemy import event, text

from swpt_client import aio
from swpt_client.errors import BadField, KeyConflict, LedgerIsBehind
from swpt_client.moments import MINUTE
from swpt_client.payments import Payment
from tests.bench import ALICE, BOB, DEBTOR
from tests.server_messages import account_update

MANY = 120


@pytest.fixture(autouse=True)
def prepared(office):
    """Calls may come before the agent is started, as soon as there are tables."""
    office.store.prepare()


def payment(number, **others):
    """Alice pays so many."""
    values = {"debtor_id": DEBTOR, "sender": ALICE, "recipient": "2", "amount": number + 1}
    return Payment(key=f"wage {number}", **(values | others))


PAYMENTS = [payment(number) for number in range(MANY)]


def test_all_of_them_leave(office):
    """Each with its own request, in one row of the outbox; the records come in the order of the payments."""
    transfers = office.agent.transfer_many(PAYMENTS)
    assert [one.key for one in transfers] == [one.key for one in PAYMENTS]
    assert [one.decision.committed_amount for one in transfers] == list(range(1, MANY + 1))
    assert len({one.coordinator_request_id for one in transfers}) == MANY
    with office.agent:
        office.wire.wait_until(lambda: len(office.wire.published) == MANY)
    assert len({one.envelope.body for one in office.wire.published}) == MANY


def test_the_same_call_again_gives_the_same_records(office):
    """Also if some of them are new, and if one stands there twice."""
    first = office.agent.transfer_many(PAYMENTS[:10])
    again = office.agent.transfer_many([*PAYMENTS[:11], PAYMENTS[10]])
    assert again[:10] == first
    assert again[10] == again[11]
    assert office.pay("wage 3", amount=4) == first[3]


def test_none_is_nothing(office):
    """No payments: no records, and nothing in the outbox."""
    assert office.agent.transfer_many([]) == []
    assert office.store.count_outbox() == 0


@pytest.mark.parametrize(
    ("wrong", "kind", "field"),
    [
        ({"amount": 0}, BadField, "amount"),
        ({"amount": 10**19}, BadField, "amount"),
        ({"note": "x" * 501}, BadField, "note"),
        ({"sender": 1 << 62}, BadField, "sender"),
        ({"recipient": ""}, BadField, "recipient"),
        ({"coordinator_id": 1 << 62}, BadField, "coordinator_id"),
        ({"key": "taken", "amount": 7}, KeyConflict, "amount"),
        ({"key": "wage 0", "amount": 7}, KeyConflict, "amount"),
    ],
)
def test_one_that_is_refused_is_named_and_nothing_is_stored(office, wrong, kind, field):
    """By its place and by its key, with the caller's name of the field."""
    office.pay("taken", amount=5)
    payments = [payment(0), payment(1), payment(2, **wrong) if "key" not in wrong else keyed(**wrong)]
    with pytest.raises(kind) as caught:
        office.agent.transfer_many(payments)
    assert (caught.value.field, caught.value.key) == (f"payments[2].{field}", payments[2].key)
    assert office.agent.find_transfer("wage 0") is None
    assert office.store.count_outbox() == 1


def keyed(key, amount):
    """A payment with a key of its own."""
    return Payment(key=key, debtor_id=DEBTOR, sender=ALICE, recipient="2", amount=amount)


def test_a_refusal_leaves_the_callers_transaction_as_it_was(office):
    """In a transaction of the caller: what was stored before is stored, and of the payments nothing is."""
    with office.agent.begin() as session:
        office.pay("before", session=session)
        with pytest.raises(KeyConflict):
            office.agent.transfer_many([payment(0), keyed("before", 7)], session=session)
        office.agent.transfer_many([payment(1)], session=session)
    found = [office.agent.find_transfer(key) for key in ("before", "wage 0", "wage 1")]
    assert [one is not None for one in found] == [True, False, True]
    assert office.store.count_outbox() == 2


def test_it_is_a_part_of_the_callers_transaction(office):
    """Rolled back, none of them is known."""
    with pytest.raises(ZeroDivisionError), office.agent.begin() as session:
        office.agent.transfer_many(PAYMENTS, session=session)
        1 / 0  # noqa: B018
    assert office.agent.find_transfer("wage 0") is None
    assert office.store.count_outbox() == 0


@pytest.mark.parametrize("office", ["sqlite"], indirect=True)
def test_it_takes_as_many_statements_as_one(office):
    """Whoever pays a hundred does not wait for the database a hundred times."""
    counts = []
    with office.agent.begin() as session:
        session.execute(text("SELECT 1"))
        for payments in (PAYMENTS[:2], PAYMENTS[2:]):
            statements = count_statements(session.get_bind())
            office.agent.transfer_many(payments, session=session)
            counts.append(len(statements))
    assert counts[0] == counts[1] <= 8, counts


def count_statements(engine):
    """A list that grows with each statement that the engine executes from now on."""
    found = []
    event.listen(engine, "before_cursor_execute", lambda *call: found.append(call[2]))
    return found


def test_who_is_behind_is_named(office):
    """A ledger that misses transfers takes nothing new, and then nobody's payment is stored."""
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        office.wire.wait_for_ack(office.wire.deliver(account_update(last_transfer_number=3, principal=50)))
        office.now += MINUTE
        with pytest.raises(LedgerIsBehind) as caught:
            agent.transfer_many([payment(0, sender=BOB), payment(1)])
        assert (caught.value.field, caught.value.key) == ("payments[1].sender", "wage 1")
        assert agent.find_transfer("wage 0") is None


def test_it_is_awaited(office):
    """The same, for an event loop."""

    async def play():
        async with aio.Agent(office.agent) as agent, agent.begin() as session:
            return await agent.transfer_many(PAYMENTS[:3], session=session)

    assert [one.key for one in asyncio.run(play())] == ["wage 0", "wage 1", "wage 2"]


def test_any_iterable_of_payments_will_do(office):
    """Also one that can be read once only; and what is no payment is named."""
    office.store.prepare()
    assert len(office.agent.transfer_many(one for one in [payment(1), payment(2)])) == 2
    with pytest.raises(BadField) as caught:
        office.agent.transfer_many(one for one in [payment(3), payment(4, amount=0)])
    assert caught.value.field == "payments[1].amount"
    with pytest.raises(BadField) as caught:
        office.agent.transfer_many([payment(5), {"key": "f"}])
    assert caught.value.field == "payments[1]"
