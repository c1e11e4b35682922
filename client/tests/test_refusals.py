"""What is said to a caller when the answer is no: the code, the argument, and the words."""

import pytest
from msgspec.structs import replace

from swpt_client.differences import bundle_difference, decision_difference, request_difference
from swpt_client.inputs import (
    Abandon,
    Begin,
    BeginBundle,
    CloseTail,
    Commit,
    Configure,
    Dismiss,
    DismissBundle,
    Park,
    Resume,
)
from swpt_client.moments import MINUTE
from swpt_client.records import AccountKey, Decision, Leg, Terms

from .bench import ALICE, BOB, DEBTOR, Client
from .bundle_story import EXCHANGE, Story
from .server_messages import account_update
from .transfer_states import LIVE, OTHER, PAY, REQUEST, begin, make

KEY = AccountKey(DEBTOR, ALICE)


# --- what is not there --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (Commit(key="t", decision=PAY), "transfer"),
        (Dismiss(key="t"), "transfer"),
        (Resume(kind="transfer", key="t"), "transfer"),
        (Abandon(kind="transfer", key="t"), "transfer"),
        (DismissBundle(key="t"), "bundle"),
        (Resume(kind="bundle", key="t"), "bundle"),
        (Abandon(kind="bundle", key="t"), "bundle"),
        (CloseTail(key=KEY), "account of ours"),
    ],
)
def test_nothing_stands_under_the_key(call, what):
    """And what was looked for is named."""
    refusal = Client().call(call)
    assert (refusal.code, refusal.key) == ("NOT_FOUND", call.key)
    assert (refusal.field, refusal.detail, refusal.state) == ("key", f"stands for no {what}", "")


# --- the same key, and something else -------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "detail"),
    [
        ({"recipient": "9"}, "recipient", f"is {str(BOB)!r} under this key, not '9'"),
        ({"max_locked_amount": 201}, "max_locked_amount", "is 200 under this key, not 201"),
        (
            {"terms": Terms(give_up_after=5)},
            "terms.give_up_after",
            "is None under this key, not 5",
        ),
    ],
)
def test_another_request(changes, field, detail):
    """The first field that differs, and both values."""
    transfer = make("initiated").transfers["t"]
    assert request_difference(transfer, REQUEST, None) is None
    assert request_difference(transfer, replace(REQUEST, **changes), None) == (field, detail)


def test_another_decision_to_begin_with():
    """With an amount or without, and which one."""
    without, within = (make(one).transfers["t"] for one in ("initiated", "initiated, to commit"))
    assert request_difference(within, REQUEST, PAY) is None
    assert request_difference(without, REQUEST, PAY) == (
        "key",
        "stands for a transfer that was begun without an amount to commit",
    )
    assert request_difference(within, REQUEST, None) == (
        "key",
        "stands for a transfer that was begun with an amount to commit",
    )
    assert request_difference(within, REQUEST, OTHER) == (
        "committed_amount",
        "is 150 under this key, not 151",
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"committed_amount": 1}, ("committed_amount", "is 150 under this key, not 1")),
        ({"transfer_note": "x"}, ("transfer_note", "is another under this key")),
        ({"transfer_note_format": "x"}, ("transfer_note_format", "is another under this key")),
    ],
)
def test_another_decision(changes, fault):
    """What people write to each other is not repeated."""
    assert decision_difference(PAY, replace(PAY, **changes)) == fault


def test_a_leg_is_not_a_transfer_of_its_own():
    """Its key is told to nobody who could begin with it, but it may be guessed."""
    leg = Story().leg(0)
    fault = request_difference(leg, leg.request, None)
    assert fault == ("key", "stands for a leg of the bundle 'b'")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"legs": EXCHANGE[:1]}, ("legs", "are 2 under this key, not 1")),
        ({"legs": (*EXCHANGE, EXCHANGE[0])}, ("legs", "are 2 under this key, not 3")),
        (
            {"legs": (EXCHANGE[0], replace(EXCHANGE[1], committed_amount=7))},
            ("legs[1].committed_amount", "is 500 under this key, not 7"),
        ),
        (
            {"legs": (replace(EXCHANGE[0], transfer_note="x"), EXCHANGE[1])},
            ("legs[0].transfer_note", "is another under this key"),
        ),
        ({"decide_within": 1}, ("decide_within", "is another under this key, not 1")),
        ({"repair_for": 1}, ("repair_for", "is 604800 under this key, not 1")),
    ],
)
def test_another_bundle(changes, fault):
    """The first leg that differs, by its path."""
    story = Story()
    assert bundle_difference(story.bundle, replace(story.call, **changes)) == fault


def test_a_conflict_carries_the_difference():
    """From the row to the caller."""
    refusal = make("prepared").call(begin(request=replace(REQUEST, recipient="9")))
    assert (refusal.code, refusal.state, refusal.field) == ("KEY_CONFLICT", "prepared", "recipient")
    story = Story()
    refusal = story.client.call(replace(story.call, repair_for=1))
    assert (refusal.code, refusal.state, refusal.field) == ("KEY_CONFLICT", "preparing", "repair_for")


# --- a decision stands ----------------------------------------------------------------------------

DISMISSED = ("key", "stands for a transfer that was dismissed")
ENDED = ("key", "stands for a transfer that has ended")


@pytest.mark.parametrize(
    ("state", "call", "fault"),
    [
        (
            "initiated, to commit",
            Commit(key="t", decision=OTHER),
            ("committed_amount", "is 150 under this key, not 151"),
        ),
        (
            "settled, committed",
            Commit(key="t", decision=OTHER),
            ("committed_amount", "is 150 under this key, not 151"),
        ),
        (
            "settled, committed",
            Commit(key="t", decision=replace(PAY, transfer_note="x")),
            ("transfer_note", "is another under this key"),
        ),
        (
            "settled, committed",
            Dismiss(key="t"),
            ("key", "stands for a transfer of which 150 were committed"),
        ),
        (
            "finished, committed",
            Dismiss(key="t"),
            ("key", "stands for a transfer of which 150 were committed"),
        ),
        ("settled, dismissed", Commit(key="t", decision=PAY), DISMISSED),
        ("finished, dismissed", Commit(key="t", decision=PAY), DISMISSED),
        ("cancelled", Commit(key="t", decision=PAY), DISMISSED),
        ("finished, rejected", Commit(key="t", decision=PAY), ENDED),
    ],
)
def test_a_decision_that_stands(state, call, fault):
    """What it was."""
    client = make(state)
    refusal = client.call(call)
    assert (refusal.code, refusal.state) == ("ALREADY_DECIDED", client.transfers["t"].state)
    assert (refusal.field, refusal.detail) == fault


def test_a_bundle_that_is_decided():
    """It cannot be dismissed any more."""
    refusal = Story().committed().client.call(DismissBundle(key="b"))
    assert (refusal.code, refusal.state) == ("ALREADY_DECIDED", "committing")
    assert (refusal.field, refusal.detail) == ("key", "stands for a bundle that is decided")


def test_only_the_bundle_decides():
    """About its legs."""
    story = Story()
    key = story.leg(0).key
    for call in (Commit(key=key, decision=PAY), Dismiss(key=key)):
        refusal = story.client.call(call)
        assert (refusal.code, refusal.state) == ("IN_BUNDLE", "initiated")
        assert (refusal.field, refusal.detail) == ("key", "stands for a leg of the bundle 'b'")


def test_a_commit_that_has_left_is_not_abandoned():
    """It can only go on."""
    client = make("settled, committed")
    client.feed(Park(kind="transfer", key="t"))
    refusal = client.call(Abandon(kind="transfer", key="t"))
    assert (refusal.code, refusal.state, refusal.field) == ("ALREADY_DECIDED", "parked", "key")
    assert refusal.detail == "stands for a transfer whose commit has left: it can only be resumed"


@pytest.mark.parametrize("state", LIVE[:-1])
def test_what_is_not_parked(state):
    """There is nothing to say but the state."""
    client = make(state)
    for call in (Resume, Abandon):
        refusal = client.call(call(kind="transfer", key="t"))
        assert (refusal.code, refusal.state) == ("NOT_PARKED", client.transfers["t"].state)
        assert (refusal.field, refusal.detail) == ("", "")


# --- a ledger is behind ---------------------------------------------------------------------------


def test_a_ledger_that_is_behind():
    """The sender is named, also that of a leg."""
    client = Client()
    client.feed(Configure(key=KEY))
    client.feed(account_update(client.flush()[0], last_transfer_number=3))
    client.now += MINUTE
    behind = "has a ledger that misses transfers of which the server has told"
    refusal = client.call(Begin(key="t", request=REQUEST))
    assert (refusal.code, refusal.key) == ("LEDGER_IS_BEHIND", "t")
    assert (refusal.field, refusal.detail) == ("creditor_id", behind)
    legs = (EXCHANGE[1], Leg(request=REQUEST, committed_amount=1))
    refusal = client.call(BeginBundle(key="b", legs=legs, decide_within=60))
    assert (refusal.code, refusal.key) == ("LEDGER_IS_BEHIND", "b")
    assert (refusal.field, refusal.detail) == ("legs[1].request.creditor_id", behind)
    assert client.flush() == []


def test_a_bad_field_names_key_and_rule():
    """Of each kind of call."""
    bad = Decision(committed_amount=0)
    for call, key, field in (
        (Begin(key="t", request=REQUEST, decision=bad), "t", "committed_amount"),
        (Commit(key="t", decision=bad), "t", "committed_amount"),
        (BeginBundle(key="b", legs=(), decide_within=60), "b", "legs"),
        (Configure(key=AccountKey(DEBTOR, 5)), (DEBTOR, 5), "creditor_id"),
    ):
        refusal = Client().call(call)
        assert (refusal.code, refusal.key, refusal.field) == ("BAD_FIELD", key, field)
        assert refusal.detail.startswith("must ")
