"""Batches through Dramatiq's own worker, on the transport in memory."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dramatiq
import pytest
from dramatiq import Worker
from dramatiq.errors import QueueNotFound

from swpt_accounts.broker import (
    Batch,
    BatchLimits,
    BatchMessage,
    Delivery,
    Intake,
    MemorySmpBroker,
    MemoryTransport,
)
from swpt_accounts.broker.errors import BrokerProblem
from tests.backstage.waiting import wait_until

QUEUE = "swpt_accounts"


def body_of(delivery: Delivery) -> bytes:
    """The simplest of all decoders."""
    return delivery.body


@pytest.fixture
def transport() -> MemoryTransport:
    """The topology in memory."""
    transport = MemoryTransport()
    transport.declare_topology(QUEUE, "#")
    return transport


def send(transport: MemoryTransport, *bodies: bytes) -> None:
    """Publish some bodies to the server."""
    for body in bodies:
        assert transport.publish("accounts_in", "0", body)


def after(event: threading.Event) -> Callable[[Batch], None]:
    """An actor that waits for the event before it settles."""

    def wait_and_settle(batch: Batch) -> None:
        assert event.wait(30)
        batch.settle()

    return wait_and_settle


class Server:
    """A worker whose actor can be told what to do with a batch."""

    def __init__(self, transport: MemoryTransport, **options) -> None:
        self.broker = MemorySmpBroker(transport, Intake(**{"decode": body_of} | options))
        self.batches: list[Batch] = []
        self.on_batch: Callable[[Batch], None] = Batch.settle
        self._arrived = threading.Condition()
        declare = dramatiq.actor(broker=self.broker, queue_name=QUEUE, actor_name="take_batch")
        declare(self.take_batch)

    def take_batch(self, batch: Batch) -> None:
        with self._arrived:
            self.batches.append(batch)
            self._arrived.notify_all()
        self.on_batch(batch)

    def messages(self) -> list[object]:
        """All messages that have come, in order."""
        return [item.message for batch in list(self.batches) for item in batch.items]

    def wait(self, count: int) -> list[object]:
        """Wait until so many messages have come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.messages()) >= count, 30)
        return self.messages()

    @contextmanager
    def running(self) -> Iterator["Server"]:
        worker = Worker(self.broker, worker_threads=1, worker_timeout=50)
        worker.start()
        try:
            yield self
        finally:
            worker.stop()


def test_messages_reach_the_actor_in_batches_and_are_acknowledged(transport):
    """Everything that waits goes to the actor in order; after settling nothing is left."""
    send(transport, *(b"%d" % number for number in range(25)))
    server = Server(transport, limits=BatchLimits(batch_messages=10))
    with server.running():
        assert server.wait(25) == [b"%d" % number for number in range(25)]
    assert [len(batch) for batch in server.batches] == [10, 10, 5]
    assert transport.count_messages(QUEUE) == 0


def test_a_batch_ends_with_the_body_that_fills_it(transport):
    """The size of a batch is limited in bytes, too; one message always fits."""
    send(transport, b"a" * 60, b"b" * 60, b"c" * 500, b"d")
    server = Server(transport, limits=BatchLimits(batch_bytes=100))
    with server.running():
        server.wait(4)
    assert [len(batch) for batch in server.batches] == [2, 1, 1]


def test_one_batch_is_out_at_a_time(transport):
    """While a batch is worked on, the next ones wait and grow together."""
    server = Server(transport)
    go_on = threading.Event()
    server.on_batch = after(go_on)
    send(transport, b"first")
    with server.running():
        server.wait(1)
        send(transport, b"second", b"third")
        assert len(server.batches) == 1
        go_on.set()
        server.wait(3)
    assert [len(batch) for batch in server.batches] == [1, 2]


def numbered(*numbers: int) -> list[bytes]:
    """Bodies that can be told from each other."""
    return [b"%d" % number for number in numbers]


def test_after_several_messages_the_next_batch_waits_for_company(transport):
    """It leaves when it is full, although its time would be much later."""
    server = Server(transport, limits=BatchLimits(batch_messages=10, apart_seconds=3600.0))
    send(transport, *numbered(*range(8)))
    with server.running():
        server.wait(8)
        for number in range(8, 18):
            send(transport, b"%d" % number)
        assert server.wait(18) == numbered(*range(18))
    assert [len(batch) for batch in server.batches] == [8, 10]


def test_a_full_batch_in_bytes_waits_for_nothing(transport):
    """What reaches the limit of a batch in bytes is full as well."""
    server = Server(transport, limits=BatchLimits(batch_bytes=100, apart_seconds=3600.0))
    send(transport, *numbered(*range(8)))
    with server.running():
        server.wait(8)
        send(transport, b"a" * 60)
        send(transport, b"b" * 60)
        server.wait(10)
    assert [len(batch) for batch in server.batches] == [8, 2]


def test_the_wait_for_company_has_an_end(transport):
    """Nothing else comes, and the message leaves alone."""
    server = Server(transport, limits=BatchLimits(apart_seconds=0.05))
    send(transport, *numbered(*range(8)))
    with server.running():
        server.wait(8)
        send(transport, b"8")
        server.wait(9)
    assert [len(batch) for batch in server.batches] == [8, 1]


class Recorder:
    """A source from which nothing comes, and which knows for how long it was asked."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def receive(self, timeout: float) -> list[Delivery]:
        """Nothing."""
        self.waits.append(timeout)
        return []

    def beat(self) -> None:
        """Nobody listens."""

    def ack(self, tag: int) -> None:
        """Nothing was delivered."""

    requeue = ack

    def close(self) -> None:
        """Nothing to give back."""


def test_what_may_leave_now_is_not_slept_over(transport):
    """Its time can come between two looks at the clock; then nobody else would wake the consumer."""
    server = Server(transport, limits=BatchLimits(apart_seconds=0.0))
    consumer = server.broker.consume(QUEUE, timeout=60_000)
    send(transport, b"0")
    consumer._turn(1.0)
    consumer._turn(1.0)
    assert consumer._waiting
    consumer._source = source = Recorder()
    consumer._turn(60.0)
    assert source.waits == [0.0]
    consumer.close()


def test_single_messages_wait_for_nobody(transport):
    """After a small batch the next one leaves at once: a quiet server answers without delay."""
    server = Server(transport, limits=BatchLimits(apart_seconds=3600.0))
    with server.running():
        for number in range(3):
            send(transport, b"%d" % number)
            server.wait(number + 1)
    assert [len(batch) for batch in server.batches] == [1, 1, 1]


def test_what_is_not_settled_comes_again(transport):
    """An actor that fails, or forgets to settle, loses nothing; the pause before is short."""
    server = Server(transport)
    failures = [RuntimeError("no database"), None]

    def fail_twice(batch: Batch) -> None:
        if not failures:
            batch.settle()
        elif (failure := failures.pop(0)) is not None:
            raise failure

    server.on_batch = fail_twice
    send(transport, b"a", b"b")
    with server.running():
        server.wait(6)
    assert server.messages() == [b"a", b"b"] * 3
    assert server.batches[1].items[0].delivery.redelivered
    assert transport.count_messages(QUEUE) == 0


def test_stopping_returns_what_is_held(transport):
    """A worker that stops finishes its batch, and gives back what it has read ahead."""
    server = Server(transport, limits=BatchLimits(batch_messages=1))
    stopping = threading.Event()
    server.on_batch = after(stopping)
    send(transport, b"first", b"second", b"third")
    worker = Worker(server.broker, worker_threads=1, worker_timeout=50)
    worker.start()
    server.wait(1)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    wait_until(lambda: not worker.workers[0].running, "the order to stop")
    stopping.set()
    stopper.join(30)
    assert not stopper.is_alive()
    assert transport.count_messages(QUEUE) == 3 - len(server.batches)


def test_a_decoder_that_raises_stops_nobody(transport, caplog):
    """The exception takes the message's place, and the neighbours go on."""

    def decode(delivery: Delivery) -> bytes:
        if delivery.body == b"bad":
            raise RecursionError("too deep")
        return delivery.body

    send(transport, b"good", b"bad", b"fine")
    server = Server(transport, decode=decode)
    with server.running():
        good, bad, fine = server.wait(3)
    assert (good, fine) == (b"good", b"fine")
    assert isinstance(bad, RecursionError)
    assert "Decoding failed" in caplog.text


def test_a_shut_gate_gives_everything_back_until_it_opens(transport):
    """While messages are not wanted, the queue keeps them; then service goes on by itself."""
    gate = threading.Event()
    server = Server(transport, is_open=gate.is_set)
    send(transport, b"a")
    with server.running():
        # The list is another one as soon as there is a consumer.
        wait_until(lambda: server.broker.consumers, "the consumer")
        [consumer] = server.broker.consumers
        assert not consumer.is_connected
        assert server.batches == []
        gate.set()
        server.wait(1)
        assert consumer.is_connected
        gate.clear()
        wait_until(lambda: not consumer.is_connected, "the shut gate")
        # If the gate was quicker than the acknowledgement, the first one has been given back as well.
        send(transport, b"b")
        assert transport.count_messages(QUEUE) >= 1
        assert b"b" not in server.messages()
        gate.set()
        wait_until(lambda: b"b" in server.messages(), "service")


def test_a_batch_of_a_closed_source_is_not_answered(transport):
    """After the gate was shut, the batch that was out is delivered again, and its end is silent."""
    gate = threading.Event()
    gate.set()
    server = Server(transport, is_open=gate.is_set)
    finish = threading.Event()
    server.on_batch = after(finish)
    send(transport, b"a")
    with server.running():
        server.wait(1)
        gate.clear()
        wait_until(lambda: transport.count_messages(QUEUE), "what was given back")
        gate.set()
        finish.set()
        server.wait(2)
    assert server.messages() == [b"a", b"a"]
    assert transport.count_messages(QUEUE) == 0


def test_an_outage_is_one_line_in_the_log(transport, caplog):
    """A missing queue is reported once, tried again, and its return is reported."""
    transport.delete_queue(QUEUE)
    server = Server(transport)
    with server.running(), caplog.at_level("INFO"):
        wait_until(lambda: "queue missing" in caplog.text, "the line in the log")
        transport.declare_topology(QUEUE, "#")
        send(transport, b"a")
        server.wait(1)
    logged = [record for record in caplog.records if record.name == "swpt_accounts.broker.consumer"]
    assert [record.levelname for record in logged] == ["WARNING", "INFO"]
    assert all(record.exc_info is None for record in logged)


def test_next_returns_nothing_after_its_timeout(transport):
    """Dramatiq's worker gets None, so that it can look whether it has to stop."""
    broker = MemorySmpBroker(transport, Intake(body_of))
    broker.declare_queue(QUEUE)
    consumer = broker.consume(QUEUE, timeout=20)
    assert next(consumer) is None
    consumer.close()
    consumer.close()
    assert list(consumer) == []


def test_a_finished_batch_lets_the_next_one_go_at_once(transport):
    """`ack` from another thread wakes the consumer long before its timeout."""
    broker = MemorySmpBroker(transport, Intake(body_of, limits=BatchLimits(batch_messages=1)))
    broker.declare_queue(QUEUE)
    consumer = broker.consume(QUEUE, timeout=3_600_000)
    send(transport, b"a", b"b")
    first = next(consumer)
    assert isinstance(first, BatchMessage)

    def finish() -> None:
        first.batch.settle()
        consumer.ack(first)

    threading.Timer(0.05, finish).start()
    second = next(consumer)
    assert isinstance(second, BatchMessage)
    consumer.close()


def test_a_batch_has_a_short_text(transport):
    """Dramatiq writes whole messages to its log; a batch takes one short line there."""
    broker = MemorySmpBroker(transport, Intake(body_of))
    broker.declare_queue(QUEUE)
    consumer = broker.consume(QUEUE, timeout=1000)
    send(transport, *[b"secret"] * 100)
    message = next(consumer)
    assert str(message) == "take_batch(<Batch of 100, tags 1 to 100>)"
    consumer.close()


def test_reading_stops_when_enough_waits(transport):
    """The bodies that wait are limited; the rest stays with the broker."""
    limits = BatchLimits(batch_messages=1, waiting_bytes=1000)
    broker = MemorySmpBroker(transport, Intake(body_of, limits=limits, prefetch_count=10))
    broker.declare_queue(QUEUE)
    consumer = broker.consume(QUEUE, timeout=10)
    send(transport, *[b"x" * 400] * 30)
    message = next(consumer)
    assert message is not None
    assert next(consumer) is None
    assert transport.count_messages(QUEUE) == 20
    consumer.requeue([message])
    consumer.close()
    assert transport.count_messages(QUEUE) == 30


def test_only_declared_queues_are_consumed(transport):
    """A queue that no actor has named is refused."""
    broker = MemorySmpBroker(transport, Intake(body_of))
    with pytest.raises(QueueNotFound):
        broker.consume("other")


def test_nothing_of_dramatiqs_own_is_declared(transport):
    """No delay queue, no middleware that retries, interrupts or expires."""
    server = Server(transport)
    assert server.broker.get_declared_queues() == {QUEUE}
    assert server.broker.get_declared_delay_queues() == set()
    assert server.broker.middleware == []


class Dead:
    """A source that fails when it is asked for anything."""

    def receive(self, timeout: float) -> list[Delivery]:
        raise BrokerProblem("the connection is lost")

    beat = ack = requeue = lambda self, *arguments: None

    def close(self) -> None:
        pass


def test_a_lost_source_is_replaced(transport, caplog):
    """When a source breaks, another is opened after a short pause."""
    server = Server(transport)
    opened = []
    real = server.broker._open_source

    def open_source(queue_name, waker):
        opened.append(queue_name)
        return Dead() if len(opened) == 1 else real(queue_name, waker)

    server.broker._open_source = open_source  # type: ignore[method-assign]
    send(transport, b"a")
    with server.running():
        server.wait(1)
    assert len(opened) == 2
    assert "the connection is lost; trying again" in caplog.text
