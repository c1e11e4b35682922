"""The table of configurations, cell by cell."""

from typing import Any

import pytest
from msgspec.structs import replace

from swpt_client.inputs import Configure
from swpt_client.messages import AccountUpdate, ConfigureAccount
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.news import AccountClosed, ConfigEffectual, ConfigRejected, Silent, Surprise
from swpt_client.records import Account, AccountKey

from .bench import ALICE, DEBTOR, START, TODAY, Client
from .server_messages import TOMORROW, YESTERDAY, account_purge, account_update, rejected_config

KEY = AccountKey(DEBTOR, ALICE)
OPEN = Configure(key=KEY, negligible_amount=0.5)
CLOSE = Configure(key=KEY, negligible_amount=1e30, config_flags=1)

STATES = ["sent", "effectual", "rejected", "closing", "closed"]


def make(state: str) -> tuple[Client, ConfigureAccount]:
    """A client whose account is in a state, and the latest configuration that it sent."""
    client = Client()
    client.feed(CLOSE if state.startswith("clos") else OPEN)
    client.confirm()
    [sent] = client.flush()
    if state in ("effectual", "closing", "closed"):
        client.feed(account_update(sent))
    if state == "rejected":
        client.feed(rejected_config(sent))
    if state == "closed":
        client.feed(account_purge())
    client.flush()
    client.hear()
    assert record(client).configuration.state == state
    return client, sent


def record(client: Client) -> Account:
    """Alice's."""
    return client.accounts[KEY]


def later(sent: ConfigureAccount, number: int = 2, **members: Any) -> AccountUpdate:
    """A later state of the account than all before."""
    return account_update(sent, last_change_seqnum=number, **members)


# --- configure ----------------------------------------------------------------------------------


def test_the_first_configuration():
    """`seqnum` 0, `ts` now, and the whole configuration."""
    client = Client()
    answer = client.call(Configure(key=KEY, negligible_amount=2.5, config_flags=65536, config_data="x"))
    assert answer == record(client)
    assert client.flush() == [
        ConfigureAccount(
            debtor_id=DEBTOR,
            creditor_id=ALICE,
            negligible_amount=2.5,
            config_flags=65536,
            config_data="x",
            ts=START,
            seqnum=0,
        )
    ]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("call", [OPEN, CLOSE])
@pytest.mark.parametrize("step", [HOUR, 0, -HOUR])
def test_configure_takes_a_new_order_key_in_every_state(state, call, step):
    """ts = max(now, the last one), seqnum + 1; a clock that steps back does no harm."""
    client, sent = make(state)
    client.now += step
    client.feed(call)
    [message] = client.flush()
    assert message.ts == max(START + step, sent.ts)
    assert message.seqnum == sent.seqnum + 1
    assert (message.config_flags, message.negligible_amount) == (call.config_flags, call.negligible_amount)
    assert record(client).configuration.state == "sent"


def test_several_wishes_of_one_batch_are_one_message():
    """Only the last one counts."""
    client = Client()
    client.feed(OPEN, CLOSE)
    [message] = client.flush()
    assert (message.config_flags, message.seqnum) == (1, 1)


# --- AccountUpdate ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "then"),
    [
        ("sent", "effectual"),
        ("effectual", "effectual"),
        ("rejected", "effectual"),
        ("closing", "closing"),
        ("closed", "closed"),
    ],
)
@pytest.mark.parametrize("factor", [1.0, 1 + 0.9e-5, 1 - 0.9e-5])
def test_our_configuration_is_shown(state, then, factor):
    """Order key, flags and data are equal, the amount nearly."""
    client, sent = make(state)
    client.feed(later(sent, negligible_amount=sent.negligible_amount * factor))
    assert record(client).configuration.state == then
    assert client.flush() == []
    news = client.hear()
    if state in ("sent", "rejected"):
        assert [type(one) for one in news] == [ConfigEffectual]
    else:
        assert news == []


def test_our_closing_configuration_is_shown():
    """From then on AccountPurge is waited for."""
    client = Client()
    client.feed(CLOSE)
    client.feed(account_update(client.flush()[0]))
    assert record(client).configuration.state == "closing"


@pytest.mark.parametrize(
    ("state", "then", "sends"),
    [
        ("sent", "sent", False),
        ("effectual", "sent", True),
        ("rejected", "rejected", False),
        ("closing", "sent", True),
        ("closed", "closed", False),
    ],
)
@pytest.mark.parametrize("older", [{"last_config_ts": START - 1}, {"last_config_seqnum": -1}])
def test_an_older_configuration_is_shown(state, then, sends, older):
    """The server was restored, or the account is new: what was in effect is sent anew."""
    client, sent = make(state)
    client.now += HOUR
    client.feed(later(sent, **older))
    assert record(client).configuration.state == then
    messages = client.flush()
    assert client.hear() == []
    if sends:
        assert messages == [replace(sent, ts=START + HOUR, seqnum=sent.seqnum + 1)]
    else:
        assert messages == []


def test_it_is_sent_anew_at_most_once_a_minute():
    """A server that shows the older one again and again is not flooded; nothing is forgotten."""
    client, sent = make("effectual")
    older = {"last_config_ts": START - 1}
    client.feed(later(sent, 2, **older))
    [again] = client.flush()
    client.feed(later(again, 3))
    assert record(client).configuration.state == "effectual"
    client.now += MINUTE - 1
    client.feed(later(sent, 4, **older))
    assert client.flush() == []
    assert record(client).configuration.state == "sent"
    client.wait(1)
    [last] = client.flush()
    assert (last.ts, last.seqnum) == (client.now, again.seqnum + 1)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "newer",
    [
        {"last_config_ts": START + 5},
        {"last_config_seqnum": 1},
        # the same order key, but not what we want
        {"config_flags": 2},
        {"config_data": "else"},
        {"negligible_amount": 7.0},
    ],
)
def test_a_newer_configuration_is_shown(state, newer):
    """Somebody else configures: a surprise; its order key is adopted, and ours is sent anew."""
    client, sent = make(state)
    message = later(sent, **newer)
    client.feed(message)
    assert client.hear() == [Surprise(kind="CONFIGURED", key=KEY, message=message)]
    [again] = client.flush()
    assert again.ts == max(START, message.last_config_ts)
    assert again.seqnum == message.last_config_seqnum + 1
    assert (again.config_flags, again.negligible_amount) == (sent.config_flags, sent.negligible_amount)
    assert record(client).configuration.state == "sent"


def test_nobody_is_fought_more_than_once_an_hour():
    """Two clients with one account do not set fire to the server."""
    client, sent = make("effectual")
    client.feed(later(sent, 2, last_config_seqnum=5))
    assert [one.seqnum for one in client.flush()] == [6]
    client.confirm()
    client.now += HOUR - 1
    client.feed(later(sent, 3, last_config_seqnum=9))
    assert client.flush() == []
    client.wait(1)
    assert [one.seqnum for one in client.flush()] == [10]


def test_a_known_state_says_nothing_about_the_configuration():
    """A heartbeat that was sent before the configuration arrived is not an older configuration."""
    client, sent = make("effectual")
    client.feed(account_update(sent, last_config_ts=START - 1))
    assert record(client).configuration.state == "effectual"
    assert client.flush() == []


# --- RejectedConfig -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "then"),
    [
        ("sent", "rejected"),
        ("effectual", "effectual"),
        ("rejected", "rejected"),
        ("closing", "rejected"),
        ("closed", "closed"),
    ],
)
def test_a_rejection_that_fits(state, then):
    """Told once; it is not sent again."""
    client, sent = make(state)
    client.feed(rejected_config(sent, rejection_code="NO"))
    assert record(client).configuration.state == then
    news = client.hear()
    if then != state:
        assert [type(one) for one in news] == [ConfigRejected]
        assert record(client).configuration.rejection_code == "NO"
        client.wait(10 * DAY)
        assert client.flush() == []
    else:
        assert news == []


@pytest.mark.parametrize(
    "members",
    [
        {"config_ts": START - 1},
        {"config_seqnum": 1},
        {"config_flags": 2},
        {"config_data": "x"},
        {"negligible_amount": 0.51},
    ],
)
def test_a_rejection_of_another_configuration_is_ignored(members):
    """Or of one that is not wanted any more."""
    client, sent = make("sent")
    client.feed(rejected_config(sent, **members))
    assert record(client).configuration.state == "sent"
    assert client.hear() == []


# --- AccountPurge -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "then", "sends"),
    [
        ("sent", "sent", False),
        ("effectual", "sent", True),
        ("rejected", "sent", True),
        ("closing", "closed", False),
        ("closed", "closed", False),
    ],
)
@pytest.mark.parametrize("creation_date", [TODAY, TOMORROW])
def test_a_purge(state, then, sends, creation_date):
    """There is no account at the server; one that is wanted is opened anew."""
    client, sent = make(state)
    client.now += HOUR
    client.feed(account_purge(creation_date))
    assert record(client).configuration.state == then
    assert record(client).data is None
    messages = [replace(sent, ts=START + HOUR, seqnum=sent.seqnum + 1)] if sends else []
    assert client.flush() == messages
    closed = [AccountClosed(key=KEY, creation_date=creation_date)] if state == "closing" else []
    assert client.hear() == closed


@pytest.mark.parametrize("state", ["effectual", "closing"])
def test_a_purge_of_a_former_account_is_ignored(state):
    """It is not about ours."""
    client, _ = make(state)
    before = record(client)
    client.feed(account_purge(YESTERDAY))
    assert record(client) == before
    assert client.flush() == client.hear() == []


def test_a_rejected_closing_of_an_account_that_is_gone():
    """Nobody wants it, and it is not there."""
    client, sent = make("closing")
    client.feed(rejected_config(sent), account_purge())
    assert record(client).configuration.state == "closed"


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
