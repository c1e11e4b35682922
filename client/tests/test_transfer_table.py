"""The table of running transfers, cell by cell."""

import pytest
from msgspec.structs import replace

from swpt_client.inputs import Commit, Dismiss, Ref, Refusal, Sent
from swpt_client.messages import FinalizeTransfer, PreparedTransfer, PrepareTransfer
from swpt_client.moments import DAY, HOUR, SECOND
from swpt_client.news import Surprise, TransferFinished, TransferPrepared
from swpt_client.records import Decision, Terms

from .bench import ALICE, BOB, DEBTOR, START, Client
from .server_messages import dismissal_of, finalized_transfer, prepared_transfer, rejected_transfer
from .transfer_states import LIVE, OTHER, PAY, REQUEST, STATES, asked, begin, has_changed, make

# --- begin --------------------------------------------------------------------------------------


def test_a_new_key_begins_a_transfer():
    """The record is there before the request leaves."""
    client = Client()
    answer = client.call(begin())
    assert answer == client.transfers["t"]
    assert answer.state == "initiated"
    [message] = client.flush()
    assert message == PrepareTransfer(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        coordinator_type="direct",
        coordinator_id=ALICE,
        coordinator_request_id=answer.coordinator_request_id,
        min_locked_amount=100,
        max_locked_amount=200,
        recipient=str(BOB),
        final_interest_rate_ts=REQUEST.terms.final_interest_rate_ts,
        max_commit_delay=2147483647,
        ts=START,
    )
    assert client.hear() == []


@pytest.mark.parametrize("state", LIVE)
def test_a_known_key_stands_for_the_same_transfer(state):
    """In every state the answer is the record as it is, and nothing is sent."""
    client = make(state)
    before = client.transfers["t"]
    wanted = PAY if state == "initiated, to commit" else None
    assert client.call(begin(decision=wanted)) == before
    assert client.flush() == []
    assert not has_changed(client, before)


@pytest.mark.parametrize("state", LIVE)
@pytest.mark.parametrize(
    "changes",
    [
        {"request": replace(REQUEST, recipient="9")},
        {"request": replace(REQUEST, max_locked_amount=201)},
        {"request": replace(REQUEST, terms=Terms(min_commit_period=1))},
        {"decision": OTHER},
    ],
)
def test_a_known_key_with_other_terms_is_a_conflict(state, changes):
    """One key, one transfer, for ever."""
    client = make(state)
    before = client.transfers["t"]
    answer = client.call(begin(**changes))
    assert isinstance(answer, Refusal)
    assert answer.code == "KEY_CONFLICT"
    assert answer.state == before.state
    assert client.flush() == []
    assert not has_changed(client, before)


# --- RejectedTransfer ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["initiated", "initiated, to commit"])
def test_a_rejection_ends_what_is_initiated(state):
    """The status and what is locked explain why."""
    client = make(state)
    client.feed(rejected_transfer(asked(client)))
    ended = client.transfers["t"]
    assert (ended.state, ended.outcome) == ("finished", "INSUFFICIENT_AVAILABLE_AMOUNT")
    assert ended.total_locked_amount == 55
    assert [type(one) for one in client.hear()] == [TransferFinished]
    assert client.flush() == []


@pytest.mark.parametrize("state", [one for one in STATES if not one.startswith(("initiated", "parked"))])
def test_a_rejection_that_comes_late_is_ignored(state):
    """It answers a repeated request."""
    client = make(state)
    before = client.transfers.get("t")
    client.feed(rejected_transfer(asked(client)))
    assert not has_changed(client, before)
    assert client.flush() == client.hear() == []
    assert sum(client.ignored.values()) >= 1


# --- PreparedTransfer without ids in the record ---------------------------------------------------


def test_what_is_prepared_waits_for_a_decision():
    """P, and the application is told."""
    client = make("initiated")
    client.feed(prepared_transfer(asked(client)))
    waiting = client.transfers["t"]
    assert waiting.state == "prepared"
    assert waiting.prepared is not None
    assert (waiting.prepared.transfer_id, waiting.prepared.locked_amount) == (77, 200)
    [news] = client.hear()
    assert isinstance(news, TransferPrepared)
    assert client.flush() == []


def test_what_is_decided_already_is_committed_at_once():
    """From initiated directly to settled."""
    client = make("initiated, to commit")
    client.feed(prepared_transfer(asked(client)))
    settled = client.transfers["t"]
    assert settled.state == "settled"
    assert client.hear() == []
    [message] = client.flush()
    assert message == replace(
        dismissal_of(prepared_transfer(settled)),
        committed_amount=150,
        transfer_note="for you",
    )


@pytest.mark.parametrize("state", ["none", "finished, rejected", "cancelled"])
@pytest.mark.parametrize("members", [{}, {"recipient": "9"}, {"locked_amount": 1}])
def test_what_nobody_waits_for_is_dismissed(state, members):
    """Whatever it is: it must not stay locked."""
    client = make(state)
    before = client.transfers.get("t")
    message = prepared_transfer(asked(client), **members)
    client.feed(message)
    assert client.flush() == [dismissal_of(message)]
    assert client.hear() == []
    assert not has_changed(client, before)


@pytest.mark.parametrize("state", ["initiated", "initiated, to commit"])
@pytest.mark.parametrize("members", [{"debtor_id": -2}, {"creditor_id": BOB}, {"recipient": "9"}])
def test_other_parties_than_asked_for_are_dismissed_with_a_surprise(state, members):
    """Something is wrong; the transfer waits on."""
    client = make(state)
    before = client.transfers["t"]
    message = prepared_transfer(before, **members)
    client.feed(message)
    assert client.flush() == [dismissal_of(message)]
    assert client.hear() == [Surprise(kind="PARTIES", key="t", message=message)]
    assert not has_changed(client, before)


@pytest.mark.parametrize("state", ["initiated", "initiated, to commit"])
@pytest.mark.parametrize(
    "members",
    [
        {"locked_amount": 99},
        {"locked_amount": 201},
        {"deadline": START + HOUR - 1},
        {"demurrage_rate": -60.1},
        {"final_interest_rate_ts": START},
    ],
)
def test_terms_that_are_not_acceptable_are_dismissed_for_good(state, members):
    """The ids are stored, and the dismissal is repeated until it is answered."""
    request = replace(REQUEST, terms=Terms(min_commit_period=3600, min_demurrage_rate=-60.0))
    client = make(state, request)
    message = prepared_transfer(client.transfers["t"], **members)
    client.feed(message)
    settled = client.transfers["t"]
    assert (settled.state, settled.reason) == ("settled", "TERMS")
    assert client.flush() == [dismissal_of(message)]
    client.feed(finalized_transfer(settled))
    assert (client.transfers["t"].outcome, client.transfers["t"].reason) == ("DISMISSED", "TERMS")


@pytest.mark.parametrize(
    "members",
    [
        {"locked_amount": 100},
        {"deadline": START + HOUR},
        {"demurrage_rate": -60.0},
    ],
)
def test_terms_at_the_edge_are_acceptable(members):
    """Not one microsecond less."""
    request = replace(REQUEST, terms=Terms(min_commit_period=3600, min_demurrage_rate=-60.0))
    client = make("initiated", request)
    client.feed(prepared_transfer(client.transfers["t"], **members))
    assert client.transfers["t"].state == "prepared"


# --- PreparedTransfer with ids in the record ------------------------------------------------------


def test_a_reminder_of_what_waits_changes_nothing():
    """P: the decision is still open."""
    client = make("prepared")
    before = client.transfers["t"]
    client.feed(prepared_transfer(before, ts=START + DAY))
    assert not has_changed(client, before)
    assert client.flush() == client.hear() == []


@pytest.mark.parametrize(
    "state", ["settled, committed", "settled, dismissed", "finished, committed", "finished, dismissed"]
)
def test_a_reminder_of_what_is_decided_gets_the_same_decision(state):
    """Only `ts` is new, for ever."""
    client = make(state)
    client.now += DAY
    before = client.transfers["t"]
    message = prepared_transfer(before)
    client.feed(message)
    [again] = client.flush()
    committed = state.endswith(", committed")
    assert again == replace(
        dismissal_of(message, ts=START + DAY),
        committed_amount=150 if committed else 0,
        transfer_note="for you" if committed else "",
    )
    assert client.transfers["t"].state == before.state
    assert client.hear() == []


def test_a_decision_that_waits_in_the_outbox_is_not_doubled():
    """The copy that is there will do; what has changed is told all the same."""
    client = make("prepared")
    client.feed(Commit(key="t", decision=PAY))
    client.flush()
    client.feed(prepared_transfer(client.transfers["t"]))
    assert client.flush() == client.hear() == []
    changed = prepared_transfer(client.transfers["t"], recipient="9")
    client.feed(changed)
    assert client.flush() == []
    assert client.hear() == [Surprise(kind="CHANGED", key="t", message=changed)]
    assert client.ignored == {"PreparedTransfer, the decision is on its way": 2}


def test_two_reminders_get_one_decision():
    """Until the broker has it."""
    client = make("settled, committed")
    message = prepared_transfer(client.transfers["t"])
    client.feed(message, message)
    assert len(client.flush()) == 1
    client.confirm()
    client.feed(message)
    assert len(client.flush()) == 1


@pytest.mark.parametrize("state", ["finished, committed", "finished, dismissed"])
def test_for_the_reminder_of_what_has_ended_nobody_waits(state):
    """Its confirmation is of no interest."""
    client = make(state)
    client.feed(prepared_transfer(client.transfers["t"]))
    assert [one.ref for one in client.outbox] == [None]


@pytest.mark.parametrize(
    ("state", "make_message", "row"),
    [
        ("none", rejected_transfer, "RejectedTransfer, no record"),
        ("prepared", rejected_transfer, "RejectedTransfer, late"),
        ("none", finalized_transfer, "FinalizedTransfer, no record"),
        ("finished, committed", finalized_transfer, "FinalizedTransfer, late"),
        ("cancelled", finalized_transfer, "FinalizedTransfer, late"),
        ("initiated", finalized_transfer, "FinalizedTransfer, of a surplus"),
    ],
)
def test_what_changes_nothing_is_counted_by_its_row(state, make_message, row):
    """Operators see it in metrics."""
    client = make(state)
    client.feed(make_message(asked(client)))
    assert client.ignored == {row: 1}


@pytest.mark.parametrize(
    "state",
    [
        "prepared",
        "settled, committed",
        "settled, dismissed",
        "finished, committed",
        "finished, dismissed",
    ],
)
@pytest.mark.parametrize("members", [{"recipient": "9"}, {"locked_amount": 199}])
def test_a_reminder_that_has_changed_is_a_surprise(state, members):
    """The ids decide; what else it says is told to a person."""
    client = make(state)
    message = prepared_transfer(client.transfers["t"], **members)
    client.feed(message)
    assert client.hear() == [Surprise(kind="CHANGED", key="t", message=message)]
    assert len(client.flush()) == (0 if state == "prepared" else 1)


@pytest.mark.parametrize(
    "state",
    [
        "prepared",
        "settled, committed",
        "settled, dismissed",
        "finished, committed",
        "finished, dismissed",
        "cancelled",
    ],
)
def test_a_surplus_is_dismissed(state):
    """A repeated request was taken for a new one."""
    client = make(state)
    before = client.transfers["t"]
    message = prepared_transfer(before, transfer_id=78)
    client.feed(message)
    assert client.flush() == [dismissal_of(message)]
    assert not has_changed(client, before)
    assert client.hear() == []


# --- commit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "decision", "answer"),
    [
        ("none", PAY, "NOT_FOUND"),
        ("initiated", PAY, "initiated"),
        ("initiated, to commit", PAY, "initiated"),
        ("initiated, to commit", OTHER, "ALREADY_DECIDED"),
        ("initiated, to commit", replace(PAY, transfer_note="else"), "ALREADY_DECIDED"),
        ("prepared", PAY, "settled"),
        ("settled, committed", PAY, "settled"),
        ("settled, committed", OTHER, "ALREADY_DECIDED"),
        ("settled, dismissed", PAY, "ALREADY_DECIDED"),
        ("finished, committed", PAY, "finished"),
        ("finished, committed", OTHER, "ALREADY_DECIDED"),
        ("finished, dismissed", PAY, "ALREADY_DECIDED"),
        ("finished, rejected", PAY, "ALREADY_DECIDED"),
        ("cancelled", PAY, "ALREADY_DECIDED"),
        ("parked", PAY, "PARKED"),
    ],
)
def test_commit(state, decision, answer):
    """Now, or as soon as it is prepared; once and for all."""
    client = make(state)
    before = client.transfers.get("t")
    given = client.call(Commit(key="t", decision=decision))
    assert (given.code if isinstance(given, Refusal) else given.state) == answer
    if state == "prepared":
        [message] = client.flush()
        assert isinstance(message, FinalizeTransfer)
        assert (message.committed_amount, message.transfer_note) == (150, "for you")
    elif state == "initiated":
        assert client.transfers["t"].decision == PAY
    else:
        assert not has_changed(client, before)
    assert client.flush() == []


# --- dismiss ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("none", "NOT_FOUND"),
        ("initiated", "cancelled"),
        ("initiated, to commit", "cancelled"),
        ("prepared", "settled"),
        ("settled, committed", "ALREADY_DECIDED"),
        ("settled, dismissed", "settled"),
        ("finished, committed", "ALREADY_DECIDED"),
        ("finished, dismissed", "finished"),
        ("finished, rejected", "finished"),
        ("cancelled", "cancelled"),
        ("parked", "PARKED"),
    ],
)
def test_dismiss(state, answer):
    """Nothing moves, unless a commit has left."""
    client = make(state)
    given = client.call(Dismiss(key="t"))
    assert (given.code if isinstance(given, Refusal) else given.state) == answer
    messages, news = client.flush(), client.hear()
    if state == "prepared":
        assert messages == [dismissal_of(prepared_transfer(client.transfers["t"]))]
    else:
        assert messages == []
    if state.startswith("initiated"):
        assert client.transfers["t"].outcome == "CANCELLED"
        assert client.transfers["t"].decision is None
        assert client.transfers["t"].total_locked_amount == 0
        assert [type(one) for one in news] == [TransferFinished]
        # what comes yet is dismissed by the tombstone
        message = prepared_transfer(client.transfers["t"])
        client.feed(message)
        assert client.flush() == [dismissal_of(message)]
    else:
        assert news == []


# --- FinalizedTransfer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "members", "outcome"),
    [
        ("settled, committed", {}, "OK"),
        ("settled, committed", {"committed_amount": 0, "status_code": "TIMEOUT"}, "TIMEOUT"),
        ("settled, committed", {"committed_amount": 0, "status_code": "SOMETHING NEW"}, "SOMETHING NEW"),
        ("settled, dismissed", {}, "DISMISSED"),
        # none of these can be
        ("settled, committed", {"committed_amount": 149}, "UNEXPECTED"),
        ("settled, committed", {"committed_amount": 0}, "UNEXPECTED"),
        ("settled, committed", {"status_code": "TIMEOUT"}, "UNEXPECTED"),
        ("settled, committed", {"committed_amount": 0, "status_code": ""}, "UNEXPECTED"),
        ("settled, dismissed", {"committed_amount": 1}, "UNEXPECTED"),
        ("settled, dismissed", {"status_code": "TIMEOUT"}, "UNEXPECTED"),
    ],
)
def test_the_outcome(state, members, outcome):
    """The one outcome, told once; what contradicts the decision is a surprise as well."""
    client = make(state)
    message = finalized_transfer(client.transfers["t"], total_locked_amount=9, **members)
    client.feed(message)
    ended = client.transfers["t"]
    assert (ended.state, ended.outcome, ended.total_locked_amount) == ("finished", outcome, 9)
    assert client.flush() == []
    news = client.hear()
    assert [type(one) for one in news[:1]] == [TransferFinished]
    expected = [Surprise(kind="OUTCOME", key="t", message=message)] if outcome == "UNEXPECTED" else []
    assert news[1:] == expected
    client.feed(message)
    assert not has_changed(client, ended)
    assert client.hear() == []


@pytest.mark.parametrize(
    ("members", "outcome"),
    [({}, "OK"), ({"committed_amount": 0, "status_code": "TIMEOUT"}, "TIMEOUT")],
)
def test_the_outcome_of_the_smallest_amount(members, outcome):
    """One unit is money."""
    client = make("prepared")
    client.feed(Commit(key="t", decision=Decision(committed_amount=1)))
    client.feed(finalized_transfer(client.transfers["t"], **members))
    assert client.transfers["t"].outcome == outcome


def test_an_answer_to_no_decision_parks():
    """Somebody has decided, and only this client can: it was restored."""
    client = make("prepared")
    message = finalized_transfer(client.transfers["t"], committed_amount=150)
    client.feed(message)
    parked = client.transfers["t"]
    assert parked.state == "parked"
    assert [one.message for one in parked.evidence] == [message]
    assert client.hear() == [Surprise(kind="RESTORED", key="t", message=message)]


@pytest.mark.parametrize(
    "state", ["none", "finished, rejected", "finished, committed", "finished, dismissed", "cancelled"]
)
@pytest.mark.parametrize("transfer_id", [77, 78])
def test_an_outcome_nobody_waits_for_is_ignored(state, transfer_id):
    """Whatever its ids."""
    client = make(state)
    before = client.transfers.get("t")
    client.feed(finalized_transfer(asked(client), transfer_id=transfer_id))
    assert not has_changed(client, before)
    assert client.flush() == client.hear() == []


@pytest.mark.parametrize(
    "state", ["initiated", "initiated, to commit", "prepared", "settled, committed", "settled, dismissed"]
)
def test_the_echo_of_a_surplus_is_counted(state):
    """It tells nothing about the transfer itself."""
    client = make(state)
    before = client.transfers["t"]
    client.feed(finalized_transfer(before, transfer_id=78, committed_amount=0))
    assert client.transfers["t"] == replace(before, surplus_count=1)
    assert client.flush() == client.hear() == []


@pytest.mark.parametrize(
    ("state", "then"),
    [
        ("initiated", "parked"),
        ("initiated, to commit", "parked"),
        ("prepared", "parked"),
        ("settled, committed", "settled"),
        ("settled, dismissed", "settled"),
    ],
)
@pytest.mark.parametrize("amount", [150, 1])
def test_a_commit_that_we_do_not_remember_is_a_surprise(state, then, amount):
    """Nobody but an earlier life of this client can have made it: it must not be paid twice."""
    client = make(state)
    message = finalized_transfer(client.transfers["t"], transfer_id=78, committed_amount=amount)
    client.feed(message)
    assert client.transfers["t"].state == then
    assert client.hear() == [Surprise(kind="RESTORED", key="t", message=message)]
    client.wait(DAY)
    assert [one for one in client.flush() if isinstance(one, PrepareTransfer)] == []


# --- copies in the outbox -------------------------------------------------------------------------


@pytest.mark.parametrize("is_decided", [True, False])
def test_the_request_that_arrives_is_not_the_decision_that_does(is_decided):
    """The server was quicker than the broker's confirmation."""
    client = Client()
    client.feed(begin(decision=PAY if is_decided else None))
    client.feed(prepared_transfer(client.transfers["t"]))
    if not is_decided:
        assert not client.transfers["t"].pace.is_waiting
        client.feed(Commit(key="t", decision=PAY))
    assert [one.ref for one in client.outbox] == [Ref("transfer", "t", 1), Ref("transfer", "t", 2)]
    client.feed(Sent(ref=Ref("transfer", "t", 1), at=START))
    assert client.transfers["t"].pace.is_waiting
    client.feed(Sent(ref=Ref("transfer", "t", 2), at=START))
    assert not client.transfers["t"].pace.is_waiting


def test_copies_are_counted_on_from_state_to_state():
    """The confirmation of an old one is never taken for that of a new one."""
    client = make("initiated")
    client.wait(10 * SECOND)
    client.feed(prepared_transfer(client.transfers["t"]))
    client.feed(Commit(key="t", decision=PAY))
    assert [one.ref for one in client.outbox] == [Ref("transfer", "t", 2), Ref("transfer", "t", 3)]


def test_what_has_ended_waits_for_no_copy():
    """Whatever is still in the outbox."""
    client = Client()
    client.feed(begin())
    client.feed(rejected_transfer(client.transfers["t"]))
    assert not client.transfers["t"].pace.is_waiting


# --- whose message it is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coordinator_type", "coordinator_id", "is_ours"),
    [
        ("direct", ALICE, True),
        ("agent", BOB, True),
        ("issuing", DEBTOR, True),
        ("test", 5, True),
        ("direct", 0x0000020000000001, False),
        ("agent", 5, False),
        ("issuing", -2, False),
        ("else", 5, False),
    ],
)
def test_what_is_prepared_for_others_is_left_alone(coordinator_type, coordinator_id, is_ours):
    """Two clients that share a queue must not dismiss each other's transfers."""
    client = Client()
    message = replace(
        prepared_transfer(asked(client)), coordinator_type=coordinator_type, coordinator_id=coordinator_id
    )
    assert isinstance(message, PreparedTransfer)
    result = client.feed(message)
    assert result.foreign == ([] if is_ours else [0])
    assert client.flush() == ([dismissal_of(message)] if is_ours else [])
