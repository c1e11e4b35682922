"""The repair of bundles, and paying back, row by row."""

import pytest
from msgspec.structs import replace

from swpt_client.messages import PrepareTransfer
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.news import BundleFinished, Surprise
from swpt_client.records import Terms

from .bench import ALICE, DEBTOR, START
from .bundle_story import CAROL, ESCROW, EXCHANGE, FATAL, INTO_ESCROW, PAUSES, PINNED, REPAIRABLE, Story, leg
from .server_messages import finalized_transfer, prepared_transfer

# --- repairing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", REPAIRABLE)
def test_a_failed_leg_is_tried_anew(code):
    """Under a new request id, after a minute; the others stand."""
    story = Story().committed()
    first = story.leg(1)
    story.finalize(0)
    story.finalize(1, code)
    assert story.bundle.state == "repairing"
    story.wait(MINUTE - 1)
    assert story.client.flush() == []
    story.wait(1)
    [request] = story.client.flush()
    assert isinstance(request, PrepareTransfer)
    assert request.coordinator_request_id != first.coordinator_request_id
    assert (first.key, story.leg(1).key) == ("bundle:1.1:b", "bundle:1.2:b")
    story.prepare(1)
    assert story.amounts() == [500]
    story.finalize(1)
    assert story.finished() == "done"


def test_an_attempt_that_was_followed_by_another_is_remembered():
    """As long as any transfer: a reminder gets the same decision, for ever."""
    story = Story().committed()
    first = story.leg(1)
    assert first.prepared is not None
    story.finalize(0)
    story.finalize(1, "TIMEOUT")
    story.wait(MINUTE)
    story.client.flush()
    story.client.feed(prepared_transfer(first, transfer_id=first.prepared.transfer_id))
    assert story.amounts() == [500]
    story.prepare(1)
    story.finalize(1)
    story.client.wait(400 * DAY - 2 * MINUTE)
    assert first.key in story.client.transfers
    story.client.wait(MINUTE)
    assert sorted(story.client.transfers) == ["bundle:0.1:b", "bundle:1.2:b"]


@pytest.mark.parametrize("by", ["rejection", "finalization"])
def test_it_is_tried_again_and_again_with_growing_pauses(by):
    """Whether it fails before or after it was prepared."""
    story = Story(repair_for=30 * 86400).committed()
    story.finalize(0)
    story.finalize(1, "TIMEOUT")
    ids = {story.leg(1).coordinator_request_id}
    for pause in [*PAUSES, DAY]:
        story.wait(pause - 1)
        assert story.client.flush() == []
        story.wait(1)
        assert len(story.client.flush()) == 1
        ids.add(story.leg(1).coordinator_request_id)
        if by == "rejection":
            story.reject(1, "INSUFFICIENT_AVAILABLE_AMOUNT")
        else:
            story.prepare(1)
            story.finalize(1, "TIMEOUT")
        story.client.flush()
    assert len(ids) == 7
    assert story.bundle.state == "repairing"


def test_a_pinned_rate_does_not_stand_in_the_way_for_ever():
    """It has changed; the repair takes it as it is."""
    pinned = replace(EXCHANGE[1], request=replace(EXCHANGE[1].request, terms=PINNED))
    story = Story((EXCHANGE[0], pinned)).committed()
    story.finalize(0)
    story.finalize(1, "NEWER_INTEREST_RATE")
    story.wait(MINUTE)
    [request] = story.client.flush()
    assert request.final_interest_rate_ts == Terms().final_interest_rate_ts


@pytest.mark.parametrize("code", FATAL)
@pytest.mark.parametrize("when", ["at once", "at the second attempt"])
def test_a_fatal_code_ends_the_repair(code, when):
    """Without an account of ours nothing can be paid back: torn, and an alarm."""
    story = Story().committed()
    story.finalize(0)
    if when == "at once":
        story.finalize(1, code)
    else:
        story.finalize(1, "TIMEOUT")
        story.wait(MINUTE)
        story.reject(1, code)
    assert (story.bundle.state, story.bundle.reason) == ("torn", "NO_PAYBACK")
    assert story.bundle.is_alarming
    assert story.bundle.finished_at == story.client.now
    assert story.client.hear() == [
        Surprise(kind="TORN", key="b"),
        BundleFinished(bundle=story.bundle),
    ]
    assert story.bundle.due_at is None, "it stays until a person has looked at it"


@pytest.mark.parametrize("state", ["pausing", "initiated", "settled"])
def test_the_repair_has_an_end(state):
    """`repair_for` is over: what can be cancelled is, what has left is waited for."""
    story = Story(repair_for=3600).committed()
    story.finalize(0)
    story.finalize(1, "TIMEOUT")
    if state == "pausing":
        for _ in range(2):
            story.wait(10 * MINUTE)
            story.reject(1, "TIMEOUT")
    else:
        story.wait(MINUTE)
        if state == "settled":
            story.prepare(1)
    story.wait(HOUR - 1 - (story.client.now - START))
    assert story.bundle.state == "repairing"
    story.wait(1)
    if state == "settled":
        assert story.bundle.state == "repairing"
        story.finalize(1)
        assert story.finished() == "done"
    else:
        assert story.bundle.state == "torn"
        assert story.states()[1] == ("finished" if state == "pausing" else "cancelled")


def test_a_fatal_code_cancels_the_other_attempts():
    """Three legs: one is paid, one waits, one is lost for good."""
    legs = (*EXCHANGE, leg(CAROL, ALICE, 7))
    story = Story(legs).committed(legs)
    story.finalize(0)
    story.finalize(1, "TIMEOUT")
    story.finalize(2, "TIMEOUT")
    story.wait(MINUTE)
    story.reject(2, "SENDER_IS_UNREACHABLE")
    assert story.states() == ["finished", "cancelled", "finished"]
    assert story.bundle.state == "torn"


def test_an_unclear_attempt_is_an_alarm():
    """Nobody knows whether the leg is paid."""
    story = Story().committed()
    story.finalize(0)
    story.finalize(1, "TIMEOUT")
    story.wait(MINUTE)
    story.prepare(1)
    story.client.feed(finalized_transfer(story.leg(1), committed_amount=1))
    assert Surprise(kind="UNKNOWN_LEG", key="b") in story.client.hear()
    assert (story.bundle.state, story.bundle.is_alarming) == ("repairing", True)
    story.wait(30 * DAY)
    assert story.bundle.state == "repairing"


# --- paying back --------------------------------------------------------------------------------


def into_reversing() -> Story:
    """One has paid into escrow, the other one can not."""
    story = Story(INTO_ESCROW).committed(INTO_ESCROW)
    story.finalize(0)
    story.finalize(1, "SENDER_IS_UNREACHABLE")
    assert story.bundle.state == "reversing"
    return story


def test_what_is_in_escrow_is_paid_back():
    """By a transfer of our own account, over the whole amount."""
    story = into_reversing()
    [request] = story.client.flush()
    assert isinstance(request, PrepareTransfer)
    assert (request.creditor_id, request.recipient) == (ESCROW, str(ALICE))
    assert (request.coordinator_type, request.coordinator_id) == ("direct", ESCROW)
    assert (request.min_locked_amount, request.max_locked_amount) == (0, 0)
    assert (request.debtor_id, story.leg(0).key) == (DEBTOR, "bundle:0.back1:b")
    story.prepare(0)
    assert story.amounts() == [9900]
    assert story.client.hear() == []
    story.finalize(0)
    assert story.finished() == "reversed"
    assert [one.is_paid_back for one in story.bundle.status] == [True, False]


def test_paying_back_is_tried_again():
    """With the same pauses."""
    story = into_reversing()
    story.client.flush()
    for pause in PAUSES[:3]:
        story.prepare(0)
        story.finalize(0, "INSUFFICIENT_AVAILABLE_AMOUNT")
        story.client.flush()
        story.wait(pause - 1)
        assert story.client.flush() == []
        story.wait(1)
        assert len(story.client.flush()) == 1
    assert story.leg(0).key == "bundle:0.back4:b"
    story.prepare(0)
    story.finalize(0)
    assert story.finished() == "reversed"


def test_paying_back_has_a_time_of_its_own():
    """The repair has taken six days; paying back has seven from then on."""
    story = Story(INTO_ESCROW).committed(INTO_ESCROW)
    story.finalize(0)
    story.finalize(1, "TIMEOUT")
    story.wait(6 * DAY)
    story.reject(1, "SENDER_IS_UNREACHABLE")
    assert story.bundle.state == "reversing"
    story.reject(0, "INSUFFICIENT_AVAILABLE_AMOUNT")
    story.wait(2 * DAY)
    assert story.bundle.state == "reversing"
    story.prepare(0)
    story.finalize(0)
    assert story.finished() == "reversed"


@pytest.mark.parametrize("how", ["fatal", "late"])
def test_what_can_not_be_paid_back_is_torn(how):
    """It is a person's turn."""
    story = into_reversing()
    if how == "fatal":
        story.reject(0, "RECIPIENT_SAME_AS_SENDER")
    else:
        story.prepare(0)
        story.finalize(0, "INSUFFICIENT_AVAILABLE_AMOUNT")
        story.wait(7 * DAY)
    assert (story.bundle.state, story.bundle.reason) == ("torn", "PAYBACK_FAILED")
    assert story.finished() == "torn"


def test_a_payback_without_answer_is_waited_for():
    """It has left, and nobody else would do anything better."""
    story = into_reversing()
    story.wait(8 * DAY)
    assert story.bundle.state == "reversing"
    story.prepare(0)
    story.finalize(0)
    assert story.finished() == "reversed"


@pytest.mark.parametrize(("legs", "state"), [(EXCHANGE, "torn"), (INTO_ESCROW, "reversing")])
def test_without_time_for_repair_nothing_is_tried_anew(legs, state):
    """`repair_for` is 0: the money goes back at once from where it is ours, else it is a person's turn."""
    story = Story(legs, repair_for=0).committed()
    story.finalize(0)
    story.finalize(1, "TIMEOUT")
    assert story.bundle.state == state
    assert story.leg(1).outcome == "TIMEOUT"
    if state == "reversing":
        story.prepare(0)
        story.finalize(0)
        assert story.finished() == "reversed"
