"""Parked transfers: what they gather, and the ways out, cell by cell."""

from typing import Any

import pytest

from swpt_client.inputs import Abandon, Park, Refusal, Resume
from swpt_client.messages import FinalizeTransfer

from .bench import START, Client
from .server_messages import finalized_transfer, prepared_transfer, rejected_transfer
from .transfer_states import LIVE, make

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
