"""The topology on a real broker (rules.md#the-broker)."""

import json
from typing import Any

import pika
import pytest

from swpt_accounts.broker import BrokerProblem, QueueMissing
from swpt_accounts.broker.amqp import administration
from swpt_accounts.broker.errors import NoSuchVirtualHost, WrongPassword

QUEUE = "swpt_accounts"


@pytest.fixture
def listed(vhost, rabbitmqctl):
    """What rabbitmqctl lists for the virtual host."""

    def run(what: str, *columns: str) -> Any:
        return json.loads(rabbitmqctl("-q", "--formatter", "json", what, "-p", vhost, *columns))

    return run


def put(amqp_url: str, exchange: str, key: str, body: bytes) -> None:
    """Publish a persistent message and wait for the confirm."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(exchange, key, body, mandatory=True)


def test_the_topology_is_the_one_of_the_specification(amqp_url, listed):
    """Exchanges, queues, arguments and bindings are exact, and declaring twice changes nothing."""
    for _ in range(2):
        assert administration.declare(amqp_url, QUEUE, "#") == []
    exchanges = listed("list_exchanges", "name", "type", "durable", "auto_delete", "internal", "arguments")
    ours = {one.pop("name"): one for one in exchanges if not one["name"].startswith("amq.") and one["name"]}
    flags = {"durable": True, "auto_delete": False, "internal": False, "arguments": []}
    assert ours == {
        "accounts_in": {"type": "topic"} | flags,
        "to_creditors": {"type": "topic"} | flags,
        "to_debtors": {"type": "topic"} | flags,
        "to_coordinators": {"type": "headers"} | flags,
    }
    queues = listed("list_queues", "name", "durable", "auto_delete", "exclusive", "arguments")
    text = "longstr"
    assert {one["name"]: {name: tuple(rest) for name, *rest in one["arguments"]} for one in queues} == {
        "swpt_accounts": {
            "x-queue-type": (text, "quorum"),
            "x-dead-letter-exchange": (text, ""),
            "x-dead-letter-routing-key": (text, "swpt_accounts.XQ"),
            "overflow": (text, "reject-publish"),
        },
        "swpt_accounts.XQ": {"x-queue-type": (text, "quorum")},
    }
    assert all(one["durable"] and not one["auto_delete"] and not one["exclusive"] for one in queues)
    bindings = listed(
        "list_bindings", "source_name", "destination_name", "destination_kind", "routing_key", "arguments"
    )
    found = {
        (
            *(one[name] for name in ("source_name", "destination_name", "routing_key", "destination_kind")),
            *((name, value) for name, _, value in sorted(one["arguments"])),
        )
        for one in bindings
        if one["source_name"]
    }
    match_all = ("x-match", "all")
    assert found == {
        ("accounts_in", QUEUE, "#", "queue"),
        ("to_coordinators", "to_creditors", "", "exchange", ("coordinator-type", "direct"), match_all),
        ("to_coordinators", "to_creditors", "", "exchange", ("coordinator-type", "agent"), match_all),
        ("to_coordinators", "to_debtors", "", "exchange", ("coordinator-type", "issuing"), match_all),
    }


def test_queues_with_other_arguments_are_used_as_they_are(amqp_url, listed, caplog):
    """A `.XQ` that is a stream, as older deployments made it, stays one; a warning says so."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare(f"{QUEUE}.XQ", durable=True, arguments={"x-queue-type": "stream"})
        channel.queue_declare(QUEUE, durable=True)
    warnings = administration.declare(amqp_url, QUEUE, "1.0.#")
    assert [warning.split()[2] for warning in warnings] == [f"{QUEUE}.XQ", QUEUE]
    assert all("used as it is" in warning and warning in caplog.text for warning in warnings)
    put(amqp_url, "accounts_in", "1.0.1", b"{}")
    assert administration.count_messages(amqp_url, QUEUE) == 1


def test_an_exchange_of_another_form_is_an_error(amqp_url):
    """A wrong exchange would break everybody's routing, so it is refused with its name."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().exchange_declare("to_debtors", "fanout", durable=True)
    with pytest.raises(BrokerProblem, match="exchange to_debtors exists in another form"):
        administration.declare(amqp_url, QUEUE, "#")


def test_a_queue_is_drained_and_deleted(amqp_url):
    """Unbound it gets nothing more; it is deleted only when it is empty, and who does it twice hears so."""
    administration.declare(amqp_url, QUEUE, "#")
    put(amqp_url, "accounts_in", "0", b"{}")
    for _ in range(2):
        administration.remove_binding(amqp_url, QUEUE, "#")
    with pytest.raises(pika.exceptions.UnroutableError):
        put(amqp_url, "accounts_in", "0", b"{}")
    assert administration.count_messages(amqp_url, QUEUE) == 1
    assert not administration.delete_if_empty(amqp_url, QUEUE)
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_purge(QUEUE)
    assert administration.delete_if_empty(amqp_url, QUEUE)
    with pytest.raises(QueueMissing, match="there is no queue"):
        administration.delete_if_empty(amqp_url, QUEUE)
    with pytest.raises(QueueMissing):
        administration.count_messages(amqp_url, QUEUE)


def test_a_queue_with_a_consumer_is_not_deleted(amqp_url):
    """What a consumer holds is not seen as waiting, so a queue in use stays."""
    administration.declare(amqp_url, QUEUE, "#")
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().basic_consume(QUEUE, lambda *arguments: None)
        assert not administration.delete_if_empty(amqp_url, QUEUE)


def test_wrong_names_and_passwords_are_clear(amqp_url):
    """Each mistake in the URL has its own one-line problem."""
    with pytest.raises(WrongPassword, match="wrong password") as wrong:
        administration.declare(amqp_url.replace("guest:guest", "guest:secret"), QUEUE, "#")
    assert "secret" not in str(wrong.value)
    with pytest.raises(NoSuchVirtualHost, match="no such virtual host"):
        administration.declare(amqp_url + "-not", QUEUE, "#")
    with pytest.raises(ValueError, match="belongs to others"):
        administration.declare(amqp_url, "creditors_in", "#")
