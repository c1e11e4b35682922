"""The client's transport over RabbitMQ: it mends itself, and every publication is settled."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any

import msgspec
import pika
import pytest

from swpt_client.bindings import Binding
from swpt_client.messages import EXCHANGE, Envelope
from swpt_client.transport.base import UNANSWERED, Delivery, Publication
from swpt_client.transport.rabbitmq import RabbitmqTransport
from tests.backstage.waiting import wait_until

BINDINGS = (Binding("to_creditors", "00.00.01.#"),)
KEY = "00.00.01.00.00.00.00.01"


class Listener:
    """What a transport tells; see swpt_client.transport.base.Inbox."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.deliveries: list[Delivery] = []
        self.settled: dict[int, str | None] = {}
        self.connections = 0
        self.lost: list[int] = []

    def deliver(self, deliveries: Any) -> None:
        """Messages have arrived."""
        self.deliveries += deliveries

    def settle(self, numbers: Any, reason: str | None) -> None:
        """Publications are settled, each once."""
        with self.lock:
            for number in numbers:
                assert number not in self.settled
                self.settled[number] = reason

    def connect(self) -> None:
        """Publications are taken."""
        self.connections += 1

    def lose(self, channel: int) -> None:
        """A channel is gone."""
        self.lost.append(channel)

    def bodies(self) -> list[bytes]:
        """Of what has arrived."""
        return [one.body for one in self.deliveries]


@contextmanager
def started(
    url: str, bindings: Any = BINDINGS, **options: Any
) -> Iterator[tuple[RabbitmqTransport, Listener]]:
    """A transport that is started."""
    transport, listener = RabbitmqTransport(url, "client", **options), Listener()
    transport.start(listener, BINDINGS)
    try:
        yield transport, listener
    finally:
        transport.stop(10.0)


@contextmanager
def channel_on(url: str) -> Iterator[Any]:
    """A channel of the test's own."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        yield connection.channel()


def declare(url: str, *, takes: bool = True) -> None:
    """The exchanges of a server; its queue takes what clients send."""
    with channel_on(url) as channel:
        for name in (EXCHANGE, "to_creditors"):
            channel.exchange_declare(name, "topic", durable=True)
        channel.queue_declare("server", durable=True, arguments={"x-queue-type": "quorum"})
        if takes:
            channel.queue_bind("server", EXCHANGE, "#")


def publication(number: int) -> Publication:
    """Something to send."""
    return Publication(
        number, Envelope(EXCHANGE, "1.0", "PrepareTransfer", {"debtor-id": 2**40}, b"%d" % number)
    )


def tell(url: str, *bodies: bytes) -> None:
    """Send as the server does."""
    with channel_on(url) as channel:
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("to_creditors", KEY, body, pika.BasicProperties(type="T"), mandatory=True)


def test_messages_travel_both_ways(amqp_url):
    """Many confirmations at once, persistent, in order; what is acknowledged does not come again."""
    declare(amqp_url)
    with started(amqp_url) as (transport, listener):
        wait_until(lambda: transport.is_connected)
        transport.publish([publication(number) for number in range(500)])
        wait_until(lambda: len(listener.settled) == 500)
        assert set(listener.settled.values()) == {None}
        tell(amqp_url, b"one", b"two")
        wait_until(lambda: len(listener.deliveries) == 2)
        first = listener.deliveries[0]
        assert (first.body, first.type, first.content_type, first.is_repeated) == (b"one", "T", None, False)
        transport.ack(first.channel, first.tag)
        transport.ack(first.channel + 1, listener.deliveries[1].tag)
    with channel_on(amqp_url) as channel:
        _, properties, body = channel.basic_get("server")
        assert (body, properties.delivery_mode, properties.headers["debtor-id"]) == (b"0", 2, 2**40)
    with started(amqp_url) as (_, listener):
        wait_until(lambda: listener.deliveries)
        assert [(one.body, one.is_repeated) for one in listener.deliveries] == [(b"two", True)]


def test_what_is_published_together_leaves_in_its_order(amqp_url):
    """Also what is larger than a piece, and a single message that is: nothing is mixed up or left behind."""
    declare(amqp_url)
    bodies = [b"%d " % number * (10 + number % 7 * 20) for number in range(400)]
    bodies[200] = b"long" * 50_000
    publications = [
        msgspec.structs.replace(
            publication(number), envelope=msgspec.structs.replace(publication(number).envelope, body=body)
        )
        for number, body in enumerate(bodies)
    ]
    with started(amqp_url) as (transport, listener):
        wait_until(lambda: transport.is_connected)
        transport.publish(publications[:1])
        transport.publish(publications[1:])
        wait_until(lambda: len(listener.settled) == len(bodies))
        assert set(listener.settled.values()) == {None}
    with channel_on(amqp_url) as channel:
        assert [channel.basic_get("server", auto_ack=True)[2] for _ in bodies] == bodies


def publish_one(transport: RabbitmqTransport, listener: Listener) -> None:
    """A message that a queue takes."""
    wait_until(lambda: transport.is_connected)
    transport.publish([publication(1)])
    wait_until(lambda: listener.settled == {1: None})


def test_messages_name_their_sender_if_they_shall(amqp_url):
    """The user of the address, whom the broker takes for nobody else; without the option they name none."""
    declare(amqp_url)
    for is_named in (True, False):
        with started(amqp_url, with_user_id=is_named) as (transport, listener):
            publish_one(transport, listener)
    user = pika.URLParameters(amqp_url).credentials.username
    with channel_on(amqp_url) as channel:
        found = [channel.basic_get("server", auto_ack=True)[1].user_id for _ in range(2)]
    assert found == [user, None]


def test_what_no_queue_takes_is_returned(amqp_url):
    """A confirmation alone does not mean that anybody has it."""
    declare(amqp_url, takes=False)
    with started(amqp_url) as (transport, listener):
        wait_until(lambda: transport.is_connected)
        transport.publish([publication(1), publication(2)])
        wait_until(lambda: len(listener.settled) == 2)
        assert set(listener.settled.values()) == {"returned"}


def test_a_server_that_is_not_configured_yet_is_waited_for(amqp_url):
    """Without its exchanges nothing can be bound; publications are settled meanwhile."""
    with started(amqp_url) as (transport, listener):
        wait_until(lambda: listener.lost)
        assert not transport.is_connected
        transport.publish([publication(1)])
        assert listener.settled == {1: UNANSWERED}
        declare(amqp_url)
        wait_until(lambda: transport.is_connected)


def test_what_the_broker_gives_up_has_a_queue_of_its_own(amqp_url):
    """Both are quorum queues: the broker refuses to declare a queue again in another form."""
    declare(amqp_url)
    with started(amqp_url) as (transport, _):
        wait_until(lambda: transport.is_connected)
    tell(amqp_url, b"one")
    with channel_on(amqp_url) as channel:
        method, _, _ = wait_until(lambda: (found := channel.basic_get("client"))[0] and found)
        channel.basic_reject(method.delivery_tag, requeue=False)
        wait_until(lambda: channel.basic_get("client.XQ", auto_ack=True)[2] == b"one")
        dead_letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "client.XQ"}
        for name, arguments in (("client", dead_letters), ("client.XQ", {})):
            channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum", **arguments})


def test_queues_of_another_form_are_used_as_they_are(amqp_url):
    """An operator has made them in his own way."""
    declare(amqp_url)
    with channel_on(amqp_url) as channel:
        channel.queue_declare("client", durable=True, arguments={"x-max-length": 1000})
    with started(amqp_url) as (transport, listener):
        wait_until(lambda: transport.is_connected)
        tell(amqp_url, b"one")
        wait_until(lambda: listener.bodies() == [b"one"])


def test_what_waits_at_the_client_is_bounded(amqp_url):
    """The broker gives no more than is fetched in advance."""
    declare(amqp_url)
    with started(amqp_url, prefetch_count=3) as (transport, listener):
        wait_until(lambda: transport.is_connected)
        tell(amqp_url, *(b"%d" % number for number in range(5)))
        wait_until(lambda: len(listener.deliveries) == 3)
        transport.ack(listener.deliveries[2].channel, listener.deliveries[2].tag)
        wait_until(lambda: len(listener.deliveries) == 5)


def test_messages_are_given_back_while_the_store_is_away(amqp_url):
    """Paused, it has no connection; resumed, all comes again."""
    declare(amqp_url)
    with started(amqp_url) as (transport, listener):
        wait_until(lambda: transport.is_connected)
        tell(amqp_url, b"one")
        wait_until(lambda: listener.deliveries)
        transport.pause()
        wait_until(lambda: listener.lost == [1])
        with channel_on(amqp_url) as channel:
            wait_until(
                lambda: channel.queue_declare("client", passive=True).method.message_count == 1, "it is back"
            )
        transport.resume()
        wait_until(lambda: listener.bodies() == [b"one", b"one"])
        assert listener.deliveries[1].channel == 2


def test_a_broker_that_dies_is_served_again(restartable_rabbitmq):
    """What was under way is unanswered, what was not acknowledged comes again."""
    node = restartable_rabbitmq
    declare(node.url)
    with started(node.url) as (transport, listener):
        wait_until(lambda: transport.is_connected)
        tell(node.url, b"one")
        wait_until(lambda: listener.deliveries)
        # A quorum queue that is killed within its first moments never comes up again; nothing shows
        # when it is on the disk.
        Event().wait(2.0)
        node.kill()
        wait_until(lambda: listener.lost)
        transport.publish([publication(1)])
        assert listener.settled == {1: UNANSWERED}
        node.start()
        wait_until(lambda: transport.is_connected)
        transport.publish([publication(2)])
        wait_until(lambda: listener.settled == {1: UNANSWERED, 2: None})
        wait_until(lambda: listener.bodies() == [b"one", b"one"])
        transport.ack(listener.deliveries[1].channel, listener.deliveries[1].tag)


def test_it_stops_while_the_broker_is_away():
    """At once: there is nobody to say good-bye to."""
    transport, listener = RabbitmqTransport("amqp://127.0.0.1:1/", "client"), Listener()
    transport.start(listener, BINDINGS)
    transport.stop(5.0)
    transport.publish([publication(1)])
    assert listener.settled == {1: UNANSWERED}


@pytest.mark.parametrize(
    ("url", "queue"),
    [
        ("http://x/", "q"),
        ("amqp://x/", ""),
        ("amqp://x/", "q" * 201),
        ("amqp://x/", "swpt_accounts"),
        ("amqp://x/", "swpt_accounts.XQ"),
    ],
)
def test_what_cannot_be_is_refused_at_once(url, queue):
    """No thread is started for it; who took the server's queue would take messages of all others."""
    with pytest.raises(ValueError, match=r"must|of its own"):
        RabbitmqTransport(url, queue)
