"""What the server stands on is lost under load: the primary of the database, a node of the broker."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from time import monotonic

import pytest

from swpt_accounts.roles.composition import make_broker
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import migrations
from tests.backstage.server import QUEUE, Server
from tests.services.errors import ServiceMissing, give_up
from tests.services.network import several_hosts
from tests.services.rabbitmq import own_cluster
from tests.services.rabbitmq_node import RabbitmqNode
from tests.services.replication import Instance, primary_and_standby

from .losing import PATIENCE_SECONDS, SEED, TRANSFERS, Story, pause

MOST_AFTER_KILL_SECONDS = 15.0
MOST_AFTER_CUT_SECONDS = 20.0
"""What was promised; a busy machine may be late, so it is told and not demanded."""

pytestmark = pytest.mark.chaos


def address_of(*instances: Instance) -> str:
    """Where the database is, wherever it is just now."""
    hosts = ",".join(f"{one.address}:{one.port}" for one in instances)
    return f"postgresql://postgres@{hosts}/bank?target_session_attrs=read-write"


def address_of_all(nodes: list[RabbitmqNode]) -> str:
    """Where the broker is, whichever of its nodes live."""
    return "amqp://guest:guest@" + ",".join(node.url.rpartition("@")[2] for node in nodes)


def leader_of(nodes: list[RabbitmqNode]) -> RabbitmqNode:
    """The node that leads the server's queue, which is on all of them."""
    said = nodes[0].rabbitmqctl("-q", "list_queues", "name", "leader", "members", "--formatter", "json")
    queues: Mapping[str, Mapping[str, object]] = {one["name"]: one for one in json.loads(said)}
    queue = queues["swpt_accounts"]
    members = queue["members"]
    assert isinstance(members, list) and len(members) == len(nodes), "a quorum queue on all nodes"
    [leader] = [node for node in nodes if node.name == queue["leader"]]
    return leader


def promote(standby: Instance) -> float:
    """Let the standby take over, and wait for nobody; when it took writes, by the monotonic clock."""
    standby.promote()
    promoted_at = monotonic()
    # No third one is there to wait for.
    standby.rows("ALTER SYSTEM SET synchronous_standby_names = ''")
    standby.rows("SELECT pg_reload_conf()")
    return promoted_at


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
        url = address_of(primary, standby)
        story = Story(stack, Server(url, amqp_url, ACCOUNT_UPDATE_MIN_INTERVAL="5"), amqp_url)
        story.begin()
        primary.kill()
        killed_at = monotonic()
        promoted_at = promote(standby)
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
        server = Server(postgres_url, address_of_all(nodes), ACCOUNT_UPDATE_MIN_INTERVAL="5")
        leader = leader_of(nodes)
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


class Site:
    """Three hosts with a node of the broker each; one has the primary and the queue's leader as well.

    Another one has the standby, and the third the server.
    """

    def __init__(self, stack: ExitStack) -> None:
        hosts = stack.enter_context(several_hosts(3))
        nodes = stack.enter_context(own_cluster(3, hosts))
        environ = {"POSTGRES_URL": "postgresql:///none", "PROTOCOL_BROKER_URL": address_of_all(nodes)}
        make_broker(load(environ)).declare_topology(QUEUE, "#")
        # Which node becomes the leader is up to the broker.
        order = sorted(range(3), key=lambda number: nodes[number] is not leader_of(nodes))
        self.hosts, self.nodes = [hosts[number] for number in order], [nodes[number] for number in order]
        self.primary, self.standby = stack.enter_context(primary_and_standby(self.hosts[:2]))
        self.primary.rows("CREATE DATABASE bank TEMPLATE template0 ENCODING 'UTF8'")
        migrations.upgrade(self.primary.url("bank"))
        server = Server(
            address_of(self.primary, self.standby),
            address_of_all(self.nodes),
            ACCOUNT_UPDATE_MIN_INTERVAL="5",
        )
        # The agents' own broker is another matter: theirs is a node that stays.
        self.story = Story(stack, server, self.nodes[2].url, self.hosts[2])

    def kill_first(self) -> None:
        """All processes of the first host end at once, and its kernel says so to everybody."""
        self.primary.kill()
        self.nodes[0].kill()

    def cut_first(self) -> None:
        """Nothing comes from the first host any more, and nobody says why."""
        self.hosts[0].cut()


@pytest.mark.timeout(4 * PATIENCE_SECONDS)
@pytest.mark.parametrize(
    ("lose", "most_seconds"),
    [(Site.kill_first, MOST_AFTER_KILL_SECONDS), (Site.cut_first, MOST_AFTER_CUT_SECONDS)],
    ids=["killed", "cut"],
)
def test_the_host_of_primary_and_leader_is_lost_under_load(capsys, lose, most_seconds):
    """Killed, or its cable cut: after the promotion the server finds both by itself, and nothing is lost."""
    with ExitStack() as stack:
        try:
            site = Site(stack)
        except ServiceMissing as error:
            give_up(error)
        story = site.story
        story.begin()
        lose(site)
        lost_at = monotonic()
        promoted_at = promote(site.standby)
        story.end(site.standby.url("bank"))
        back, longest = pause(story.bank, promoted_at)
    with capsys.disabled():
        print(
            f"\nThe standby took writes {promoted_at - lost_at:.1f} s after the host was lost; the next"
            f" transfer was finished {back:.1f} s later ({most_seconds:.0f} s are promised), the longest"
            f" pause from then on was {longest:.1f} s; {TRANSFERS} transfers, seed {SEED}"
        )
