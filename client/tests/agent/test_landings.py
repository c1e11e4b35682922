"""What has arrived at the broker is stored when the server has answered, or a little later."""

from functools import partial

import pytest
from msgspec.structs import replace
from sqlalchemy import create_engine, event

from swpt_client import pace
from swpt_client.agent import Agent
from swpt_client.agent.landings import Landing, Landings
from swpt_client.inputs import Ref
from swpt_client.messages import Envelope
from swpt_client.moments import to_datetime
from swpt_client.records import Transfer, TransferState
from swpt_client.store.packing import Parcel
from tests.bench import ALICE, DEBTOR, START
from tests.server_messages import finalized_transfer, prepared_transfer
from tests.transfer_states import REQUEST

from .wire import Wire

PARCEL = Parcel(envelope=Envelope(exchange="e", routing_key="k", type="t", headers={}, body=b""), ref=None)


def landing(row_id, confirmed=1, left=0):
    """All messages of a row are settled."""
    return Landing(row_id, [PARCEL] * confirmed, [PARCEL] * left, 0)


def rows(landings):
    """Which they are."""
    return [one.row_id for one in landings]


def test_it_is_held_for_a_while():
    """Not stored yet, but known: whatever its claim says, such a row does not leave again."""
    held = Landings(1000.0)
    held.add(landing(7))
    assert (held.take(), 7 in held, 8 in held, len(held)) == ([], True, False, 1)
    assert rows(held.take(is_hurried=True)) == [7]
    assert (7 in held, len(held), held.ripe_at) == (False, 0, None)


def test_it_is_not_held_for_ever():
    """When its time has come, it is taken, in the order in which it came."""
    held = Landings(0.0)
    for row_id in (2, 1, 3):
        held.add(landing(row_id))
    assert held.ripe_at is not None
    assert rows(held.take()) == [2, 1, 3]


def test_what_has_to_leave_again_does_not_wait():
    """It comes before all that is held."""
    held = Landings(1000.0)
    held.add(landing(1))
    held.add(landing(2, left=1))
    assert rows(held.take()) == [2]
    assert rows(held.take(is_hurried=True)) == [1]


def sent(key, copy):
    """A message of a transfer."""
    return Parcel(envelope=PARCEL.envelope, ref=Ref("transfer", key, copy))


def reported(held):
    """What the core gets to know."""
    reports = [one.ref for landing in held.take(is_hurried=True) for one in landing.reports(START)]
    return [(ref.key, ref.copy) for ref in reports]


def test_what_has_been_answered_is_no_news():
    """The answer is stored: neither the question that has left is, nor is its record read for it."""
    held = Landings(1000.0)
    parcels = [sent("answered", 1), sent("asked", 1), sent("repeated", 1), sent("decided", 2)]
    held.begin(parcels)
    held.add(Landing(1, parcels, [], 0))
    asked = Transfer(
        key="asked",
        state=TransferState.INITIATED,
        request=REQUEST,
        coordinator_request_id=1,
        began_at=START,
        pace=pace.begin(START),
    )
    repeated = replace(asked, pace=pace.repeat(asked.pace))
    decided = replace(asked, pace=pace.begin(START, asked.pace))
    answered = replace(asked, pace=pace.quiet(START, asked.pace))
    held.hear({"asked": asked, "repeated": repeated, "decided": decided, "answered": answered})
    assert reported(held) == [("asked", 1), ("decided", 2)]
    assert reported(held) == []


def test_what_has_left_again_is_news_again():
    """A row that came back is reported for its second way."""
    held = Landings(1000.0)
    for parcels in ([sent("a", 1)], [sent("b", 1)]):
        held.begin(parcels)
    held.add(Landing(1, [], [sent("a", 1)], 0))
    held.add(Landing(2, [sent("b", 1)], [], 0))
    assert reported(held) == [("b", 1)]
    held.begin([sent("a", 1)])
    held.add(Landing(1, [sent("a", 1)], [], 0))
    assert reported(held) == [("a", 1)]


def test_a_former_question_that_leaves_again_hides_no_decision():
    """The line broke after it had arrived: it leaves once more, behind the decision it has brought."""
    held = Landings(1000.0)
    for row_id, parcels in ((2, [sent("a", 2)]), (1, [sent("a", 1)])):
        held.begin(parcels)
        held.add(Landing(row_id, parcels, [], 0))
    assert reported(held) == [("a", 2)]


def test_not_too_much_is_held():
    """The oldest goes first."""
    held = Landings(1000.0)
    for row_id in range(12):
        held.add(landing(row_id, confirmed=1000))
    assert rows(held.take()) == [0, 1]


def test_a_transfer_is_written_three_times(tmp_path):
    """When it begins, is decided, and has ended: not once more for each message that has left."""
    engine = create_engine(f"sqlite:///{tmp_path / 'client.db'}")
    writes = []

    def look(_connection, _cursor, statement, *_rest):
        if statement.startswith(("INSERT INTO smp_transfer ", "UPDATE smp_transfer ")):
            writes.append(statement.split()[0])

    event.listen(engine, "before_cursor_execute", look)
    wire = Wire()
    clock = partial(to_datetime, START)
    with Agent(engine, wire, subnet=ALICE, clock=clock, poll_seconds=60.0) as agent:
        transfer = agent.transfer("rent", debtor_id=DEBTOR, sender=ALICE, recipient="2", amount=100)
        wire.wait_for("PrepareTransfer")
        wire.wait_until(lambda: len(agent._worker._pump.landings) == 1)
        wire.deliver(prepared_transfer(transfer))
        wire.wait_for("FinalizeTransfer")
        wire.deliver(finalized_transfer(transfer, committed_amount=100))
        wire.wait_until(lambda: outcome_of(agent, "rent") == "OK")
    assert writes == ["INSERT", "UPDATE", "UPDATE"]
    engine.dispose()


def outcome_of(agent, key):
    """Of a transfer that is known."""
    transfer = agent.find_transfer(key)
    assert transfer is not None
    return transfer.outcome


@pytest.mark.parametrize("poll_seconds", [0.02, 60.0])
def test_who_stops_stores_what_has_arrived(tmp_path, poll_seconds):
    """Nothing of it leaves a second time at the next start."""
    engine = create_engine(f"sqlite:///{tmp_path / 'client.db'}")
    wire = Wire()
    agent = Agent(engine, wire, subnet=ALICE, poll_seconds=poll_seconds)
    with agent:
        agent.transfer("rent", debtor_id=DEBTOR, sender=ALICE, recipient="2", amount=100)
        wire.wait_for("PrepareTransfer")
    assert agent._store.count_outbox() == 0
    engine.dispose()
