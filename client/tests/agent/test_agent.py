"""The agent: what is stored leaves, what arrives is stored and acknowledged, and nobody waits for ever."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from swpt_client.bindings import Binding
from swpt_client.errors import (
    AlreadyDecided,
    BadField,
    InBundle,
    KeyConflict,
    NotFound,
    Refused,
)
from swpt_client.moments import DAY, MINUTE, to_datetime
from swpt_client.records import Leg, Request, TransferState
from swpt_client.store.base import LetterState
from tests.bench import ALICE, BOB, DEBTOR, START
from tests.server_messages import (
    account_transfer,
    account_update,
    finalized_transfer,
    prepared_transfer,
    rejected_transfer,
)

from .wire import Wire

IN_ANOTHER_SUBNET = ALICE + (1 << 40)


def test_money_moves(office):
    """A payment asks, commits what is prepared, and ends with the server's answer."""
    with office.agent as agent:
        transfer = office.pay("rent", note="June")
        assert transfer.state is TransferState.INITIATED
        asked = office.wire.wait_for("PrepareTransfer")
        assert (asked["recipient"], asked["min_locked_amount"], asked["max_locked_amount"]) == ("2", 0, 0)
        office.wire.deliver(prepared_transfer(transfer))
        committed = office.wire.wait_for("FinalizeTransfer")
        assert (committed["committed_amount"], committed["transfer_note"]) == (100, "June")
        office.wire.deliver(finalized_transfer(transfer, committed_amount=100))
        assert agent.wait("rent", 10).outcome == "OK"
        office.wire.wait_until(lambda: office.store.count_outbox() == 0)


@pytest.mark.parametrize("office", ["sqlite"], indirect=True)
def test_what_a_call_has_stored_leaves_without_another_question(office):
    """Its row is claimed as it is written, and nobody looks for it in the outbox."""
    statements = []
    event.listen(office.store.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    office.agent = office.make_agent(office.wire, claim_seconds=1000.0)
    with office.agent:
        statements.clear()
        for number in range(5):
            office.pay(f"k{number}")
        office.wire.wait_until(lambda: len(office.wire.published) == 5)
    claims = [one for one in statements if one.startswith("UPDATE smp_outbox SET owner") and "IN" in one]
    assert claims == []


def test_messages_go_where_the_server_looks_for_them(office):
    """To its exchange, with type and headers; and the queue is bound to what is ours."""
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        office.wire.wait_for("ConfigureAccount")
        envelope = office.wire.published[0].envelope
        assert (envelope.exchange, envelope.type) == ("accounts_in", "ConfigureAccount")
        assert office.wire.bindings == (
            Binding("to_creditors", "00.00.01.#"),
            Binding("to_debtors", "ff.ff.ff.ff.ff.ff.ff.ff"),
        )


def test_an_account_shows_what_the_server_has_told(office):
    """Its public identifier, its ledger, its balance, and whether it is as we want it."""
    with office.agent as agent:
        assert agent.account(DEBTOR, ALICE) is None
        account = agent.open_account(DEBTOR, ALICE)
        assert (account.account_id, account.principal, account.is_effectual) == ("", 0, False)
        configured = office.store.account(account.key).configuration
        office.wire.deliver(
            account_update(
                last_config_ts=configured.last_ts,
                last_config_seqnum=configured.last_seqnum,
                principal=100,
                interest_rate=10.0,
            )
        )
        tag = office.wire.deliver(account_transfer(1, 100, 100))
        office.wire.wait_for_ack(tag)
        account = agent.account(DEBTOR, ALICE)
        assert (account.account_id, account.principal, account.is_effectual) == (str(ALICE), 100, True)
        assert account.last_heartbeat == to_datetime(START)
        year = to_datetime(START + 31_557_600_000_000)
        assert account.balance_at(year) == pytest.approx(110.0)
        with pytest.raises(ValueError, match="offset"):
            account.balance_at(year.replace(tzinfo=None))
        assert [one.acquired_amount for one in agent.entries(DEBTOR, ALICE)] == [100]
        assert agent.open_account(DEBTOR, ALICE).record == account.record
        assert agent.close_account(DEBTOR, ALICE).record.configuration.config_flags == 1


def test_what_is_issued_is_locked(office):
    """The issuer's own account is the sender, and the debtor the coordinator."""
    with office.agent as agent:
        transfer = agent.issue("first", debtor_id=DEBTOR, recipient="2", amount=7)
        assert (transfer.request.creditor_id, transfer.request.coordinator_id) == (0, DEBTOR)
        asked = office.wire.wait_for("PrepareTransfer")
        assert (asked["coordinator_type"], asked["min_locked_amount"]) == ("issuing", 7)


def test_a_reserved_transfer_waits_for_a_decision(office):
    """`wait` ends when it is our turn; commit and dismiss decide, once."""
    with office.agent as agent:
        transfer = office.reserve("a")
        office.reserve("b")
        office.wire.deliver(prepared_transfer(transfer, locked_amount=60))
        prepared = agent.wait("a", 10)
        assert (prepared.state, prepared.prepared.locked_amount) == (TransferState.PREPARED, 60)
        assert agent.commit("a", 50, "half").state is TransferState.SETTLED
        assert agent.commit("a", 50, "half").state is TransferState.SETTLED
        with pytest.raises(AlreadyDecided, match="it is settled"):
            agent.dismiss("a")
        assert agent.dismiss("b").state is TransferState.CANCELLED
        assert office.wire.wait_for("FinalizeTransfer")["committed_amount"] == 50
        assert agent.find_transfer("b").outcome == "CANCELLED"


def test_the_legs_of_a_bundle_are_decided_together(office):
    """All are prepared, so all are committed."""

    def leg(recipient):
        request = Request(
            debtor_id=DEBTOR,
            creditor_id=ALICE,
            recipient=recipient,
            min_locked_amount=12,
            max_locked_amount=12,
            coordinator_id=ALICE,
        )
        return Leg(request=request, committed_amount=10)

    with office.agent as agent:
        agent.bundle("deal", [leg("2"), leg("3")], decide_within=60)
        office.wire.wait_for("PrepareTransfer", 2)
        legs = [office.store.transfer(one.transfer_key) for one in agent.find_bundle("deal").status]
        with pytest.raises(InBundle):
            agent.dismiss(legs[0].key)
        office.wire.deliver(*(prepared_transfer(one, transfer_id=n) for n, one in enumerate(legs)))
        office.wire.wait_for("FinalizeTransfer", 2)
        legs = [office.store.transfer(one.key) for one in legs]
        office.wire.deliver(*(finalized_transfer(one) for one in legs))
        assert agent.wait("deal", 10).state.value == "done"
        with pytest.raises(AlreadyDecided):
            agent.dismiss_bundle("deal")


def test_a_refused_call_names_the_field_and_stores_nothing(office):
    """An amount of 0, beyond int64 or a float, a long note, a recipient that does not parse."""
    office.store.prepare()
    for options, field in (
        ({"amount": 0}, "amount"),
        ({"amount": 2**63}, "amount"),
        ({"amount": 1.0}, "amount"),
        ({"note": "x" * 501}, "note"),
        ({"recipient": ""}, "recipient"),
        ({"recipient": "я"}, "recipient"),
        ({"sender": IN_ANOTHER_SUBNET}, "sender"),
        ({"debtor_id": 2**70}, "debtor_id"),
        ({"debtor_id": "1"}, "debtor_id"),
    ):
        with pytest.raises(BadField) as caught:
            office.pay("k", **options)
        assert (caught.value.field, caught.value.key) == (field, "k")
    for key in ("", "x" * 201, "\0", 7, None):
        with pytest.raises(BadField, match="key"):
            office.pay(key)
    for key in ("\0", 7):
        with pytest.raises(BadField, match="key"):
            office.agent.dismiss(key)
    with pytest.raises(BadField, match="negligible_amount"):
        office.agent.open_account(DEBTOR, ALICE, negligible_amount=-1.0)
    assert office.store.count_outbox() == 0
    assert office.store.open_keys("transfer", "", 10) == []


def test_one_key_has_one_outcome(office):
    """The same call again gives the record, another one a conflict."""
    office.store.prepare()
    first = office.pay("k")
    assert office.pay("k") == first
    with pytest.raises(KeyConflict):
        office.pay("k", amount=101)
    assert office.store.count_outbox() == 1


def test_a_call_is_a_part_of_the_callers_transaction(office):
    """What is rolled back was never wanted; what is committed leaves."""
    with office.agent as agent:
        with pytest.raises(ZeroDivisionError), agent.begin() as session:
            office.pay("a", session=session)
            assert agent.find_transfer("a", session=session) is not None
            raise ZeroDivisionError
        assert agent.find_transfer("a") is None
        with agent.begin() as session:
            office.pay("b", session=session)
            with pytest.raises(KeyConflict):
                office.pay("b", amount=1, session=session)
            office.pay("c", session=session)
        office.wire.wait_for("PrepareTransfer", 2)
        assert len(office.wire.published) == 2


@pytest.mark.parametrize("office", ["sqlite"], indirect=True)
def test_a_transaction_may_be_left_in_another_thread(office):
    """As web frameworks do it; and the thread that has entered it is free for others meanwhile."""
    office.store.prepare()
    agent = office.agent
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        transaction = agent.begin()
        session = first.submit(transaction.__enter__).result()
        first.submit(office.pay, "k", session=session).result()
        second.submit(transaction.__exit__, None, None, None).result()
        assert first.submit(agent.find_transfer, "k").result() == agent.find_transfer("k")
    assert agent.find_transfer("k") is not None


@pytest.mark.parametrize("timeout", [None, "1", float("nan"), float("inf"), True, 1e9])
def test_nobody_waits_for_ever(office, timeout):
    """A time that never ends is refused, as is what is no time."""
    office.store.prepare()
    office.pay("k")
    for wait in (
        lambda: office.agent.wait("k", timeout),
        lambda: office.agent.wait_for_account(DEBTOR, ALICE, timeout),
    ):
        with pytest.raises(BadField) as caught:
            wait()
        assert caught.value.field == "timeout"


def test_waiting_is_bounded(office):
    """What is still under way says so; what is not known is an error at once."""
    with office.agent as agent:
        office.pay("slow")
        assert agent.wait("slow", 0.05).state is TransferState.INITIATED
        with pytest.raises(NotFound):
            agent.wait("unknown", 10)


def test_what_does_not_decode_is_a_dead_letter_and_holds_up_nobody(office):
    """With its reason; so is what belongs to somebody else."""
    with office.agent as agent:
        transfer = office.pay("k")
        foreign = account_update(creditor_id=IN_ANOTHER_SUBNET)
        office.wire.deliver_raw((b"\xff\0", "AccountUpdate"), (b"{}", "PendingBalanceChange"))
        tag = office.wire.deliver(foreign, rejected_transfer(transfer))
        office.wire.wait_for_ack(tag)
        assert agent.wait("k", 10).outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"
        letters = list(agent.persons.letters())
        assert [one.reason for one in letters] == ["bad_encoding", "unknown_type", "foreign"]
        assert letters[0].body == b"\xff\0"
        assert agent.persons.discard(letters[0].id)
        assert agent.persons.put_back(letters[2].id)
        office.wire.wait_until(lambda: len(office.store.letters(LetterState.RETURNED, 0, 9)) == 1)
        assert [one.reason for one in agent.persons.letters()] == ["unknown_type", "foreign"]


def test_a_long_queue_is_taken_five_hundred_at_a_time(office):
    """Each batch is one transaction, and acknowledged when it is stored."""
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        office.wire.wait_for("ConfigureAccount")
        tag = office.wire.deliver(*(account_transfer(number, 1, number) for number in range(1, 1201)))
        office.wire.wait_for_ack(tag)
        assert [one for _, one in office.wire.acked] == [500, 1000, 1200]
        assert agent.account(DEBTOR, ALICE).principal == 1200


def test_a_clock_that_steps_back_loses_nothing(office):
    """What was begun before goes on, nothing is sent twice, and time repeats as soon as it is there again."""
    with office.agent as agent:
        before = office.pay("before")
        office.wire.wait_for("PrepareTransfer")
        office.now -= DAY
        after = office.pay("after")
        office.wire.wait_for("PrepareTransfer", 2)
        office.wire.deliver(prepared_transfer(before))
        office.wire.wait_for("FinalizeTransfer")
        office.wire.deliver(finalized_transfer(before, committed_amount=100))
        assert agent.wait("before", 10).outcome == "OK"
        office.wire.wait_until(lambda: office.store.count_outbox() == 0)
        assert len(office.wire.published) == 3
        office.now += MINUTE
        office.wire.wait_for("PrepareTransfer", 3)
        office.wire.deliver(rejected_transfer(after))
        assert agent.wait("after", 10).outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"


def test_what_is_not_confirmed_is_sent_again(office):
    """Unanswered at once, refused and returned after a pause; the rest of the batch is not repeated."""
    office.wire.confirms = False
    with office.agent as agent:
        with agent.begin() as session:
            for key in ("a", "b", "c"):
                office.pay(key, session=session)
        published = list(office.wire.wait_until(lambda: office.wire.published[2:] and office.wire.published))
        office.wire.inbox.settle([published[0].number], None)
        office.wire.inbox.settle([one.number for one in published[1:]], "unanswered")
        # Three rows of one message each, or the like: every message is settled by itself.
        again = office.wire.wait_until(lambda: office.wire.published[4:] and office.wire.published)[3:]
        bodies = [one.envelope.body for one in published]
        assert sorted(one.envelope.body for one in again) == sorted(bodies[1:])
        office.wire.inbox.settle([again[0].number], "returned")
        office.wire.inbox.settle([again[1].number], None)
        office.wire.wait_until(lambda: office.store.count_outbox() == 1)
        assert len(office.wire.published) == 5
        office.now += MINUTE
        office.wire.confirms = True
        office.wire.wait_until(lambda: office.store.count_outbox() == 0)
        # Time has repeated others as well.
        assert again[0].envelope.body in [one.envelope.body for one in office.wire.published[5:]]


def test_time_repeats_a_request(office):
    """The agent looks by itself for what is due."""
    with office.agent:
        office.pay("k")
        office.wire.wait_for("PrepareTransfer")
        office.wire.wait_until(lambda: office.store.transfer("k").pace.confirmed_at is not None)
        office.now += MINUTE
        first, second = office.wire.wait_for("PrepareTransfer"), office.wire.wait_for("PrepareTransfer", 2)
        assert first["coordinator_request_id"] == second["coordinator_request_id"]


def test_who_moves_the_clock_need_not_wait_for_the_next_look(office):
    """`catch_up` returns when all that is due now has been done; nothing, if nobody runs."""
    agent = office.agent = office.make_agent(office.wire, poll_seconds=3600.0, hold_seconds=0.0)
    assert not agent.catch_up(60)
    with agent:
        office.pay("k")
        office.wire.wait_for("PrepareTransfer")
        office.wire.wait_until(lambda: office.store.transfer("k").pace.confirmed_at is not None)
        assert agent.catch_up(60)
        assert len(office.wire.published) == 1
        office.now += MINUTE
        assert agent.catch_up(60)
        assert [one.envelope.type for one in office.wire.published] == ["PrepareTransfer"] * 2
    assert not agent.catch_up(60)


def test_two_agents_share_a_store(office):
    """Whoever gets the answer, the outcome is the same for both; nothing is sent twice."""
    other_wire = Wire()
    other = office.make_agent(other_wire)
    with office.agent as agent, other:
        transfers = [office.pay(f"{number}") for number in range(10)]

        def published():
            return [*office.wire.published, *other_wire.published]

        office.wire.wait_until(lambda: len(published()) == 10)
        other_wire.deliver(*(prepared_transfer(one) for one in transfers))
        office.wire.wait_until(lambda: len(published()) == 20)
        for one in transfers:
            for wire in (office.wire, other_wire):
                wire.deliver(finalized_transfer(one, committed_amount=100))
        assert {agent.wait(one.key, 10).outcome for one in transfers} == {"OK"}
        assert {other.wait(one.key, 10).outcome for one in transfers} == {"OK"}
        assert len(published()) == 20


def test_it_stops_clean_and_goes_on_later(office):
    """What is under way waits in the store; twice is harmless."""
    office.wire.confirms = False
    office.agent.start()
    transfer = office.pay("k")
    office.wire.wait_for("PrepareTransfer")
    office.agent.stop(0.2)
    office.agent.stop()
    assert office.store.count_outbox() == 1
    wire = Wire()
    with office.make_agent(wire) as agent:
        wire.wait_for("PrepareTransfer")
        wire.deliver(rejected_transfer(transfer))
        assert agent.wait("k", 10).outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"


def test_after_a_restore_nothing_leaves_until_a_person_has_looked(office):
    """What was under way is parked, and goes on by its evidence or is abandoned."""
    office.store.prepare()
    transfers = [office.pay(key) for key in ("a", "b", "c")]
    office.agent.open_account(DEBTOR, BOB)
    done = office.agent.after_restore()
    assert (done.parked_transfers, done.parked_bundles, done.dropped_messages) == (
        3,
        0,
        3,
    )
    with office.agent as agent:
        office.wire.wait_for("ConfigureAccount")
        tag = office.wire.deliver(
            finalized_transfer(transfers[0], committed_amount=100),
            prepared_transfer(transfers[1]),
        )
        office.wire.wait_for_ack(tag)
        assert [one.key for one in agent.persons.parked()] == ["a", "b", "c"]
        assert agent.persons.resume("a").outcome == "OK"
        assert agent.persons.abandon("b").decision.committed_amount == 0
        assert agent.persons.resume("c").state is TransferState.INITIATED
        office.wire.wait_for("PrepareTransfer")
        assert len(office.wire.published) == 3
        with pytest.raises(Refused):
            agent.persons.resume("c")
        with pytest.raises(NotFound):
            agent.persons.abandon("unknown")


def test_a_ledger_that_is_behind_is_closed_by_a_person(office):
    """Its account takes no new transfers until then."""
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        tag = office.wire.deliver(account_update(last_transfer_number=3, principal=50))
        office.wire.wait_for_ack(tag)
        office.now += MINUTE
        with pytest.raises(Refused, match="LEDGER_IS_BEHIND"):
            office.pay("k")
        assert agent.persons.close_tails() == [(DEBTOR, ALICE)]
        assert office.pay("k").state is TransferState.INITIATED
        assert agent.account(DEBTOR, ALICE).principal == 50
