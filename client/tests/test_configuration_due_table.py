"""What time makes of configurations, cell by cell."""

import pytest
from msgspec.structs import replace

from swpt_client.inputs import Due
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.news import ConfigEffectual, EntriesAppended, Silent
from swpt_client.records import AccountKey

from .bench import ALICE, DEBTOR, START, Client
from .configuration_states import CLOSE, KEY, OPEN, later, make, record
from .server_messages import account_transfer, account_update

# --- due ----------------------------------------------------------------------------------------


def test_a_configuration_is_repeated_from_its_confirmation():
    """Identical for the first minutes, then under a new order key each time."""
    client = Client()
    client.feed(OPEN)
    [first] = client.flush()
    client.now += 5 * HOUR
    client.tick()
    assert client.flush() == [], "nothing is repeated while a copy waits in the outbox"
    expected_seqnums = [0, 0, 1, 2, 3, 4, 5]
    for pause, seqnum in zip(
        (MINUTE, 2 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, DAY), expected_seqnums, strict=True
    ):
        client.confirm()
        client.wait(pause - 1)
        assert client.flush() == []
        client.wait(1)
        [again] = client.flush()
        assert again == replace(first, seqnum=seqnum, ts=first.ts if seqnum == 0 else client.now)


@pytest.mark.parametrize(("age", "seqnum"), [(DAY - MINUTE - 1, 0), (DAY - MINUTE, 1), (7 * DAY, 1)])
def test_a_configuration_that_is_a_day_old_gets_a_new_order_key(age, seqnum):
    """A week later an identical one would be ignored for ever."""
    client = Client()
    client.feed(OPEN)
    client.now += age
    client.confirm()
    client.flush()
    client.wait(MINUTE)
    [again] = client.flush()
    assert (again.ts, again.seqnum) == (client.now if seqnum else START, seqnum)


@pytest.mark.parametrize(("age", "seqnum"), [(5 * MINUTE - 1, 0), (5 * MINUTE, 1)])
def test_a_configuration_is_identical_for_five_minutes(age, seqnum):
    """Not a microsecond longer, whenever the client comes to it."""
    client = Client()
    client.feed(OPEN)
    client.confirm()
    client.flush()
    client.now += age
    client.tick()
    assert [one.seqnum for one in client.flush()] == [seqnum]


def test_a_configuration_without_effect_is_news_after_a_day_once():
    """The server may be away, or the queue may not be bound."""
    client, _ = make("sent")
    client.wait(5 * DAY)
    assert client.hear() == [Silent(subject="configuration", key=KEY, since=START)]


def test_an_account_that_is_silent_is_news_and_asked_anew():
    """Thirty days without a heartbeat."""
    client, sent = make("effectual")
    client.wait(30 * DAY - 1)
    assert client.flush() == client.hear() == []
    client.wait(1)
    assert client.hear() == [Silent(subject="account", key=KEY, since=START)]
    [again] = client.flush()
    assert again == replace(sent, ts=client.now, seqnum=sent.seqnum + 1)
    assert record(client).configuration.state == "sent"


def test_an_account_that_stays_silent_is_news_again():
    """Its configuration is shown late; thirty days after the last news, nothing newer was heard."""
    client, _ = make("effectual")
    client.wait(30 * DAY)
    [again] = client.flush()
    client.hear()
    client.feed(later(again, ts=START + HOUR, ttl=40 * 86400))
    assert [type(one) for one in client.hear()] == [ConfigEffectual]
    client.wait(30 * DAY - 1)
    assert client.flush() == client.hear() == []
    client.wait(1)
    assert client.hear() == [Silent(subject="account", key=KEY, since=START + HOUR)]
    assert len(client.flush()) == 1


@pytest.mark.parametrize("state", ["rejected", "closing"])
def test_of_what_is_not_in_effect_no_heartbeat_is_expected(state):
    """Also when something else is due: here a gap of its ledger."""
    client, _ = make(state)
    if state == "rejected":
        client.feed(account_update(last_config_ts=START - 1))
    client.wait(20 * DAY)
    client.feed(account_transfer(5, 1, 20))
    client.wait(20 * DAY)
    assert [type(one) for one in client.hear()] == [EntriesAppended]
    assert client.flush() == []


@pytest.mark.parametrize("state", ["rejected", "closing"])
def test_what_waits_for_somebody_else_does_nothing_by_itself(state):
    """A person, or AccountPurge, which comes months later."""
    client, _ = make(state)
    assert record(client).due_at is None
    client.wait(300 * DAY)
    assert client.flush() == client.hear() == []


def test_closing_is_repeated_until_it_is_shown():
    """Like every configuration."""
    client, sent = make("effectual")
    client.feed(CLOSE)
    client.confirm()
    client.flush()
    client.wait(MINUTE)
    assert [one.config_flags for one in client.flush()] == [1]
    assert sent.config_flags == 0


def test_a_closed_account_is_forgotten_in_the_end():
    """After 400 days."""
    client, _ = make("closed")
    client.wait(400 * DAY - 1)
    assert KEY in client.accounts
    client.wait(1)
    assert client.accounts == {}


def test_what_comes_as_an_account_is_forgotten_is_forgotten_with_it():
    """No entry stays behind, and none is told."""
    client, _ = make("closed")
    client.now += 400 * DAY
    client.feed(account_transfer(1, 5, 5), Due(kind="account", key=KEY))
    assert client.accounts == {}
    assert client.entries == []
    assert client.hear() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"negligible_amount": -0.1}, "negligible_amount"),
        ({"negligible_amount": float("nan")}, "negligible_amount"),
        ({"negligible_amount": float("inf")}, "negligible_amount"),
        ({"negligible_amount": "1"}, "negligible_amount"),
        ({"config_flags": 2**31}, "config_flags"),
        ({"config_flags": True}, "config_flags"),
        ({"config_data": "é" * 1001}, "config_data"),
        ({"config_data": "a\0"}, "config_data"),
        ({"config_data": "\ud800"}, "config_data"),
        ({"key": AccountKey(2**63, ALICE)}, "debtor_id"),
        ({"key": AccountKey(DEBTOR, 2**63)}, "creditor_id"),
        ({"key": AccountKey(DEBTOR, 5)}, "creditor_id"),
        ({"key": AccountKey(-2, 0)}, "debtor_id"),
    ],
)
def test_a_bad_configuration_is_refused_at_the_call(changes, field):
    """The field is named; nothing is stored or sent."""
    client = Client()
    refusal = client.call(replace(OPEN, **changes))
    assert (refusal.code, refusal.field) == ("BAD_FIELD", field)
    assert client.accounts == {}
    assert client.flush() == []
