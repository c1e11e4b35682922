"""Parked transfers: what they gather, and the ways out, cell by cell."""

from typing import Any

import pytest

from swpt_client.inputs import Abandon, Park, Ref, Refusal, Resume, Sent
from swpt_client.messages import FinalizeTransfer, PrepareTransfer
from swpt_client.moments import SECOND
from swpt_client.records import DISMISSAL, Decision

from .bench import BOB, START, Client
from .server_messages import finalized_transfer, prepared_transfer, rejected_transfer
from .transfer_states import LIVE, PAY, begin, make

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


def test_what_is_parked_gathers_the_end_of_a_surplus():
    """Whose decision it was is a person's question."""
    client = make("parked")
    message = finalized_transfer(client.transfers["t"], transfer_id=78, committed_amount=150)
    client.feed(message)
    [evidence] = client.transfers["t"].evidence
    assert (evidence.message, evidence.arrived_at) == (message, client.now)
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
    assert client.call(Park(kind="transfer", key="unknown")) is None


def test_what_is_parked_does_not_wait_for_its_copy():
    """Whoever restores a backup drops what is in the outbox: no confirmation comes."""
    client = Client()
    client.feed(begin())
    assert client.call(Park(kind="transfer", key="t")).pace.is_waiting is False
    resumed = client.call(Resume(kind="transfer", key="t"))
    assert (resumed.pace.is_waiting, resumed.parked_state) == (True, None)
    assert [one.ref for one in client.outbox] == [Ref("transfer", "t", 1), Ref("transfer", "t", 2)]
    client.feed(Sent(ref=Ref("transfer", "t", 1), at=START))
    assert client.transfers["t"].pace.is_waiting, "only the new copy counts"
    client.feed(Sent(ref=Ref("transfer", "t", 2), at=START))
    client.flush()
    client.wait(10 * SECOND)
    assert [type(one) for one in client.flush()] == [PrepareTransfer], "and time goes on from it"


def test_what_is_prepared_and_resumed_waits_for_nobody_but_its_caller():
    """Nothing is in the outbox."""
    client = parked_from("prepared")
    resumed = client.call(Resume(kind="transfer", key="t"))
    assert (resumed.state, resumed.pace.is_waiting) == ("prepared", False)


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
        is_new = not outcome or outcome == "CANCELLED"
        assert answer.reason == ("ABANDONED" if is_new and state != "settled, dismissed" else "")
    assert [one.committed_amount for one in client.flush()] == sent


@pytest.mark.parametrize(
    ("state", "amount", "code", "decision"),
    [
        ("initiated", 150, "OK", Decision(committed_amount=150)),
        ("initiated", 1, "OK", Decision(committed_amount=1)),
        ("initiated, to commit", 150, "OK", PAY),
        ("initiated, to commit", 7, "OK", Decision(committed_amount=7)),
        ("settled, committed", 150, "OK", PAY),
        ("initiated, to commit", 0, "OK", DISMISSAL),
        ("prepared", 0, "OK", DISMISSAL),
        ("settled, committed", 0, "TIMEOUT", PAY),
    ],
)
@pytest.mark.parametrize("call", [Resume, Abandon])
def test_what_a_former_life_has_decided_is_what_was_decided(call, state, amount, code, decision):
    """The amount that has moved; the note only if it is still known."""
    client = parked_from(state)
    message = finalized_transfer(
        client.transfers["t"], committed_amount=amount, status_code=code, total_locked_amount=9
    )
    client.feed(message)
    ended = client.call(call(kind="transfer", key="t"))
    assert (ended.state, ended.decision, ended.total_locked_amount) == ("finished", decision, 9)
    assert ended.finished_at == client.now


@pytest.mark.parametrize("members", [{"debtor_id": -2}, {"creditor_id": BOB}])
def test_the_end_of_somebody_elses_transfer_is_no_evidence(members):
    """Only that of the account that was to pay."""
    client = parked_from("initiated")
    client.feed(finalized_transfer(client.transfers["t"], committed_amount=150, **members))
    assert client.call(Resume(kind="transfer", key="t")).state == "initiated"


def test_what_has_moved_money_goes_first():
    """Of two ends, whichever came first; and of the prepared ones the known one alone."""
    client = parked_from("prepared", "committed")
    client.feed(finalized_transfer(client.transfers["t"], transfer_id=78, committed_amount=160))
    assert client.call(Resume(kind="transfer", key="t")).decision == Decision(committed_amount=150)


@pytest.mark.parametrize("call", [Resume, Abandon])
def test_only_what_is_parked_has_a_way_out(call):
    """Everything else is refused."""
    assert make("none").call(call(kind="transfer", key="t")).code == "NOT_FOUND"
    for state in LIVE[:-1]:
        assert make(state).call(call(kind="transfer", key="t")).code == "NOT_PARKED"
