"""RabbitMQ's routing in memory, and publishing to it."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts import events
from swpt_accounts.broker import MemoryPublisher, MemoryTransport, QueueMissing, Settlement
from swpt_accounts.broker.errors import ChannelClosed
from swpt_accounts.broker.memory.transport import headers_match, topic_matches
from swpt_accounts.broker.waker import Waker
from swpt_accounts.wire.routing import hex_key


@pytest.fixture
def transport() -> MemoryTransport:
    """The whole topology in memory."""
    transport = MemoryTransport()
    assert transport.declare_topology("swpt_accounts", "#") == []
    return transport


def rejected_transfer(coordinator_type: str, coordinator_id: int) -> events.Envelope:
    """An answer to a coordinator."""
    return events.envelop(
        events.RejectedTransfer(
            debtor_id=-1,
            creditor_id=1,
            coordinator_type=coordinator_type,
            coordinator_id=coordinator_id,
            coordinator_request_id=1,
            status_code="TIMEOUT",
            total_locked_amount=0,
            ts="2026-11-21T10:00:00+00:00",
        )
    )


def publish(transport: MemoryTransport, *envelopes: events.Envelope) -> Settlement:
    """Publish, wait, and return the settlement."""
    publisher = MemoryPublisher(transport)
    settled = threading.Event()
    found: list[Settlement] = []

    def on_settled(settlement: Settlement) -> None:
        found.append(settlement)
        settled.set()

    publisher.publish(envelopes, on_settled)
    assert settled.wait(5)
    publisher.stop(5)
    assert publisher.idle()
    return found[0]


@pytest.mark.parametrize(
    ("pattern", "key", "is_match"),
    [
        ("#", "", True),
        ("#", "a.b.c", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#", "b.a", False),
        ("*", "a", True),
        ("*", "a.b", False),
        ("*.b", "a.b", True),
        ("#.c", "a.b.c", True),
        ("#.b.#", "a.b.c", True),
        ("#.b.#", "a.c", False),
        ("a.*.#.d", "a.b.c.d", True),
        ("a.*.#.d", "a.d", False),
        ("00.00.01.#", "00.00.01.00.00.00.00.02", True),
        ("00.00.01.#", "00.00.02.00.00.00.00.02", False),
        ("1.0.#", "1.0.1.1", True),
        ("1.0.#", "1.1.1.1", False),
    ],
)
def test_topics_match_by_words(pattern, key, is_match):
    """`*` is one word and `#` any number of them, as in RabbitMQ."""
    assert topic_matches(pattern, key) is is_match


@given(
    st.lists(st.sampled_from(["a", "b", "*", "#"]), max_size=5), st.lists(st.sampled_from("ab"), max_size=5)
)
def test_topics_match_like_the_naive_definition(pattern, words):
    """The quick matcher agrees with the recursive definition."""

    def matches(pattern: list[str], words: list[str]) -> bool:
        if not pattern:
            return not words
        if pattern[0] == "#":
            return matches(pattern[1:], words) or bool(words and matches(pattern, words[1:]))
        return bool(words) and pattern[0] in ("*", words[0]) and matches(pattern[1:], words[1:])

    key = ["x", *words]
    assert topic_matches(".".join(["x", *pattern]), ".".join(key)) is matches(["x", *pattern], key)


def test_all_headers_of_a_binding_must_match():
    """`x-match` = `all` wants every argument, and is none itself."""
    arguments = (("x-match", "all"), ("coordinator-type", "direct"))
    assert headers_match(arguments, {"coordinator-type": "direct", "debtor-id": 1})
    assert not headers_match(arguments, {"coordinator-type": "agent"})
    assert not headers_match(arguments, {})


def test_a_message_reaches_the_servers_queue_with_its_properties(transport):
    """What any client publishes to accounts_in arrives as it was sent."""
    assert transport.publish("accounts_in", "0.1", b"{}", type="FinalizeTransfer", user_id="peer")
    (delivery,) = transport.subscribe("swpt_accounts", 10, Waker()).receive(0)
    assert (delivery.exchange, delivery.routing_key, delivery.body) == ("accounts_in", "0.1", b"{}")
    assert (delivery.content_type, delivery.type) == ("application/json", "FinalizeTransfer")
    assert (delivery.user_id, delivery.delivery_count) == ("peer", 0)


def test_long_bodies_are_cut_as_on_the_wire(transport):
    """The head, the length and the digest of a long body are kept."""
    transport.publish("accounts_in", "0.1", b"x" * 70_000)
    (delivery,) = transport.subscribe("swpt_accounts", 10, Waker()).receive(0)
    assert (len(delivery.body), delivery.body_size) == (65536, 70_000)
    assert delivery.body_sha256 is not None


@pytest.mark.parametrize(
    ("coordinator_type", "exchange"),
    [("direct", "to_creditors"), ("agent", "to_creditors"), ("issuing", "to_debtors")],
)
def test_answers_to_coordinators_reach_their_agents(transport, coordinator_type, exchange):
    """The header bindings carry an answer on with the same key (rules.md#where-messages-go)."""
    mailboxes = {name: transport.open_mailbox(name) for name in ("to_creditors", "to_debtors")}
    assert publish(transport, rejected_transfer(coordinator_type, 2**32)).unsettled == []
    delivery = mailboxes[exchange].take()
    assert delivery is not None
    assert delivery.routing_key == hex_key(2**32)
    assert delivery.type == "RejectedTransfer"
    assert [name for name, mailbox in mailboxes.items() if mailbox.take_all()] == []


def test_what_no_queue_takes_is_returned(transport):
    """Mandatory messages come back, others vanish, and their neighbours are delivered."""
    mailbox = transport.open_mailbox("to_creditors", "00.00.00.01.#")
    found = rejected_transfer("direct", 2**32 + 1)
    lost = rejected_transfer("direct", 2**40)
    quiet = events.Envelope("to_debtors", "ff", "AccountUpdate", -1, 0, None, None, False, b"{}")
    nowhere = events.Envelope("no_exchange", "ff", "AccountUpdate", -1, 0, None, None, True, b"{}")
    settlement = publish(transport, lost, found, quiet, nowhere, lost)
    assert settlement.unsettled == [(0, "returned"), (3, "nacked"), (4, "returned")]
    assert [delivery.body for delivery in mailbox.take_all()] == [found.body]


def test_a_queue_gets_a_message_once_however_many_ways_lead_there(transport):
    """Two bindings that match deliver one copy."""
    mailbox = transport.open_mailbox("to_creditors", "00.#")
    transport.bind_queue(mailbox.queue, "to_creditors", "#")
    transport.publish("to_creditors", "00.01", b"{}")
    assert len(mailbox.take_all()) == 1


def test_unknown_exchanges_and_queues_are_reported(transport):
    """A missing exchange closes the channel, a missing queue is a queue missing."""
    with pytest.raises(ChannelClosed, match="no exchange 'nowhere'"):
        transport.publish("nowhere", "", b"")
    with pytest.raises(QueueMissing):
        transport.count_messages("nothing")
    assert not transport.publish("", "nothing", b"")
    assert transport.publish("", "swpt_accounts", b"")
    assert transport.count_messages("swpt_accounts") == 1


def test_unbinding_and_deleting_end_the_flow(transport):
    """After unbind nothing arrives; after delete nothing is there."""
    transport.unbind_queue("swpt_accounts", "accounts_in", "#")
    assert not transport.publish("accounts_in", "0", b"")
    source = transport.subscribe("swpt_accounts", 10, Waker())
    transport.delete_queue("swpt_accounts")
    with pytest.raises(QueueMissing):
        source.receive(0)


def test_what_is_not_acknowledged_comes_again_in_front(transport):
    """Requeued messages stand before younger ones, in their order, marked as redelivered."""
    for number in range(4):
        transport.publish("accounts_in", "0", b"%d" % number)
    source = transport.subscribe("swpt_accounts", 3, Waker())
    assert [delivery.body for delivery in source.receive(0)] == [b"0", b"1", b"2"]
    source.ack(1)
    source.requeue(3)
    again = source.receive(0)
    assert [delivery.body for delivery in again] == [b"1", b"2", b"3"]
    assert [delivery.redelivered for delivery in again] == [True, True, False]
    source.close()
    assert transport.count_messages("swpt_accounts") == 3


def test_a_mailbox_waits_for_its_message(transport):
    """`take` returns as soon as a message is there, and None after its timeout."""
    mailbox = transport.open_mailbox("to_debtors")
    assert mailbox.take(timeout=0.01) is None
    later = threading.Thread(target=transport.publish, args=("to_debtors", "00", b"{}"))
    later.start()
    delivery = mailbox.take(timeout=5)
    later.join()
    assert delivery is not None
    assert delivery.body == b"{}"
    mailbox.close()
    assert not transport.publish("to_debtors", "00", b"{}")


def test_a_stopped_publisher_keeps_the_rest(transport):
    """What comes after `stop` is settled as unanswered, at once."""
    publisher = MemoryPublisher(transport)
    publisher.stop(1)
    found: list[Settlement] = []
    publisher.publish([rejected_transfer("direct", 1)], found.append)
    publisher.publish([], found.append)
    assert [settlement.unsettled for settlement in found] == [[(0, "unanswered")], []]
