"""How worlds are set up, without playing them."""

from random import Random

import pytest

from simulation.mix import NODES, draw
from swpt_accounts.wire.routing import Realm
from swpt_client.testing.worlds import plan
from swpt_client.testing.worlds.plan import CREDITORS, DEBTOR, Payment


@pytest.mark.parametrize("shards", [2, 3, 4])
def test_half_of_all_payments_of_a_node_go_from_shard_to_shard(shards):
    """Who pays is on several shards; else nothing would be seen of the way of money between them."""
    realms = [Realm.parse(key) for key in NODES[shards]]
    requests = [
        request
        for seed in range(20)
        for act in plan.draw(Random(seed), draw(seed, shards).creditors).acts
        for request in ([act.request] if isinstance(act, Payment) else [leg.request for leg in act.legs])
    ]
    ways = [(_home(realms, one.creditor_id), _home(realms, int(one.recipient))) for one in requests]
    crossing = [way for way in ways if way[0] != way[1]]
    assert len(crossing) >= len(requests) / 2


def _home(realms: list[Realm], creditor_id: int) -> Realm:
    [realm] = [one for one in realms if one.owns(DEBTOR, creditor_id)]
    return realm


def test_a_server_of_all_accounts_has_the_creditors_of_the_worlds_in_memory():
    """So the worlds that were saved stay what they were."""
    assert draw(1, shards=1).creditors == CREDITORS


def test_a_server_of_all_accounts_is_not_split():
    """Nor are four shards; of the other nodes that seeds draw about half are, at some moment."""
    splits = {shards: [draw(seed, shards).split for seed in range(100)] for shards in NODES}
    assert not any(splits[1])
    assert not any(splits[4])
    for shards in (2, 3):
        assert set(splits[shards]) == {"", *NODES[shards]}
        assert 30 < splits[shards].count("") < 70
    assert not any(draw(seed, 2).without(frozenset({"split"})).split for seed in range(100))
