"""The end of a story on several shards: nothing is on its way, and all is as the agents were told."""

from tests.backstage.audit import chains, finalized_once
from tests.backstage.builders import DEBTOR, ROOT
from tests.backstage.server import vhost_of
from tests.services.rabbitmq_node import Rabbitmqctl

from .node import Node
from .traffic import Bank


def is_quiet(node: Node, bank: Bank, amqp_url: str, rabbitmqctl: Rabbitmqctl) -> bool:
    """Whether nothing is on its way: in queues, unacknowledged messages included, or in tables."""
    words = ("-q", "list_queues", "-p", vhost_of(amqp_url), "messages", "--no-table-headers")
    return not any(map(int, rabbitmqctl(*words).split())) and not node.left() and bank.is_settled


def check(node: Node, bank: Bank) -> None:
    """Balances, chains, locks and journeys, against what the agents were told."""
    principals = node.principals()
    assert principals == bank.expected_principals()
    assert sum(principals.values()) == 0
    assert +node.left() == {}
    finalized_once(bank.mailbox.events)
    received = chains(bank.mailbox.events)
    for shard in node.shards.values():
        assert shard.rows("SELECT * FROM dead_letter") == []
        for creditor_id, number in shard.rows("SELECT creditor_id, last_transfer_number FROM account"):
            if creditor_id != ROOT:
                chain = received[DEBTOR, creditor_id]
                assert (len(chain), chain[-1]["principal"]) == (number, principals[creditor_id])
