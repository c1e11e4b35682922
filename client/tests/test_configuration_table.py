"""The table of configurations, cell by cell."""

import pytest
from msgspec.structs import replace

from swpt_client.inputs import Configure
from swpt_client.messages import ConfigureAccount
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.news import AccountClosed, ConfigEffectual, ConfigRejected, Silent, Surprise

from .bench import ALICE, DEBTOR, START, TODAY, Client
from .configuration_states import CLOSE, KEY, OPEN, STATES, later, make, record
from .server_messages import TOMORROW, YESTERDAY, account_purge, account_update, rejected_config

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


def test_a_pause_is_over_at_its_end_and_not_before():
    """Within the same moment it is not; and a configuration of ours does not begin it anew."""
    client, sent = make("effectual")
    older = {"last_config_ts": START - 1}
    client.feed(later(sent, 2, **older), later(sent, 3, **older))
    assert len(client.flush()) == 1
    client.feed(OPEN)
    [wanted] = client.flush()
    client.feed(later(wanted, 4))
    client.feed(later(sent, 5, **older))
    assert client.flush() == []
    client.now += MINUTE
    client.feed(later(wanted, 6))
    client.feed(later(sent, 7, **older))
    assert len(client.flush()) == 1


def test_what_waits_for_its_pause_is_not_sent_because_something_else_is_due():
    """Here the ledger is behind, which is news after a minute."""
    client, sent = make("effectual")
    client.feed(later(sent, 2, last_config_seqnum=5))
    [again] = client.flush()
    client.feed(later(sent, 3, last_config_seqnum=again.seqnum + 3, last_transfer_number=3))
    assert record(client).configuration.pace.is_waiting, "the copy that was sent first is still on its way"
    client.hear()
    client.wait(HOUR - 1)
    assert [type(one) for one in client.hear()] == [Silent]
    assert client.flush() == []
    client.wait(1)
    assert [one.seqnum for one in client.flush()] == [again.seqnum + 4]


@pytest.mark.parametrize("state", ["rejected", "closed"])
@pytest.mark.parametrize("is_early", [True, False])
def test_what_is_fought_over_is_neither_rejected_nor_closed(state, is_early):
    """From the newer configuration on, also while ours waits for its pause."""
    client, sent = make("closing" if state == "closed" else "effectual")
    client.feed(later(sent, 2, last_config_seqnum=5))
    [again] = client.flush()
    if state == "closed":
        client.feed(later(again, 3), account_purge())
    else:
        client.feed(rejected_config(again, rejection_code="NO"))
    assert record(client).configuration.state == state
    assert not record(client).configuration.pace.is_waiting
    client.now += 0 if is_early else HOUR
    client.feed(later(again, 4, last_config_seqnum=99, creation_date=TOMORROW))
    fought = record(client).configuration
    assert (fought.state, fought.rejection_code, fought.closed_at) == ("sent", "", None)
    assert len(client.flush()) == (0 if is_early else 1)


def test_what_is_shown_waits_for_nothing():
    """Neither for the broker, nor for a pause; and why it was refused before is forgotten."""
    client = Client()
    client.feed(OPEN)
    [first] = client.flush()
    client.feed(rejected_config(first, rejection_code="NO"))
    assert not record(client).configuration.pace.is_waiting
    client.feed(account_update(first))
    shown = record(client).configuration
    assert (shown.state, shown.rejection_code, shown.pace.is_waiting) == ("effectual", "", False)
    client.feed(later(first, 2, last_config_seqnum=5))
    client.feed(later(first, 3, last_config_seqnum=9))
    assert record(client).configuration.renew_at == START + HOUR
    [again] = client.flush()
    client.feed(later(again, 4, last_config_seqnum=9))
    shown = record(client).configuration
    assert (shown.state, shown.renew_at, shown.pace.is_waiting) == ("effectual", None, False)


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
