"""Where the broker is: one node, or several of a cluster, of which any will do."""

import random
from collections.abc import Sequence

import pika

from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.runtime.readers import amqp_nodes


def parameters_of(amqp_url: str) -> list[pika.URLParameters]:
    """The nodes of the broker's URL, in an order that spreads those who connect.

    Nobody begins with a node that is away more often than by chance.  Raises BrokerProblem if it is no URL.
    """
    try:
        if not amqp_url.startswith(("amqp://", "amqps://")):
            raise ValueError("it must begin with amqp:// or amqps://")
        nodes = [pika.URLParameters(url) for url in amqp_nodes(amqp_url)]
    except (ValueError, TypeError, KeyError) as error:
        raise BrokerProblem(f"not a URL of an AMQP broker: {error}") from None
    random.shuffle(nodes)
    return nodes


def address_of(nodes: Sequence[pika.URLParameters]) -> str:
    """Where the broker is, for people; without the password."""
    places = ", ".join(sorted(f"{node.host}:{node.port}" for node in nodes))
    return f"{places}, virtual host {nodes[0].virtual_host}"


def pika_parameters(amqp_url: str, timeout: float) -> list[pika.URLParameters]:
    """The same for a connection of pika, which takes the first node that answers in time."""
    nodes = parameters_of(amqp_url)
    for node in nodes:
        node.socket_timeout = timeout
        node.stack_timeout = 2 * timeout
        node.connection_attempts = 1
    return nodes
