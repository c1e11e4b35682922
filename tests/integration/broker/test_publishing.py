"""Publishing to a real broker: what is settled is safe, what is not is reported."""

import sys
import threading
from datetime import UTC, datetime

import pytest

from swpt_accounts.broker import NotRouted, RabbitmqPublisher
from swpt_accounts.broker.amqp import administration
from swpt_accounts.roles.admission import make_admission
from swpt_accounts.runtime.readers import user_of
from swpt_accounts.wire.messages import ConfigureAccount
from swpt_accounts.wire.peers import Peers
from swpt_accounts.wire.routing import Realm, binary_key
from tests.backstage.waiting import wait_until

from .conftest import QUEUE, Collector, Server, envelope, publish_all, read_all


@pytest.fixture
def url(amqp_url: str) -> str:
    """A virtual host with the whole topology in it."""
    administration.declare(amqp_url, QUEUE, "#")
    return amqp_url


@pytest.fixture
def publisher(url):
    """A publisher that is stopped afterwards."""
    publisher = RabbitmqPublisher(url)
    yield publisher
    publisher.stop(5)


def test_twenty_thousand_messages_are_confirmed_in_bulk(url, publisher):
    """All are confirmed, all are in the queue, in the order in which they were given (rule O8)."""
    envelopes = [envelope(number) for number in range(20_000)]
    collector = publish_all(publisher, envelopes)
    assert all(not settlement.unsettled for settlement in collector.settlements)
    assert len(collector.settlements) == 40
    wait_until(publisher.idle)
    assert publisher.pending() == 0
    server = Server(url)
    with server.running():
        wait_until(lambda: len(server.bodies()) >= 20_000)
    assert server.bodies() == [one.body for one in envelopes]


def test_what_cannot_be_routed_is_reported_and_delays_nobody(url, publisher):
    """Among others, mandatory messages come back; those that are not mandatory vanish."""
    envelopes = []
    for number in range(0, 3000, 3):
        envelopes += [
            envelope(number),
            envelope(number + 1, exchange="to_debtors", key="00.01"),
            envelope(number + 2, exchange="to_debtors", key="00.01", mandatory=False),
        ]
    collector = publish_all(publisher, envelopes, step=300)
    for settlement in collector.settlements:
        assert settlement.unsettled == [(index, "returned") for index in range(1, 300, 3)]
    wait_until(lambda: administration.count_messages(url, QUEUE) == 1000)


def test_equal_messages_are_told_apart_by_their_number(publisher):
    """Of two equal messages that both come back, both are kept."""
    lost = envelope(1, exchange="to_creditors", key="00")
    collector = publish_all(publisher, [lost, lost, envelope(2)])
    assert collector.settlements[0].unsettled == [(0, "returned"), (1, "returned")]


def test_one_message_that_the_broker_hates_stops_nobody(url, publisher):
    """A message for which the broker closes the channel is found and kept; all others arrive."""
    envelopes = [envelope(number) for number in range(300)]
    envelopes[77] = envelope(77, exchange="no_such_exchange")
    envelopes[200] = envelope(200, exchange="no_such_exchange")
    collector = publish_all(publisher, envelopes, step=100)
    unsettled = sorted((settlement.unsettled for settlement in collector.settlements), key=len)
    assert unsettled == [[], [(0, "nacked")], [(77, "nacked")]] or unsettled == [
        [],
        [(77, "nacked")],
        [(0, "nacked")],
    ]
    expected = {one.body for one in envelopes if one.exchange == ""}
    assert set(read_all(url)) == expected


def test_a_foreign_user_is_refused_and_kept(url):
    """A user_id that is not ours closes the channel; only that message is kept."""
    publisher = RabbitmqPublisher(url, internal_user="somebody-else")
    internal = envelope(1, type="PendingBalanceChange", exchange="accounts_in", key="0")
    collector = publish_all(publisher, [envelope(0), internal, envelope(2)])
    publisher.stop(5)
    assert collector.settlements[0].unsettled == [(1, "nacked")]
    assert set(read_all(url)) == {b'{"n":0}', b'{"n":2}'}


def test_cut_connections_lose_nothing(url, publisher, cut):
    """Connections closed by force in mid-flow: everything is confirmed in the end and is there."""
    collector = Collector()
    envelopes = [envelope(number) for number in range(5000)]
    for start in range(0, 5000, 50):
        publisher.publish(envelopes[start : start + 50], collector)
        if start in (1000, 3000):
            cut()
    settlements = collector.wait(100)
    assert all(not settlement.unsettled for settlement in settlements)
    wait_until(lambda: administration.count_messages(url, QUEUE) >= 5000)
    server = Server(url)
    with server.running():
        wait_until(lambda: {one.body for one in envelopes} <= set(server.bodies()))


def test_without_an_answer_messages_are_kept_after_the_timeout(url, wire):
    """A broker that is silent: the caller is told in time, and what comes later is published."""
    publisher = RabbitmqPublisher(wire.url, confirm_timeout=1.0)
    publish_all(publisher, [envelope(0)])
    wire.is_silent.set()
    collector = publish_all(publisher, [envelope(1), envelope(2)])
    assert collector.settlements[0].unsettled == [(0, "unanswered"), (1, "unanswered")]
    assert publisher.idle()
    wire.is_silent.clear()
    assert publish_all(publisher, [envelope(3)]).settlements[0].unsettled == []
    publisher.stop(5)
    assert b'{"n":3}' in read_all(url)


def test_what_was_given_up_is_not_held_while_the_broker_is_away():
    """An outage of hours fills no memory: when the caller knows, the publisher forgets."""
    publisher = RabbitmqPublisher("amqp://guest:guest@127.0.0.1:9/none", confirm_timeout=0.2)
    _assert_forgotten(publisher)
    publisher.stop(0)


def test_what_was_given_up_is_not_held_while_the_broker_does_not_answer(url, wire):
    """A broker that takes messages and confirms none loses the connection, and fills no memory."""
    publisher = RabbitmqPublisher(wire.url, confirm_timeout=0.5, max_messages=100)
    publish_all(publisher, [envelope(0)])
    wire.is_silent.set()
    _assert_forgotten(publisher)
    wire.is_silent.clear()
    publisher.stop(5)


def _assert_forgotten(publisher):
    envelopes = [envelope(1), envelope(2)]
    known = sys.getrefcount(envelopes[0])
    for number in range(2):
        publish_all(publisher, [envelopes[number]] * 60)
    # What was given up last may still be at hand.
    wait_until(lambda: sys.getrefcount(envelopes[0]) == known)


def test_a_full_publisher_holds_its_callers_back(url, wire):
    """While too much is unanswered, `publish` waits; it goes on when there is room."""
    publisher = RabbitmqPublisher(wire.url, max_messages=100)
    publish_all(publisher, [envelope(0)])
    wire.is_silent.set()
    collector = Collector()
    publisher.publish([envelope(number) for number in range(100)], collector)
    handed = threading.Event()

    def hand_over() -> None:
        publisher.publish([envelope(200)], collector)
        handed.set()

    threading.Thread(target=hand_over).start()
    assert not handed.wait(0.3)
    wire.is_silent.clear()
    assert handed.wait(10)
    assert all(not settlement.unsettled for settlement in collector.wait(2))
    publisher.stop(5)


def test_stopping_publishes_what_was_handed_over(url):
    """`stop` waits for the confirms of what is there."""
    publisher = RabbitmqPublisher(url)
    collector = Collector()
    publisher.publish([envelope(number) for number in range(2000)], collector)
    publisher.stop(20)
    assert [settlement.unsettled for settlement in collector.settlements] == [[]]
    assert not publisher.is_connected


def test_stopping_does_not_wait_for_a_broker_that_is_away():
    """With nobody there, `stop` settles everything as unanswered when its time is over."""
    publisher = RabbitmqPublisher("amqp://guest:guest@127.0.0.1:9/none")
    collector = Collector()
    publisher.publish([envelope(0)], collector)
    publisher.stop(0.5)
    publisher.stop(0.5)
    assert [settlement.unsettled for settlement in collector.settlements] == [[(0, "unanswered")]]
    publisher.publish([envelope(1)], collector)
    assert collector.settlements[1].unsettled == [(0, "unanswered")]


def test_an_actor_is_sent_to_through_the_broker(url, cut):
    """`actor.send()` is one more client: confirmed, addressed, named, and alive after a cut connection."""
    server = Server(url)
    configure_account = server.broker.get_actor("configure_account")
    members = {
        "debtor_id": -1,
        "creditor_id": 4294967297,
        "negligible_amount": 1.0,
        "config_flags": 0,
        "config_data": "",
        "ts": datetime(2026, 11, 21, 10, tzinfo=UTC),
        "seqnum": 1,
    }
    configure_account.send(**members)
    cut()
    configure_account.send(**members)
    with server.running():
        wait_until(lambda: len(server.bodies()) == 2)
    for delivery in server.deliveries():
        assert (delivery.exchange, delivery.routing_key) == ("accounts_in", binary_key(-1, 4294967297))
        assert (delivery.type, delivery.content_type) == ("ConfigureAccount", "application/json")
        assert b'"ts":"2026-11-21T10:00:00+00:00"' in delivery.body
        assert delivery.user_id == user_of(url)
        admit = make_admission(Realm(0, 0), "", Peers(by_user={}, server_user=user_of(url)))
        assert isinstance(admit(delivery), ConfigureAccount), "the server believes itself"
    administration.remove_binding(url, QUEUE, "#")
    with pytest.raises(NotRouted):
        configure_account.send(**members)
    server.broker.close()
