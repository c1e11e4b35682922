"""What the server stands on is lost under load: the primary of the database, a node of the broker."""

import json
import os
import random
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from time import monotonic

import pytest

from swpt_accounts.storage import migrations
from tests.backstage.audit import chains, finalized_once, find_violations
from tests.backstage.builders import ROOT
from tests.backstage.server import Server
from tests.backstage.waiting import wait_until
from tests.services.errors import ServiceMissing, give_up
from tests.services.rabbitmq import own_cluster
from tests.services.replication import primary_and_standby

from .traffic import Bank, Sender

TRANSFERS = int(os.environ.get("CHAOS_TRANSFERS", "5000"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().getrandbits(32)
PATIENCE_SECONDS = 900.0

pytestmark = pytest.mark.chaos


def pause(bank: Bank, since: float) -> tuple[float, float]:
    """After how long the next transfer was finished, and the longest time without one from then on."""
    later = sorted(moment for moment in bank.moments.values() if moment > since)
    return later[0] - since, max((b - a for a, b in pairwise([since, *later])), default=0.0)


class Story:
    """Workers and chores under load, in the middle of which something is lost."""

    def __init__(self, stack: ExitStack, server: Server, bank_url: str) -> None:
        self.server = server
        self.bank = Bank(bank_url, TRANSFERS, accounts=50, window=200, seed=SEED, one_by_one=True)
        self._bank_url = bank_url
        self._stack = stack
        stack.callback(self.bank.mailbox.close)
        self._commands = [stack.enter_context(server.running(role)) for role in ("worker", "chores")]

    def begin(self) -> None:
        """Come to the middle."""
        self.bank.open()
        goal = TRANSFERS // 2
        wait_until(partial(self.bank.has_reached, goal), f"transfer {goal}", PATIENCE_SECONDS)

    def end(self, postgres_url: str) -> None:
        """Nothing is lost: every balance, every chain, every answer."""
        bank = self.bank
        assert bank.is_done.wait(PATIENCE_SECONDS), f"{bank.progress} of {TRANSFERS}, seed {SEED}"
        # The last late duplicates are on their way only now, and some ask for answers of their own.
        late = Sender(self._bank_url, 0.0, SEED, one_by_one=True)
        self._stack.callback(late.close)
        bank.follow_up(late)
        left = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM account_update_due)"
        server = Server(postgres_url, self._bank_url)
        wait_until(
            lambda: bank.is_settled and server.rows(left) == [(0,)] and server.count_messages() == 0,
            "the end of all work",
            PATIENCE_SECONDS,
        )
        wait_until(lambda: find_violations(postgres_url) == [], "quiet", 30.0)
        principals = dict(server.rows("SELECT creditor_id, principal FROM account"))
        assert principals == bank.expected_principals()
        finalized_once(bank.mailbox.events)
        received = chains(bank.mailbox.events)
        assert all(
            chain[-1]["principal"] == principals[key[1]] for key, chain in received.items() if key[1] != ROOT
        )


@pytest.mark.timeout(3 * PATIENCE_SECONDS)
def test_a_synchronous_standby_is_promoted_under_load(amqp_url, capsys):
    """With both hosts in POSTGRES_URL the server finds the new primary by itself; nothing is lost."""
    with ExitStack() as stack:
        try:
            primary, standby = stack.enter_context(primary_and_standby())
        except ServiceMissing as error:
            give_up(error)
        primary.rows("CREATE DATABASE bank TEMPLATE template0 ENCODING 'UTF8'")
        migrations.upgrade(primary.url("bank"))
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        url = f"postgresql://postgres@{hosts}/bank?target_session_attrs=read-write"
        story = Story(stack, Server(url, amqp_url, ACCOUNT_UPDATE_MIN_INTERVAL="5"), amqp_url)
        story.begin()
        primary.kill()
        # No third one is there to wait for.
        killed_at = monotonic()
        standby.promote()
        promoted_at = monotonic()
        standby.rows("ALTER SYSTEM SET synchronous_standby_names = ''")
        standby.rows("SELECT pg_reload_conf()")
        story.end(standby.url("bank"))
        back, longest = pause(story.bank, promoted_at)
    with capsys.disabled():
        print(
            f"\nThe standby took writes {promoted_at - killed_at:.1f} s after the primary was killed; the"
            f" next transfer was finished {back:.1f} s later, the longest pause from then on was"
            f" {longest:.1f} s; {TRANSFERS} transfers, seed {SEED}"
        )


@pytest.mark.timeout(3 * PATIENCE_SECONDS)
def test_the_leader_of_the_queue_is_killed_under_load(postgres_url, capsys):
    """Three nodes of RabbitMQ, all in PROTOCOL_BROKER_URL; the server goes on with the two that are left."""
    with ExitStack() as stack:
        try:
            nodes = stack.enter_context(own_cluster(3))
        except ServiceMissing as error:
            give_up(error)
        places = ",".join(node.url.rpartition("@")[2] for node in nodes)
        url = f"amqp://guest:guest@{places}"
        server = Server(postgres_url, url, ACCOUNT_UPDATE_MIN_INTERVAL="5")
        said = nodes[0].rabbitmqctl("-q", "list_queues", "name", "leader", "members", "--formatter", "json")
        queues: Mapping[str, Mapping[str, object]] = {one["name"]: one for one in json.loads(said)}
        queue = queues["swpt_accounts"]
        members = queue["members"]
        assert isinstance(members, list) and len(members) == 3, "a quorum queue on all nodes"
        [leader] = [node for node in nodes if node.name == queue["leader"]]
        # The agents' own broker is another matter: theirs is a node that stays.
        stays = next(node for node in nodes if node is not leader)
        story = Story(stack, server, stays.url)
        story.begin()
        leader.kill()
        killed_at = monotonic()
        story.end(postgres_url)
        back, longest = pause(story.bank, killed_at)
    with capsys.disabled():
        print(
            f"\nThe leader was killed; the next transfer was finished {back:.1f} s later, the longest pause"
            f" from then on was {longest:.1f} s; {TRANSFERS} transfers, seed {SEED}"
        )
