"""The table of bundles, row by row."""

from typing import Any

import pytest
from msgspec.structs import replace

from swpt_client.inputs import (
    Abandon,
    Begin,
    BeginBundle,
    Commit,
    Configure,
    Dismiss,
    DismissBundle,
    Due,
    Park,
    Refusal,
    Resume,
)
from swpt_client.messages import PrepareTransfer
from swpt_client.moments import DAY, HOUR, MINUTE, T0
from swpt_client.news import BundleFinished, Surprise, TransferFinished
from swpt_client.records import AccountKey, Terms

from .bench import ALICE, BOB, DEBTOR, START, Client
from .bundle_story import CAROL, ESCROW, EXCHANGE, FATAL, INTO_ESCROW, PINNED, REPAIRABLE, Story, leg
from .server_messages import account_update, finalized_transfer, prepared_transfer, rejected_transfer

# --- preparing ----------------------------------------------------------------------------------


def test_all_legs_ask_for_their_locks():
    """At once; their own news are not told."""
    story = Story()
    assert [type(one) for one in story.client.flush()] == [PrepareTransfer, PrepareTransfer]
    assert story.bundle.state == "preparing"
    assert [story.leg(number).key for number in (0, 1)] == ["bundle:0.1:b", "bundle:1.1:b"]
    story.prepare(0)
    assert story.states() == ["prepared", "initiated"]
    assert story.client.flush() == story.client.hear() == []


def test_all_are_prepared_and_certain():
    """The decision is stored, and leaves for all."""
    story = Story()
    story.client.flush()
    story.prepare(0)
    story.prepare(1)
    assert story.bundle.state == "committing"
    assert story.states() == ["settled", "settled"]
    assert sorted(story.amounts()) == [500, 9900]
    assert story.client.hear() == []


@pytest.mark.parametrize("code", [*REPAIRABLE, *FATAL])
def test_a_leg_without_a_lock_dismisses_all(code):
    """What is prepared is freed, what is not is cancelled; the legs say who has dismissed them."""
    story = Story()
    story.prepare(0)
    story.client.flush()
    story.reject(1, code)
    assert (story.bundle.state, story.bundle.reason) == ("dismissing", code)
    assert story.amounts() == [0]
    assert story.states() == ["settled", "finished"]
    assert story.leg(0).reason == "BUNDLE"
    assert story.client.hear() == []
    story.finalize(0)
    assert story.finished() == "dismissed"


def test_a_rejection_cancels_what_is_not_prepared_yet():
    """Nothing is left to wait for; what is prepared late meets a tombstone."""
    story = Story()
    late = story.leg(1)
    story.reject(0, "TIMEOUT")
    assert story.states() == ["finished", "cancelled"]
    assert story.finished() == "dismissed"
    story.client.flush()
    story.client.feed(prepared_transfer(late))
    assert story.amounts() == [0]


def test_terms_that_are_not_acceptable_dismiss_all():
    """A leg that is dismissed for its terms has no lock."""
    story = Story()
    story.prepare(1)
    story.client.flush()
    story.prepare(0, locked_amount=1)
    assert (story.bundle.state, story.bundle.reason) == ("dismissing", "TERMS")
    assert story.amounts() == [0, 0]
    story.finalize(0)
    story.finalize(1)
    assert story.finished() == "dismissed"


def test_decide_by_dismisses_all():
    """Whoever has not answered until then is not waited for."""
    story = Story()
    story.prepare(0)
    story.wait(HOUR - 1)
    assert story.bundle.state == "preparing"
    story.wait(1)
    assert (story.bundle.state, story.bundle.reason) == ("dismissing", "DECIDE_BY")
    assert story.states() == ["settled", "cancelled"]
    story.finalize(0)
    assert story.finished() == "dismissed"


def test_a_leg_that_is_prepared_at_the_last_moment_is_too_late():
    """The time is over, although its `Due` has not come yet."""
    story = Story()
    story.prepare(0)
    story.client.now += HOUR
    story.prepare(1)
    assert story.bundle.reason == "DECIDE_BY"


# --- the checks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"deadline": START + 10 * MINUTE}, ""),
        ({"deadline": START + 10 * MINUTE - 1}, "DEADLINE"),
        ({"prepared_at": START - 50 * MINUTE}, ""),
        ({"prepared_at": START - 3 * HOUR}, "AMOUNT"),
        ({"demurrage_rate": -100.0}, "AMOUNT"),
    ],
)
def test_what_is_not_certain_dismisses_all(members, reason):
    """The deadline must leave a margin, and the lock must still cover the amount then."""
    story = Story()
    story.prepare(1)
    story.client.flush()
    story.prepare(0, **members)
    assert story.bundle.reason == reason
    assert story.bundle.state == ("dismissing" if reason else "committing")
    assert sorted(story.amounts()) == ([0, 0] if reason else [500, 9900])


@pytest.mark.parametrize(
    ("rate", "changed_at", "terms", "reason"),
    [
        (0.0, T0, PINNED, ""),
        (5.0, START - DAY, PINNED, ""),
        (-0.1, T0, PINNED, "AMOUNT"),
        (5.0, START - DAY + 1, PINNED, "AMOUNT"),
        (5.0, T0, Terms(), "AMOUNT"),
    ],
)
def test_a_whole_balance_can_be_offered(rate, changed_at, terms, reason):
    """If the rate is not negative and pinned, what is locked cannot shrink."""
    exact = leg(ALICE, BOB)
    request = replace(exact.request, min_locked_amount=9900, max_locked_amount=9900, terms=terms)
    story = Story((replace(exact, request=request),))
    client = story.client
    client.feed(Configure(key=AccountKey(DEBTOR, ALICE)))
    client.feed(account_update(interest_rate=rate, last_interest_rate_change_ts=changed_at))
    story.prepare(0)
    assert story.bundle.reason == reason


def test_a_lock_of_exactly_the_amount_is_enough_where_nothing_shrinks():
    """The server promises it."""
    exact = leg(ALICE, BOB)
    request = replace(exact.request, min_locked_amount=9900, max_locked_amount=9900)
    story = Story((replace(exact, request=request),))
    story.prepare(0, demurrage_rate=0.0)
    assert story.bundle.state == "committing"


def test_of_an_unknown_account_nothing_is_certain():
    """Nobody has told its rate."""
    exact = leg(ALICE, BOB)
    request = replace(exact.request, min_locked_amount=9900, max_locked_amount=9900, terms=PINNED)
    story = Story((replace(exact, request=request),))
    story.prepare(0)
    assert story.bundle.reason == "AMOUNT"


@pytest.mark.parametrize(
    ("note", "limit", "reason"),
    [
        ("", None, ""),
        ("x", None, "NOTE"),
        ("é", None, "NOTE"),
        ("é", 1, "NOTE"),
        ("é", 2, ""),
        ("x" * 500, 500, ""),
    ],
)
@pytest.mark.parametrize("whose", [ALICE, ESCROW])
def test_the_note_must_fit(note, limit, reason, whose):
    """The limit is that of the currency; if no account of ours tells it, no note is certain."""
    story = Story((replace(INTO_ESCROW[0], transfer_note=note),))
    if limit is not None:
        story.client.feed(Configure(key=AccountKey(DEBTOR, whose)))
        story.client.feed(account_update(creditor_id=whose, transfer_note_max_bytes=limit))
    story.prepare(0)
    assert story.bundle.reason == reason


# --- committing ---------------------------------------------------------------------------------


def test_all_ok_is_done():
    """The outcome is told when the last one is there."""
    story = Story().committed()
    story.finalize(0)
    assert story.client.hear() == []
    story.finalize(1)
    assert story.finished() == "done"
    assert [one.is_paid for one in story.bundle.status] == [True, True]
    assert story.client.flush() == []


def test_a_leg_carries_its_note():
    """As the caller has written it."""
    story = Story((leg(ALICE, BOB, transfer_note="for you", transfer_note_format="-"),))
    story.client.feed(Configure(key=AccountKey(DEBTOR, ALICE)))
    story.client.feed(account_update())
    story.client.flush()
    story.prepare(0)
    [message] = story.client.flush()
    assert (message.transfer_note, message.transfer_note_format) == ("for you", "-")


def test_the_end_of_a_bundle_is_told_beside_other_news():
    """All that a batch brings is told."""
    story = Story((EXCHANGE[0],)).committed((EXCHANGE[0],))
    story.client.feed(Begin(key="t", request=EXCHANGE[1].request))
    story.client.feed(rejected_transfer(story.client.transfers["t"]), finalized_transfer(story.leg(0)))
    assert [type(one) for one in story.client.hear()] == [TransferFinished, BundleFinished]


@pytest.mark.parametrize("codes", [["TIMEOUT", "TIMEOUT"], ["TIMEOUT", "SOMETHING NEW"]])
def test_all_failed_is_failed(codes):
    """Nothing has moved; nothing is repaired."""
    story = Story().committed()
    story.finalize(0, codes[0])
    story.finalize(1, codes[1])
    assert [one.failure for one in story.bundle.status] == codes
    assert story.finished() == "failed"
    story.wait(10 * DAY)
    assert story.client.flush() == []


@pytest.mark.parametrize("outcome", ["UNKNOWN", "UNEXPECTED"])
def test_an_unclear_leg_is_an_alarm(outcome):
    """It waits for a person; the other legs stand."""
    story = Story().committed()
    story.finalize(0)
    if outcome == "UNKNOWN":
        for _ in range(366):
            story.wait(DAY)
    else:
        story.client.feed(finalized_transfer(story.leg(1), committed_amount=1))
    alarms = [one for one in story.client.hear() if one == Surprise(kind="UNKNOWN_LEG", key="b")]
    assert len(alarms) == 1
    assert (story.bundle.state, story.bundle.is_alarming) == ("committing", True)
    assert story.leg(1).outcome == outcome
    assert story.bundle.due_at is None
    answer = story.client.call(Abandon(kind="bundle", key="b"))
    assert (answer.state, answer.reason) == ("torn", "ABANDONED")
    assert answer.finished_at == story.client.now


# --- calls --------------------------------------------------------------------------------------


def test_a_known_key_stands_for_the_same_bundle():
    """In every state; other legs are a conflict."""
    story = Story()
    assert story.client.call(story.call) == story.bundle
    for changes in ({"legs": EXCHANGE[:1]}, {"decide_within": 1}, {"repair_for": 1}):
        assert story.client.call(replace(story.call, **changes)).code == "KEY_CONFLICT"
    story.prepare(0)
    story.prepare(1)
    story.client.flush()
    assert story.client.call(story.call) == story.bundle
    assert story.client.flush() == []


def test_a_bundle_can_be_dismissed_before_its_decision():
    """And only then."""
    story = Story()
    story.prepare(0)
    answer = story.client.call(DismissBundle(key="b"))
    assert (answer.state, answer.reason) == ("dismissing", "CALL")
    story.finalize(0)
    assert story.client.call(DismissBundle(key="b")).state == "dismissed"
    assert Story().committed().client.call(DismissBundle(key="b")).code == "ALREADY_DECIDED"
    assert Client().call(DismissBundle(key="b")).code == "NOT_FOUND"


def test_only_the_bundle_decides_about_its_legs():
    """Whoever knows their keys."""
    story = Story()
    key = story.leg(0).key
    assert story.client.call(Dismiss(key=key)).code == "IN_BUNDLE"
    decision = Story().committed().leg(0).decision
    assert decision is not None
    assert story.client.call(Commit(key=key, decision=decision)).code == "IN_BUNDLE"
    assert story.client.call(Begin(key=key, request=EXCHANGE[0].request)).code == "BAD_FIELD"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"key": ""}, "key"),
        ({"legs": ()}, "legs"),
        ({"decide_within": -1}, "decide_within"),
        ({"repair_for": 2**31}, "repair_for"),
        ({"legs": (EXCHANGE[0], leg(BOB, CAROL, 0))}, "legs[1].committed_amount"),
        ({"legs": (replace(EXCHANGE[0], committed_amount=9903),)}, "legs[0].request.max_locked_amount"),
        ({"legs": (leg(ALICE, BOB, transfer_note="é" * 251),)}, "legs[0].transfer_note"),
        ({"legs": (leg(ALICE, BOB, payback_creditor_id=5),)}, "legs[0].payback_creditor_id"),
        ({"legs": (leg(ALICE, BOB, payback_creditor_id=ESCROW),)}, "legs[0].payback_recipient"),
        ({"legs": (leg(5, BOB),)}, "legs[0].request.coordinator_id"),
    ],
)
def test_a_bad_bundle_is_refused_at_the_call(changes, field):
    """The field is named; nothing is stored or sent."""
    client = Client()
    values: dict[str, Any] = {"key": "b", "legs": EXCHANGE, "decide_within": 3600}
    refusal = client.call(BeginBundle(**(values | changes)))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.field) == ("BAD_FIELD", field)
    assert client.bundles == {}
    assert client.transfers == {}
    assert client.flush() == []


# --- time and restores --------------------------------------------------------------------------


def test_a_bundle_is_kept_with_its_legs():
    """400 days after its end all is deleted, attempts that have failed as well."""
    story = Story().committed()
    story.finalize(0)
    story.finalize(1, "TIMEOUT")
    story.wait(MINUTE)
    story.prepare(1)
    story.wait(HOUR)
    story.finalize(1)
    story.wait(400 * DAY - 1)
    assert len(story.client.transfers) == 2
    story.wait(1)
    assert story.client.bundles == {}
    assert story.client.transfers == {}


def test_what_is_deleted_with_a_bundle_takes_nothing_else_with_it():
    """A transfer of its own ends its time at the same moment."""
    story = Story().committed()
    story.client.feed(Begin(key="t", request=EXCHANGE[0].request))
    story.finalize(0)
    story.client.feed(rejected_transfer(story.client.transfers["t"]))
    story.finalize(1)
    story.wait(400 * DAY)
    assert story.client.transfers == {}
    assert story.client.bundles == {}


def test_a_bundle_begins_while_another_one_is_forgotten():
    """Both are in one batch, the old one first."""
    story = Story().committed()
    story.finalize(0)
    story.finalize(1)
    story.client.now += 400 * DAY
    story.client.feed(Due(kind="bundle", key="b"), replace(story.call, key="c"))
    assert list(story.client.bundles) == ["c"]


def parked() -> Story:
    """One leg is prepared, and then the client is restored from a backup."""
    story = Story()
    story.prepare(0)
    client = story.client
    client.feed(Park(kind="bundle", key="b"))
    client.feed(*(Park(kind="transfer", key=key) for key in client.transfers))
    client.flush()
    return story


@pytest.mark.parametrize("is_prepared", [False, True])
def test_a_parked_bundle_whose_legs_were_abandoned_is_abandoned_as_well(is_prepared):
    """At once if nothing is under way any more that could end it later."""
    story = parked() if is_prepared else Story()
    client = story.client
    client.feed(Park(kind="bundle", key="b"), *(Park(kind="transfer", key=key) for key in client.transfers))
    for key in client.transfers:
        assert client.call(Abandon(kind="transfer", key=key)).state != "parked"
    client.call(Abandon(kind="bundle", key="b"))
    assert story.bundle.state == ("dismissing" if is_prepared else "dismissed")
    if is_prepared:
        story.finalize(0)
    assert (story.bundle.state, story.bundle.reason) == ("dismissed", "ABANDONED")
    [told] = [one for one in client.hear() if isinstance(one, BundleFinished)]
    assert told.bundle.state == "dismissed"


def test_a_parked_bundle_waits_for_a_person():
    """Whatever comes; and its legs go first."""
    story = parked()
    story.client.feed(prepared_transfer(story.leg(1)))
    story.wait(DAY)
    assert story.bundle.state == "parked"
    assert story.client.flush() == story.client.hear() == []
    assert story.client.call(Resume(kind="bundle", key="b")).code == "UNSETTLED"
    assert story.client.call(Abandon(kind="bundle", key="b")).code == "UNSETTLED"
    assert story.client.call(DismissBundle(key="b")).code == "PARKED"


def resume_legs(story: Story) -> None:
    """By their evidence."""
    story.client.feed(*(Resume(kind="transfer", key=key) for key in story.client.transfers))


def test_a_parked_bundle_goes_on():
    """From where it was."""
    story = parked()
    resume_legs(story)
    resumed = story.client.call(Resume(kind="bundle", key="b"))
    assert (resumed.state, resumed.parked_state) == ("preparing", None)
    assert story.client.call(Resume(kind="bundle", key="b")).code == "NOT_PARKED"
    story.prepare(1)
    assert story.bundle.state == "committing"


def test_a_parked_bundle_that_was_committed_in_a_life_before():
    """One leg shows that the decision was to commit: so it is for all."""
    story = parked()
    message = finalized_transfer(story.leg(0), committed_amount=9900)
    story.client.feed(message)
    resume_legs(story)
    story.client.flush()
    story.client.feed(Resume(kind="bundle", key="b"))
    assert story.bundle.state == "committing"
    story.prepare(1)
    assert story.amounts() == [500]
    story.finalize(1)
    assert story.finished() == "done"


def test_a_parked_bundle_is_abandoned():
    """Nothing moves any more."""
    story = parked()
    resume_legs(story)
    story.client.flush()
    answer = story.client.call(Abandon(kind="bundle", key="b"))
    assert (answer.state, answer.reason, answer.parked_state) == ("dismissing", "ABANDONED", None)
    assert story.amounts() == [0]
    story.finalize(0)
    assert story.finished() == "dismissed"
    assert story.client.call(Abandon(kind="bundle", key="b")).code == "NOT_PARKED"


def test_only_what_is_parked_has_a_way_out():
    """Everything else is refused."""
    for call in (Resume, Abandon):
        assert Client().call(call(kind="bundle", key="b")).code == "NOT_FOUND"
        assert Story().client.call(call(kind="bundle", key="b")).code == "NOT_PARKED"


def test_what_has_ended_is_not_parked():
    """It sends nothing anyway."""
    story = Story()
    story.reject(0, "TIMEOUT")
    assert story.client.call(Park(kind="bundle", key="b")).state == "dismissed"
    assert story.client.call(Park(kind="bundle", key="no")) is None
