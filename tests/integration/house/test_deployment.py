"""The files for containers on a real broker."""

from pathlib import Path

import pika

from swpt_accounts.broker.amqp.administration import declare

DEFINITIONS = Path(__file__).parents[3] / "deploy" / "rabbitmq-definitions.json"
MORE_THAN_RABBITMQ_4_ALLOWS = 25


def test_the_broker_takes_the_definitions(restartable_rabbitmq):
    """With the definitions of docker-compose.yml, a message survives any number of redeliveries."""
    rabbitmqctl = restartable_rabbitmq.rabbitmqctl
    rabbitmqctl("import_definitions", str(DEFINITIONS))
    assert declare(restartable_rabbitmq.url, "swpt_accounts", "#") == []
    policies = rabbitmqctl("-q", "list_queues", "name", "policy", "--no-table-headers").split()
    assert sorted(policies) == sorted(["swpt_accounts", "swpt_accounts.XQ"] + 2 * ["swpt_accounts"])
    with pika.BlockingConnection(pika.URLParameters(restartable_rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("accounts_in", "0.1", b"x")
        deliveries = channel.consume("swpt_accounts")
        for _ in range(MORE_THAN_RABBITMQ_4_ALLOWS):
            method, _, _ = next(deliveries)
            channel.basic_nack(method.delivery_tag, requeue=True)
        channel.cancel()
        assert channel.queue_declare("swpt_accounts.XQ", passive=True).method.message_count == 0
