"""Queues and bindings of a node of shards, while one of them is split."""

from random import Random

import pytest

from simulation.exchange import Exchange, Line
from swpt_accounts.wire.routing import Realm, binary_key
from swpt_client.messages import ConfigureAccount, address
from swpt_client.testing.clock import START
from swpt_client.testing.network import PERFECT, Odds

PARENT, LEFT, RIGHT = map(Realm.parse, ("1.#", "1.0.#", "1.1.#"))
CREDITORS = [number for number in range(1, 200) if binary_key(-1, number).startswith("1.")]


class Node:
    """One shard to which some messages are late."""

    def __init__(self) -> None:
        self.now = START
        self.parent = Line(Random(1), lambda: self.now, Odds(late=0.5))
        self.children = [Line(Random(2), lambda: self.now) for _ in range(2)]
        self.exchange = Exchange(
            Random(3), lambda: self.now, PERFECT, lambda: self.children[0], lambda _fault: False
        )
        self.exchange.bind(PARENT, self.parent)

    def send(self) -> None:
        """A message for each account."""
        for creditor_id in CREDITORS:
            message = ConfigureAccount(
                debtor_id=-1,
                creditor_id=creditor_id,
                negligible_amount=0.0,
                config_flags=0,
                config_data="",
                ts=START,
                seqnum=0,
            )
            envelope = address(message)
            self.exchange.put([(envelope.body, envelope.type)])


@pytest.fixture
def node():
    """With messages in the queue of the shard, and others that have not come yet."""
    node = Node()
    node.send()
    assert 0 < node.parent.waiting() < len(CREDITORS)
    return node


def test_what_has_not_come_yet_goes_where_others_are_bound(node):
    """The queue keeps what is in it, and gets nothing more."""
    there = node.parent.waiting()
    for realm, line in zip((LEFT, RIGHT), node.children, strict=True):
        node.exchange.bind(realm, line)
    node.exchange.unbind(PARENT)
    assert len(node.parent) == there
    assert sum(map(len, node.children)) == len(CREDITORS) - there
    node.exchange.unbind(PARENT)
    node.send()
    assert len(node.parent) == there
    assert sum(map(len, node.children)) == 2 * len(CREDITORS) - there


def test_while_both_are_bound_each_gets_its_own_message(node):
    """So nothing is nowhere between the two steps of the command; a message that comes twice does nothing."""
    before = len(node.parent)
    for realm, line in zip((LEFT, RIGHT), node.children, strict=True):
        node.exchange.bind(realm, line)
    node.send()
    assert len(node.parent) - before == sum(map(len, node.children)) == len(CREDITORS)
    assert all(map(len, node.children))
