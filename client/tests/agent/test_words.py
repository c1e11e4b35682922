"""A "no" speaks the words of whoever called: the argument, the key, the state, and what is the matter."""

import pickle
from typing import Any

import pytest

from swpt_client.agent import Agent
from swpt_client.errors import (
    AlreadyDecided,
    BadField,
    InBundle,
    KeyConflict,
    LedgerIsBehind,
    NotFound,
    Refused,
)
from swpt_client.moments import MINUTE
from swpt_client.records import AccountKey, Entry, EntryKind, LedgerKey, Leg, Request, Terms
from swpt_client.store.memory import MemoryStore
from tests.bench import ALICE, BOB, DEBTOR, TODAY
from tests.server_messages import account_update, prepared_transfer

from .wire import Wire

ELSEWHERE = ALICE + (1 << 40)
REQUEST = Request(
    debtor_id=DEBTOR,
    creditor_id=ALICE,
    recipient="2",
    min_locked_amount=10,
    max_locked_amount=10,
    coordinator_id=ALICE,
)


@pytest.fixture
def agent(office):
    """An agent that is not started, with a prepared store."""
    office.store.prepare()
    return office.agent


def refusal(kind, call, /, *args, **kwargs):
    """The error of a call, which survives the way to another process."""
    with pytest.raises(kind) as caught:
        call(*args, **kwargs)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy), copy.refusal) == (kind, str(caught.value), caught.value.refusal)
    return caught.value


@pytest.mark.parametrize("office", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": "1"}, "amount"),
        ({"note": "x" * 501}, "note"),
        ({"note": None}, "note"),
        ({"note_format": "123456789"}, "note_format"),
        ({"recipient": "я"}, "recipient"),
        ({"sender": ELSEWHERE}, "sender"),
        ({"sender": "1"}, "sender"),
        ({"sender": 2**63}, "sender"),
        ({"coordinator_id": BOB}, "coordinator_id"),
        ({"coordinator": "agent", "coordinator_id": ELSEWHERE}, "coordinator_id"),
        ({"coordinator": "interest"}, "coordinator"),
        ({"coordinator": "unknown"}, "coordinator"),
        ({"coordinator": "issuing"}, "sender"),
        ({"coordinator": "issuing", "amount": 2**63}, "amount"),
        ({"debtor_id": 2**63}, "debtor_id"),
        ({"terms": Terms(max_commit_delay=-1)}, "terms.max_commit_delay"),
        ({"terms": 60}, "terms"),
    ],
)
def test_a_bad_argument_of_a_transfer_is_named_as_the_caller_knows_it(office, agent, options, field):
    """Not by the field of a message that the caller has never seen."""
    error = refusal(BadField, office.pay, "k", **options)
    assert (error.key, error.code, error.field, error.state) == ("k", "BAD_FIELD", field, "")
    assert str(error) == f"'k': BAD_FIELD: {field} {error.detail}"
    assert error.detail


@pytest.mark.parametrize("office", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": 2**63}, "amount"),
        ({"amount": 1.0}, "amount"),
        ({"debtor_id": DEBTOR + 1}, "debtor_id"),
        ({"recipient": ""}, "recipient"),
    ],
)
def test_a_bad_argument_of_an_issue_is_named(agent, options, field):
    """The issuer has no sender and no coordinator: the currency is the matter."""
    values = {"debtor_id": DEBTOR, "recipient": "2", "amount": 1}
    assert refusal(BadField, agent.issue, "k", **(values | options)).field == field


@pytest.mark.parametrize("office", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"min_amount": -1}, "min_amount"),
        ({"min_amount": 5, "max_amount": 4}, "max_amount"),
        ({"sender": ELSEWHERE}, "sender"),
    ],
)
def test_a_bad_argument_of_a_reservation_is_named(office, agent, options, field):
    """Bounds have the names of the call."""
    assert refusal(BadField, office.reserve, "k", **options).field == field


@pytest.mark.parametrize("office", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("leg", "field"),
    [
        (Leg(request=REQUEST, committed_amount=0), "legs[1].committed_amount"),
        (Leg(request=REQUEST, committed_amount=11), "legs[1].request.max_locked_amount"),
        (Leg(request=REQUEST, committed_amount=1, transfer_note="x" * 501), "legs[1].transfer_note"),
        ("leg", "legs[1]"),
    ],
)
def test_a_bad_leg_is_named_by_its_path(agent, leg, field):
    """As the caller has written it."""
    good = Leg(request=REQUEST, committed_amount=1)
    assert refusal(BadField, agent.bundle, "k", [good, leg], decide_within=60).field == field
    bad = Request(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        recipient="",
        min_locked_amount=0,
        max_locked_amount=9,
        coordinator_id=ALICE,
    )
    error = refusal(BadField, agent.bundle, "k", [Leg(request=bad, committed_amount=1)], decide_within=60)
    assert error.field == "legs[0].request.recipient"


@pytest.mark.parametrize("legs", [None, 5, iter(())])
def test_legs_that_are_none_are_named(agent, legs):
    """And no error of Python's."""
    assert refusal(BadField, agent.bundle, "b", legs, decide_within=60).field == "legs"


def test_a_page_begins_at_an_entry_of_the_same_account(agent):
    """Whatever else is given is refused."""
    elsewhere = LedgerKey(AccountKey(DEBTOR, BOB), TODAY)
    entry = Entry(
        ledger=elsewhere, number=1, kind=EntryKind.TRANSFER, acquired_amount=1, principal=1, added_at=0
    )
    for before in (5, "e", elsewhere, entry):
        assert refusal(BadField, agent.entries, DEBTOR, ALICE, before=before).field == "before"


def test_what_cannot_be_asked_is_refused_before_the_store_is_asked(agent):
    """A name that nothing can have: of whatever type, in whatever store."""
    for call, arguments, field in (
        (agent.account, ("1", ALICE), "debtor_id"),
        (agent.account, (DEBTOR, 2**63), "creditor_id"),
        (agent.open_account, (DEBTOR, "1"), "creditor_id"),
        (agent.open_account, (DEBTOR, ELSEWHERE), "creditor_id"),
        (agent.open_account, (DEBTOR + 1, 0), "debtor_id"),
        (agent.close_account, (None, ALICE), "debtor_id"),
        (agent.entries, (DEBTOR, 1.0), "creditor_id"),
        (agent.find_transfer, (7,), "key"),
        (agent.find_bundle, ("\0",), "key"),
        (agent.wait, (7, 1.0), "key"),
        (agent.wait_for_account, ("1", ALICE, 1.0), "debtor_id"),
    ):
        assert refusal(BadField, call, *arguments).field == field
    assert refusal(BadField, agent.entries, DEBTOR, ALICE, limit=-1).field == "limit"


def test_a_conflict_says_in_what(office, agent):
    """The first argument that differs, and both values; notes are not repeated."""
    office.pay("k", note="secret")
    for options, field, detail in (
        ({"amount": 101}, "amount", "is 100 under this key, not 101"),
        ({"note": "other"}, "note", "is another under this key"),
        ({"recipient": "3"}, "recipient", "is '2' under this key, not '3'"),
        ({"sender": BOB}, "sender", f"is {ALICE} under this key, not {BOB}"),
        (
            {"terms": Terms(give_up_after=5)},
            "terms.give_up_after",
            "is None under this key, not 5",
        ),
    ):
        error = refusal(KeyConflict, office.pay, "k", **({"note": "secret"} | options))
        assert (error.key, error.field, error.detail, error.state) == ("k", field, detail, "initiated")
    assert "was begun with an amount" in str(refusal(KeyConflict, office.reserve, "k"))
    legs = [Leg(request=REQUEST, committed_amount=10)]
    agent.bundle("b", legs, decide_within=60)
    other = [Leg(request=REQUEST, committed_amount=9)]
    error = refusal(KeyConflict, agent.bundle, "b", other, decide_within=60)
    assert (error.field, error.detail) == ("legs[0].committed_amount", "is 10 under this key, not 9")
    assert refusal(KeyConflict, agent.bundle, "b", [*legs, *legs], decide_within=60).field == "legs"
    assert refusal(KeyConflict, agent.bundle, "b", legs, decide_within=61).field == "decide_within"
    assert refusal(KeyConflict, agent.bundle, "b", legs, decide_within=60, repair_for=1).field == "repair_for"


def test_a_decision_that_stands_is_named(office, agent):
    """The amount that has left, or that it was dismissed."""
    office.reserve("a")
    agent.commit("a", 50)
    error = refusal(AlreadyDecided, agent.commit, "a", 60)
    assert (error.field, error.detail) == ("amount", "is 50 under this key, not 60")
    agent.dismiss("a")
    assert "was dismissed" in str(refusal(AlreadyDecided, agent.commit, "a", 50))
    assert refusal(NotFound, agent.commit, "x", 1).detail == "stands for no transfer"
    assert refusal(NotFound, agent.dismiss_bundle, "x").detail == "stands for no bundle"
    assert refusal(NotFound, agent.wait, "x", 1.0).detail == "stands for no transfer and no bundle"
    assert refusal(NotFound, agent.wait_for_account, DEBTOR, BOB, 1.0).key == (DEBTOR, BOB)
    agent.bundle("b", [Leg(request=REQUEST, committed_amount=10)], decide_within=60)
    leg = agent.find_bundle("b").status[0].transfer_key
    assert "of the bundle 'b'" in str(refusal(InBundle, agent.dismiss, leg))


def test_a_commit_that_has_left_is_named(office):
    """With its amount."""
    with office.agent as agent:
        transfer = office.reserve("a")
        office.wire.deliver(prepared_transfer(transfer, locked_amount=60))
        agent.wait("a", 30)
        agent.commit("a", 50)
        assert "of which 50 were committed" in str(refusal(AlreadyDecided, agent.dismiss, "a"))


def test_a_ledger_that_is_behind_names_the_sender(office):
    """Also in a leg of a bundle."""
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        office.wire.wait_for_ack(office.wire.deliver(account_update(last_transfer_number=3, principal=50)))
        office.now += MINUTE
        assert refusal(LedgerIsBehind, office.pay, "k").field == "sender"
        legs = [Leg(request=REQUEST, committed_amount=10)]
        error = refusal(LedgerIsBehind, agent.bundle, "b", legs, decide_within=60)
        assert error.field == "legs[0].request.creditor_id"
        assert isinstance(error, Refused)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"subnet": "1"}, "subnet"),
        ({"debtor_ids": ["1"]}, "debtor_ids"),
        ({"debtor_ids": [2**63]}, "debtor_ids"),
        ({"other_types": ["direct"]}, "other_types"),
        ({"other_types": ["interest"]}, "other_types"),
        ({"other_types": [""]}, "other_types"),
        ({"unknown_accounts": "report"}, "unknown_accounts"),
    ],
)
def test_an_agent_that_could_not_work_is_not_made(options, field):
    """The argument is named."""
    with pytest.raises(ValueError, match=f"^{field} must"):
        Agent(MemoryStore(), Wire(), **options)


def test_what_is_no_store_is_named():
    """An address alone is none."""
    address: Any = "postgresql:///"
    with pytest.raises(TypeError, match="engine of SQLAlchemy"):
        Agent(address, Wire())


def test_an_agent_is_started_once(office):
    """What goes on afterwards is another agent on the same store."""
    with office.agent:
        pass
    with pytest.raises(AssertionError, match="started once"):
        office.agent.start()
