"""Whether the broker works, and not only answers: it takes and confirms messages, or says why not."""

import contextlib
from collections.abc import Iterator

import pika
import pytest

from swpt_accounts.broker import RabbitmqPublisher
from swpt_accounts.broker.amqp import administration
from swpt_accounts.broker.amqp.trial import ask_broker
from swpt_accounts.broker.errors import CannotReach, QueueMissing
from swpt_accounts.broker.state import BrokerState
from swpt_accounts.events import Envelope
from swpt_accounts.roles import health
from swpt_accounts.runtime import standstill
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.settings import load
from tests.backstage.waiting import wait_until
from tests.services.rabbitmq_node import RabbitmqNode

QUEUE = "swpt_accounts"


def test_a_sound_broker_takes_messages(amqp_url):
    """The message of the trial goes nowhere; what waits is counted."""
    administration.declare(amqp_url, QUEUE, "#")
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("accounts_in", "0", b"{}", mandatory=True)
        channel.basic_publish("", f"{QUEUE}.XQ", b"{}", mandatory=True)
    for _ in range(2):
        assert ask_broker(amqp_url, QUEUE) == BrokerState(1, 1, "")


def test_a_queue_that_is_missing_is_reported(amqp_url):
    """Ours is needed; the one for what the broker gives up may be missing in an old deployment."""
    with pytest.raises(QueueMissing, match="configure"):
        ask_broker(amqp_url, QUEUE)
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_declare(QUEUE, durable=True)
    assert ask_broker(amqp_url, QUEUE) == BrokerState(0, None, "")


def test_a_broker_that_is_away_is_one_line():
    """As everywhere."""
    with pytest.raises(CannotReach, match="cannot reach"):
        ask_broker("amqp://guest:guest@127.0.0.1:1", QUEUE)


@contextlib.contextmanager
def full(node: RabbitmqNode) -> Iterator[None]:
    """A broker that takes no messages, because it has no memory left."""
    node.rabbitmqctl("set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        node.rabbitmqctl("set_vm_memory_high_watermark", "0.4")


def test_a_broker_that_blocks_publishers_is_reported(restartable_rabbitmq, monkeypatch, caplog):
    """Connections, queues and consumers are as always: only who publishes finds out, and raises an alarm."""
    node = restartable_rabbitmq
    administration.declare(node.url, QUEUE, "#")
    monkeypatch.setattr(standstill, "ALARM_AFTER_SECONDS", 0.5)
    publisher = RabbitmqPublisher(node.url, confirm_timeout=0.5)
    envelope = Envelope(
        exchange="to_creditors",
        routing_key="0",
        type="AccountUpdate",
        debtor_id=1,
        creditor_id=1,
        coordinator_type=None,
        coordinator_id=None,
        mandatory=True,
        body=b"{}",
    )
    settings = load({"POSTGRES_URL": "postgresql://u@h/d", "PROTOCOL_BROKER_URL": node.url})
    try:
        with full(node):
            wait_until(lambda: ask_broker(node.url, QUEUE).refusal, "an alarm of the broker")
            assert "memory" in ask_broker(node.url, QUEUE).refusal
            with pytest.raises(OperatorError, match=r"takes no messages: .*memory"):
                health.check_broker(settings)
            for _ in range(3):
                publisher.publish([envelope], lambda settlement: None)
            wait_until(lambda: "ALARM: the publisher stands still" in caplog.text, "an alarm")
            assert "takes no messages" in caplog.text
        wait_until(lambda: not ask_broker(node.url, QUEUE).refusal, "a broker that works")
        assert health.check_broker(settings) == "broker takes messages"
    finally:
        publisher.stop(5)


def test_who_may_not_try_is_not_told_that_it_fails(restartable_rabbitmq):
    """Without the right to write to the default exchange only the queues are looked at."""
    node = restartable_rabbitmq
    administration.declare(node.url, QUEUE, "#")
    node.rabbitmqctl("add_user", "narrow", "narrow")
    node.rabbitmqctl("set_permissions", "narrow", "^$", "^accounts_in$", f"^{QUEUE}.*$")
    url = node.url.replace("guest:guest", "narrow:narrow")
    try:
        # To look at a queue, a user needs none of the three rights on it.
        assert ask_broker(url, QUEUE).refusal == ""
    finally:
        node.rabbitmqctl("delete_user", "narrow")
