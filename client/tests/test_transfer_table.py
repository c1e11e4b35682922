"""The table of running transfers, cell by cell."""

from typing import Any

import pytest
from msgspec.structs import replace

from swpt_client.inputs import Abandon, Begin, Commit, Dismiss, Park, Refusal, Resume
from swpt_client.messages import FinalizeTransfer, PreparedTransfer, PrepareTransfer
from swpt_client.moments import DAY, HOUR, MINUTE, SECOND
from swpt_client.news import Silent, Surprise, TransferFinished, TransferPrepared
from swpt_client.records import Decision, Request, Terms, Transfer

from .bench import ALICE, BOB, DEBTOR, START, Client
from .server_messages import dismissal_of, finalized_transfer, prepared_transfer, rejected_transfer

REQUEST = Request(
    debtor_id=DEBTOR,
    creditor_id=ALICE,
    recipient=str(BOB),
    min_locked_amount=100,
    max_locked_amount=200,
    coordinator_id=ALICE,
)
PAY = Decision(committed_amount=150, transfer_note="for you")
OTHER = Decision(committed_amount=151, transfer_note="for you")

# All columns.  Where a column has kinds, each has a name of its own.
STATES = [
    "none",
    "initiated",
    "initiated, to commit",
    "prepared",
    "settled, committed",
    "settled, dismissed",
    "finished, rejected",
    "finished, committed",
    "finished, dismissed",
    "cancelled",
    "parked",
]
LIVE = STATES[1:]


def begin(**changes: Any) -> Begin:
    """The call that begins it."""
    values: dict[str, Any] = {"key": "t", "request": REQUEST}
    return Begin(**(values | changes))


def make(state: str, request: Request = REQUEST) -> Client:
    """A client whose transfer `t` is in a state, with nothing in the outbox and no news."""
    client = Client()
    if state == "none":
        return client
    wanted = PAY if state == "initiated, to commit" else None
    client.feed(begin(request=request, decision=wanted))
    client.confirm()
    transfer = client.transfers["t"]
    if state.startswith(("prepared", "settled", "finished, committed", "finished, dismissed", "parked")):
        client.feed(prepared_transfer(transfer))
    if state.endswith(", committed"):
        client.feed(Commit(key="t", decision=PAY))
    elif state.endswith(", dismissed"):
        client.feed(Dismiss(key="t"))
    elif state == "finished, rejected":
        client.feed(rejected_transfer(transfer))
    elif state == "cancelled":
        client.feed(Dismiss(key="t"))
    elif state == "parked":
        client.feed(Park(kind="transfer", key="t"))
    client.confirm()
    if state in ("finished, committed", "finished, dismissed"):
        client.feed(finalized_transfer(client.transfers["t"]))
    client.flush()
    client.hear()
    assert client.transfers["t"].state.value == state.split(",", maxsplit=1)[0]
    return client


def asked(client: Client) -> Transfer:
    """The transfer as the server knows it, also if this client does not."""
    if "t" in client.transfers:
        return client.transfers["t"]
    other = Client()
    other.feed(begin())
    return other.transfers["t"]


def has_changed(client: Client, before: Transfer | None) -> bool:
    """Whether the record is another one."""
    return client.transfers.get("t") != before


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
    """The copy that is there will do."""
    client = make("prepared")
    client.feed(Commit(key="t", decision=PAY))
    client.flush()
    client.feed(prepared_transfer(client.transfers["t"]))
    assert client.flush() == []


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
def test_a_commit_that_we_do_not_remember_is_a_surprise(state, then):
    """Nobody but an earlier life of this client can have made it: it must not be paid twice."""
    client = make(state)
    message = finalized_transfer(client.transfers["t"], transfer_id=78, committed_amount=150)
    client.feed(message)
    assert client.transfers["t"].state == then
    assert client.hear() == [Surprise(kind="RESTORED", key="t", message=message)]
    client.wait(DAY)
    assert [one for one in client.flush() if isinstance(one, PrepareTransfer)] == []


# --- due ----------------------------------------------------------------------------------------

DAYS_OF_A_YEAR = 365


def test_a_request_is_repeated_from_its_confirmation():
    """After 10 s, 1 min, 10 min, 1 h, 6 h, and then daily; only `ts` is new."""
    client = Client()
    client.feed(begin())
    [first] = client.flush()
    client.now += 3 * HOUR
    client.tick()
    assert client.flush() == [], "nothing is repeated while a copy waits in the outbox"
    for pause in (10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, DAY):
        client.confirm()
        client.wait(pause - 1)
        assert client.flush() == []
        client.wait(1)
        [again] = client.flush()
        assert again == replace(first, ts=client.now)


def test_a_deadline_does_not_move_with_repetitions():
    """Ten minutes from the beginning are ten minutes from the beginning."""
    client = make("none")
    client.feed(begin(request=replace(REQUEST, terms=Terms(max_commit_delay=600))))
    client.confirm()
    assert client.flush()[0].max_commit_delay == 600
    for pause, left in ((10 * SECOND, 590), (MINUTE, 530), (10 * MINUTE, 0)):
        client.wait(pause)
        client.confirm()
        assert client.flush()[0].max_commit_delay == left


def test_a_request_without_answer_is_news_after_a_day_once():
    """We go on asking."""
    client = make("initiated")
    client.wait(3 * DAY)
    assert client.hear() == [Silent(subject="transfer", key="t", since=START)]
    assert client.transfers["t"].state == "initiated"


@pytest.mark.parametrize("wanted", [None, PAY])
def test_a_request_is_given_up_when_its_caller_said_so(wanted):
    """What comes yet is dismissed, also what was to be committed."""
    client = Client()
    client.feed(begin(request=replace(REQUEST, terms=Terms(give_up_after=60)), decision=wanted))
    client.confirm()
    client.wait(MINUTE - 1)
    assert client.transfers["t"].state == "initiated"
    client.wait(1)
    given_up = client.transfers["t"]
    assert (given_up.state, given_up.outcome, given_up.reason) == ("cancelled", "CANCELLED", "GIVE_UP")
    assert [type(one) for one in client.hear()] == [TransferFinished]
    client.flush()
    client.feed(prepared_transfer(given_up))
    assert [one.committed_amount for one in client.flush()] == [0]


def test_a_request_is_given_up_also_while_it_waits_in_the_outbox():
    """A broker that is away does not hold a caller."""
    client = Client()
    client.feed(begin(request=replace(REQUEST, terms=Terms(give_up_after=60))))
    client.wait(MINUTE)
    assert client.transfers["t"].state == "cancelled"


@pytest.mark.parametrize(("decide_within", "at"), [(600, 10 * MINUTE), (None, 90 * DAY)])
def test_what_nobody_decides_is_dismissed(decide_within, at):
    """Every prepared transfer is settled in the end: when its caller said so, or at its deadline."""
    client = make("prepared", replace(REQUEST, terms=Terms(decide_within=decide_within)))
    client.wait(at - 1)
    assert client.transfers["t"].state == "prepared"
    client.wait(1)
    assert (client.transfers["t"].state, client.transfers["t"].reason) == ("settled", "DECIDE_BY")
    assert [one.committed_amount for one in client.flush()] == [0]


@pytest.mark.parametrize("state", ["settled, committed", "settled, dismissed"])
def test_a_decision_is_repeated_from_its_confirmation(state):
    """After 1 min, 10 min, 1 h, 6 h, and then daily; only `ts` is new."""
    client = make(state)
    amount = 150 if state.endswith("committed") else 0
    for pause in (MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, DAY):
        client.wait(pause - 1)
        assert client.flush() == []
        client.wait(1)
        [again] = client.flush()
        assert (again.committed_amount, again.ts) == (amount, client.now)
        client.wait(2 * MINUTE)
        assert client.flush() == [], "nothing is repeated while a copy waits in the outbox"
        client.confirm()
    assert Silent(subject="transfer", key="t", since=START) in client.hear()


@pytest.mark.parametrize(
    ("state", "outcome"), [("settled, committed", "UNKNOWN"), ("settled, dismissed", "DISMISSED")]
)
def test_a_decision_without_answer_ends_after_a_year(state, outcome):
    """A commit that is silent for a year is unknown; a dismissal has moved nothing."""
    client = make(state)
    for _ in range(DAYS_OF_A_YEAR - 1):
        client.wait(DAY)
        client.confirm()
    assert client.transfers["t"].state == "settled"
    client.wait(2 * DAY)
    assert client.transfers["t"].outcome == outcome
    # a reminder that comes after all gets the same decision
    client.flush()
    client.feed(prepared_transfer(client.transfers["t"]))
    assert [one.committed_amount for one in client.flush()] == [150 if outcome == "UNKNOWN" else 0]


def test_a_decision_that_never_left_is_never_unknown():
    """A broker that is away for two years does not make an outcome."""
    client = make("prepared")
    client.feed(Commit(key="t", decision=PAY))
    client.wait(2 * 365 * DAY)
    assert client.transfers["t"].state == "settled"


@pytest.mark.parametrize(
    ("state", "days"),
    [
        ("finished, rejected", 400),
        ("finished, committed", 400),
        ("finished, dismissed", 400),
        ("cancelled", 30),
    ],
)
def test_what_has_ended_is_kept_for_long(state, days):
    """And then deleted."""
    client = make(state)
    client.wait(days * DAY - 1)
    assert "t" in client.transfers
    client.wait(1)
    assert client.transfers == {}


def test_what_is_parked_is_never_due():
    """Nothing happens by itself."""
    assert make("parked").transfers["t"].due_at is None


# --- parked -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make_message", [rejected_transfer, prepared_transfer, finalized_transfer], ids=lambda one: one.__name__
)
def test_what_is_parked_gathers_evidence(make_message):
    """It sends nothing, whatever comes."""
    client = make("parked")
    message = make_message(client.transfers["t"])
    client.feed(message)
    assert [one.message for one in client.transfers["t"].evidence] == [message]
    assert client.transfers["t"].state == "parked"
    assert client.flush() == client.hear() == []


@pytest.mark.parametrize("members", [{"recipient": "9"}, {"locked_amount": 1}, {"transfer_id": 78}])
def test_what_is_parked_gathers_all_that_is_prepared(members):
    """Also what would be dismissed otherwise."""
    client = make("parked")
    client.feed(prepared_transfer(client.transfers["t"], **members))
    assert len(client.transfers["t"].evidence) == 1
    assert client.flush() == client.hear() == []


def test_evidence_has_a_limit():
    """Reminders of years do not fill the memory; the latest ones are kept."""
    client = make("parked")
    for number in range(30):
        client.feed(prepared_transfer(client.transfers["t"], ts=START + number))
    evidence = client.transfers["t"].evidence
    assert len(evidence) == 20
    assert evidence[-1].message.ts == START + 29


@pytest.mark.parametrize("state", LIVE)
def test_parking(state):
    """What has ended stays as it is."""
    client = make(state)
    before = client.transfers["t"]
    answer = client.call(Park(kind="transfer", key="t"))
    if state.startswith(("finished", "cancelled", "parked")):
        assert answer == before
    else:
        assert (answer.state, answer.parked_state) == ("parked", before.state)
    assert client.flush() == []


def parked_from(state: str, *messages: str) -> Client:
    """Parked, and then some messages came."""
    client = make(state)
    client.feed(Park(kind="transfer", key="t"))
    transfer = client.transfers["t"]
    known: dict[str, Any] = {
        "prepared": prepared_transfer(transfer),
        "other prepared": prepared_transfer(transfer, recipient="9"),
        "rejected": rejected_transfer(transfer),
        "committed": finalized_transfer(transfer, committed_amount=150),
        "dismissed": finalized_transfer(transfer, committed_amount=0),
        "failed": finalized_transfer(transfer, committed_amount=0, status_code="TIMEOUT"),
    }
    client.feed(*(known[name] for name in messages))
    client.flush()
    return client


@pytest.mark.parametrize(
    ("state", "evidence", "then", "outcome", "sent"),
    [
        # no evidence: from where it was
        ("initiated", [], "initiated", "", ["PrepareTransfer"]),
        ("initiated, to commit", [], "initiated", "", ["PrepareTransfer"]),
        ("prepared", [], "prepared", "", []),
        ("settled, committed", [], "settled", "", ["FinalizeTransfer 150"]),
        ("settled, dismissed", [], "settled", "", ["FinalizeTransfer 0"]),
        # it still waits at the server
        ("initiated", ["prepared"], "prepared", "", []),
        ("initiated, to commit", ["prepared"], "settled", "", ["FinalizeTransfer 150"]),
        ("prepared", ["prepared"], "prepared", "", []),
        ("settled, committed", ["prepared"], "settled", "", ["FinalizeTransfer 150"]),
        # between other parties, it is not ours
        ("initiated", ["other prepared"], "initiated", "", ["PrepareTransfer"]),
        # it was refused
        ("initiated, to commit", ["rejected"], "finished", "INSUFFICIENT_AVAILABLE_AMOUNT", []),
        ("prepared", ["rejected"], "prepared", "", []),
        # it is over: a former life has decided
        ("initiated", ["committed"], "finished", "OK", []),
        ("initiated, to commit", ["prepared", "committed"], "finished", "OK", []),
        ("initiated, to commit", ["dismissed", "committed"], "finished", "OK", []),
        ("initiated, to commit", ["dismissed"], "finished", "DISMISSED", []),
        ("prepared", ["failed"], "finished", "TIMEOUT", []),
        ("settled, committed", ["committed"], "finished", "OK", []),
    ],
)
def test_resuming(state, evidence, then, outcome, sent):
    """Go on from what the evidence shows."""
    client = parked_from(state, *evidence)
    answer = client.call(Resume(kind="transfer", key="t"))
    assert (answer.state, answer.outcome) == (then, outcome)
    names = [
        type(one).__name__ + (f" {one.committed_amount}" if isinstance(one, FinalizeTransfer) else "")
        for one in client.flush()
    ]
    assert names == sent


@pytest.mark.parametrize(
    ("state", "evidence", "then", "outcome", "sent"),
    [
        ("initiated, to commit", [], "cancelled", "CANCELLED", []),
        ("initiated, to commit", ["prepared"], "settled", "", [0]),
        ("prepared", [], "settled", "", [0]),
        ("settled, dismissed", [], "settled", "", [0]),
        ("settled, committed", ["prepared"], "ALREADY_DECIDED", "", []),
        ("initiated, to commit", ["committed"], "finished", "OK", []),
        ("settled, committed", ["failed"], "finished", "TIMEOUT", []),
    ],
)
def test_abandoning(state, evidence, then, outcome, sent):
    """What is prepared is dismissed; of a commit that has left nothing can be taken back."""
    client = parked_from(state, *evidence)
    answer = client.call(Abandon(kind="transfer", key="t"))
    if isinstance(answer, Refusal):
        assert (answer.code, client.transfers["t"].state) == (then, "parked")
    else:
        assert (answer.state, answer.outcome) == (then, outcome)
    assert [one.committed_amount for one in client.flush()] == sent


@pytest.mark.parametrize("call", [Resume, Abandon])
def test_only_what_is_parked_has_a_way_out(call):
    """Everything else is refused."""
    assert make("none").call(call(kind="transfer", key="t")).code == "NOT_FOUND"
    for state in LIVE[:-1]:
        assert make(state).call(call(kind="transfer", key="t")).code == "NOT_PARKED"


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
