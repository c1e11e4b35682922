"""How a store drives the core."""

import pytest
from msgspec.structs import replace

from swpt_client import core
from swpt_client.inputs import (
    Begin,
    BeginBundle,
    CloseTail,
    Commit,
    Configure,
    Dismiss,
    DismissBundle,
    Due,
    Ref,
    Resume,
    Sent,
)
from swpt_client.messages import ConfigureAccount
from swpt_client.moments import DAY, SECOND
from swpt_client.policy import Timers
from swpt_client.records import AccountKey, Decision, Leg, RequestKey

from .bench import ALICE, BOB, DEBTOR, POLICY, START, Client
from .server_messages import (
    TOMORROW,
    YESTERDAY,
    account_purge,
    account_transfer,
    account_update,
    prepared_transfer,
    rejected_transfer,
)
from .test_begin import REQUEST

KEY = AccountKey(DEBTOR, ALICE)
LEG = Leg(request=replace(REQUEST, max_locked_amount=5), committed_amount=5, payback_creditor_id=BOB)


@pytest.mark.parametrize(
    ("one", "accounts", "transfers", "bundles"),
    [
        (account_update(), {KEY}, set(), set()),
        (account_transfer(1, 1, 1), {KEY}, set(), set()),
        (account_purge(), {KEY}, set(), set()),
        (Configure(key=KEY), {KEY}, set(), set()),
        (CloseTail(key=KEY), {KEY}, set(), set()),
        (Begin(key="t", request=REQUEST), set(), {"t"}, set()),
        (Commit(key="t", decision=Decision(committed_amount=1)), set(), {"t"}, set()),
        (Dismiss(key="t"), set(), {"t"}, set()),
        (BeginBundle(key="b", legs=(LEG,), decide_within=1), set(), set(), {"b"}),
        (DismissBundle(key="b"), set(), set(), {"b"}),
        (Resume(kind="transfer", key="t"), set(), {"t"}, set()),
        (Resume(kind="bundle", key="b"), set(), set(), {"b"}),
        (Due(kind="transfer", key="t"), set(), {"t"}, set()),
        (Due(kind="bundle", key="b"), set(), set(), {"b"}),
        (Due(kind="account", key=KEY), {KEY}, set(), set()),
        (Sent(ref=Ref("account", KEY, 1), at=0), {KEY}, set(), set()),
        (Sent(ref=Ref("transfer", "t", 1), at=0), set(), {"t"}, set()),
    ],
)
def test_what_an_input_needs(one, accounts, transfers, bundles):
    """The keys of the records that it touches."""
    needs = core.needs([one])
    assert (needs.accounts, needs.transfers, needs.bundles) == (accounts, transfers, bundles)
    assert needs.requests == set()


@pytest.mark.parametrize(
    ("one", "glimpses"),
    [
        (Begin(key="t", request=REQUEST), {KEY}),
        (BeginBundle(key="b", legs=(LEG,), decide_within=1), {KEY, (DEBTOR, BOB)}),
        (Commit(key="t", decision=Decision(committed_amount=1)), set()),
        (Configure(key=KEY), set()),
    ],
)
def test_what_begins_looks_at_its_accounts_only(one, glimpses):
    """It changes none of them, so that it waits for nobody who does."""
    assert core.needs([one]).glimpses == glimpses


def test_an_answer_needs_its_request():
    """The store finds the transfer by its index."""
    client = Client()
    client.feed(Begin(key="t", request=REQUEST))
    transfer = client.transfers["t"]
    needs = core.needs([prepared_transfer(transfer)])
    assert needs.requests == {RequestKey("direct", ALICE, transfer.coordinator_request_id)}


def test_keys_may_come_back_as_lists():
    """What travels through an outbox as JSON is a list."""
    client = Client()
    client.feed(Configure(key=KEY))
    ref = Ref("account", [DEBTOR, ALICE], 1)  # type: ignore[arg-type]
    client.feed(Sent(ref=ref, at=START))
    assert not client.accounts[KEY].configuration.pace.is_waiting
    assert client.feed(Sent(ref=ref, at=START)).accounts == {}, "it is known"


def test_only_the_latest_copy_ends_the_waiting():
    """The report of an older copy, or a second report, changes nothing."""
    client = Client()
    client.feed(Begin(key="t", request=REQUEST))
    client.confirm()
    client.wait(10 * SECOND)
    waiting = client.transfers["t"]
    assert (waiting.pace.copies, waiting.pace.is_waiting) == (2, True)
    client.feed(Sent(ref=Ref("transfer", "t", 1), at=client.now))
    assert client.transfers["t"] == waiting
    client.feed(Sent(ref=Ref("transfer", "t", 2), at=client.now))
    confirmed = client.transfers["t"]
    assert (confirmed.pace.is_waiting, confirmed.pace.confirmed_at) == (False, client.now)
    client.now += SECOND
    client.feed(Sent(ref=Ref("transfer", "t", 2), at=client.now))
    assert client.transfers["t"] == confirmed


def test_a_report_from_the_future_counts_as_now():
    """Two machines, two clocks."""
    client = Client()
    client.feed(Begin(key="t", request=REQUEST))
    client.feed(Sent(ref=Ref("transfer", "t", 1), at=START + DAY))
    assert client.transfers["t"].pace.confirmed_at == START


def test_reports_and_ticks_of_records_that_are_gone():
    """Nothing happens."""
    client = Client()
    result = client.feed(
        Sent(ref=Ref("account", KEY, 1), at=START),
        Sent(ref=Ref("transfer", "t", 1), at=START),
        Due(kind="account", key=KEY),
        Due(kind="transfer", key="t"),
        Due(kind="bundle", key="b"),
    )
    assert result.answers == [None] * 5
    assert not (result.accounts or result.transfers or result.bundles or result.outgoing)


def test_a_tick_that_comes_too_early_is_ignored():
    """The record is judged as it is under the lock, not as the timer has seen it."""
    client = Client()
    client.feed(Begin(key="t", request=REQUEST))
    client.confirm()
    client.flush()
    client.now += 10 * SECOND - 1
    client.feed(Due(kind="transfer", key="t"))
    assert client.flush() == []
    client.now += 1
    client.feed(Due(kind="transfer", key="t"), Due(kind="transfer", key="t"))
    assert len(client.flush()) == 1


def test_answers_show_the_end_of_the_fold():
    """All calls of a batch see what has become of their records."""
    client = Client()
    decision = Decision(committed_amount=7)
    result = client.feed(
        Begin(key="t", request=REQUEST), Commit(key="t", decision=decision), Dismiss(key="no")
    )
    first, second, third = result.answers
    assert first == second == client.transfers["t"]
    assert client.transfers["t"].decision == decision
    assert getattr(third, "code", "") == "NOT_FOUND"


def test_pauses_are_stretched_at_random():
    """By at most a quarter, so that a thousand clients do not ask at once."""
    dues = set()
    for chance in range(50):
        client = Client(replace(POLICY, timers=Timers(jitter=0.25)))
        client.chance = chance
        client.feed(Begin(key="t", request=REQUEST))
        client.confirm()
        due_at = client.transfers["t"].due_at
        assert due_at is not None
        assert START + 10 * SECOND <= due_at <= START + 12.5 * SECOND
        dues.add(due_at)
        client.feed(Configure(key=KEY))
        client.confirm()
        due_at = client.accounts[KEY].due_at
        assert due_at is not None
        assert START + 60 * SECOND <= due_at <= START + 75 * SECOND
        dues.add(due_at)
    assert len(dues) > 80


def test_all_that_ends_in_a_batch_is_told_and_all_that_is_due_is_done():
    """One after the other; what is deleted stands in nobody's way."""
    client = Client()
    other = AccountKey(DEBTOR, BOB)
    closing = Configure(key=KEY, negligible_amount=1e30, config_flags=1)
    client.feed(closing, *(Begin(key=key, request=REQUEST) for key in "ab"))
    client.feed(*(rejected_transfer(client.transfers[key]) for key in "ab"))
    assert [type(one).__name__ for one in client.hear()] == ["TransferFinished"] * 2
    [sent] = [one for one in client.flush() if isinstance(one, ConfigureAccount)]
    client.feed(account_update(sent), account_purge())
    assert client.accounts[KEY].configuration.state == "closed"
    client.confirm()
    client.now += 400 * DAY
    dues = [Due(kind="account", key=KEY), *(Due(kind="transfer", key=key) for key in "ab")]
    client.feed(dues[0], Configure(key=other), *dues[1:])
    assert list(client.accounts) == [other]
    assert client.transfers == {}


def test_what_does_not_change_is_not_written():
    """A known message costs a store nothing."""
    client = Client()
    client.feed(Configure(key=KEY))
    client.feed(account_update(client.flush()[0]), account_transfer(1, 5, 5))
    again = client.feed(account_update(), account_transfer(1, 5, 5))
    assert not (again.accounts or again.entries or again.stored or again.unstored or again.news)
    assert again.ignored == {"AccountUpdate, known": 1, "AccountTransfer, known": 1}
    twice = client.feed(account_transfer(1, 5, 5), account_transfer(1, 5, 5))
    assert twice.ignored == {"AccountTransfer, known": 2}


def test_stored_transfers_are_asked_for_only_if_they_may_follow():
    """A long gap does not make every batch read all that is stored."""
    client = Client()
    client.feed(Configure(key=KEY))
    client.feed(account_transfer(1, 5, 5))

    def asked(*inputs):
        return core.needs_stored(inputs, core.Records(accounts=client.accounts), client.now)

    assert asked(account_transfer(2, 5, 10)) == set(), "nothing is stored"
    client.feed(account_transfer(5, 5, 25))
    assert asked(account_transfer(2, 5, 10, creation_date=YESTERDAY)) == set()
    assert asked(account_transfer(1, 5, 10, creation_date=TOMORROW)) == {KEY}
    assert asked(account_transfer(6, 5, 30)) == set()
    assert asked(account_transfer(1, 5, 5)) == set()
    assert asked(account_update(), Due(kind="account", key=KEY)) == set()
    assert asked(account_transfer(2, 5, 10)) == {KEY}
    assert asked(account_transfer(4, 5, 20, previous=0)) == {KEY}
    assert asked(CloseTail(key=KEY)) == {KEY}
    client.now += 14 * DAY
    assert asked(Due(kind="account", key=KEY)) == {KEY}
    unknown = KEY._replace(creditor_id=BOB)
    assert asked(Due(kind="account", key=unknown), Due(kind="account", key=KEY)) == {KEY}
