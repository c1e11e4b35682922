"""Messages in memory that are settled by those who take them: what is not acknowledged is not lost."""

import threading

import pytest

from swpt_accounts import events
from swpt_accounts.broker import MemoryTransport, Settlement
from swpt_accounts.broker.errors import QueueFull
from swpt_accounts.broker.memory.receipt import Receipt
from swpt_accounts.broker.memory.receipt_publisher import ReceiptPublisher
from swpt_accounts.broker.memory.transport import MemorySource
from swpt_accounts.broker.settlement import Reason
from swpt_accounts.broker.waker import Waker
from tests.backstage.builders import NOW, text

EXCHANGE, COORDINATOR_ID = "to_coordinators", 77


@pytest.fixture
def transport() -> MemoryTransport:
    """The whole topology, and a queue of one agent."""
    transport = MemoryTransport(with_receipts=True, most_waiting=5)
    transport.declare_topology("swpt_accounts", "#")
    take_all(transport, "agent")
    return transport


def take_all(transport: MemoryTransport, queue: str) -> None:
    """Make a queue that gets all answers to direct coordinators."""
    transport.declare_queue(queue)
    transport.bind_queue(queue, "to_creditors", "#")


def answers(number: int = 1) -> list[events.Envelope]:
    """Answers to a coordinator."""
    return [
        events.envelop(
            events.RejectedTransfer(
                debtor_id=-1,
                creditor_id=1,
                coordinator_type="direct",
                coordinator_id=COORDINATOR_ID,
                coordinator_request_id=request_id,
                status_code="TIMEOUT",
                total_locked_amount=0,
                ts=text(NOW),
            )
        )
        for request_id in range(number)
    ]


def subscribed(transport: MemoryTransport, queue: str = "agent") -> MemorySource:
    """A consumer of a queue."""
    return transport.subscribe(queue, 100, Waker())


class Settlements(list[Settlement]):
    """What a publisher was answered."""

    @property
    def reasons(self) -> list[list[tuple[int, Reason]]]:
        """Of each settlement, what has to be kept."""
        return [one.unsettled for one in self]


def test_a_message_is_settled_when_its_consumer_has_acknowledged_it(transport):
    """Neither its arrival in the queue nor its delivery is enough."""
    publisher, found = ReceiptPublisher(transport), Settlements()
    publisher.publish(answers(2), found.append)
    source = subscribed(transport)
    first, second = source.receive(0)
    assert (found, publisher.pending()) == ([], 2)
    source.ack(first.tag)
    assert found == []
    source.ack(second.tag)
    assert (found.reasons, publisher.pending(), publisher.idle()) == ([[]], 0, True)


def test_every_queue_has_to_acknowledge(transport):
    """A message that reaches two agents is settled by the later one."""
    take_all(transport, "another")
    publisher, found = ReceiptPublisher(transport), Settlements()
    publisher.publish(answers(), found.append)
    for queue, expected in (("another", 0), ("agent", 1)):
        source = subscribed(transport, queue)
        source.ack(source.receive(0)[-1].tag)
        assert len(found) == expected


def test_what_comes_back_is_delivered_again(transport):
    """A consumer that ends without acknowledging settles nothing; the next one does."""
    publisher, found = ReceiptPublisher(transport), Settlements()
    publisher.publish(answers(), found.append)
    source = subscribed(transport)
    source.receive(0)
    source.close()
    assert found == []
    source = subscribed(transport)
    [again] = source.receive(0)
    assert again.redelivered
    source.ack(again.tag)
    assert found.reasons == [[]]


@pytest.mark.parametrize("is_delivered", [False, True])
def test_a_deleted_queue_leaves_its_messages_to_the_publisher(transport, is_delivered):
    """They are kept, whether they were waiting or at a consumer that ends now."""
    publisher, found = ReceiptPublisher(transport), Settlements()
    publisher.publish(answers(), found.append)
    source = subscribed(transport)
    if is_delivered:
        source.receive(0)
    transport.delete_queue("agent")
    source.close()
    assert found.reasons == [[(0, "nacked")]]


def test_a_message_that_no_queue_wants_comes_back_at_once(transport):
    """As over RabbitMQ; what nobody has to take is settled."""
    transport.delete_queue("agent")
    publisher, found = ReceiptPublisher(transport), Settlements()
    publisher.publish(answers(), found.append)
    assert found.reasons == [[(0, "returned")]]


def test_a_queue_without_a_consumer_does_not_fill_the_memory(transport):
    """It takes so many messages, and then refuses them; what it had refused is kept by the publisher."""
    publisher, found = ReceiptPublisher(transport), Settlements()
    publisher.publish(answers(5), found.append)
    publisher.publish(answers(2), found.append)
    assert found.reasons == [[(0, "nacked"), (1, "nacked")]]
    assert transport.count_messages("agent") == 5
    with pytest.raises(QueueFull):
        transport.publish("to_creditors", "00", b"{}", receipt=Receipt(lambda _: None))


def test_a_publisher_with_too_much_on_its_way_keeps_the_rest(transport):
    """The events stay in the outbox, and come when there is room."""
    publisher, found = ReceiptPublisher(transport, most_pending=3), Settlements()
    publisher.publish(answers(3), found.append)
    publisher.publish(answers(1), found.append)
    assert found.reasons == [[(0, "unanswered")]]
    source = subscribed(transport)
    source.ack(source.receive(0)[-1].tag)
    publisher.publish(answers(1), found.append)
    assert (found.reasons, publisher.pending()) == ([[(0, "unanswered")], []], 1)


def test_the_end_waits_for_those_who_acknowledge(transport):
    """`stop` returns when all is settled, long before its time is over."""
    publisher, found = ReceiptPublisher(transport), Settlements()
    publisher.publish(answers(), found.append)
    source = subscribed(transport)
    [delivery] = source.receive(0)
    later = threading.Timer(0.05, source.ack, [delivery.tag])
    later.start()
    publisher.stop(30)
    later.join()
    assert found.reasons == [[]]


def test_the_end_keeps_what_nobody_acknowledges(transport):
    """And a receipt that comes after it changes nothing any more."""
    publisher, found = ReceiptPublisher(transport), Settlements()
    publisher.publish(answers(2), found.append)
    source = subscribed(transport)
    source.ack(source.receive(0)[0].tag)
    publisher.stop(0.01)
    assert found.reasons == [[(1, "unanswered")]]
    source.ack(10)
    publisher.publish(answers(), found.append)
    assert found.reasons == [[(1, "unanswered")], [(0, "unanswered")]]
