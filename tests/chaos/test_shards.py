"""A node of several shards under load: one of them is killed, its router, too; no unit of money is lost.

CHAOS_NODE_SHARDS and CHAOS_NODE_TRANSFERS say how large it is; 4 and 50000 is the promise.
"""

import os
import random
from contextlib import ExitStack
from functools import partial
from time import monotonic

import pytest

from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import DEBTOR
from tests.backstage.waiting import wait_until
from tests.services.errors import ServiceMissing, give_up
from tests.services.postgres import own_postgres

from .node import Node, realms_of
from .settled import check, is_quiet
from .traffic import Bank, Sender

SHARDS = int(os.environ.get("CHAOS_NODE_SHARDS", "4"))
TRANSFERS = int(os.environ.get("CHAOS_NODE_TRANSFERS", "10000"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().getrandbits(32)
PATIENCE_SECONDS = 1500.0

pytestmark = pytest.mark.chaos


def crossings(bank: Bank) -> int:
    """How many committed transfers went from one shard to another."""
    realms = [Realm.parse(key) for key in realms_of(SHARDS)]
    return sum(
        not any(one.owns(DEBTOR, sender) and one.owns(DEBTOR, recipient) for one in realms)
        for serial, (sender, recipient, _) in bank.committed.items()
        if serial > 0
    )


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_a_shard_and_the_router_are_killed_under_load(amqp_url, rabbitmqctl, tmp_path, capsys):
    """Five of a hundred messages come twice; at the end all adds up, and nothing waits or is on its way.

    One shard is killed in the middle and comes back later, so that requests and credits wait for it;
    then the router is killed.
    """
    with ExitStack() as stack:
        try:
            postgres = stack.enter_context(own_postgres({"max_connections": str(100 + 60 * SHARDS)}))
            node = Node(stack, postgres, amqp_url, tmp_path, realms_of(SHARDS))
        except ServiceMissing as error:
            give_up(error)
        node.start()
        bank = Bank(amqp_url, TRANSFERS, accounts=100, window=400, seed=SEED)
        stack.callback(bank.mailbox.close)
        begun_at = monotonic()
        bank.open()
        wait_until(partial(bank.has_reached, TRANSFERS // 2), "the first half", PATIENCE_SECONDS)
        victim = list(node.shards.values())[-1]
        victim.kill()
        reached = bank.progress
        wait_until(partial(bank.has_reached, reached + 50), "transfers of the others", PATIENCE_SECONDS)
        victim.start()
        victim.wait()
        wait_until(partial(bank.has_reached, TRANSFERS * 3 // 4), "three quarters", PATIENCE_SECONDS)
        node.router.kill()
        node.router.start()
        assert bank.is_done.wait(PATIENCE_SECONDS), f"{bank.progress} of {TRANSFERS}, seed {SEED}"
        seconds = monotonic() - begun_at
        late = Sender(amqp_url, 0.0, SEED)
        stack.callback(late.close)
        bank.follow_up(late)
        wait_until(lambda: is_quiet(node, bank, amqp_url, rabbitmqctl), "quiet", PATIENCE_SECONDS)
        node.stop()
        assert node.alarms() == []
        check(node, bank)
        assert node.verify(tmp_path) == f"{SHARDS} shards, 0 violations\n"
    with capsys.disabled():
        print(
            f"\n{SHARDS} shards, {TRANSFERS} transfers, {crossings(bank)} of {len(bank.committed)} committed"
            f" ones between shards, {len(bank.surplus)} locks dismissed that repetitions had made,"
            f" {seconds:.0f} s; seed {SEED}"
        )
